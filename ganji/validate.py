"""Every value from outside: page, API, MCP tools, command line, recipes. The limits stand here and nowhere else.

Values arrive as whatever JSON, a form or a shell gave: NaN, null, booleans, 1e400 and numbers of 5000 digits included. Each
function returns a plain Python value or raises InputError with one short message that names the field and what it may be.
What was sent is repeated only if it is harmless: short, of letters, digits and plain punctuation, never a path or markup.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from ganji.errors import InputError

MAX_SHOWN = 40  # characters of a bad value that a message repeats
MAX_OPTIONS_SHOWN = 100  # characters of the words on offer that a message repeats
MAX_SENTENCE = 200


@dataclass(frozen=True)
class Range:
    """Inclusive bounds and the default of a number."""

    low: float
    high: float
    default: float

    def words(self, *, whole: bool = False) -> str:
        """The bounds as messages say them."""
        kind, form = ("whole number", ".0f") if whole else ("number", "g")
        return f"a {kind} from {self.low:{form}} to {self.high:{form}}"


SEED = Range(0, 2**32 - 1, 0)
COUNT = Range(1, 20, 20)
TRUNCATION_PSI = Range(0.0, 1.0, 0.7)
STRENGTH = Range(-10.0, 10.0, 0.0)
BLEND_STRENGTH = Range(0.0, 1.0, 1.0)
NUM_FACE_LAYERS = Range(0, 64, 0)
FACE_INDEX = Range(0, 63, 0)
MAX_SLIDERS = 64
MAX_TEXT = 2000
MAX_STYLE = 60

# photos
MAX_PHOTO_BYTES = 30 << 20
MAX_PHOTO_PIXELS = 50_000_000
MIN_PHOTO_SIDE, MAX_PHOTO_SIDE = 24, 20_000
MAX_PHOTO_FRAMES = 1000  # of an animation, of which the first is read

# recipes
MAX_RECIPE_TEXT, MAX_RECIPE_JSON = 1500, 200_000
MAX_CODE_ROWS, MAX_CODE_DIMS = 32, 1024
MAX_CODE_VALUE = 1000.0

LIMITS = {
    "seed": SEED, "count": COUNT, "truncation_psi": TRUNCATION_PSI, "strengths": STRENGTH, "cut": NUM_FACE_LAYERS,
    "blend_strength": BLEND_STRENGTH, "face_index": FACE_INDEX,
}  # fmt: skip

_HARMLESS = re.compile(r"[\w .,:;+\-=%]*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def shown(value: Any) -> str:
    """A bad value as a message may repeat it: short, on one line, without markup, addresses or paths."""
    if value is None:
        return "empty"
    if isinstance(value, (bool, float)):
        return str(value).lower()
    if isinstance(value, int):  # its digits are slow to write, and refused beyond 4300 of them
        return str(value) if abs(value) < 10**18 else "a number of many digits"
    if isinstance(value, str):
        short = value[: MAX_SHOWN + 1]
        if not _HARMLESS.fullmatch(short):
            return "such a text"
        return repr(short) if len(short) <= MAX_SHOWN else f"{short[: MAX_SHOWN - 1]!r}…"
    kinds: dict[type, str] = {dict: "an object", list: "a list", tuple: "a list", bytes: "a file"}
    if type(value) in kinds:
        return kinds[type(value)]
    if isinstance(value, Real):
        return _digits(value)
    return "something else"


def _digits(value: Real) -> str:
    """A foreign number, such as numpy's, in short."""
    try:
        return f"{float(value):g}"
    except (OverflowError, ValueError, TypeError):
        return "a number of many digits"


def number(name: str, value: Any, limits: Range) -> float:
    """A finite number within limits; -0 becomes 0.

    Raises:
        InputError: not a number (texts and booleans are not), not finite, out of range.
    """
    plain = _plain(value)
    if plain is None or not math.isfinite(plain) or not limits.low <= plain <= limits.high:
        raise InputError(f"{name} must be {limits.words()}, not {shown(value)}.")
    return float(plain) + 0.0


