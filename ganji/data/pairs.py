"""Pairs for emoji-blend: a face's code, and the emoji that shows the face's expression in some style: `data pairs`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from ganji.codebook import STYLE_GROUPS, Codebook
from ganji.data.emoji import BYTES_PER_PIXEL
from ganji.data.expressions import Expressions
from ganji.data.matching import Rules, default_rules
from ganji.data.part_builder import load_part_set
from ganji.data.picture_writer import Progress, new_folder, render_all
from ganji.errors import InputError
from ganji.training.pictures import write_codes, write_index

YELLOW_SHARE = 0.25  # of the pictures; the other colours share the rest alike


@dataclass(frozen=True)
class PairOptions:
    """
    Attributes:
        count: pictures.
        size: side in pixels.
        plain_codes: share of the pictures whose style code is exactly the centre of its choices; the others lie somewhere
            between that centre and a random code of the same choices.
        balance: exponent: a face is drawn with weight (frequency of its classes) ** -balance. 0 as they come, 1 all alike.
        seed: of everything random.
        workers: processes; the result does not depend on it.
    """

    count: int
    size: int = 256
    plain_codes: float = 0.5
    balance: float = 0.5
    seed: int = 0
    workers: int | None = None


def make_pairs(
    out: Path,
    w_faces: torch.Tensor,
    expressions: Expressions,
    seeds: list[int],
    codebook: Codebook,
    w_styles: torch.Tensor,
    emoji_cache: Path,
    options: PairOptions,
) -> Iterator[Progress]:
    """Write a folder of pictures with codes (training/pictures.py). Yields after every picture.

    Args:
        w_faces: [N, w_dim]: codes of the measured faces; `seeds` are theirs.
        w_styles: [M, w_dim]: random codes for the styles.
    Raises:
        InputError: no face was found in any picture.
    """
    rules = default_rules()
    rows = np.flatnonzero(expressions.found)
    if not len(rows):
        raise InputError("None of these pictures shows a face.")
    rng = np.random.default_rng(options.seed)
    chosen = rng.choice(rows, options.count, p=_weights(expressions, rows, rules, options.balance))
    styles = torch.from_numpy(rng.integers(0, len(w_styles), options.count))
    fraction = np.where(rng.random(options.count) < options.plain_codes, 0.0, rng.random(options.count))
    labels = _balanced_styles(codebook, options.count, rng)
    centres = torch.cat([codebook.code(choice) for choice in labels])
    fine = _codes_with_labels(codebook, w_styles[styles], labels, centres, torch.from_numpy(fraction).float())
    part_sets = {name: load_part_set(emoji_cache, name) for name in rules.set_names}
    matched = [rules.match(expressions.row(int(face))) for face in chosen]
    files = [f"{k:06d}.png" for k in range(options.count)]
    with new_folder(out, int(options.count * options.size**2 * BYTES_PER_PIXEL)) as unfinished:
        jobs = (
            (rules.draw(face, part_sets[choice["set"]], choice["colour"]), unfinished / file)
            for face, choice, file in zip(matched, labels, files)
        )
        for done, _ in enumerate(render_all(jobs, options.size, options.workers), start=1):
            yield Progress(done, options.count)
        entries = [
            {"file": file, "seed": seeds[int(face)], "eyes": drawn.eyes, "mouth": drawn.mouth, **choice}
            for file, face, drawn, choice in zip(files, chosen, matched, labels)
        ]
        write_codes(unfinished, w_faces[torch.from_numpy(chosen)], fine)
        write_index(unfinished, options.size, entries, kind="pairs", options=asdict(options))


def _weights(expressions: Expressions, rows: np.ndarray, rules: Rules, balance: float) -> np.ndarray:
    """Probability of each face, so that rare classes are seen more often than they occur."""
    classes = [rules.classify(expressions.row(int(row))) for row in rows]
    weights = np.ones(len(rows))
    for slot in (0, 1):
        _, inverse, counts = np.unique([c[slot] for c in classes], return_inverse=True, return_counts=True)
        weights *= (counts[inverse] / len(rows)) ** -balance
    return weights / weights.sum()


def _balanced_styles(codebook: Codebook, count: int, rng: np.random.Generator) -> list[dict[str, str]]:
    """Drawing set and colour of each picture: all sets alike; yellow a quarter, the other colours alike."""
    sets, colours = (codebook.group(name).labels for name in STYLE_GROUPS)
    share = np.array([YELLOW_SHARE] + [(1 - YELLOW_SHARE) / (len(colours) - 1)] * (len(colours) - 1))
    return [
        {"set": sets[rng.integers(len(sets))], "colour": colours[rng.choice(len(colours), p=share)]}
        for _ in range(count)
    ]


def _codes_with_labels(
    codebook: Codebook,
    w: torch.Tensor,
    labels: list[dict[str, str]],
    centres: torch.Tensor,
    fraction: torch.Tensor,
) -> torch.Tensor:
    """Codes between the centres of the wanted choices and random codes that are moved into the same cells.

    A random code keeps all its coordinates but those of the style groups, which are drawn towards the wanted point until
    that point is the nearest.
    """
    moved = w.clone()
    for name in STYLE_GROUPS:
        group = codebook.group(name)
        wanted = group.points[[group.index(choice[name]) for choice in labels]]
        own = (w - codebook.mean) @ group.axes
        step = torch.ones(len(w), 1)
        for share in (0.0, 0.25, 0.5, 0.75):
            candidate = wanted * (1 - share) + own * share
            inside = torch.cdist(candidate, group.points).argmin(dim=1) == torch.cdist(wanted, group.points).argmin(
                dim=1
            )
            step = torch.where(inside[:, None], torch.full_like(step, 1 - share), step)
        moved = moved + (step * (wanted - own)) @ group.lift
    return centres + fraction[:, None] * (moved - centres)


def class_counts(expressions: Expressions) -> Mapping[str, dict[str, int]]:
    """How many faces each class has: {"eyes": {name: n}, "mouth": {name: n}}."""
    rules = default_rules()
    classes = [rules.classify(expressions.row(int(row))) for row in np.flatnonzero(expressions.found)]
    return {
        slot: {name: sum(c[k] == name for c in classes) for name in rules.names(slot)}
        for k, slot in enumerate(("eyes", "mouth"))
    }
