"""Emoji that move, as the recipes of their frames: a slider's sweep, the way from a face to its emoji, steps between two.

Recipes only: whoever paints them, paints the animation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ganji.errors import InputError
from ganji.factorize import MAX_STRENGTH
from ganji.recipe import Recipe

SWEEP_FRAMES, SWEEP_REACH = 16, 6.0  # of one round; strengths to either side
MORPH_STEPS = 9  # from all face to all emoji
MORPH_HOLD = 8  # frames that the face and the emoji stay


@dataclass(frozen=True)
class Frames:
    """A round of pictures.

    Attributes:
        recipes: of the pictures that must be painted, each once.
        order: positions in `recipes`, one per frame.
        holds: for how many frames' time each frame stays.
    """

    recipes: tuple[Recipe, ...]
    order: tuple[int, ...]
    holds: tuple[int, ...]


def sweep(recipe: Recipe, index: int) -> Frames:
    """One slider to one side, to the other and back, as smoothly as a pendulum.

    Args:
        index: of the slider. Where its reach ends, the swing goes as far the other way.
    """
    own = recipe.strengths[index] if index < len(recipe.strengths) else 0.0
    middle = max(SWEEP_REACH - MAX_STRENGTH, min(MAX_STRENGTH - SWEEP_REACH, own))
    half = SWEEP_FRAMES // 2
    strengths = [middle - SWEEP_REACH * math.cos(math.pi * k / half) for k in range(half + 1)]
    order = (*range(half + 1), *range(half - 1, 0, -1))
    return Frames(tuple(_with(recipe, index, value) for value in strengths), order, (1,) * len(order))


def face_to_emoji(recipe: Recipe) -> Frames:
    """From the face over ever more of the emoji generator to the emoji, and back.

    Args:
        recipe: of an emojified face.
    Raises:
        InputError: of anything else.
    """
    if recipe.kind != "emojified":
        raise InputError("Only a face's emoji can come out of its face; choose a face first.")
    face = Recipe("face", seed=recipe.seed, photo=recipe.photo, truncation_psi=recipe.truncation_psi)
    steps = [replace(recipe, num_face_layers=0, blend_strength=k / MORPH_STEPS) for k in range(1, MORPH_STEPS)]
    recipes = (face, *steps, recipe)
    last = len(recipes) - 1
    order = (*range(last + 1), *range(last - 1, 0, -1))
    holds = tuple(MORPH_HOLD if k in (0, last) else 1 for k in order)
    return Frames(recipes, order, holds)


def between(first: Recipe, second: Recipe, count: int) -> tuple[Recipe, ...]:
    """`count` steps from the first to the second, both left out. They differ in their sliders only."""
    length = max(len(first.strengths), len(second.strengths))
    a, b = (_padded(recipe.strengths, length) for recipe in (first, second))
    shares = [(1 - math.cos(math.pi * k / (count + 1))) / 2 for k in range(1, count + 1)]
    return tuple(first.moved(tuple(x + share * (y - x) for x, y in zip(a, b))) for share in shares)


def _padded(strengths: Sequence[float], length: int) -> list[float]:
    return [*strengths, *[0.0] * (length - len(strengths))]


def _with(recipe: Recipe, index: int, value: float) -> Recipe:
    strengths = _padded(recipe.strengths, max(len(recipe.strengths), index + 1))
    strengths[index] = value
    return recipe.moved(tuple(strengths))
