"""Find the directions of a generator that change its pictures most: sliders.

    python -m ganji factorize weights/mine/emoji.safetensors --out weights/mine/emoji_directions.safetensors

--rule sefa (the default) follows the paper: rows of unit length, and a range of layers for each group of sliders: coarse
and fine where the generator knows where its style begins, all rows otherwise, or those given as --rows 0:4 --rows 4:14.
--rule rosinality follows its public script: one group, not normalised, numbered as in its factor.pt.
--factor takes such a factor.pt over, after proving that it belongs to the generator.
--named FOLDER puts named directions before them, fitted to what is measured in a folder of `data faces` with expressions,
or of `data drawings`; it prints R2 on held-out codes, and paints a contact sheet of each into OUT-sheets/.
--calibrate makes strength 1 change pictures equally much along every slider (LPIPS, a few minutes).
"""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path

import torch

from ganji import images, latents
from ganji.checksums import short_name
from ganji.commands.convert import add_listing_arguments, list_file, prepare_output
from ganji.errors import DirectionsError, InputError
from ganji.factorize import (
    MAX_RESIDUAL,
    Direction,
    Directions,
    affine_digest,
    calibrate,
    eigen_residual,
    factorize,
    move,
)
from ganji.formats import native, rosinality
from ganji.latents import w_statistics
from ganji.named_directions import named_directions
from ganji.networks.generator import Generator

DIRECTION_ROLES = ("emoji_directions", "emoji_blend_directions")
SEFA_COUNT = 8  # of each range
SHEET_SEEDS, SHEET_STRENGTHS, SHEET_GAP = range(8), (-6.0, -3.0, 0.0, 3.0, 6.0), 2


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("source", help="a generator: an id of the manifest, or a file")
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    parser.add_argument("--rule", choices=("sefa", "rosinality"), default="sefa")
    parser.add_argument("--rows", action="append", metavar="A:B", help="rows A to B-1 of w_plus; may be repeated")
    parser.add_argument("--count", type=int, help=f"directions of each range (sefa: {SEFA_COUNT}; rosinality: all)")
    parser.add_argument("--factor", type=Path, help="take over this factor.pt of rosinality")
    parser.add_argument("--named", type=Path, metavar="FOLDER", help="also fit named directions to a folder of `data`")
    parser.add_argument("--calibrate", action="store_true", help="equal LPIPS for strength 1 along each direction")
    parser.add_argument("--target", type=float, default=0.05, help="that LPIPS (0.05)")
    parser.add_argument(
        "--keep-within",
        type=float,
        metavar="SD",
        help="leave out directions of which strength 1 goes farther than this many standard deviations of w",
    )
    parser.add_argument("--seeds", type=int, default=64, help="pictures that it is measured on (64)")
    parser.add_argument("--resolution", type=int, help="side of these pictures (full); smaller is quicker")
    parser.add_argument("--role", choices=DIRECTION_ROLES, help="what it shall be in the bundle")
    add_listing_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    from ganji.weights import load_generator

    prepare_output(args)
    if args.count is not None and args.count < 1:
        raise InputError(f"--count must be at least 1, not {args.count}.")
    if not 1 <= args.seeds <= 10_000 or not 0 < args.target < 2:
        raise InputError("--seeds must be from 1 to 10000, and --target between 0 and 2.")
    generator = load_generator(args.source)
    if args.factor is not None:
        found = from_factor(generator, args.factor)
    elif args.rule == "rosinality":
        found = factorize(generator, rule="rosinality", count=args.count)
    else:
        found = by_ranges(generator, ranges(generator, args.rows), args.count or SEFA_COUNT)
    if args.named is not None:
        found = replace(found, items=(*named(generator, args.named), *found.items))
    if args.calibrate:
        seeds, side = range(args.seeds), args.resolution
        found = calibrate(generator, found, _perceptual(), seeds=seeds, target=args.target, resolution=side)
    if args.keep_within is not None:
        found = kept_within(generator, found, args.keep_within)
    tensors, header = found.to_tensors()
    native.write(args.out, tensors, header)
    print(f"{short_name(args.out)}: {len(found)} directions by the rule {found.method}")
    if args.named is not None:
        paint_sheets(generator, found, args.out.with_name(f"{args.out.stem}-sheets"))
    list_file(args, f"Sliders of {short_name(args.source)}")
    return 0


