"""What makes a picture again: a short text that fits a link, a PNG's metadata and a JSON file.

    kind=emoji&seed=7&psi=0.7&move=1:2.5,4:-1&weights=default.1a2b3c4d5e6f

A photo's code never stands in it, only its digest; the code itself is a file that the owner keeps (`PhotoCode`). A Recipe
that exists is valid, and its numbers are rounded to what its text says: the text makes the same picture, to the byte.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import numpy as np

from ganji import validate
from ganji.errors import InputError

KINDS = ("emoji", "face", "emojified")
DEFAULT_STYLE = "default"
DECIMALS = 4  # of every number in a recipe; less than this moves no pixel
DIGEST_DIGITS = 16
MAX_TEXT, MAX_JSON = validate.MAX_RECIPE_TEXT, validate.MAX_RECIPE_JSON

_FIELDS = frozenset({"kind", "seed", "psi", "photo", "move", "cut", "strength", "style", "weights"})
_BLEND_FIELDS = frozenset({"cut", "strength", "style"})
_NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?([eE]-?[0-9]{1,2})?")
_DIGEST = re.compile(rf"[0-9a-f]{{{DIGEST_DIGITS}}}")
_STYLE = re.compile(r"[\w:. \-]+")
_WEIGHTS = re.compile(r"[A-Za-z0-9_.\-]{0,80}")
_NO_RECIPE = "This is no recipe of ours; it looks like kind=emoji&seed=7&psi=0.7."
_NO_RECIPE_FILE = "This file is no recipe of ours. Choose the JSON file that you saved here."
_DAMAGED_CODE = "The face code in this file is damaged. Use the file as it was saved."


@dataclass(frozen=True)
class Recipe:
    """A picture, as the choices that led to it.

    Attributes:
        kind: "emoji" (random), "face" (random or a photo's) or "emojified" (a face as an emoji).
        seed: of the emoji or the face; None for a photo. photo: digest of a photo's code, else None.
        truncation_psi: of the seed's code; the default for a photo, which has none.
        strengths: slider values, by position, without trailing zeros.
        num_face_layers, blend_strength: the cut, for "emojified".
        style: of the drawing, for "emojified": a swatch's name, "face", or "seed:N".
        weights: "<bundle>.<12 hex digits of its digests>".

    Raises:
        InputError: a value out of range, or values that contradict each other.
    """

    kind: str
    seed: int | None = None
    photo: str | None = None
    truncation_psi: float = validate.TRUNCATION_PSI.default
    strengths: tuple[float, ...] = ()
    num_face_layers: int = 0
    blend_strength: float = validate.BLEND_STRENGTH.default
    style: str = DEFAULT_STYLE
    weights: str = ""

    def __post_init__(self) -> None:
        validate.choice("kind", self.kind, KINDS)
        if (self.seed is None) == (self.photo is None) or (self.kind == "emoji" and self.photo is not None):
            raise InputError("A recipe needs either a seed or, for a face, a photo's digest.")
        checked: dict[str, Any] = {
            "seed": None if self.seed is None else validate.integer("seed", self.seed, validate.SEED),
            "photo": None if self.photo is None else _match("photo", self.photo, _DIGEST),
            "truncation_psi": _rounded("psi", self.truncation_psi, validate.TRUNCATION_PSI),
            "strengths": _rounded_strengths(self.strengths),
            "num_face_layers": validate.integer("cut", self.num_face_layers, validate.NUM_FACE_LAYERS),
            "blend_strength": _rounded("strength", self.blend_strength, validate.BLEND_STRENGTH),
            "style": _match("style", validate.text("style", self.style, validate.MAX_STYLE), _STYLE),
            "weights": _match("weights", self.weights, _WEIGHTS),
        }
        if self.photo is not None:
            checked["truncation_psi"] = validate.TRUNCATION_PSI.default
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        plain = (0, validate.BLEND_STRENGTH.default, DEFAULT_STYLE)
        if self.kind != "emojified" and (self.num_face_layers, self.blend_strength, self.style) != plain:
            raise InputError("Only an emojified face has a cut, a strength and a style; leave them out.")

    def moved(self, strengths: tuple[float, ...]) -> Recipe:
        """The same picture with other sliders."""
        return replace(self, strengths=strengths)

    def notice(self, weights: str) -> str:
        """What to say when these weights, and not the recipe's, paint it; empty if they are the same."""
        if not self.weights or self.weights == weights:
            return ""
        return f"This recipe was made with other weights ({self.weights[:40]}), so the picture may differ."

    def to_text(self) -> str:
        """The short text; `from_text` reads it. Only what the kind needs stands in it, always in the same order."""
        pairs: list[tuple[str, str]] = [("kind", self.kind)]
        if self.seed is not None:
            pairs += [("seed", str(self.seed)), ("psi", _digits(self.truncation_psi))]
        if self.photo is not None:
            pairs.append(("photo", self.photo))
        if self.strengths:
            pairs.append(("move", ",".join(f"{k}:{_digits(v)}" for k, v in enumerate(self.strengths) if v)))
        if self.kind == "emojified":
            pairs += [
                ("cut", str(self.num_face_layers)),
                ("strength", _digits(self.blend_strength)),
                ("style", self.style),
            ]
        if self.weights:
            pairs.append(("weights", self.weights))
        return urlencode(pairs, safe=":,.")


def _digits(value: float) -> str:
    """A rounded number, as short as it goes."""
    return f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")


def _rounded(name: str, value: Any, limits: validate.Range) -> float:
    return round(validate.number(name, value, limits), DECIMALS) + 0.0


def _rounded_strengths(values: Any) -> tuple[float, ...]:
    rounded = [round(v, DECIMALS) + 0.0 for v in validate.strengths(values, validate.MAX_SLIDERS)]
    while rounded and not rounded[-1]:
        rounded.pop()
    return tuple(rounded)


def _match(name: str, value: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise InputError(f"A recipe's {name} cannot be {validate.shown(value)}. Copy the recipe again.")
    return value


def from_text(text: Any) -> Recipe:
    """Read a recipe's text, or a link that ends in one.

    Raises:
        InputError: too long, unknown, missing or empty fields, values out of range. Nothing is half-read.
    """
    text = validate.text("The recipe", text, MAX_TEXT).strip()
    if text.startswith(("http://", "https://", "?")):
        text = text.partition("?")[2].partition("#")[0]
    try:
        pairs = parse_qsl(text, strict_parsing=True, max_num_fields=16, errors="strict", keep_blank_values=True)
    except ValueError:
        raise InputError(_NO_RECIPE) from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InputError("This recipe names a field twice. Copy it again.")
    if unknown := sorted(set(fields) - _FIELDS):
        raise InputError(f"A recipe has no field {validate.shown(unknown[0])}. Copy it again.")
    if empty := sorted(name for name, value in fields.items() if not value):
        raise InputError(f"This recipe says nothing after {empty[0]}. Copy it again.")
    if "kind" not in fields:
        raise InputError(_NO_RECIPE)
    return _from_fields(fields)


def _from_fields(fields: dict[str, str]) -> Recipe:
    """A recipe from its fields; the Recipe itself checks the values."""
    if fields["kind"] != "emojified" and set(fields) & _BLEND_FIELDS:
        raise InputError("Only an emojified face has a cut, a strength and a style; leave them out.")
    if "photo" in fields and "psi" in fields:
        raise InputError("A photo's recipe has no psi; leave it out.")
    values: dict[str, Any] = {name: fields[name] for name in ("kind", "photo", "style", "weights") if name in fields}
    names = {"seed": "seed", "psi": "truncation_psi", "cut": "num_face_layers", "strength": "blend_strength"}
    values |= {names[name]: _number(fields[name]) for name in names if name in fields}
    if "move" in fields:
        values["strengths"] = _read_strengths(fields["move"])
    return Recipe(**values)


def _number(text: str) -> float | int | str:
    """The number that a short text spells, else the text itself, which validation then refuses."""
    if not _NUMBER.fullmatch(text):
        return text
    return int(text) if text.lstrip("-").isdigit() else float(text)


def _read_strengths(text: str) -> tuple[float, ...]:
    """Slider values from "1:2.5,4:-1"."""
    values: dict[int, float] = {}
    positions = validate.Range(0, validate.MAX_SLIDERS - 1, 0)
    for item in text.split(","):
        position, _, value = item.partition(":")
        index = validate.integer("A slider's number", _number(position), positions)
        if index in values:
            raise InputError("This recipe moves a slider twice. Copy it again.")
        values[index] = validate.number("A slider's value", _number(value), validate.STRENGTH)
    return tuple(values.get(k, 0.0) for k in range(max(values) + 1))


@dataclass(frozen=True, eq=False)
class PhotoCode:
    """The code of a photo's face, which only its owner has.

    Attributes:
        w_plus: [num_ws, w_dim] float32.
    """

    w_plus: np.ndarray

    @property
    def digest(self) -> str:
        """16 hex digits, of the shape and the numbers, that a recipe may show."""
        digest = hashlib.sha256(repr(tuple(self.w_plus.shape)).encode())
        digest.update(np.ascontiguousarray(self.w_plus, "<f4").tobytes())
        return digest.hexdigest()[:DIGEST_DIGITS]


def to_json(recipe: Recipe, code: PhotoCode | None = None) -> str:
    """A recipe file. With `code` it contains a face's code: the page says so on the button.

    Raises:
        InputError: the code is not the one that the recipe names.
    """
    data: dict[str, Any] = {"ganji": 1, "recipe": recipe.to_text()}
    if code is not None:
        if code.digest != recipe.photo:
            raise InputError("This face code is not the one that the recipe names. Use the photo's own.")
        data["contains"] = "your face code: whoever has this file can make this face's pictures"
        data["w_plus"] = {
            "shape": list(code.w_plus.shape),
            "float32": base64.b64encode(np.ascontiguousarray(code.w_plus, "<f4").tobytes()).decode(),
        }
    return json.dumps(data, indent=1)


def from_json(text: Any) -> tuple[Recipe, PhotoCode | None]:
    """Read a recipe file, as text or as bytes.

    Raises:
        InputError: not one of ours, tampered, too long; nothing is half-read.
    """
    if isinstance(text, bytes):
        try:
            text = text[: 4 * MAX_JSON].decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InputError(_NO_RECIPE_FILE) from None
    text = validate.text("The recipe file", text, MAX_JSON)
    try:
        data = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise InputError(_NO_RECIPE_FILE) from None
    if not isinstance(data, dict) or not {"ganji", "recipe"} <= set(data) <= {"ganji", "recipe", "contains", "w_plus"}:
        raise InputError(_NO_RECIPE_FILE)
    if type(data["ganji"]) is not int or data["ganji"] != 1:
        raise InputError(
            "This recipe file is of a kind that this version cannot read. Update the app, or save it again."
        )
    recipe = from_text(data["recipe"])
    code = _read_code(data["w_plus"]) if "w_plus" in data else None
    if code is not None and code.digest != recipe.photo:
        raise InputError(
            "The face code in this file is not the one that its recipe names. Use the file as it was saved."
        )
    return recipe, code


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; the same name twice is refused."""
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("twice")
    return data


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and infinities are no JSON


def _read_code(data: Any) -> PhotoCode:
    """The face code of a file.

    Raises:
        InputError: of another shape, not finite, or beyond what a face code can be.
    """
    if (
        not isinstance(data, dict)
        or set(data) != {"shape", "float32"}
        or not isinstance(data["shape"], list)
        or len(data["shape"]) != 2
    ):
        raise InputError(_DAMAGED_CODE)
    try:
        rows = validate.integer("rows", data["shape"][0], validate.Range(1, validate.MAX_CODE_ROWS, 1))
        dims = validate.integer("dims", data["shape"][1], validate.Range(1, validate.MAX_CODE_DIMS, 1))
        raw = base64.b64decode(data["float32"], validate=True)
        array = np.frombuffer(raw, "<f4").reshape(rows, dims).astype(np.float32)
    except (InputError, TypeError, ValueError):
        raise InputError(_DAMAGED_CODE) from None
    if not np.isfinite(array).all() or np.abs(array).max() > validate.MAX_CODE_VALUE:
        raise InputError(_DAMAGED_CODE)
    return PhotoCode(array)
