"""Stickers against their platforms' limits: bytes, milliseconds, and a sheet of every file on light, dark and green.

    python benchmarks/stickers.py --faces 5 --count 50 --platform slack --columns 11 --tile 72 --out docs/img/stickers.webp
    python benchmarks/stickers.py --pictures FOLDER --out stickers.png            # e.g. of `python -m ganji generate`
    python benchmarks/stickers.py --emoji CACHE --count 20 --out stickers.webp --tile 64

The first paints random emoji (seeds from 0) and the emoji of random faces (seeds from 0, all drawing styles in turn), and
also writes the moving ones: a sweep of the first slider, and for the faces the way from face to emoji. Every file is
written, opened again and shown as a chat would show it; nothing is drawn from memory. Exits with 1 if a file is too large.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PIL import Image

from ganji import stickers
from ganji.data.compose import compose_svg, render
from ganji.data.emoji import EmojiOptions, draw_recipes
from ganji.data.emoji_sets import fetch
from ganji.data.part_builder import load_part_set
from ganji.matte import cut_out
from ganji.recipe import Recipe
from ganji.studio import open_studio
from ganji.workshop import FACE, Workshop

BACKGROUNDS = {"light": (246, 246, 248), "dark": (30, 31, 36), "green": (0, 150, 70)}
GAP = 4  # px
MOVING = 5  # random emoji that are set in motion as well
Painted = list[tuple[Recipe, Image.Image]]


def composed(cache: Path, count: int, seed: int = 0) -> list[Image.Image]:
    """`count` emoji composed of drawn parts, the sets taking turns. RGB, 256 px, on white."""
    options = EmojiOptions(count=count, seed=seed, yellow=0.5)
    fetch(cache, options.sets)
    sets = {name: load_part_set(cache, name) for name in options.sets}
    recipes = draw_recipes(sets, options)
    return [render(compose_svg(sets[one.set], one.eyes, one.mouth, one.colour), 256) for one in recipes]


def read_folder(folder: Path, count: int) -> list[Image.Image]:
    """The first `count` pictures of a folder, RGB."""
    files = [path for path in sorted(folder.iterdir()) if path.suffix in (".png", ".webp", ".jpg")]
    return [Image.open(path).convert("RGB") for path in files[:count]]


def painted(workshop: Workshop, count: int, faces: int) -> Painted:
    """Random emoji of the default weights, then emoji of random faces."""
    studio = workshop.studio
    styles = list({style.rpartition("-")[0]: style for style in reversed(studio.styles)}.values())
    recipes = [Recipe("emoji", seed=seed) for seed in range(count)]
    recipes += [studio.emojified(seed=seed, style=styles[seed % len(styles)]) for seed in range(faces)]
    return [(one, studio.render(one).picture) for one in recipes]


def sheet(
    pictures: Sequence[Image.Image], platforms: Sequence[str], tile: int | None = None, columns: int | None = None
) -> Image.Image:
    """One band per background; in it, per platform, the stickers of all pictures in as many rows as they need.

    Args:
        tile: px a side that every sticker is shrunk to; None shows each at its own size, at 100 %.
        columns: of a row; None for all pictures.
    """
    columns = columns or len(pictures)
    rows: list[list[Image.Image]] = []
    for name in platforms:
        files = [Image.open(io.BytesIO(stickers.export(p, name))).convert("RGBA") for p in pictures]
        shown = [one if tile is None else one.resize((tile, tile), Image.Resampling.LANCZOS) for one in files]
        rows += [shown[k : k + columns] for k in range(0, len(shown), columns)]
    side = max(one.width for row in rows for one in row) + GAP
    band = sum(row[0].height + GAP for row in rows) + GAP
    result = Image.new("RGB", (side * columns + GAP, len(BACKGROUNDS) * band))
    for number, colour in enumerate(BACKGROUNDS.values()):
        y = number * band
        result.paste(colour, (0, y, result.width, y + band))
        y += GAP
        for row in rows:
            for k, one in enumerate(row):
                result.paste(one, (GAP + k * side, y), one)
            y += row[0].height + GAP
    return result


def measure(pictures: Sequence[Image.Image]) -> bool:
    """Print bytes against the limit, and milliseconds, per platform. True if every file is below its limit."""
    start = time.perf_counter()
    cut = [cut_out(picture) for picture in pictures]
    print(f"cut out: {(time.perf_counter() - start) / len(pictures) * 1000:.0f} ms a picture")
    print(f"{len(pictures)} stills         size   limit KB   median KB   largest KB     ms")
    good = True
    for name, platform in stickers.PLATFORMS.items():
        start = time.perf_counter()
        files = [stickers.export(one, name) for one in cut]
        milliseconds = (time.perf_counter() - start) / len(cut) * 1000
        side = platform.size or pictures[0].width
        good &= {Image.open(io.BytesIO(one)).size for one in files} == {(side, side)}
        good &= _line(name, side, platform.max_bytes, files, milliseconds)
    return good


def measure_moving(workshop: Workshop, recipes: Sequence[Recipe]) -> bool:
    """The same of animations: a sweep of the first slider, and of faces also the way to their emoji."""
    rounds = []
    for recipe in recipes:
        for movement in [FACE, "0"] if recipe.kind == "emojified" else ["0"]:
            *_, frames = workshop.frames(recipe, movement)
            rounds.append(frames)
    print(f"{len(rounds)} animations      size   limit KB   median KB   largest KB     ms")
    good = True
    for name, platform in stickers.PLATFORMS.items():
        if platform.animated is None or platform.size is None:
            continue
        start = time.perf_counter()
        files = [stickers.export_animated(frames, name, holds=holds) for frames, holds in rounds]
        milliseconds = (time.perf_counter() - start) / len(files) * 1000
        good &= _line(name, platform.size, platform.max_animated_bytes, files, milliseconds)
    return good


def _line(name: str, side: int, limit: int | None, files: Sequence[bytes], milliseconds: float) -> bool:
    """Print one line of a table; whether all files are below the limit."""
    sizes = np.array([len(one) for one in files])
    shown = "-" if limit is None else f"{limit / stickers.KB:.0f}"
    kilobytes = sizes / stickers.KB
    print(
        f"{name:16} {side:5} {shown:>10} {np.median(kilobytes):11.1f} {kilobytes.max():12.1f} {milliseconds:6.0f}",
        flush=True,
    )
    return limit is None or bool(sizes.max() < limit)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--pictures", type=Path, help="a folder of emoji")
    source.add_argument("--emoji", type=Path, help="cache folder of the drawn sets, to compose some")
    source.add_argument("--faces", type=int, help="paint random emoji, and the emoji of so many random faces")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--platform", action="append", choices=list(stickers.PLATFORMS), help="all if none is named")
    parser.add_argument("--tile", type=int, help="px; without it every sticker is shown at 100 %%")
    parser.add_argument("--columns", type=int, help="of the sheet; without it all pictures are in one row")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    good = True
    if args.faces is not None:
        workshop = Workshop(open_studio())
        made = painted(workshop, args.count, args.faces)
        pictures = [picture for _, picture in made]
        good &= measure(pictures)
        good &= measure_moving(workshop, [one for k, (one, _) in enumerate(made) if not MOVING <= k < args.count])
    else:
        pictures = composed(args.emoji, args.count) if args.emoji else read_folder(args.pictures, args.count)
        good &= measure(pictures)
    if args.out:
        sheet(pictures, args.platform or list(stickers.PLATFORMS), args.tile, args.columns).save(args.out, quality=80)
        print(f"{args.out}: {args.out.stat().st_size / stickers.KB:.0f} KB")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
