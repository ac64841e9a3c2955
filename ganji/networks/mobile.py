"""MobileStyleGAN's synthesis network (Belousov 2021, arXiv 2104.04767): depthwise-separable convolutions on wavelets.

Differs from the paper: demodulation is already folded into the weights, bands are planar (ops/haar.py), and there are
output heads of their own for smaller pictures. Every layer reads its own row of w_plus: 1 for the 4 px convolution,
3 for each further level (up, conv1, conv2), 1 for the output.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn

from ganji.networks.config import GeneratorConfig
from ganji.networks.generator import Generator, StyleLayer
from ganji.networks.ops.haar import haar_up

SLOPE = 0.2  # of the leaky ReLUs


class Affine(nn.Module):
    """w -> styles: one factor per channel."""

    def __init__(self, w_dim: int, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, w_dim) / math.sqrt(w_dim))
        self.bias = nn.Parameter(torch.ones(channels))

    def forward(self, w: torch.Tensor) -> torch.Tensor:
        return F.linear(w, self.weight, self.bias)[:, :, None, None]  # [B,C,1,1]


class ModulatedLayer(nn.Module):
    """styles * x -> depthwise 3x3 (or none) -> dense convolution -> + noise + bias -> leaky ReLU.

    `depthwise` is None in the 4 px layer, whose dense kernel is 3x3; elsewhere the dense kernel is 1x1.
    """

    def __init__(self, w_dim: int, in_channels: int, out_channels: int, resolution: int, *, separable: bool = True):
        super().__init__()
        size = 1 if separable else 3
        self.affine = Affine(w_dim, in_channels)
        self.depthwise = nn.Parameter(torch.randn(in_channels, 1, 3, 3) / 3) if separable else None
        self.weight = nn.Parameter(
            torch.randn(out_channels, in_channels, size, size) / math.sqrt(in_channels * size**2)
        )
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise = nn.Parameter(torch.zeros(1, 1, resolution, resolution))

    def forward(self, x: torch.Tensor, w: torch.Tensor, noise_mode: str, rng: torch.Generator | None) -> torch.Tensor:
        styles = self.affine(w)
        if self.depthwise is None:
            x = x * styles
        elif len(w) == 1:  # one picture: the styles go into the small kernel instead of over the features
            x = F.conv2d(x, self.depthwise * styles.transpose(0, 1), padding=1, groups=x.shape[1])
        else:
            x = F.conv2d(x * styles, self.depthwise, padding=1, groups=x.shape[1])
        x = F.conv2d(x, self.weight, self.bias, padding=self.weight.shape[-1] // 2)
        if noise_mode == "const":  # in place from here on: a convolution's gradient does not need its output
            x.add_(self.noise)
        elif noise_mode == "random":
            fresh = torch.randn((len(x), 1, *x.shape[2:]), generator=rng, device=x.device, dtype=torch.float32)
            x.add_(fresh.to(x.dtype) * self.noise.std())
        return F.leaky_relu(x, SLOPE, inplace=True)


class Block(nn.Module):
    """One level: styles * x -> inverse Haar transform -> two modulated layers."""

    def __init__(self, w_dim: int, in_channels: int, out_channels: int, resolution: int):
        super().__init__()
        self.up = Affine(w_dim, in_channels)
        self.conv1 = ModulatedLayer(w_dim, in_channels // 4, out_channels, resolution)
        self.conv2 = ModulatedLayer(w_dim, out_channels, out_channels, resolution)

    def forward(self, x: torch.Tensor, w: torch.Tensor, noise_mode: str, rng: torch.Generator | None) -> torch.Tensor:
        x = haar_up(x * self.up(w[:, 0]))
        x = self.conv1(x, w[:, 1], noise_mode, rng)
        return self.conv2(x, w[:, 2], noise_mode, rng)


class ToRGB(nn.Module):
    """Features -> the four Haar bands of a picture -> the picture, of twice the features' side."""

    def __init__(self, w_dim: int, in_channels: int):
        super().__init__()
        self.affine = Affine(w_dim, in_channels)
        self.weight = nn.Parameter(torch.randn(12, in_channels, 1, 1) * 0.1 / math.sqrt(in_channels))
        self.bias = nn.Parameter(torch.zeros(12))

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        styles = self.affine(w)
        if len(w) == 1:
            return haar_up(F.conv2d(x, self.weight * styles, self.bias))
        return haar_up(F.conv2d(x * styles, self.weight, self.bias))


class MobileGenerator(Generator):
    """Mapping network of StyleGAN2, synthesis network of MobileStyleGAN."""

    def __init__(self, config: GeneratorConfig):
        super().__init__(config)
        sides, w_dim = config.feature_resolutions, config.w_dim
        widths = [config.channels(side) for side in sides]
        self.input = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        self.conv = ModulatedLayer(w_dim, widths[0], widths[0], 4, separable=False)
        self.blocks = nn.ModuleList(Block(w_dim, a, b, side) for a, b, side in zip(widths, widths[1:], sides[1:]))
        heads = {2 * side: width for side, width in zip(sides, widths) if 2 * side in self.picture_resolutions}
        self.to_rgbs = nn.ModuleDict({str(side): ToRGB(w_dim, width) for side, width in heads.items()})

    @property
    def picture_resolutions(self) -> tuple[int, ...]:
        return (*sorted(self.config.preview_resolutions), self.config.img_resolution)

    def pictures(
        self,
        w_plus: torch.Tensor,
        resolutions: Sequence[int],
        *,
        noise_mode: str = "const",
        rng: torch.Generator | None = None,
    ) -> dict[int, torch.Tensor]:
        self._check(w_plus, resolutions, noise_mode)
        w = w_plus.to(self.input.dtype)
        found = {}
        for side, x, row in self.features(w, max(resolutions) // 2, noise_mode=noise_mode, rng=rng):
            if 2 * side in resolutions:
                found[2 * side] = self.to_rgbs[str(2 * side)](x, w[:, row])
        return found

    def features(
        self, w: torch.Tensor, last: int, *, noise_mode: str = "const", rng: torch.Generator | None = None
    ) -> Iterator[tuple[int, torch.Tensor, int]]:
        """Yields (side, features [B, C, side, side], next row of w_plus) per level, from side 4 to `last`.

        Args:
            w: [B, num_ws, w_dim] in the dtype of the parameters.
        """
        x = self.input.expand(len(w), -1, -1, -1)
        if self.conv.weight.is_contiguous(memory_format=torch.channels_last):
            x = x.contiguous(memory_format=torch.channels_last)
        x, row = self.conv(x, w[:, 0], noise_mode, rng), 1
        yield 4, x, row
        for block in self.blocks:
            if x.shape[-1] == last:
                return
            x = block(x, w[:, row : row + 3], noise_mode, rng)
            row += 3
            yield x.shape[-1], x, row

    @property
    def style_layers(self) -> tuple[StyleLayer, ...]:
        layers = []
        for spec in self.config.layer_order:
            module = cast("Affine | ModulatedLayer | ToRGB", self.get_submodule(spec.name))
            weight = (module if isinstance(module, Affine) else module.affine).weight.detach()
            layers.append(StyleLayer(spec, weight, weight))
        return tuple(layers)
