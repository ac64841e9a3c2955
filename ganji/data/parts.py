"""A whole set taken apart: one bare face, and every pair of eyes and every mouth that can be put on it.

Only the records and their JSON; `part_builder` makes them from drawings.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ganji.data.colours import Shades
from ganji.data.framing import EYES, MOUTH, FaceGeometry
from ganji.data.part_rules import RASTER
from ganji.data.svg_split import ViewBox
from ganji.errors import InputError

FORMAT = "ganji-parts-1"

Key = tuple[str, str]
"""(slot, code)."""


@dataclass(frozen=True)
class Fragment:
    """Some shapes of a drawing: their SVG text, and what it refers to by id."""

    body: str
    defs: dict[str, str]


@dataclass(frozen=True, eq=False)
class Part(Fragment):
    """Eyes or a mouth.

    Attributes:
        slot, code: which, and of which face.
        box: x0, y0, x1, y1 in SVG units: what is drawn.
        mask: [96, 96] bool over the set's view box.
    """

    slot: str
    code: str
    box: tuple[float, float, float, float]
    mask: np.ndarray

    @property
    def centre(self) -> tuple[float, float]:
        """Of the box, in SVG units."""
        x0, y0, x1, y1 = self.box
        return (x0 + x1) / 2, (y0 + y1) / 2


@dataclass(frozen=True, eq=False)
class PartSet:
    """Everything that faces of one set are composed from.

    Attributes:
        name: of the set.
        hue: of its yellow faces, in degrees.
        shades: which colours change with the face's.
        view_box: of its drawings.
        face: its disc, its normal eye line and mouth line, in SVG units.
        base: the bare disc.
        parts: (slot, code) -> part; only those of use, and only one of those that look the same.
        clean_pairs: (eyes code, mouth code) that do not touch each other in any framing.
        aliases: (slot, code) -> code of the part that looks the same.
        rejected: (slot, code) -> why it is of no use.
    """

    name: str
    hue: float
    shades: Shades
    view_box: ViewBox
    face: FaceGeometry
    base: Fragment
    parts: dict[Key, Part]
    clean_pairs: tuple[tuple[str, str], ...]
    aliases: dict[Key, str] = field(default_factory=dict)
    rejected: dict[Key, str] = field(default_factory=dict)

    @cached_property
    def eyes(self) -> tuple[str, ...]:
        """Codes of the eyes, in Unicode's order of faces."""
        return tuple(code for slot, code in self.parts if slot == EYES)

    @cached_property
    def mouths(self) -> tuple[str, ...]:
        """Codes of the mouths, in Unicode's order of faces."""
        return tuple(code for slot, code in self.parts if slot == MOUTH)

    def part(self, slot: str, code: str) -> Part:
        """The part of a face, or the one that looks the same.

        Raises:
            InputError: this set has none.
        """
        found = self.parts.get((slot, self.aliases.get((slot, code), code)))
        if found is None:
            reason = self.rejected.get((slot, code), "no such face")
            raise InputError(f"The {self.name} set has no {slot} of {code!r} to compose with: {reason}.")
        return found


def to_json(part_set: PartSet) -> dict[str, Any]:
    """Plain values; `from_json` reads them."""
    parts = [
        {**vars(part), "mask": base64.b64encode(np.packbits(part.mask).tobytes()).decode()}
        for part in part_set.parts.values()
    ]
    return {
        "format": FORMAT,
        "name": part_set.name,
        "hue": part_set.hue,
        "shades": asdict(part_set.shades),
        "view_box": part_set.view_box,
        "face": asdict(part_set.face),
        "base": asdict(part_set.base),
        "parts": parts,
        "clean_pairs": part_set.clean_pairs,
        "aliases": [[*key, code] for key, code in part_set.aliases.items()],
        "rejected": [[*key, reason] for key, reason in part_set.rejected.items()],
    }


def from_json(data: dict[str, Any]) -> PartSet:
    """Read what `to_json` made.

    Raises:
        ValueError, KeyError, TypeError: it did not.
    """
    if data["format"] != FORMAT:
        raise ValueError(data["format"])
    parts = {}
    for values in data["parts"]:
        bits = np.frombuffer(base64.b64decode(values["mask"]), np.uint8)
        mask = np.unpackbits(bits, count=RASTER * RASTER).reshape(RASTER, RASTER).astype(bool)
        parts[values["slot"], values["code"]] = Part(**{**values, "box": tuple(values["box"]), "mask": mask})
    face = data["face"]
    return PartSet(
        name=data["name"],
        hue=data["hue"],
        shades=Shades(**data["shades"]),
        view_box=tuple(data["view_box"]),
        face=FaceGeometry(tuple(face["centre"]), face["radius"], tuple(face["eyes"]), tuple(face["mouth"])),
        base=Fragment(**data["base"]),
        parts=parts,
        clean_pairs=tuple((eyes, mouth) for eyes, mouth in data["clean_pairs"]),
        aliases={(slot, code): other for slot, code, other in data["aliases"]},
        rejected={(slot, code): reason for slot, code, reason in data["rejected"]},
    )
