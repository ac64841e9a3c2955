"""Where things are in an FFHQ-aligned picture."""

from __future__ import annotations

import torch
import torch.nn.functional as F

CLOSE_UP = (
    0.22,
    0.34,
    0.78,
    0.86,
)  # left, top, right, bottom of eyes and mouth in an FFHQ-aligned picture, as fractions


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
