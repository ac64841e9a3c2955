"""`python -m ganji COMMAND`: finds the command's module, turns errors into one sentence and an exit code.

Exit codes: 0 done, 1 our error (one sentence on stderr), 2 wrong usage, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from ganji import __version__
from ganji.errors import GanjiError

# command -> (module in ganji.commands, one line of help). A module has `configure(parser)` and `run(args) -> int`.
COMMANDS = {
    "generate": ("generate", "random emoji, as a grid"),
    "customize": ("customize", "move an emoji along its directions"),
    "emojify": ("emojify", "a face, random or from photos, to an emoji"),
    "align": ("align", "crop a photo's face as the face generator knows it"),
    "project": ("project", "find the code of a photo"),
    "stickers": ("stickers", "platform files of an emoji"),
    "pack": ("pack", "a set of expressions from one code"),
    "factorize": ("factorize", "directions of a generator"),
    "convert": ("convert", "foreign checkpoints to our format"),
    "publish": ("publish", "upload a bundle's weights to the Hub"),
    "deploy": ("deploy", "create or update a Space"),
    "data": ("data", "make training data"),
    "train": ("train", "train a generator"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="python -m ganji", description="Personal emoji with StyleGAN-type generators."
    )
    parser.add_argument("--version", action="version", version=f"ganji {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen = next((word for word in argv if word in COMMANDS), None)
    module = None
    for name, (source, help_line) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=help_line, formatter_class=argparse.RawDescriptionHelpFormatter)
        if name == chosen:  # only the chosen command's module is imported: --help stays quick
            module = importlib.import_module(f"ganji.commands.{source}")
            subparser.description = module.__doc__
            module.configure(subparser)
    args = parser.parse_args(argv)
    assert module is not None
    try:
        return module.run(args)
    except GanjiError as error:
        print(f"ganji: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("ganji: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
