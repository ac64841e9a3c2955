"""What several commands share: a progress bar, writing files, options that mean the same everywhere."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from ganji import validate
from ganji.errors import InputError
from ganji.png_recipe import embed
from ganji.recipe import PhotoCode, Recipe
from ganji.results import Painted
from ganji.studio import Studio

BAR = 30  # characters


class ProgressBar:
    """One line on stderr, redrawn at most ten times a second; nothing where stderr is no terminal but the last line."""

    def __init__(self, total: int, what: str):
        self.total, self.what = max(1, total), what
        self._start = self._shown = time.monotonic()
        self._interactive = sys.stderr.isatty()

    def update(self, done: int, note: str = "") -> None:
        """Show `done` of `total`."""
        now = time.monotonic()
        last = done >= self.total
        if not last and (not self._interactive or now - self._shown < 0.1):
            return
        self._shown = now
        filled = round(BAR * min(done, self.total) / self.total)
        bar = "#" * filled + "-" * (BAR - filled)
        line = f"{self.what} [{bar}] {done}/{self.total} {now - self._start:.1f} s {note}".rstrip()
        if self._interactive:
            print(f"\r\x1b[K{line}", end="\n" if last else "", file=sys.stderr, flush=True)
        elif last:
            print(line, file=sys.stderr, flush=True)

    def finish(self, done: int, note: str = "") -> None:
        """Show the end, also when it came early."""
        self.total = max(1, done)
        self.update(self.total, note)


def json_number(text: str) -> Any:
    """A number from the shell as validate.py wants it; anything else stays a text, which validation refuses."""
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text


def add_seed(parser: argparse.ArgumentParser, default: int | None = 0) -> None:
    """--seed and --psi."""
    parser.add_argument("--seed", type=json_number, default=default, help="0 to 4294967295")
    parser.add_argument(
        "--psi", type=json_number, default=validate.TRUNCATION_PSI.default, help="truncation: 0 plain to 1 varied"
    )


def add_blend(parser: argparse.ArgumentParser) -> None:
    """--cut, --strength and --style."""
    add = parser.add_argument
    add("--cut", type=json_number, default=0, help="layers taken from the face generator; 0: all emoji")
    add("--strength", type=json_number, default=1.0, help="of the emoji generator in the other layers, 0 to 1")
    add("--style", default="default", help="a swatch such as noto-yellow, face, or seed:N")


def add_emoji(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """--seed, --face or --recipe: an emoji to start from; `emoji_recipe` reads them."""
    source = parser.add_mutually_exclusive_group(required=required)
    source.add_argument("--seed", type=json_number, help="a random emoji")
    source.add_argument("--face", type=json_number, metavar="SEED", help="a random face as an emoji")
    source.add_argument("--recipe", type=Path, help="a PNG or JSON file of ours")
    parser.add_argument(
        "--psi", type=json_number, default=validate.TRUNCATION_PSI.default, help="truncation of the seed"
    )


def emoji_recipe(args: argparse.Namespace, studio: Studio) -> tuple[Recipe, PhotoCode | None]:
    """The emoji that `add_emoji`'s options name, and its face code if it is a photo's.

    Raises:
        InputError: none is named, or a value out of range.
    """
    from ganji.commands.customize import read_recipe

    if args.recipe is not None:
        return read_recipe(args.recipe)
    if args.face is not None:
        return studio.emojified(seed=args.face, truncation_psi=args.psi), None
    if args.seed is None:
        raise InputError("Name an emoji: --seed, --face or --recipe.")
    psi = validate.number("truncation_psi", args.psi, validate.TRUNCATION_PSI)
    return Recipe("emoji", seed=validate.integer("seed", args.seed, validate.SEED), truncation_psi=psi), None


def last_of(items: Iterable[Any], what: str) -> Any:
    """The last item of a job, with a progress bar for the Steps before it."""
    from ganji.workshop import Step

    last, bar = None, None
    for last in items:
        if isinstance(last, Step):
            bar = bar or ProgressBar(last.total, what)
            bar.update(last.done)
    return last


def add_device(parser: argparse.ArgumentParser) -> None:
    """--device."""
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda where there is one")


def save_painted(painted: Painted, path: Path) -> None:
    """Write a finished picture as PNG with its recipe.

    Raises:
        InputError: not a .png name, or it cannot be written.
    """
    write_bytes(embed(painted.picture, painted.recipe), path, (".png",))


def save_picture(picture: Image.Image, path: Path, recipe: Recipe | None = None) -> None:
    """Write any picture as PNG."""
    write_bytes(embed(picture, recipe), path, (".png",))


def write_bytes(data: bytes, path: Path, suffixes: tuple[str, ...]) -> None:
    """Write a file whole, or not at all.

    Raises:
        InputError: another suffix, or no such folder, or no right to write there.
    """
    if path.suffix.lower() not in suffixes:
        raise InputError(f"The output must end in {' or '.join(suffixes)}, not {validate.shown(path.suffix)}.")
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as exc:
        part.unlink(missing_ok=True)
        raise InputError(f"{path.name} cannot be written: {exc.strerror or 'input/output error'}.") from exc
