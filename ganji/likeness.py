"""How alike are painted pictures and an aligned photo? What a projection's loss sees of the pictures."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ganji.perceptual import LPIPS

CLOSE_UP = (
    0.22,
    0.34,
    0.78,
    0.86,
)  # left, top, right, bottom of eyes and mouth in an FFHQ-aligned picture, as fractions
COLOUR_SIDE = 16


class Likeness:
    """Compares pictures with one target.

    Args:
        target: [1, 3, S, S] float32 in [-1, 1].
        distance: LPIPS network.
        mask: [1, 1, S, S] in [0, 1]: where the whole picture counts; None: everywhere alike.
        colour_weight: of the L1 distance of the pictures reduced to 16 px a side, whose colours LPIPS hardly sees.
        close_up_weight: of the LPIPS distance of eyes and mouth, enlarged twice: the expression is a small part of a face.
    """

    def __init__(
        self,
        target: torch.Tensor,
        distance: LPIPS,
        *,
        mask: torch.Tensor | None = None,
        colour_weight: float = 0.0,
        close_up_weight: float = 0.0,
    ):
        self._distance, self._mask = distance, mask
        self._colour_weight, self._close_up_weight = colour_weight, close_up_weight
        with torch.no_grad():
            self._whole = distance.embed(target)
            self._close_up = distance.embed(close_up(target)) if close_up_weight else []
        self._colours = _colours(target)

    def judge(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(loss [B], perceptual distance of the whole pictures [B]) of pictures [B, 3, S, S]; differentiable."""
        perceptual = self._compare(pictures, self._whole, self._mask)
        colour = (_colours(pictures) - self._colours).abs()
        colour = colour.mean(dim=(1, 2, 3)) if self._mask is None else _masked_mean(colour, self._mask)
        loss = perceptual + self._colour_weight * colour
        if self._close_up_weight:
            loss = loss + self._close_up_weight * self._compare(close_up(pictures), self._close_up, None)
        return loss, perceptual

    def _compare(
        self, pictures: torch.Tensor, reference: list[torch.Tensor], mask: torch.Tensor | None
    ) -> torch.Tensor:
        wanted = [tap.expand(len(pictures), -1, -1, -1) for tap in reference]
        return self._distance.compare(self._distance.embed(pictures), wanted, mask=mask)


def close_up(pictures: torch.Tensor) -> torch.Tensor:
    """Eyes and mouth of FFHQ-aligned pictures, twice as large: [B, 3, S, S] -> [B, 3, h, w]."""
    side = pictures.shape[-1]
    left, top, right, bottom = (round(edge * side) for edge in CLOSE_UP)
    return F.interpolate(pictures[:, :, top:bottom, left:right], scale_factor=2, mode="bilinear", align_corners=False)


def face_mask(side: int, *, background: float = 0.15) -> torch.Tensor:
    """Where an FFHQ-aligned face lies: [1, 1, side, side], 1 inside a soft ellipse over face and hair, less outside."""
    axis = (torch.arange(side) + 0.5) / side
    x, y = axis[None, :] - 0.5, axis[:, None] - 0.53
    radius = torch.sqrt((x / 0.40) ** 2 + (y / 0.50) ** 2)
    inside = torch.clamp((1.15 - radius) / 0.3, 0, 1)
    return (background + (1 - background) * inside)[None, None]


def _colours(x: torch.Tensor) -> torch.Tensor:
    """Reduced by averaging: colours without details."""
    return F.avg_pool2d(x, max(1, x.shape[-1] // COLOUR_SIDE))


def _masked_mean(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean per picture of x [B, C, h, w], weighted by the mask reduced to h x w: [B]."""
    weight = F.adaptive_avg_pool2d(mask, (x.shape[-2], x.shape[-1]))
    return (x * weight).sum(dim=(1, 2, 3)) / (weight.sum() * x.shape[1])