def paint_sheets(generator: Generator, found: Directions, folder: Path) -> None:
    """A picture per named direction: a row is a seed, a column a strength from -6 to 6."""
    names = [d.name for d in found.items if not re.search(r" \d+$", d.name)]  # closed-form ones are numbered
    codes = latents.to_w_plus(latents.w_from_seeds(generator, list(SHEET_SEEDS)), generator.config.num_ws)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for direction in found.items:
            if direction.name in names:
                one, tiles = replace(found, items=(direction,)), []
                for code in codes.split(1):
                    moved = torch.cat([move(code, one, [strength]) for strength in SHEET_STRENGTHS])
                    tiles += images.to_pil(generator.synthesis(moved))
                slug = re.sub(r"[^a-z0-9]+", "-", direction.name).strip("-")
                images.grid(tiles, len(SHEET_STRENGTHS), SHEET_GAP).save(folder / f"{slug}.png")
    except OSError as exc:
        raise InputError(f"The contact sheets could not be written into {short_name(folder)}.") from exc
    print(f"{short_name(folder)}: contact sheets of {', '.join(names)}")


def named(generator: Generator, folder: Path) -> list[Direction]:
    """Directions fitted to a folder's measures; they move the rows that carry the expression."""
    from ganji.data.direction_measures import load_measures

    w, measures = load_measures(folder)
    rows = (0, generator.config.style_row or generator.config.num_ws)
    found = named_directions(w, measures, w_statistics(generator), rows)
    for direction in found:
        print(f"{direction.name}: R2 {direction.value:.2f} on held-out codes")
    return found


def kept_within(generator: Generator, found: Directions, limit: float) -> Directions:
    """The directions that need not leave the usual codes to be seen; names the others.

    Raises:
        DirectionsError: none is left.
    """
    statistics = w_statistics(generator)
    kept = []
    for direction in found.items:
        size = float((direction.vector * direction.unit @ statistics.from_w).norm())
        if size <= limit:
            kept.append(direction)
        else:
            print(f"{direction.name}: left out, strength 1 goes {size:.2f} standard deviations far")
    if not kept:
        raise DirectionsError(f"No direction stays within {limit:g} standard deviations of w at strength 1.")
    return replace(found, items=tuple(kept))


def ranges(generator: Generator, wished: list[str] | None) -> dict[str, tuple[int, int]]:
    """Names of groups of sliders -> the rows of w_plus that they move (first, last + 1).

    Raises:
        InputError: rows that this generator does not have.
    """
    num_ws, style_row = generator.config.num_ws, generator.config.style_row
    if not wished:
        return {"sefa": (0, num_ws)} if style_row is None else {"coarse": (0, style_row), "fine": (style_row, num_ws)}
    found = {}
    for text in wished:
        first, _, stop = text.partition(":")
        if not (first.isdecimal() and stop.isdecimal() and int(first) < int(stop) <= num_ws):
            raise InputError(f"--rows must be A:B with 0 <= A < B <= {num_ws}, not {text[:20]!r}.")
        found[f"rows {first} to {int(stop) - 1}"] = (int(first), int(stop))
    return found


def by_ranges(generator: Generator, groups: dict[str, tuple[int, int]], count: int) -> Directions:
    """The paper's directions of several ranges of layers, each moving its own rows."""
    items = []
    for name, rows in groups.items():
        found = factorize(generator, rows=rows, count=min(count, generator.config.w_dim))
        items += [replace(direction, name=f"{name} {k}") for k, direction in enumerate(found.items)]
    return Directions(tuple(items), affine_digest(generator))


def from_factor(generator: Generator, path: Path) -> Directions:
    """The directions of a factor.pt, bound to the generator that they are proven to belong to.

    Raises:
        DirectionsError: they belong to another one.
    """
    vectors = rosinality.read_factor(path)
    residual = eigen_residual(generator, vectors)
    if not residual <= MAX_RESIDUAL:
        raise DirectionsError(f"{short_name(path)} was made from another generator: eigen residual {residual:.1g}.")
    print(f"{short_name(path)} belongs to this generator: eigen residual {residual:.1g}")
    own = factorize(generator, rule="rosinality")
    loaded = Directions.from_factor(vectors)
    rows = (0, generator.config.num_ws)
    items = (replace(theirs, rows=rows, value=ours.value) for theirs, ours in zip(loaded.items, own.items))
    return replace(loaded, items=tuple(items), affine_sha256=affine_digest(generator))


def _perceptual() -> torch.nn.Module:
    """The distance of the bundle that the environment asks for."""
    from ganji import hub
    from ganji.weights import open_store

    store, bundle = open_store(fetch=hub.fetch)
    if "perceptual" not in bundle.roles:
        raise InputError(f"The bundle {bundle.name} has no perceptual network to calibrate with.")
    return store.perceptual(bundle.roles["perceptual"])
