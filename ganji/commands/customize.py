"""Move an emoji along its directions. Without --move: list them.

python -m ganji customize --seed 7
python -m ganji customize --seed 7 --move 0:3 --move 4:-2.5 --out seven.png
python -m ganji customize --recipe emoji.png --move 1:5 --out other.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ganji.commands import common
from ganji.errors import InputError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.add_seed(parser)
    parser.add_argument("--recipe", type=Path, help="a PNG or JSON of ours to start from, instead of --seed")
    parser.add_argument("--move", action="append", default=[], metavar="N:STRENGTH", help="-10 to 10; can be repeated")
    parser.add_argument("--out", type=Path, help="a .png file")
    common.add_device(parser)


def run(args: argparse.Namespace) -> int:
    """Paint and write, or list the directions."""
    from ganji.recipe import Recipe
    from ganji.studio import open_studio

    strengths = _strengths(args.move)
    studio = open_studio(args.device)
    code = None
    if args.recipe is not None:
        recipe, code = read_recipe(args.recipe)
    else:
        recipe = next(studio.generate(args.seed, 1, args.psi)).recipe
    assert isinstance(recipe, Recipe)
    if args.out is None:
        for k, item in enumerate(studio.directions[recipe.kind].items if recipe.kind in studio.directions else ()):
            print(f"{k:>3}  {item.name}")
        return 0
    moved = list(recipe.strengths) + [0.0] * max(0, len(strengths) - len(recipe.strengths))
    for k, value in enumerate(strengths):
        moved[k] = value if value else moved[k]
    common.save_painted(studio.render(recipe.moved(tuple(moved)), code), args.out)
    print(f"{args.out.name}: {recipe.moved(tuple(moved)).to_text()}")
    return 0


def _strengths(items: list[str]) -> list[float]:
    """The values of --move by position.

    Raises:
        InputError: not N:STRENGTH, or out of range.
    """
    from ganji import validate

    values: dict[int, float] = {}
    for item in items:
        position, separator, value = item.partition(":")
        if not separator:
            raise InputError(f"--move takes N:STRENGTH, for example 0:3, not {validate.shown(item)}.")
        index = validate.integer(
            "the slider", common.json_number(position), validate.Range(0, validate.MAX_SLIDERS - 1, 0)
        )
        values[index] = validate.number("its strength", common.json_number(value), validate.STRENGTH)
    return [values.get(k, 0.0) for k in range(max(values) + 1)] if values else []


def read_recipe(path: Path):  # type: ignore[no-untyped-def]
    """(Recipe, PhotoCode or None) of a PNG or JSON file of ours."""
    from ganji.png_recipe import extract
    from ganji.recipe import from_json

    try:
        data = path.read_bytes()
    except OSError as exc:
        raise InputError(f"{path.name} cannot be read.") from exc
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return extract(data), None
    return from_json(data.decode("utf-8", errors="replace"))
