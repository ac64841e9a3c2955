"""Stickers against their platforms' limits: bytes, milliseconds, and a sheet of every file on light, dark and green.

    python benchmarks/stickers.py --pictures FOLDER --out stickers.png            # e.g. of `python -m ganji generate`
    python benchmarks/stickers.py --emoji CACHE --count 20 --out stickers.webp --tile 64

Every file is written, opened again and shown as a chat would show it; nothing is drawn from memory.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ganji import stickers
from ganji.data.compose import compose_svg, render
from ganji.data.emoji import EmojiOptions, draw_recipes
from ganji.data.emoji_sets import fetch
from ganji.data.part_builder import load_part_set
from ganji.matte import cut_out

BACKGROUNDS = {"light": (246, 246, 248), "dark": (30, 31, 36), "green": (0, 150, 70)}
GAP = 4  # px


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


def sheet(pictures: Sequence[Image.Image], platforms: Sequence[str], tile: int | None = None) -> Image.Image:
    """One column per picture; per background one row per platform.

    Args:
        tile: px a side that every sticker is shrunk to; None shows each at its own size, at 100 %.
    """
    files = {
        name: [Image.open(io.BytesIO(stickers.export(p, name))).convert("RGBA") for p in pictures] for name in platforms
    }
    sizes = {name: tile or max(one.width for one in row) for name, row in files.items()}
    width = max(sizes.values()) * len(pictures) + GAP * (len(pictures) + 1)
    height = len(BACKGROUNDS) * (sum(sizes.values()) + GAP * (len(sizes) + 1))
    result = Image.new("RGB", (width, height))
    y = 0
    for colour in BACKGROUNDS.values():
        band = sum(sizes.values()) + GAP * (len(sizes) + 1)
        result.paste(colour, (0, y, width, y + band))
        top = y + GAP
        for name, row in files.items():
            for k, one in enumerate(row):
                shown = one if tile is None else one.resize((tile, tile), Image.Resampling.LANCZOS)
                result.paste(shown, (GAP + k * (max(sizes.values()) + GAP), top), shown)
            top += sizes[name] + GAP
        y += band
    return result


def measure(pictures: Sequence[Image.Image]) -> None:
    """Print bytes against the limit, and milliseconds, per platform."""
    start = time.perf_counter()
    cut = [cut_out(picture) for picture in pictures]
    print(f"cut out: {(time.perf_counter() - start) / len(pictures) * 1000:.0f} ms a picture")
    print("platform          size   limit KB   median KB   largest KB     ms")
    for name, platform in stickers.PLATFORMS.items():
        start = time.perf_counter()
        sizes = np.array([len(stickers.export(one, name)) for one in cut]) / stickers.KB
        milliseconds = (time.perf_counter() - start) / len(cut) * 1000
        limit = "-" if platform.max_bytes is None else f"{platform.max_bytes / stickers.KB:.0f}"
        side = platform.size or pictures[0].width
        print(f"{name:16} {side:5} {limit:>10} {np.median(sizes):11.1f} {sizes.max():12.1f} {milliseconds:6.0f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--pictures", type=Path, help="a folder of emoji")
    source.add_argument("--emoji", type=Path, help="cache folder of the drawn sets, to compose some")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--platform", action="append", choices=list(stickers.PLATFORMS), help="all if none is named")
    parser.add_argument("--tile", type=int, help="px; without it every sticker is shown at 100 %%")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    pictures = composed(args.emoji, args.count) if args.emoji else read_folder(args.pictures, args.count)
    measure(pictures)
    if args.out:
        sheet(pictures, args.platform or list(stickers.PLATFORMS), args.tile).save(args.out, quality=80)
        print(f"{args.out}: {args.out.stat().st_size / stickers.KB:.0f} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
