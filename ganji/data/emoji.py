"""The `data emoji` pictures: every recipe is drawn from a seed, composed, and written down in `index.json`.

The recipe of picture k of a set depends on (seed, set, k) alone: not on the other sets, nor on the number of workers.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganji.data.colours import NATIVE, PALETTE
from ganji.data.compose import Placement, check_size, compose_svg
from ganji.data.emoji_sets import SETS, face_name, fetch, get_set
from ganji.data.framing import get_framing
from ganji.data.part_builder import load_part_set
from ganji.data.parts import PartSet
from ganji.data.picture_writer import Progress, new_folder, render_all
from ganji.errors import InputError
from ganji.training.pictures import write_index

SPLITS = ("train", "held-out", "all")
MAX_COUNT = 1_000_000
BYTES_PER_PIXEL = 0.62  # of a PNG, for the disk check; measured at 256 px: 0.12 (flat sets) to 0.61 (Fluent)

# One unit of jitter, as seen on real faces of one expression; pixels of a 256 px picture, and a factor.
JITTER_X, JITTER_Y, JITTER_SCALE = 1.25, 1.55, 0.05


@dataclass(frozen=True)
class EmojiOptions:
    """
    Attributes:
        count: pictures in all, shared evenly by the sets.
        size: side in pixels, 16 to 1024.
        sets: names of `emoji_sets.SETS`.
        framing: "ffhq" or "centred".
        seed: of everything random.
        jitter: how much eyes and mouth move and stretch, so that no part is learned pixel for pixel; 0 for none.
        yellow: fraction in the sets' own colour; the rest is shared by the other colours of the palette.
        hold_out: fraction of all (eyes, mouth) pairs that is kept from the "train" split, the same ones in every set.
        split: "train", "held-out" or "all".
    """

    count: int = 20000
    size: int = 256
    sets: tuple[str, ...] = tuple(SETS)
    framing: str = "ffhq"
    seed: int = 0
    jitter: float = 1.0
    yellow: float = 0.7
    hold_out: float = 0.1
    split: str = "train"

    def __post_init__(self) -> None:
        check_size(self.size)
        get_framing(self.framing)
        if not self.sets or len(set(self.sets)) != len(self.sets):
            raise InputError(f"sets must name each set once, not {', '.join(self.sets) or 'none'}.")
        for name in self.sets:
            get_set(name)
        if not isinstance(self.count, int) or not 1 <= self.count <= MAX_COUNT:
            raise InputError(f"count must be a whole number from 1 to {MAX_COUNT}, not {self.count!r}.")
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise InputError(f"seed must be a whole number from 0 to {2**32 - 1}, not {self.seed!r}.")
        for name, top in (("jitter", 4.0), ("yellow", 1.0), ("hold_out", 0.9)):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0 <= value <= top):
                raise InputError(f"{name} must be from 0 to {top}, not {value!r}.")
        if self.split not in SPLITS:
            raise InputError(f"split must be one of {', '.join(SPLITS)}, not {self.split!r}.")


@dataclass(frozen=True)
class Recipe:
    """All that one picture is made from."""

    set: str
    colour: str
    eyes: str
    mouth: str
    eyes_placement: Placement
    mouth_placement: Placement


def is_held_out(eyes: str, mouth: str, fraction: float = 0.1) -> bool:
    """Whether a pair of codes belongs to the fraction that is never trained on. The same in every set and for ever."""
    digest = hashlib.sha256(f"{eyes}+{mouth}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < fraction * 2**64


def draw_recipes(part_sets: Mapping[str, PartSet], options: EmojiOptions) -> list[Recipe]:
    """The recipes of all pictures, the sets taking turns.

    Within a set every clean pair of the split is used once before any is used again.

    Raises:
        InputError: a set has no pair in this split.
    """
    streams = [_recipes_of(part_sets[name], options) for name in options.sets]
    return [next(streams[k % len(streams)]) for k in range(options.count)]


def make_emoji(folder: Path, cache: Path, options: EmojiOptions, *, workers: int | None = None) -> Iterator[Progress]:
    """Write the pictures and their index; yields after every picture.

    Args:
        folder: new or empty; it appears when everything is done.
        cache: where fetched drawings and their parts are kept.
        workers: processes; None for one per core.
    Raises:
        InputError: bad options, sets that cannot be fetched, or no room on the disk.
    """
    fetch(cache, options.sets)
    part_sets = {name: load_part_set(cache, name) for name in options.sets}
    yield from write_emoji(folder, part_sets, options, workers=workers)


def write_emoji(
    folder: Path, part_sets: Mapping[str, PartSet], options: EmojiOptions, *, workers: int | None = None
) -> Iterator[Progress]:
    """`make_emoji` for part sets that are at hand."""
    recipes = draw_recipes(part_sets, options)
    files = [f"{k:06d}.png" for k in range(len(recipes))]
    with new_folder(folder, int(options.count * options.size**2 * BYTES_PER_PIXEL)) as unfinished:
        jobs = (
            (_svg(part_sets[recipe.set], recipe, options.framing), unfinished / file)
            for recipe, file in zip(recipes, files)
        )
        for done, _ in enumerate(render_all(jobs, options.size, workers), start=1):
            yield Progress(done, options.count)
        entries = [_entry(file, recipe) for file, recipe in zip(files, recipes)]
        write_index(unfinished, options.size, entries, **_header(part_sets, options))


def _recipes_of(part_set: PartSet, options: EmojiOptions) -> Iterator[Recipe]:
    """Endless recipes of one set."""
    rng = np.random.default_rng([options.seed, zlib.crc32(part_set.name.encode())])
    pairs = _pairs_of_split(part_set, options)
    if not pairs:
        raise InputError(f"The {part_set.name} set has no pair of eyes and mouth in the {options.split} split.")
    others = [name for name in PALETTE if name != NATIVE]
    while True:
        for index in rng.permutation(len(pairs)):
            # The same number of draws for every picture, whatever they decide.
            native, other = rng.random() < options.yellow, others[rng.integers(len(others))]
            eyes, mouth = pairs[index]
            moved = _jitter(rng, options.jitter), _jitter(rng, options.jitter)
            yield Recipe(part_set.name, NATIVE if native else other, eyes, mouth, moved[0], moved[1])


def _pairs_of_split(part_set: PartSet, options: EmojiOptions) -> Sequence[tuple[str, str]]:
    if options.split == "all":
        return part_set.clean_pairs
    wanted = options.split == "held-out"
    return [pair for pair in part_set.clean_pairs if is_held_out(*pair, options.hold_out) == wanted]


def _jitter(rng: np.random.Generator, amount: float) -> Placement:
    dx, dy = rng.normal(0.0, (JITTER_X, JITTER_Y)).clip(-5, 5) * amount
    sx, sy = np.exp(rng.uniform(-JITTER_SCALE, JITTER_SCALE, 2) * amount)
    dx, dy, sx, sy = (round(float(value), 4) for value in (dx, dy, sx, sy))
    return Placement(dx, dy, sx, sy)


def _svg(part_set: PartSet, recipe: Recipe, framing: str) -> str:
    return compose_svg(
        part_set,
        recipe.eyes,
        recipe.mouth,
        recipe.colour,
        framing=framing,
        eyes_placement=recipe.eyes_placement,
        mouth_placement=recipe.mouth_placement,
    )


def _entry(file: str, recipe: Recipe) -> dict[str, Any]:
    return {
        "file": file,
        "set": recipe.set,
        "licence": get_set(recipe.set).licence,
        "colour": recipe.colour,
        "eyes": {"code": recipe.eyes, "name": face_name(recipe.eyes), "placement": recipe.eyes_placement.to_dict()},
        "mouth": {"code": recipe.mouth, "name": face_name(recipe.mouth), "placement": recipe.mouth_placement.to_dict()},
    }


def _header(part_sets: Mapping[str, PartSet], options: EmojiOptions) -> dict[str, Any]:
    pairs = {pair for name in options.sets for pair in part_sets[name].clean_pairs}
    sets = [get_set(name) for name in options.sets]
    return {
        "kind": "emoji",
        "sets": {one.name: {"package": one.source, "licence": one.licence, "credit": one.credit} for one in sets},
        "options": asdict(options),
        "held_out_pairs": sorted(pair for pair in pairs if is_held_out(*pair, options.hold_out)),
    }
