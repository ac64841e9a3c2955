"""What the studio hands out: a finished picture, and what a projection found. Records only."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from ganji.recipe import PhotoCode, Recipe

VERDICTS = ((0.25, "close"), (0.40, "fair"), (float("inf"), "rough"))


@dataclass(frozen=True)
class Painted:
    """A finished picture, RGB at full size, and what makes it again."""

    picture: Image.Image
    recipe: Recipe


@dataclass(frozen=True)
class Projected:
    """What a projection found.

    Attributes:
        reconstruction: the face generator's picture of the code, RGB.
        code: the face code; it belongs to the photo's owner.
        distance: LPIPS (AlexNet) to the aligned photo. pixel_error: mean absolute difference, 0..1.
        steps, seconds: what it took. device: where. mode: "fast" or "portrait".
    """

    reconstruction: Image.Image
    code: PhotoCode
    distance: float
    pixel_error: float
    steps: int
    seconds: float
    device: str
    mode: str

    @property
    def verdict(self) -> str:
        """The distance in a word: "close", "fair" or "rough"."""
        return next(word for limit, word in VERDICTS if self.distance <= limit)
