"""How alike two pictures look: LPIPS (Zhang et al. 2018) on an AlexNet or VGG16 backbone.

Parameter names are torchvision's (`features.N.*`) plus `lin0.weight` .. `lin4.weight`. Knows no files.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ganji.errors import CheckpointError

# Per backbone: (index in torchvision's `features`, in channels, out channels, kernel, stride, padding, max-pool before it,
# tap after it). A pool is (kernel, stride).
_ALEXNET = (
    (0, 3, 64, 11, 4, 2, None, True),
    (3, 64, 192, 5, 1, 2, (3, 2), True),
    (6, 192, 384, 3, 1, 1, (3, 2), True),
    (8, 384, 256, 3, 1, 1, None, True),
    (10, 256, 256, 3, 1, 1, None, True),
)
_VGG16_WIDTHS = ((0, 64), (2, 64), (5, 128), (7, 128), (10, 256), (12, 256), (14, 256), (17, 512), (19, 512), (21, 512),
                 (24, 512), (26, 512), (28, 512))  # fmt: skip
_VGG16 = tuple(
    (index, before, width, 3, 1, 1, (2, 2) if index in (5, 10, 17, 24) else None, index in (2, 7, 14, 21, 28))
    for (index, width), before in zip(_VGG16_WIDTHS, (3, *(w for _, w in _VGG16_WIDTHS)))
)
BACKBONES = {"alexnet": _ALEXNET, "vgg16": _VGG16}


class _Weights(nn.Module):
    """How much each channel of a tap counts."""

    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.full((width,), 1 / width))


class LPIPS(nn.Module):
    """Learned perceptual distance, version 0.1.

    Smallest picture: 32 px for AlexNet, 16 px for VGG16.
    """

    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(self, backbone: str = "alexnet"):
        super().__init__()
        if backbone not in BACKBONES:
            raise CheckpointError(f"Unknown LPIPS backbone {backbone!r}; known: {', '.join(BACKBONES)}.")
        self.layers = BACKBONES[backbone]
        self.features = nn.ModuleDict()
        for index, before, width, size, stride, padding, _, _ in self.layers:
            self.features[str(index)] = nn.Conv2d(before, width, size, stride, padding)
        taps = [width for _, _, width, *_, tap in self.layers if tap]
        for k, width in enumerate(taps):
            setattr(self, f"lin{k}", _Weights(width))
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188])[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450])[:, None, None], persistent=False)

    def embed(self, x: torch.Tensor) -> list[torch.Tensor]:
        """x [B, 3, S, S] in [-1, 1] -> one [B, C, h, w] float32 per tap, unit length over C."""
        x = (x - self.shift) / self.scale
        x = x.to(next(self.features.parameters()).dtype)
        taps = []
        for index, _, _, _, _, _, pool, tap in self.layers:
            if pool:
                x = F.max_pool2d(x, *pool)
            x = F.relu(self.features[str(index)](x))
            if tap:
                y = x.float()
                taps.append(y / (y.square().sum(dim=1, keepdim=True).sqrt() + 1e-10))
        return taps

    def compare(self, a: list[torch.Tensor], b: list[torch.Tensor], mask: torch.Tensor | None = None) -> torch.Tensor:
        """Distance of two embedded batches: [B] float32.

        Args:
            mask: [1, 1, S, S] in [0, 1]: where the pictures count; None: everywhere alike.
        """
        total = torch.zeros((), device=a[0].device)
        for k, (x, y) in enumerate(zip(a, b)):
            weight = getattr(self, f"lin{k}").weight.float()[:, None, None]
            difference = ((x - y).square() * weight).sum(dim=1)  # [B,h,w]
            if mask is None:
                total = total + difference.mean(dim=(1, 2))
            else:
                share = F.adaptive_avg_pool2d(mask, difference.shape[1:])[:, 0]
                total = total + (difference * share).sum(dim=(1, 2)) / share.sum()
        return total

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """a, b: [B, 3, S, S] in [-1, 1] -> [B] float32."""
        return self.compare(self.embed(a), self.embed(b))
