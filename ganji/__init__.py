"""GAN-ji: personal emoji with StyleGAN-type generators.

Importing this package loads no weights and downloads nothing.
"""

from typing import Any

__version__ = "0.1.0"
__all__ = ["GanjiError", "Studio", "load_generator"]

_SOURCES = {"GanjiError": "ganji.errors", "Studio": "ganji.studio", "load_generator": "ganji.weights"}


def __getattr__(name: str) -> Any:
    """Public names, imported when first used: `import ganji` itself stays instant."""
    if name in _SOURCES:
        from importlib import import_module

        return getattr(import_module(_SOURCES[name]), name)
    raise AttributeError(f"module 'ganji' has no attribute {name!r}")
