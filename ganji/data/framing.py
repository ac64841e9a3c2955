"""Where things lie in a picture: the disc, the eyes, the mouth. The one place for this geometry.

Everything here is in the pixels of a picture whose side is `SIDE`; a picture of another size is the same, scaled. Knows
nothing of drawings except the few measurements in `FaceGeometry`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ganji.errors import InputError

CHIN = 0.88  # radii below the disc's centre: how low a framing may move a part
SIDE = 256  # px: the picture that all pixel measures of composed emoji refer to
EYES, MOUTH = SLOTS = ("eyes", "mouth")

Point = tuple[float, float]


@dataclass(frozen=True)
class FaceGeometry:
    """Where a set draws a plain face, in its own SVG units.

    Attributes:
        centre, radius: of the face's disc.
        eyes, mouth: centres of the normal eyes and mouth; x is the disc's own.
    """

    centre: Point
    radius: float
    eyes: Point
    mouth: Point


@dataclass(frozen=True)
class Framing:
    """A layout of the picture, in pixels of a 256 px picture.

    Attributes:
        centre, radius: of the face's disc.
        eyes, mouth: where the set's normal eyes and mouth come to lie; None leaves them where the set has them.
    """

    name: str
    centre: Point
    radius: float
    eyes: Point | None = None
    mouth: Point | None = None


FRAMINGS = {
    # Where faces aligned as in FFHQ have eyes and mouth, so that a style and a slider mean the same in every model.
    "ffhq": Framing("ffhq", centre=(128.0, 137.0), radius=104.0, eyes=(128.0, 124.0), mouth=(128.0, 186.0)),
    # The disc alone, as large as it is in the sets' own tiles (median of four sets: 0.883 of the side).
    "centred": Framing("centred", centre=(128.0, 128.0), radius=0.88 * SIDE / 2),
}


def get_framing(name: str) -> Framing:
    """The framing of that name.

    Raises:
        InputError: there is none.
    """
    if name not in FRAMINGS:
        raise InputError(f"framing must be one of {', '.join(FRAMINGS)}, not {name!r}.")
    return FRAMINGS[name]


def units_per_pixel(framing: Framing, face: FaceGeometry) -> float:
    """SVG units in one pixel of a 256 px picture."""
    return face.radius / framing.radius


def view_box(framing: Framing, face: FaceGeometry) -> tuple[float, float, float, float]:
    """The picture's frame in the set's SVG units: x, y, width, height."""
    unit = units_per_pixel(framing, face)
    (cx, cy), (px, py) = face.centre, framing.centre
    return cx - px * unit, cy - py * unit, SIDE * unit, SIDE * unit


def to_units(point: Point, framing: Framing, face: FaceGeometry) -> Point:
    """Pixels of a 256 px picture -> SVG units."""
    x, y, _, _ = view_box(framing, face)
    unit = units_per_pixel(framing, face)
    return x + point[0] * unit, y + point[1] * unit


def part_shift(framing: Framing, face: FaceGeometry, slot: str, bottom: float) -> Point:
    """How far a part moves from where its drawing has it, in SVG units.

    All parts of a slot move alike, so that the set's normal one lies where the framing wants it; only a part that would
    come to lie across the chin stops at `CHIN`, or where it is where it has always reached lower.

    Args:
        bottom: y of the lower edge of the part.
    """
    goal, normal = (framing.eyes, face.eyes) if slot == EYES else (framing.mouth, face.mouth)
    if goal is None:
        return 0.0, 0.0
    x, y = to_units(goal, framing, face)
    room = max(0.0, face.centre[1] + CHIN * face.radius - bottom)
    return x - normal[0], min(y - normal[1], room)
