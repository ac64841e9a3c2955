"""The commands of `python -m ganji`, one module each: `configure(parser)` and `run(args) -> int`.

A module's docstring is its --help text and holds an example.
"""
