"""How alike are painted pictures and an aligned photo? What a projection's loss sees of the pictures."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ganji.expression_goal import ExpressionGoal
from ganji.expression_reader import SIDE
from ganji.face_regions import close_up
from ganji.perceptual import LPIPS

COLOUR_SIDE = 16


class Likeness:
    """Compares pictures with one target.

    Args:
        target: [1, 3, S, S] float32 in [-1, 1].
        distance: LPIPS network.
        mask: [1, 1, S, S] in [0, 1]: where the whole picture counts; None: everywhere alike.
        colour_weight: of the L1 distance of the pictures reduced to 16 px a side, whose colours LPIPS hardly sees.
        close_up_weight: of the LPIPS distance of eyes and mouth, enlarged twice: the expression is a small part of a face.
        goal, expression_weight: of the difference between the expressions that are read off pictures and target; smaller
            pictures than can be read do without.
    """

    def __init__(
        self,
        target: torch.Tensor,
        distance: LPIPS,
        *,
        mask: torch.Tensor | None = None,
        colour_weight: float = 0.0,
        close_up_weight: float = 0.0,
        goal: ExpressionGoal | None = None,
        expression_weight: float = 0.0,
    ):
        self._distance, self._mask = distance, mask
        self._colour_weight, self._close_up_weight = colour_weight, close_up_weight
        self._goal = goal if goal is not None and expression_weight and goal.can_read(target) else None
        self._expression_weight = expression_weight
        with torch.no_grad():
            self._whole = distance.embed(target)
            self._close_up = distance.embed(close_up(target)) if close_up_weight else []
        self._colours = _colours(target)

    def judge(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(loss [B], perceptual distance of the whole pictures [B]) of pictures [B, 3, S, S]; differentiable."""
        perceptual = self._compare(self._distance.embed(pictures), self._whole, self._mask)
        colour = (_colours(pictures) - self._colours).abs()
        colour = colour.mean(dim=(1, 2, 3)) if self._mask is None else _masked_mean(colour, self._mask)
        loss = perceptual + self._colour_weight * colour
        near = self._distance.embed(close_up(pictures)) if self._close_up_weight else None
        if near is not None:
            loss = loss + self._close_up_weight * self._compare(near, self._close_up, None)
        if self._goal is not None:
            if near is None or pictures.shape[-1] != SIDE:
                near = self._goal.reader.see(pictures, self._distance)
            loss = loss + self._expression_weight * self._goal.of_taps(near)
        return loss, perceptual

    def _compare(
        self, found: list[torch.Tensor], reference: list[torch.Tensor], mask: torch.Tensor | None
    ) -> torch.Tensor:
        wanted = [tap.expand(len(found[0]), -1, -1, -1) for tap in reference]
        return self._distance.compare(found, wanted, mask=mask)


def _colours(x: torch.Tensor) -> torch.Tensor:
    """Reduced by averaging: colours without details."""
    return F.avg_pool2d(x, max(1, x.shape[-1] // COLOUR_SIDE))


def _masked_mean(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean per picture of x [B, C, h, w], weighted by the mask reduced to h x w: [B]."""
    weight = F.adaptive_avg_pool2d(mask, (x.shape[-2], x.shape[-1]))
    return (x * weight).sum(dim=(1, 2, 3)) / (weight.sum() * x.shape[1])
