"""Are random emoji as varied, and as new, as is said? Prints the figures of docs/models/emoji.md.

    python benchmarks/variety.py --count 200 --sheet docs/img/neighbours.webp

Reading: a code names its drawing set, colour, eyes and mouth by the codebook's rule. Is the drawing nearest to the picture
(LPIPS, AlexNet) the one that the code names, among all eyes with this mouth, and among all mouths with these eyes?
New: pairs of eyes and mouth that were held out from training are counted on their own, and a sheet shows pictures of them
beside the nearest pictures that training could have shown. Distance: the kernel distance of KID (polynomial of degree 3,
unbiased; Binkowski et al. 2018), but on LPIPS' AlexNet features and not on Inception's, between pictures and the drawings of
other codes; beside it drawings against drawings, and the face-reading generator `emoji-blend` on the same codes.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ganji import images, latents
from ganji.codebook import FEATURE_GROUPS, STYLE_GROUPS, Codebook
from ganji.data import emoji_sets
from ganji.data.compose import compose_svg, render
from ganji.data.part_builder import load_part_set
from ganji.data.parts import PartSet
from ganji.networks.generator import Generator
from ganji.perceptual import LPIPS
from ganji.studio import Studio, open_studio
from ganji.styles import StyleCodes

SIZE = 256
HELD_OUT = 2  # in Codebook.pairs
OTHERS = 700_000  # first seed of the codes whose drawings pictures are compared with; no model was trained on them
CHUNK = 32
TILE, SHOWN = 128, 8


class Drawings:
    """Composed emoji, as the codebook names them."""

    def __init__(self, part_sets: dict[str, PartSet]):
        self.part_sets = part_sets

    def __call__(self, choice: dict[str, str]) -> Image.Image:
        drawing = compose_svg(self.part_sets[choice["set"]], choice["eyes"], choice["mouth"], choice["colour"])
        return render(drawing, SIZE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="seeds from 0")
    parser.add_argument("--psi", type=float, default=0.7)
    parser.add_argument("--cache", type=Path, default=Path("data-cache/emoji"), help="folder for the emoji sets")
    parser.add_argument(
        "--sheet", type=Path, help="write unseen pairs beside their nearest neighbours in training here"
    )
    args = parser.parse_args()
    studio = open_studio("cpu")
    book, distance = studio.codebook, studio.perceptual
    assert book is not None
    assert distance is not None
    cache = emoji_sets.fetch(args.cache)
    draw = Drawings({name: load_part_set(cache, name) for name in book.group("set").labels})
    w = latents.w_from_seeds(studio.emoji, range(args.count))
    choices = book.read(w)
    pictures = paint(studio, studio.emoji, range(args.count), args.psi)
    for name in (*STYLE_GROUPS, *FEATURE_GROUPS):
        counts = Counter(choice[name] for choice in choices)
        print(f"{name}: {len(counts)} of {len(book.group(name).labels)} occur in {args.count} emoji")
    held_out = unseen(book, choices)
    right = {name: read_back(pictures, choices, name, book, draw, distance) for name in FEATURE_GROUPS}
    for title, rows in (("all", ~np.zeros_like(held_out)), ("pairs held out from training", held_out)):
        shares = ", ".join(f"{name} {found[rows].mean():.1%}" for name, found in right.items())
        both = np.logical_and(*right.values())[rows].mean()
        print(f"shows what its code names, {title} ({rows.sum()}): {shares}, both {both:.1%}")
    others = latents.w_from_seeds(studio.emoji, range(OTHERS, OTHERS + 2 * args.count))
    drawn = [images.to_tensor([draw(choice)]) for choice in book.read(others)]
    known, more = features(distance, drawn[: args.count]), features(distance, drawn[args.count :])
    rows = {"emoji": features(distance, pictures), "other drawings": more}
    rows["emoji-blend"] = features(distance, paint(studio, studio.emoji_blend, range(args.count), args.psi))
    for name, found in rows.items():
        print(f"kernel distance to drawings of unseen codes, {name}: {kernel_distance(found, known):.4f}")
    if args.sheet:
        neighbours(args.sheet, pictures, choices, held_out, book, draw, distance)
    return 0


@torch.no_grad()
def paint(studio: Studio, generator: Generator, seeds: range, psi: float) -> list[torch.Tensor]:
    """The random emoji of the seeds, settled as the app does it, each [1, 3, SIZE, SIZE] in [-1, 1]."""
    styles, row = StyleCodes(generator, studio.codebook), generator.config.style_row
    codes = [studio.settler.settle("emoji", styles.random(seed, psi), row) for seed in seeds]
    return [generator.synthesis(code).clamp(-1, 1) for code in codes]


def unseen(book: Codebook, choices: list[dict[str, str]]) -> np.ndarray:
    """[N] bool: which choices are pairs of eyes and mouth that no training picture showed in their set."""
    assert book.pairs is not None
    index = [[book.group(name).index(choice[name]) for name in ("set", *FEATURE_GROUPS)] for choice in choices]
    return np.array([int(book.pairs[tuple(where)]) == HELD_OUT for where in index])


@torch.no_grad()
def read_back(
    pictures: list[torch.Tensor],
    choices: list[dict[str, str]],
    name: str,
    book: Codebook,
    draw: Drawings,
    distance: LPIPS,
) -> np.ndarray:
    """[N] bool: whether the nearest drawing, all else being as the code names it, has the code's own part."""
    labels, right = book.group(name).labels, []
    for picture, choice in zip(pictures, choices):
        known = distance.embed(images.to_tensor([draw({**choice, name: label}) for label in labels]))
        own = [tap.expand_as(other) for tap, other in zip(distance.embed(picture), known)]
        right.append(labels[int(distance.compare(own, known).argmin())] == choice[name])
    return np.array(right)


