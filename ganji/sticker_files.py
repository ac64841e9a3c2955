"""RGBA pictures as PNG and WebP bytes from the best quality to the smallest, and files as a zip. Pixels only."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
from PIL import Image

from ganji.errors import InputError
from ganji.palettes import with_palette

STEPS = (3, 6, 10)  # of 255: colours that are multiples of these compress better, and are hard to tell apart
COLOURS = (256, 128, 64, 32)
QUALITIES = (95, 90, 80, 70, 55, 40, 25, 10)
METHOD = 4  # of WebP: 6 takes fifty times as long for 3 %
CREDITS = "CREDITS.txt"
FILE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
EPOCH = (1980, 1, 1, 0, 0, 0)  # a zip of the same files is the same zip


def still_attempts(picture: Image.Image, kind: str) -> Iterator[Callable[[], bytes]]:
    """Ways to write a picture, from the best to the smallest.

    Args:
        picture: RGBA.
        kind: "png" (all colours, then rounded ones, then palettes) or "webp" (lossless, then lossy).
    """
    bare = Image.fromarray(np.array(picture.convert("RGBA")))  # without the info that formats write along
    if kind == "png":
        yield lambda: save(bare, "PNG")
        for step in STEPS:
            yield partial(_save_rounded, bare, step)
        for colours in COLOURS:
            yield partial(_save_palette, bare, colours)
    else:
        yield lambda: save(bare, "WEBP", lossless=True, quality=50, method=1)  # half the time for 5 % more
        for quality in QUALITIES:
            yield partial(save, bare, "WEBP", quality=quality, alpha_quality=100, method=METHOD)


def save(picture: Image.Image, kind: str, **options: object) -> bytes:
    """The picture's file."""
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def _save_rounded(picture: Image.Image, step: int) -> bytes:
    return save(rounded(picture, step), "PNG", optimize=True)


def _save_palette(picture: Image.Image, colours: int) -> bytes:
    return save(with_palette([picture], colours)[0], "PNG", optimize=True)


def rounded(picture: Image.Image, step: int) -> Image.Image:
    """An RGBA picture whose colours are multiples of `step`; alpha stays."""
    table = [min(255, round(level / step) * step) for level in range(256)]
    return picture.point(table * 3 + list(range(256)))


def make_zip(files: Mapping[str, bytes], credits: str) -> bytes:
    """A zip of the files, in their order, and of CREDITS.txt.

    Args:
        files: name -> bytes. Names: lower-case letters a to z, digits, hyphens, dots and underscores; no folders.
        credits: who drew what, and under which licence.
    Raises:
        InputError: another name, or no files.
    """
    if not files:
        raise InputError("There are no files to put into the zip.")
    for name in files:
        if not FILE_NAME.fullmatch(name):
            raise InputError(f"A file in a zip must have a plain name like ganji-slack.png, not {name[:40]!r}.")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), data)  # stored: pictures are compressed already
        text = credits.strip() + "\n"
        archive.writestr(zipfile.ZipInfo(CREDITS, EPOCH), text.encode("utf-8"), zipfile.ZIP_DEFLATED)
    return stream.getvalue()
