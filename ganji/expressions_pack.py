"""What the emoji of a pack show: a table of expressions, and the sliders that give one code each of them.

The table says where a face shall stand along the named directions, counted in standard deviations from the average face:
that holds for every code and every unit of a slider. A direction that an expression does not name stays where the code has
it. Where a code stands already is read off in the whitened w space: there a direction that was fitted as "how w changes
with this measure" also is the best reading of that measure (both are Sigma times the regression's weights).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from ganji.errors import InputError
from ganji.factorize import MAX_STRENGTH, Directions
from ganji.latents import WStatistics

SMILE, MOUTH, EYES, LOOK = "smile", "mouth open", "eyes open", "look left / right"
NAMED = (SMILE, MOUTH, EYES, LOOK)  # the directions that a pack needs
OWN = "own"


@dataclass(frozen=True)
class Expression:
    """One emoji of a pack.

    Attributes:
        label: what it shows; the page has a text `expression_<label>` for it.
        levels: named direction -> standard deviations from the average face. Empty: the code's own expression.
    """

    label: str
    levels: Mapping[str, float]


# The first is the picture itself. Left and right are the viewer's. Tune here and nowhere else; tests/test_expressions_pack.py says what must hold.
EXPRESSIONS = (
    Expression(OWN, {}),
    Expression("neutral", {SMILE: 0.0, MOUTH: -1.0, EYES: 0.2, LOOK: 0.0}),
    Expression("smile", {SMILE: 1.0, MOUTH: -0.8, EYES: 0.2, LOOK: 0.0}),
    Expression("laugh", {SMILE: 1.2, MOUTH: 1.2, EYES: -0.2, LOOK: 0.0}),
    Expression("surprised", {SMILE: -3.2, MOUTH: 1.7, EYES: 1.2, LOOK: 0.0}),
    Expression("sad", {SMILE: -2.4, MOUTH: -0.4, EYES: 0.2, LOOK: 0.0}),
    Expression("eyes closed", {SMILE: 0.8, EYES: -3.0, LOOK: 0.0}),
    Expression("looking left", {LOOK: -1.7}),
    Expression("looking right", {LOOK: 1.7}),
)


def has_named(directions: Directions) -> bool:
    """Whether packs can be made along these sliders."""
    return set(NAMED) <= {item.name for item in directions.items}


@dataclass(frozen=True)
class NamedAxes:
    """The named directions of one generator, as axes of the whitened w space.

    Attributes:
        positions: of each of NAMED among the sliders.
        row: the row of w_plus that they are read from.
        axes: [n, w_dim] float64, each direction times its unit, whitened.
        spread: [n] strengths that one standard deviation of faces is worth.
        statistics: of the w that codes are drawn from.
    """

    positions: tuple[int, ...]
    row: int
    axes: torch.Tensor
    spread: torch.Tensor
    statistics: WStatistics

    @classmethod
    def of(cls, directions: Directions, statistics: WStatistics) -> NamedAxes:
        """Find the named directions.

        Raises:
            InputError: one is missing.
        """
        names = [item.name for item in directions.items]
        missing = [name for name in NAMED if name not in names]
        if missing:
            raise InputError(f"These weights have no slider called {missing[0]!r}, so they make no emoji packs.")
        positions = tuple(names.index(name) for name in NAMED)
        items = [directions.items[k] for k in positions]
        steps = torch.stack([item.vector.to(statistics.from_w) * item.unit for item in items])
        axes = (steps @ statistics.from_w).double()
        spread = torch.linalg.inv(axes @ axes.t()).diagonal().sqrt()
        return cls(positions, items[0].rows[0], axes, spread, statistics)

    def read(self, w_plus: torch.Tensor) -> torch.Tensor:
        """How far a code [1, num_ws, w_dim] stands from the average face along NAMED, in strengths: [n] float64."""
        code = self.statistics.whiten(w_plus[0, self.row]).double()
        return torch.linalg.lstsq(self.axes.t(), code[:, None]).solution[:, 0]

    def strengths(self, expression: Expression, w_plus: torch.Tensor, own: tuple[float, ...] = ()) -> tuple[float, ...]:
        """The sliders that make a code show an expression; those that it does not name stay as they are.

        Args:
            w_plus: [1, num_ws, w_dim], before its sliders.
            own: the sliders that the code's picture has.
        """
        values = list(own) + [0.0] * max(0, 1 + max(self.positions) - len(own))
        for k, (name, stand) in enumerate(zip(NAMED, self.read(w_plus).tolist())):
            if name in expression.levels:
                wanted = expression.levels[name] * float(self.spread[k]) - stand
                values[self.positions[k]] = min(MAX_STRENGTH, max(-MAX_STRENGTH, wanted))
        return tuple(values)
