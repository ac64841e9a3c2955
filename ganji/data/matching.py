"""The emoji that shows a face's expression. The rules are data: expression_rules.json.

A measured face (expressions.py) gives two classes, eyes and mouth, and two placements: the parts move with the head's turn
and stretch with the features they show. Drawing set and colour are free.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ganji.data.compose import Placement, compose_svg
from ganji.data.framing import EYES, MOUTH, SIDE
from ganji.data.parts import PartSet
from ganji.errors import InputError
from ganji.expression_map import Rule, class_of, with_mean_eye

RULES = Path(__file__).with_name("expression_rules.json")


@dataclass(frozen=True)
class MatchedFace:
    """What is drawn for one face: class names and placements."""

    eyes: str
    mouth: str
    eyes_placement: Placement
    mouth_placement: Placement


class Rules:
    """The rule table.

    Attributes:
        classes: {"eyes": rules, "mouth": rules}, without what is drawn.
        margins: measure -> how far from a class' border a code is moved before it is drawn (expression_map.py).

    Raises:
        InputError: a file that is no rule table.
    """

    def __init__(self, path: Path = RULES):
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
            self._rules = {slot: list(table[slot]) for slot in (EYES, MOUTH)}
            self._classes = {slot: {rule["name"]: rule for rule in reversed(self._rules[slot])} for slot in self._rules}
            self._shift = table["shift"]
            self.classes = {
                slot: tuple(Rule(row["name"], row["when"]) for row in rows) for slot, rows in self._rules.items()
            }
            self.margins = {str(name): float(value) for name, value in table["margins"].items()}
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise InputError(f"{path.name} is no table of expression rules.") from exc

    def names(self, slot: str) -> tuple[str, ...]:
        """Class names of "eyes" or "mouth", in the table's order."""
        return tuple(dict.fromkeys(rule["name"] for rule in self._rules[slot]))

    @property
    def set_names(self) -> tuple[str, ...]:
        """The drawing sets that every class has a part of."""
        return tuple(next(iter(self._classes[MOUTH].values()))["parts"])

    def code(self, slot: str, name: str, set_name: str) -> str:
        """The face whose part shows a class in a drawing set."""
        return self._part(slot, name, set_name)[0]

    def _part(self, slot: str, name: str, set_name: str) -> tuple[str, float, float]:
        """(code, scale, pixels down) of a class in a set."""
        part = self._classes[slot][name]["parts"][set_name]
        return (part, 1.0, 0.0) if isinstance(part, str) else (part[0], float(part[1]), float(part[2]))

    def classify(self, measures: Mapping[str, float]) -> tuple[str, str]:
        """(eyes class, mouth class) of a face.

        Args:
            measures: a row of Expressions.
        """
        values = with_mean_eye(measures)
        return class_of(self.classes[EYES], values), class_of(self.classes[MOUTH], values)

    def match(self, measures: Mapping[str, float], eyes: str | None = None, mouth: str | None = None) -> MatchedFace:
        """What shows a face: its own classes, or the given ones at this face's position and size."""
        values = with_mean_eye(measures)
        own = self.classify(measures)
        eyes, mouth = eyes or own[0], mouth or own[1]
        dx, dy = (self._offset(axis, values[axis]) for axis in ("yaw", "pitch"))
        centre = (SIDE / 2, float(self._classes[MOUTH][mouth]["centre_y"]))
        far = {axis: self._shift[axis]["mouth"] for axis in ("yaw", "pitch")}
        return MatchedFace(
            eyes,
            mouth,
            Placement(dx, dy, *self._stretch(EYES, eyes, values)),
            Placement(dx * far["yaw"], dy * far["pitch"], *self._stretch(MOUTH, mouth, values), centre=centre),
        )

    def _offset(self, axis: str, value: float) -> float:
        rule = self._shift[axis]
        return clip(value, *rule["range"]) * rule["pixels"]

    def _stretch(self, slot: str, name: str, values: Mapping[str, float]) -> tuple[float, float]:
        rule = self._classes[slot][name]
        factors = []
        for key in ("stretch_x", "stretch_y"):
            if key in rule:
                factors.append(clip(values[rule[key]["of"]] / rule[key]["reference"], *rule[key]["range"]))
            else:
                factors.append(1.0)
        return factors[0], factors[1]

    def draw(self, face: MatchedFace, part_set: PartSet, colour: str) -> str:
        """SVG text of the emoji in FFHQ framing."""
        eyes, mouth = (self._part(slot, name, part_set.name) for slot, name in ((EYES, face.eyes), (MOUTH, face.mouth)))
        return compose_svg(
            part_set,
            eyes[0],
            mouth[0],
            colour,
            framing="ffhq",
            eyes_placement=_adjusted(face.eyes_placement, *eyes[1:]),
            mouth_placement=_adjusted(face.mouth_placement, *mouth[1:]),
        )


def _adjusted(placement: Placement, scale: float, down: float) -> Placement:
    """A placement for a part that its set draws too large or too high."""
    return replace(placement, dy=placement.dy + down, sx=placement.sx * scale, sy=placement.sy * scale)


def clip(value: float, low: float, high: float) -> float:
    """value within [low, high]."""
    return min(high, max(low, value))


@cache
def default_rules() -> Rules:
    """The rules that come with the project."""
    return Rules()
