"""What a projection does when, and how much each part of its loss counts; the two modes that are on offer."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class ProjectStage:
    """A part of a projection.

    Attributes:
        resolution: side of the picture that is compared; synthesis stops there, or at the next side that the generator has.
        num_steps: at most.
        tied: one w for all rows, or one per row.
        learning_rate: in whitened units, at the start of the stage; it falls along a half cosine.
        keep: how many candidates go on to the next stage.
    """

    resolution: int
    num_steps: int
    tied: bool
    learning_rate: float
    keep: int = 1


@dataclass(frozen=True)
class ProjectOptions:
    """
    Attributes:
        stages: run in this order.
        prior_weight: of the mean squared whitened code: how much being usual counts.
        spread_weight: of the mean squared difference between rows and their mean, whitened.
        colour_weight, close_up_weight, expression_weight: of the colours, of eyes and mouth, and of the expression that is
            read off the picture (likeness.Likeness).
        meaning_weight: of the expression that is read off the code, which is the one that its emoji shows.
        deadline: seconds after which the best code so far is the answer; None: no limit.
        tolerance: a stage ends when its loss fell by less than this fraction over the last 20 steps.
    """

    stages: tuple[ProjectStage, ...]
    prior_weight: float = 0.05
    spread_weight: float = 0.05
    colour_weight: float = 0.5
    close_up_weight: float = 0.0
    expression_weight: float = 0.0
    meaning_weight: float = 0.0
    deadline: float | None = None
    tolerance: float = 0.003

    @property
    def num_steps(self) -> int:
        """Steps at most."""
        return sum(stage.num_steps for stage in self.stages)


def with_deadline(options: ProjectOptions, seconds: float | None) -> ProjectOptions:
    """The same options with another deadline."""
    return replace(options, deadline=seconds)


FAST = ProjectOptions(
    stages=(
        ProjectStage(64, 4, tied=True, learning_rate=0.20),
        ProjectStage(64, 10, tied=True, learning_rate=0.15),
        ProjectStage(128, 26, tied=True, learning_rate=0.15),  # a closed smile and an open one look alike at 64 px
    ),
    prior_weight=0.02,
    close_up_weight=0.4,
    expression_weight=0.05,
    meaning_weight=0.1,
)
PORTRAIT = ProjectOptions(
    stages=(
        ProjectStage(64, 10, tied=True, learning_rate=0.15),
        ProjectStage(64, 35, tied=True, learning_rate=0.15),
        ProjectStage(128, 60, tied=False, learning_rate=0.20),
        ProjectStage(256, 65, tied=False, learning_rate=0.15),
    ),
    prior_weight=0.02,
    spread_weight=0.02,
    close_up_weight=0.4,
    expression_weight=0.05,
    meaning_weight=0.1,
)
MODES = {"fast": FAST, "portrait": PORTRAIT}
