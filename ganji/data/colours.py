"""The colours of a face's disc, and how an SVG text gets another one.

A colour is a name of `PALETTE` or (hue in degrees, saturation factor, value factor), relative to the set's own yellow.
"""

from __future__ import annotations

import colorsys
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from ganji.errors import InputError

ColourShift = tuple[float, float, float]
"""Hue in degrees, saturation factor, value factor."""
Colour = str | ColourShift

NATIVE = "yellow"
PALETTE: dict[str, ColourShift | None] = {
    "yellow": None,  # as the set has it
    "red": (2.0, 1.0, 0.97),
    "orange": (24.0, 1.05, 1.0),
    "amber": (36.0, 1.0, 1.0),
    "lime": (78.0, 0.8, 0.95),
    "green": (135.0, 0.75, 0.86),
    "teal": (172.0, 0.75, 0.88),
    "cyan": (190.0, 0.65, 1.0),
    "blue": (212.0, 0.70, 1.0),
    "lavender": (262.0, 0.50, 1.0),
    "purple": (283.0, 0.60, 0.92),
    "pink": (338.0, 0.45, 1.0),
    "magenta": (318.0, 0.65, 0.98),
    "cream": (42.0, 0.30, 1.0),
    "silver": (215.0, 0.10, 0.93),
}
HAND_VALUE = 0.9  # hands are this much darker than a recoloured face, or they would vanish in it
FAR_HUE = 60.0  # degrees from the set's own hue at which shading is carried by brightness alone


@dataclass(frozen=True)
class Shades:
    """Which colours of a set are those of a yellow face, a hand or a shadow on them, not of an outline or a tongue.

    Attributes:
        lowest_hue, highest_hue: in degrees.
        lowest_saturation, lowest_value: 0 to 1.
    """

    lowest_hue: float = 22.0
    highest_hue: float = 60.0
    lowest_saturation: float = 0.40
    lowest_value: float = 0.72

    def include(self, hue: float, saturation: float, value: float) -> bool:
        """Whether a colour (degrees, 0 to 1, 0 to 1) is one of them."""
        in_hue = self.lowest_hue <= hue <= self.highest_hue
        return in_hue and saturation > self.lowest_saturation and value > self.lowest_value


_HEX = re.compile(r'(?<!\()(?<!href=")#([0-9a-fA-F]{6}|[0-9a-fA-F]{3})\b')  # not a reference to an id


def resolve(colour: Colour) -> ColourShift | None:
    """The shift of a colour; None for the set's own.

    Raises:
        InputError: an unknown name, or numbers that are no colour.
    """
    if isinstance(colour, str):
        if colour not in PALETTE:
            raise InputError(
                f"colour must be one of {', '.join(PALETTE)}, or (hue, saturation, value), not {colour!r}."
            )
        return PALETTE[colour]
    try:
        hue, saturation, value = (float(number) for number in colour)
    except (TypeError, ValueError):
        raise InputError(f"A colour is a name or three numbers, not {colour!r}.") from None
    if not (math.isfinite(hue) and 0 <= saturation <= 4 and 0 <= value <= 4):
        raise InputError(f"A colour is (hue in degrees, saturation factor 0-4, value factor 0-4), not {colour!r}.")
    return hue % 360, saturation, value


@lru_cache(maxsize=512)
def recolour_face(svg: str, shift: ColourShift, native_hue: float) -> str:
    """SVG text of a disc with every colour shifted.

    Args:
        native_hue: the hue of the set's own faces, in degrees; it becomes `shift`'s.
    """
    return _recolour(svg, shift, native_hue, lambda h, s, v: True)


@lru_cache(maxsize=1024)
def recolour_part(svg: str, shift: ColourShift, native_hue: float, shades: Shades) -> str:
    """SVG text of an eyes or mouth part with only its face-coloured things (hands, lids, shadows) shifted, a little darker."""
    hue, saturation, value = shift
    return _recolour(svg, (hue, saturation, value * HAND_VALUE), native_hue, shades.include)


def shift_colour(rgb: tuple[float, float, float], shift: ColourShift, native_hue: float) -> tuple[float, float, float]:
    """One colour of a drawing (RGB, 0-1) for a face of another colour.

    Close to the set's own hue, shading keeps its hue differences (a yellow disc has an orange rim). Far from it they
    would be wrong: a red disc would get a magenta rim. So with distance the differences fade, and the brightness by
    which they are seen (relative luminance) takes their place.
    """
    hue, saturation, value = colorsys.rgb_to_hsv(*rgb)
    deviation = _hue_difference(hue * 360, native_hue)
    far = _smooth_step(abs(_hue_difference(shift[0], native_hue)) / FAR_HUE)
    seen = _luminance(*rgb) / max(_luminance(*colorsys.hsv_to_rgb(native_hue / 360, saturation, value)), 1e-6)
    new_hue = (shift[0] + (1 - 0.8 * far) * deviation) % 360
    brightness = 1 + far * (min(seen, 2.0) ** (1 / 2.2) - 1)
    new_value = min(1.0, value * shift[2] * brightness)
    return colorsys.hsv_to_rgb(new_hue / 360, min(1.0, saturation * shift[1]), new_value)


def _recolour(svg: str, shift: ColourShift, native_hue: float, wanted: Callable[[float, float, float], bool]) -> str:
    def replace(match: re.Match[str]) -> str:
        digits = match.group(1)
        if len(digits) == 3:
            digits = "".join(2 * digit for digit in digits)
        red, green, blue = (int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4))
        hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
        if not wanted(hue * 360, saturation, value):
            return match.group(0)
        shifted = shift_colour((red, green, blue), shift, native_hue)
        return "#" + "".join(f"{round(255 * channel):02x}" for channel in shifted)

    return _HEX.sub(replace, svg)


def _hue_difference(a: float, b: float) -> float:
    """a - b, in -180 .. 180 degrees."""
    return (a - b + 180) % 360 - 180


def _smooth_step(x: float) -> float:
    x = min(1.0, max(0.0, x))
    return x * x * (3 - 2 * x)


def _luminance(red: float, green: float, blue: float) -> float:
    """Relative luminance of an sRGB colour, with the gamma taken as 2.2."""
    return 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
