"""Blur and resampling with StyleGAN2's small binomial filter (Karras et al. 2020, after Zhang 2019).

The filter is symmetric, so convolution and correlation agree and nothing is flipped.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

TAPS = (1.0, 3.0, 3.0, 1.0)


def binomial_kernel(gain: float = 1.0) -> torch.Tensor:
    """The separable [1, 3, 3, 1] filter as a [4, 4] kernel whose entries add up to `gain`."""
    taps = torch.tensor(TAPS)
    kernel = torch.outer(taps, taps)
    return kernel * (gain / kernel.sum())


class Kernel(nn.Module):
    """A filter as a buffer called `kernel`, because public checkpoints hold it.

    Args:
        gain: what its entries add up to.
    """

    kernel: torch.Tensor

    def __init__(self, gain: float = 1.0):
        super().__init__()
        self.register_buffer("kernel", binomial_kernel(gain))


def blur(x: torch.Tensor, kernel: torch.Tensor, pad: tuple[int, int]) -> torch.Tensor:
    """Filter every channel alike.

    Args:
        x: [B, C, H, W].
        kernel: [k, k].
        pad: zeros before and after, on both axes.
    Returns:
        [B, C, H + pad[0] + pad[1] - k + 1, ...].
    """
    channels = x.shape[1]
    if pad[0] == pad[1]:
        padding = pad[0]
    else:
        x, padding = F.pad(x, (*pad, *pad)), 0
    weight = kernel.to(x.dtype).expand(channels, 1, *kernel.shape)
    return F.conv2d(x, weight, padding=padding, groups=channels)


def upsample2(x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Twice the side, filtered. kernel: [4, 4] with gain 4. x: [B, C, H, W] -> [B, C, 2H, 2W]."""
    b, c, h, w = x.shape
    spread = x.new_zeros(b, c, h, 2, w, 2)
    spread[:, :, :, 0, :, 0] = x
    return blur(spread.view(b, c, 2 * h, 2 * w), kernel, (2, 1))
