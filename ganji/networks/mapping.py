"""z -> w: StyleGAN2's mapping network (Karras et al. 2020), shared by both families.

Parameter names and scales are those of the public rosinality checkpoints (`1.weight` .. `8.bias` below `style.`), so
that they load without renaming.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

LR_MULTIPLIER = 0.01


class PixelNorm(nn.Module):
    """Divide each sample by its root mean square over the features."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)


class MappingLayer(nn.Module):
    """Linear layer with equalised learning rate, leaky ReLU 0.2 and gain sqrt(2)."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / LR_MULTIPLIER)
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.scale = LR_MULTIPLIER / math.sqrt(in_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.linear(x, self.weight * self.scale, self.bias * LR_MULTIPLIER)
        return F.leaky_relu(x, 0.2) * math.sqrt(2)


def mapping_network(z_dim: int, w_dim: int, num_layers: int) -> nn.Sequential:
    """A fresh mapping network: [B, z_dim] -> [B, w_dim]. Entry 0 is the normalisation, entries 1.. are layers."""
    sizes = [z_dim] + [w_dim] * num_layers
    return nn.Sequential(PixelNorm(), *(MappingLayer(a, b) for a, b in zip(sizes, sizes[1:])))