@torch.no_grad()
def features(distance: LPIPS, pictures: list[torch.Tensor]) -> np.ndarray:
    """[N, d]: the taps of LPIPS' network, averaged over 4 x 4 regions, each tap of unit mean square."""
    rows = []
    for picture in pictures:
        taps = [torch.nn.functional.adaptive_avg_pool2d(tap, 4).flatten(1) for tap in distance.embed(picture)]
        rows.append(torch.cat([tap / tap.square().mean(dim=1, keepdim=True).sqrt() for tap in taps], dim=1)[0].numpy())
    return np.stack(rows).astype(np.float64)


def kernel_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x . y / d + 1) ** 3 of a [n, d] and b [m, d]."""

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: np.ndarray) -> float:
        values, n = kernel(x, x), len(x)
        return float((values.sum() - np.trace(values)) / (n * (n - 1)))

    return within(a) + within(b) - 2 * float(kernel(a, b).mean())


@torch.no_grad()
def neighbours(
    out: Path,
    pictures: list[torch.Tensor],
    choices: list[dict[str, str]],
    held_out: np.ndarray,
    book: Codebook,
    draw: Drawings,
    distance: LPIPS,
) -> None:
    """A sheet: above the pictures of unseen pairs, below the nearest drawing of a seen pair in the same set and colour."""
    assert book.pairs is not None
    shown = np.flatnonzero(held_out)[:SHOWN]
    sheet = Image.new("RGB", (TILE * len(shown), 2 * TILE), "white")
    for column, k in enumerate(shown):
        state = book.pairs[book.group("set").index(choices[k]["set"])]
        seen = [dict(zip(FEATURE_GROUPS, pair)) for pair in _labels(book, state)]
        drawn = [draw({**choices[k], **pair}) for pair in seen]
        gaps = [distance(pictures[k].expand(len(part), -1, -1, -1), images.to_tensor(part)) for part in _chunks(drawn)]
        nearest = drawn[int(torch.cat(gaps).argmin())]
        for row, picture in enumerate((images.to_pil(pictures[k])[0], nearest)):
            sheet.paste(picture.resize((TILE, TILE), Image.Resampling.LANCZOS), (column * TILE, row * TILE))
    sheet.save(out, quality=90)


def _labels(book: Codebook, state: torch.Tensor) -> list[tuple[str, str]]:
    eyes, mouths = (book.group(name).labels for name in FEATURE_GROUPS)
    return [(eyes[i], mouths[j]) for i, j in (state == 1).nonzero().tolist()]


def _chunks(drawn: list[Image.Image]) -> list[list[Image.Image]]:
    return [drawn[k : k + CHUNK] for k in range(0, len(drawn), CHUNK)]


if __name__ == "__main__":
    raise SystemExit(main())
