"""One face of a set from its parts: eyes, a mouth, a colour, and where the two lie. About 10 ms a picture at 256 px."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from PIL import Image

from ganji.data import colours, svg_split
from ganji.data.colours import Colour
from ganji.data.framing import EYES, MOUTH, Framing, get_framing, part_shift, to_units, units_per_pixel, view_box
from ganji.data.parts import Part, PartSet
from ganji.errors import InputError

MIN_SIZE, MAX_SIZE = 16, 1024
MAX_SHIFT = 256.0  # px of a 256 px picture
MIN_SCALE, MAX_SCALE = 0.05, 10.0
WHITE = (255, 255, 255, 255)


@dataclass(frozen=True)
class Placement:
    """Where a part lies, in pixels of a 256 px picture, x to the right, y down.

    Attributes:
        dx, dy: how far it is moved from where the framing has it.
        sx, sy: how far it is stretched, about the centre of its own box.
        centre: (x, y) at which the centre of its box lies before (dx, dy); None leaves it to the framing. For eyes with
            brows this is the centre of both, so to follow measured eyes rather use (dx, dy): the framing puts the set's
            normal eyes on its own eye line.
    """

    dx: float = 0.0
    dy: float = 0.0
    sx: float = 1.0
    sy: float = 1.0
    centre: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        shifts = (self.dx, self.dy, *(self.centre or ()))
        if not all(math.isfinite(value) and abs(value) <= 2 * MAX_SHIFT for value in shifts) or len(shifts) not in (
            2,
            4,
        ):
            raise InputError(f"A placement moves by numbers of at most {2 * MAX_SHIFT:.0f} px, not {shifts}.")
        if not all(MIN_SCALE <= value <= MAX_SCALE for value in (self.sx, self.sy)):
            raise InputError(f"A placement stretches by {MIN_SCALE} to {MAX_SCALE}, not {(self.sx, self.sy)}.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for an index; `centre` only where it was given."""
        values = asdict(self)
        if self.centre is None:
            del values["centre"]
        return values


AS_FRAMED = Placement()


def compose_svg(
    part_set: PartSet,
    eyes: str,
    mouth: str,
    colour: Colour = colours.NATIVE,
    *,
    framing: str = "ffhq",
    eyes_placement: Placement = AS_FRAMED,
    mouth_placement: Placement = AS_FRAMED,
) -> str:
    """SVG text of one face, square, with nothing behind it.

    Args:
        eyes, mouth: codes of the faces whose parts these are.
        colour: a name of `colours.PALETTE`, or (hue in degrees, saturation factor, value factor).
        framing: a name of `framing.FRAMINGS`.
    Raises:
        InputError: an unknown part, colour or framing.
    """
    layout = get_framing(framing)
    shift = colours.resolve(colour)
    base, defs = part_set.base.body, dict(part_set.base.defs)
    if shift is not None:
        base = colours.recolour_face(base, shift, part_set.hue)
        defs = {name: colours.recolour_face(text, shift, part_set.hue) for name, text in defs.items()}
    bodies = [base]
    for slot, code, placement in ((MOUTH, mouth, mouth_placement), (EYES, eyes, eyes_placement)):
        part = part_set.part(slot, code)
        body, part_defs = _coloured(part, shift, part_set)
        defs.update(part_defs)
        bodies.append(f'<g transform="{_transform(part, placement, layout, part_set)}">{body}</g>')
    return svg_split.document("".join(bodies), defs, view_box(layout, part_set.face))


def render(svg: str, size: int) -> Image.Image:
    """RGB picture [size, size] on white.

    Raises:
        InputError: a size out of range, or a text that cannot be drawn.
    """
    check_size(size)
    return svg_split.rasterise(svg, size, WHITE).convert("RGB")


def check_size(size: int) -> None:
    """
    Raises:
        InputError: no picture is made at that size.
    """
    if not isinstance(size, int) or isinstance(size, bool) or not MIN_SIZE <= size <= MAX_SIZE:
        raise InputError(f"size must be a whole number from {MIN_SIZE} to {MAX_SIZE} px, not {size!r}.")


def _coloured(part: Part, shift: colours.ColourShift | None, part_set: PartSet) -> tuple[str, Mapping[str, str]]:
    if shift is None:
        return part.body, part.defs

    def recolour(text: str) -> str:
        return colours.recolour_part(text, shift, part_set.hue, part_set.shades)

    return recolour(part.body), {name: recolour(text) for name, text in part.defs.items()}


def _transform(part: Part, placement: Placement, layout: Framing, part_set: PartSet) -> str:
    unit = units_per_pixel(layout, part_set.face)
    x, y = part.centre
    if placement.centre is not None:
        goal = to_units(placement.centre, layout, part_set.face)
    else:
        moved = part_shift(layout, part_set.face, part.slot, part.box[3])
        goal = x + moved[0], y + moved[1]
    tx = goal[0] + placement.dx * unit - x * placement.sx
    ty = goal[1] + placement.dy * unit - y * placement.sy
    return f"translate({tx:.5g} {ty:.5g}) scale({placement.sx:.5g} {placement.sy:.5g})"
