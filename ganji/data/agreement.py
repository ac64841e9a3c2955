"""Does an emoji show the expression that its face has? The drawing nearest to it says what it shows.

The judge composes every pair of eyes and mouth of the rule table at the face's own position, size, drawing set and colour,
and finds the one nearest to the painted emoji (LPIPS, AlexNet). A blurred mouth, or two at once, is near to no drawing or to
a wrong one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from ganji import images
from ganji.data.compose import render
from ganji.data.framing import EYES, MOUTH
from ganji.data.matching import Rules
from ganji.data.parts import PartSet
from ganji.perceptual import LPIPS

LEAST_FACES = 8  # that a class needs to count in a balanced accuracy


@dataclass(frozen=True)
class Verdict:
    """What one picture shows.

    Attributes:
        eyes, mouth: classes of the nearest drawing.
        distance: LPIPS to the drawing of the face's own classes.
    """

    eyes: str
    mouth: str
    distance: float


class Judge:
    """Names the drawing nearest to a picture.

    Args:
        part_sets: by name; every set that pictures are judged in.
        size: side of the compared pictures in pixels.
    """

    def __init__(self, rules: Rules, part_sets: Mapping[str, PartSet], distance: LPIPS, size: int = 256):
        self.rules, self.part_sets, self.size = rules, part_sets, size
        self._distance = distance
        self.pairs = [(eyes, mouth) for eyes in rules.names(EYES) for mouth in rules.names(MOUTH)]

    def drawings(self, measures: Mapping[str, float], set_name: str, colour: str) -> torch.Tensor:
        """Every pair of classes as this face would show it: [pairs, 3, size, size] in [-1, 1]."""
        part_set = self.part_sets[set_name]
        drawn = [
            render(self.rules.draw(self.rules.match(measures, *pair), part_set, colour), self.size)
            for pair in self.pairs
        ]
        return images.to_tensor(drawn)

    @torch.no_grad()
    def judge(self, pictures: torch.Tensor, measures: Mapping[str, float], set_name: str, colour: str) -> list[Verdict]:
        """What pictures of one face in one style show.

        Args:
            pictures: [B, 3, size, size] in [-1, 1].
            measures: a row of Expressions.
        """
        known = self._distance.embed(self.drawings(measures, set_name, colour))
        own = self.pairs.index(self.rules.classify(measures))
        verdicts = []
        for picture in pictures.split(1):
            taps = [tap.expand_as(other) for tap, other in zip(self._distance.embed(picture), known)]
            distances = self._distance.compare(taps, known)
            verdicts.append(Verdict(*self.pairs[int(distances.argmin())], float(distances[own])))
        return verdicts


@dataclass
class Confusion:
    """How often a class was taken for another one.

    Attributes:
        names: the classes. counts: [true, shown].
    """

    names: Sequence[str]
    counts: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.counts = np.zeros((len(self.names), len(self.names)), dtype=np.int64)

    def add(self, true: str, shown: str) -> None:
        """Count one picture."""
        self.counts[self.names.index(true), self.names.index(shown)] += 1

    def recalls(self, least: int = LEAST_FACES) -> dict[str, float]:
        """Share of each class that is shown as itself; classes of fewer than `least` pictures are left out."""
        totals = self.counts.sum(axis=1)
        return {n: self.counts[k, k] / totals[k] for k, n in enumerate(self.names) if totals[k] >= max(1, least)}

    def balanced_accuracy(self, least: int = LEAST_FACES) -> float:
        """Mean of `recalls`; NaN without any."""
        recalls = list(self.recalls(least).values())
        return float(np.mean(recalls)) if recalls else float("nan")

    def to_text(self) -> str:
        """A table: rows are true classes, columns what is shown."""
        width = max(map(len, self.names)) + 2
        lines = [" " * width + "".join(f"{name:>{width}}" for name in self.names)]
        for name, row in zip(self.names, self.counts):
            lines.append(f"{name:<{width}}" + "".join(f"{count:>{width}}" for count in row))
        return "\n".join(lines)


@dataclass
class Agreement:
    """The verdicts on many pictures.

    Attributes:
        eyes, mouth: confusion of the faces' classes with what the emoji show.
        distances: LPIPS of each picture to its face's own drawing.
    """

    rules: Rules
    eyes: Confusion = field(init=False)
    mouth: Confusion = field(init=False)
    distances: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.eyes, self.mouth = Confusion(self.rules.names(EYES)), Confusion(self.rules.names(MOUTH))

    def add(self, measures: Mapping[str, float], verdict: Verdict) -> None:
        """Count one picture."""
        eyes, mouth = self.rules.classify(measures)
        self.eyes.add(eyes, verdict.eyes)
        self.mouth.add(mouth, verdict.mouth)
        self.distances.append(verdict.distance)

    def to_row(self) -> str:
        """Both balanced accuracies, the worst class and the mean distance, as cells of a Markdown table."""
        eyes, mouth = self.eyes.recalls(), self.mouth.recalls()
        name, worst = min({**eyes, **mouth}.items(), key=lambda item: item[1], default=("-", float("nan")))
        return (
            f"| {self.mouth.balanced_accuracy():.1%} | {self.eyes.balanced_accuracy():.1%} | {name} {worst:.0%} "
            f"| {np.mean(self.distances):.4f} |"
        )
