"""One level of the two-dimensional Haar transform, the up-sampling of MobileStyleGAN (arXiv 2104.04767, section 3.1).

Bands are planar: the channel axis holds [low-pass | vertical | horizontal | diagonal], C channels each.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F


def haar_up(x: torch.Tensor) -> torch.Tensor:
    """Inverse transform: four bands to one picture of twice the side.

    Args:
        x: [B, 4C, H, W], bands planar.
    Returns:
        [B, C, 2H, 2W]. `haar_up(haar_down(y)) == y` up to rounding; both are orthonormal.
    """
    if x.is_contiguous(memory_format=torch.channels_last) and not torch.is_grad_enabled():
        return _haar_up_channels_last(x)
    low, vertical, horizontal, diagonal = x.chunk(4, dim=1)  # [B,C,H,W] each
    top, bottom = low + vertical, low - vertical
    left, right = horizontal + diagonal, horizontal - diagonal
    y = torch.stack((top + left, top - left, bottom + right, bottom - right), dim=2) * 0.5  # [B,C,4,H,W]
    return F.pixel_shuffle(y.flatten(1, 2), 2)


def _haar_up_channels_last(x: torch.Tensor) -> torch.Tensor:
    """The same without the shuffle: each quarter is written where it belongs. Not differentiable."""
    b, c4, h, w = x.shape
    low, vertical, horizontal, diagonal = (x * 0.5).chunk(4, dim=1)
    top, bottom = low + vertical, low - vertical
    left, right = horizontal + diagonal, horizontal - diagonal
    y = torch.empty((b, c4 // 4, 2 * h, 2 * w), dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    torch.add(top, left, out=y[:, :, 0::2, 0::2])
    torch.sub(top, left, out=y[:, :, 0::2, 1::2])
    torch.add(bottom, right, out=y[:, :, 1::2, 0::2])
    torch.sub(bottom, right, out=y[:, :, 1::2, 1::2])
    return y


def haar_down(y: torch.Tensor) -> torch.Tensor:
    """Forward transform.

    Args:
        y: [B, C, 2H, 2W].
    Returns:
        [B, 4C, H, W], bands planar.
    """
    b, c, h, w = y.shape
    p00, p01, p10, p11 = F.pixel_unshuffle(y, 2).view(b, c, 4, h // 2, w // 2).unbind(2)
    bands = (p00 + p01 + p10 + p11, p00 + p01 - p10 - p11, p00 - p01 + p10 - p11, p00 - p01 - p10 + p11)
    return torch.cat(bands, dim=1) * 0.5