def integer(name: str, value: Any, limits: Range) -> int:
    """A whole number within limits; 3.0 counts as 3.

    Raises:
        InputError: as in `number`, or with a fraction.
    """
    plain = _plain(value)
    if isinstance(plain, float) and not plain.is_integer():  # NaN and infinities are no integers either
        plain = None
    if plain is None or not limits.low <= plain <= limits.high:
        raise InputError(f"{name} must be {limits.words(whole=True)}, not {shown(value)}.")
    return int(plain)


def _plain(value: Any) -> int | float | None:
    """A number of any library as Python's own, None for everything else and for what has too many digits."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    if isinstance(value, Integral):
        return int(value) if abs(int(value)) <= 2**63 else None
    try:
        return float(value)
    except (OverflowError, ValueError, TypeError):
        return None


def flag(name: str, value: Any) -> bool:
    """True or false; 1, "true" and null are not.

    Raises:
        InputError: anything else.
    """
    if not isinstance(value, bool):
        raise InputError(f"{name} must be true or false, not {shown(value)}.")
    return value


def choice(name: str, value: Any, options: Sequence[str]) -> str:
    """One of several words.

    Raises:
        InputError: another value.
    """
    if not isinstance(value, str) or value not in options:
        raise InputError(f"{name} must be one of {_listed(options)}, not {shown(value)}.")
    return value


def _listed(options: Sequence[str]) -> str:
    """The words on offer, as many as a message has room for."""
    words = list(options)
    while len(words) > 1 and len(", ".join(words)) > MAX_OPTIONS_SHOWN:
        words.pop()
    return ", ".join(words) + (", …" if len(words) < len(options) else "")


def text(name: str, value: Any, longest: int = MAX_TEXT) -> str:
    """A text of at most `longest` characters, without control characters (tabs and line ends may be there).

    Raises:
        InputError: not a text, too long, or not printable.
    """
    if not isinstance(value, str):
        raise InputError(f"{name} must be a text, not {shown(value)}.")
    if len(value) > longest:
        raise InputError(f"{name} must have at most {longest} characters, not {len(value)}.")
    if _CONTROL.search(value.replace("\r\n", "\n")):
        raise InputError(f"{name} must be plain text; remove the control characters.")
    return value


def strengths(value: Any, count: int) -> tuple[float, ...]:
    """Slider values, at most `count`; missing ones are 0, trailing zeros are dropped.

    Raises:
        InputError: not a list of numbers from -10 to 10, or too many.
    """
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise InputError(f"strengths must be a list of numbers, not {shown(value)}.")
    most = min(count, MAX_SLIDERS)
    if len(value) > most:
        raise InputError(f"strengths must have at most {most} entries, not {len(value)}.")
    checked = [number(f"strengths[{k}]", v, STRENGTH) for k, v in enumerate(value)]
    while checked and checked[-1] == 0:
        checked.pop()
    return tuple(checked)


def points(value: Any, count: int = 3) -> tuple[tuple[float, float], ...]:
    """Points marked on a photo, (x, y) in pixels; whether they lie on it is for alignment to say.

    Raises:
        InputError: not a list of `count` pairs of numbers from 0 to the largest side of a photo.
    """
    wanted = f"points must be {count} pairs of pixels: left eye, right eye, mouth"
    if not isinstance(value, (list, tuple)) or len(value) != count:
        raise InputError(f"{wanted}; this is {shown(value)}.")
    side = Range(0, MAX_PHOTO_SIDE, 0)
    checked = []
    for k, pair in enumerate(value):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise InputError(f"{wanted}; number {k + 1} is {shown(pair)}.")
        checked.append((number(f"points[{k}] x", pair[0], side), number(f"points[{k}] y", pair[1], side)))
    return tuple(checked)
