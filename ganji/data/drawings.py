"""Coded emoji for the `emoji` model: random codes, and the drawing that each stands for by the codebook's rule.

The lists of parts that the model draws stand here: faces whose eyes or mouth every drawing set has, distinct at a glance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ganji import images
from ganji.codebook import FEATURE_GROUPS, STYLE_GROUPS, Codebook
from ganji.data import codebook_design
from ganji.data.compose import compose_svg, render
from ganji.data.emoji import BYTES_PER_PIXEL, is_held_out
from ganji.data.framing import EYES, MOUTH
from ganji.data.part_builder import load_part_set
from ganji.data.parts import PartSet
from ganji.data.picture_writer import Progress, new_folder, render_all
from ganji.latents import WStatistics
from ganji.perceptual import LPIPS
from ganji.training.pictures import write_codes, write_index

EYES_DRAWN = (
    "1f600", "1f619", "1f606", "1f609", "1f60d", "1f929", "1f92a", "1f928", "1f612", "1f644", "1f60c", "1f61f", "1f635",
    "1f60e", "1f913", "1f92c",
)  # fmt: skip
MOUTHS_DRAWN = (
    "1f600", "1f601", "1f642", "1f617", "1f60b", "1f61b", "1f610", "1f60f", "1f62c", "1f62e", "1f626", "1f629", "1f910",
    "1f616", "2639",
)  # fmt: skip
SMEARED = {("twemoji", "1f910")}  # (set, mouth) that the model paints badly: a zip's fine teeth
PLAIN_EYES, PLAIN_MOUTH = "1f600", "1f642"


@dataclass(frozen=True)
class DrawingOptions:
    """
    Attributes:
        size: side in pixels. seed: of everything random.
        psi: (low, high): each code is moved towards the centre of its eyes and mouth by its own factor, uniform in this
            range, as truncation will do; what it draws stays the same.
        plain_styles: share of the pictures whose style code is exactly the centre of its set and colour, as random emoji
            have it; the others lie somewhere between that centre and the code.
        workers: processes; the result does not depend on it.
    """

    size: int = 256
    seed: int = 0
    psi: tuple[float, float] = (0.0, 1.0)
    plain_styles: float = 0.5
    workers: int | None = None


def emoji_codebook(statistics: WStatistics, part_sets: Sequence[PartSet], distance: LPIPS) -> Codebook:
    """The codebook of the `emoji` model: sets, colours, eyes and mouths, and which of these go together."""
    by_name = {part_set.name: part_set for part_set in part_sets}
    ordered = [by_name[name] for name in codebook_design.SETS]
    eyes_distances = part_distances(ordered, EYES, EYES_DRAWN, distance)
    mouth_distances = part_distances(ordered, MOUTH, MOUTHS_DRAWN, distance)
    book = codebook_design.design_codebook(statistics, EYES_DRAWN, MOUTHS_DRAWN, eyes_distances, mouth_distances)
    states = [
        [[_pair_state(part_set, eyes, mouth) for mouth in MOUTHS_DRAWN] for eyes in EYES_DRAWN] for part_set in ordered
    ]
    return Codebook(book.mean, book.groups, torch.tensor(states, dtype=torch.uint8))


def _pair_state(part_set: PartSet, eyes: str, mouth: str) -> int:
    """0: they touch, or are never drawn; 1: drawn in training; 2: held out from it."""
    if (part_set.name, mouth) in SMEARED:
        return 0
    pair = part_set.part(EYES, eyes).code, part_set.part(MOUTH, mouth).code
    if pair not in part_set.clean_pairs:
        return 0
    return 2 if is_held_out(eyes, mouth) else 1


def part_distances(part_sets: Sequence[PartSet], slot: str, codes: Sequence[str], distance: LPIPS) -> np.ndarray:
    """How different the parts look: mean LPIPS over the sets of 64 px faces that differ in that part alone: [n, n]."""
    total = np.zeros((len(codes), len(codes)))
    for part_set in part_sets:
        drawn = []
        for code in codes:
            eyes, mouth = (code, PLAIN_MOUTH) if slot == EYES else (PLAIN_EYES, code)
            drawn.append(render(compose_svg(part_set, eyes, mouth), 128))
        with torch.no_grad():
            taps = distance.embed(F.avg_pool2d(images.to_tensor(drawn), 2))
            for k in range(len(codes)):
                one = [tap[k : k + 1].expand_as(tap) for tap in taps]
                total[k] += distance.compare(one, taps).numpy()
    return total / len(part_sets)


def make_drawings(
    out: Path, w: torch.Tensor, codebook: Codebook, emoji_cache: Path, options: DrawingOptions
) -> Iterator[Progress]:
    """Write a folder of pictures with codes (training/pictures.py). Yields after every picture.

    Args:
        w: [count, w_dim] random codes.
    """
    rng = np.random.default_rng(options.seed)
    chosen = codebook.choose(w, trained_only=True)
    features, styles = (codebook.centres_of(chosen, groups) for groups in (FEATURE_GROUPS, STYLE_GROUPS))
    psi = torch.from_numpy(rng.uniform(*options.psi, len(w))).float()[:, None]
    spread = torch.from_numpy(np.where(rng.random(len(w)) < options.plain_styles, 0.0, rng.random(len(w)))).float()[
        :, None
    ]
    labels = {group.name: [group.labels[i] for i in chosen[group.name].tolist()] for group in codebook.groups}
    choices = [{name: column[k] for name, column in labels.items()} for k in range(len(w))]
    part_sets = {name: load_part_set(emoji_cache, name) for name in codebook_design.SETS}
    files = [f"{k:06d}.png" for k in range(len(w))]
    with new_folder(out, int(len(w) * options.size**2 * BYTES_PER_PIXEL)) as unfinished:
        jobs = (
            (compose_svg(part_sets[c["set"]], c["eyes"], c["mouth"], c["colour"]), unfinished / file)
            for c, file in zip(choices, files)
        )
        for done, _ in enumerate(render_all(jobs, options.size, options.workers), start=1):
            yield Progress(done, len(w))
        write_codes(unfinished, features + psi * (w - features), styles + spread * (w - styles))
        entries = [{"file": file, **choice} for file, choice in zip(files, choices)]
        write_index(unfinished, options.size, entries, kind="drawings", options=asdict(options))
