"""StyleGAN2's synthesis network (Karras et al. 2020, sections 2 to 4), written from the paper.

Parameter names are those of the public rosinality checkpoints, which therefore load with `strict=True`; the mapping
network is called `style` there. Differs from the paper's figure in the order of work only: demodulation scales the
output of a dense convolution instead of the weights, except for one picture, where the weights are smaller.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn

from ganji.networks.config import GeneratorConfig
from ganji.networks.generator import Generator, StyleLayer
from ganji.networks.ops.resample import Kernel, blur, upsample2


class EqualLinear(nn.Module):
    """Linear layer whose stored weight has unit variance (equalised learning rate)."""

    def __init__(self, in_features: int, out_features: int, *, bias_init: float = 0.0, activate: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features))
        self.bias = nn.Parameter(torch.full((out_features,), float(bias_init)))
        self.scale = 1 / math.sqrt(in_features)
        self.activate = activate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.linear(x, self.weight * self.scale, self.bias)
        return F.leaky_relu(x, 0.2) * math.sqrt(2) if self.activate else x


class ModulatedConv(nn.Module):
    """Convolution whose input channels are scaled per picture; with `demodulate`, outputs have unit expected variance."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, w_dim: int, *, demodulate=True, up=False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, out_channels, in_channels, kernel_size, kernel_size))
        self.modulation = EqualLinear(w_dim, in_channels, bias_init=1.0)
        self.scale = 1 / math.sqrt(in_channels * kernel_size**2)
        self.demodulate, self.up = demodulate, up
        if up:
            self.blur = Kernel(gain=4.0)

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        styles = self.modulation(w)  # [B,I]
        weight = self.weight[0] * self.scale  # [O,I,k,k]
        demodulation = None
        if self.demodulate:
            energy = weight.float().square().sum(dim=(2, 3))  # [O,I]
            demodulation = torch.rsqrt(styles.float().square() @ energy.t() + 1e-8).to(x.dtype)  # [B,O]
        if len(x) == 1 and weight.numel() < weight.shape[0] * x[0, 0].numel():
            weight = weight * styles[0, None, :, None, None]
            if demodulation is not None:
                weight = weight * demodulation[0, :, None, None, None]
            return self._convolve(x, weight)
        x = self._convolve(x * styles[:, :, None, None], weight)
        return x if demodulation is None else x * demodulation[:, :, None, None]

    def _convolve(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        if not self.up:
            return F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)  # [B,O,2H+1,2W+1]
        return blur(x, self.blur.kernel, (1, 1))


class Noise(nn.Module):
    """Adds a noise map times a learned strength."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class BiasActivation(nn.Module):
    """Bias, leaky ReLU 0.2, gain sqrt(2)."""

    def __init__(self, channels: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.leaky_relu(x + self.bias[:, None, None], 0.2) * math.sqrt(2)


def clamped(x: torch.Tensor, limit: float | None) -> torch.Tensor:
    """x within +-limit; None: as it is."""
    return x if limit is None else x.clamp(-limit, limit)


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias and leaky ReLU."""

    def __init__(
        self, in_channels: int, out_channels: int, w_dim: int, *, up: bool = False, clamp: float | None = None
    ):
        super().__init__()
        self.clamp = clamp
        self.conv = ModulatedConv(in_channels, out_channels, 3, w_dim, up=up)
        self.noise = Noise()
        self.activate = BiasActivation(out_channels)

    def forward(self, x: torch.Tensor, w: torch.Tensor, noise: torch.Tensor | None) -> torch.Tensor:
        x = self.conv(x, w)
        if noise is not None:
            x = x + self.noise.weight * noise
        return clamped(self.activate(x), self.clamp)


class ToRGB(nn.Module):
    """1x1 modulated convolution to RGB without demodulation, added to the enlarged picture of the level before."""

    def __init__(self, in_channels: int, w_dim: int, *, up: bool, clamp: float | None = None):
        super().__init__()
        self.clamp = clamp
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.conv = ModulatedConv(in_channels, 3, 1, w_dim, demodulate=False)
        if up:
            self.upsample = Kernel(gain=4.0)

    def forward(self, x: torch.Tensor, w: torch.Tensor, skip: torch.Tensor | None) -> torch.Tensor:
        x = clamped(self.conv(x, w) + self.bias, self.clamp)
        return x if skip is None else x + upsample2(skip, self.upsample.kernel)


class ConstantInput(nn.Module):
    """The learned 4 px features that every picture starts from."""

    def __init__(self, channels: int):
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))


class StyleGAN2Generator(Generator):
    """StyleGAN2 with skip connections ("config f"), any power-of-two resolution from 16 to 1024."""

    def __init__(self, config: GeneratorConfig):
        super().__init__(config)
        w_dim, sides, clamp = config.w_dim, config.feature_resolutions, config.conv_clamp
        widths = [config.channels(side) for side in sides]
        self.input = ConstantInput(widths[0])
        self.conv1 = StyledConv(widths[0], widths[0], w_dim, clamp=clamp)
        self.to_rgb1 = ToRGB(widths[0], w_dim, up=False, clamp=clamp)
        self.convs, self.to_rgbs, self.noises = nn.ModuleList(), nn.ModuleList(), nn.Module()
        self.noises.register_buffer("noise_0", torch.randn(1, 1, 4, 4))
        for k, (a, b) in enumerate(zip(widths, widths[1:])):
            self.convs.extend([StyledConv(a, b, w_dim, up=True, clamp=clamp), StyledConv(b, b, w_dim, clamp=clamp)])
            self.to_rgbs.append(ToRGB(b, w_dim, up=True, clamp=clamp))
            for n in (2 * k + 1, 2 * k + 2):
                self.noises.register_buffer(f"noise_{n}", torch.randn(1, 1, sides[k + 1], sides[k + 1]))

    @property
    def picture_resolutions(self) -> tuple[int, ...]:
        return self.config.feature_resolutions

    def pictures(
        self,
        w_plus: torch.Tensor,
        resolutions: Sequence[int],
        *,
        noise_mode: str = "const",
        rng: torch.Generator | None = None,
    ) -> dict[int, torch.Tensor]:
        self._check(w_plus, resolutions, noise_mode)
        w = w_plus.to(self.input.input.dtype)
        x = self.input.input.expand(len(w), -1, -1, -1)
        x = self.conv1(x, w[:, 0], self._noise(0, x, noise_mode, rng))
        skip = self.to_rgb1(x, w[:, 1], None)
        found = {4: skip}
        for k, to_rgb in enumerate(self.to_rgbs):
            if x.shape[-1] == max(resolutions):
                break
            n = 2 * k  # rows n+1 and n+2 drive the convolutions; the picture shares its row with the next level
            for j in (0, 1):
                x = self.convs[n + j](x, w[:, n + j + 1], self._noise(n + j + 1, x, noise_mode, rng))
            skip = to_rgb(x, w[:, n + 3], skip)
            found[x.shape[-1]] = skip
        return {side: found[side] for side in resolutions}

    def _noise(self, n: int, x: torch.Tensor, mode: str, rng: torch.Generator | None) -> torch.Tensor | None:
        """Noise map of convolution n, or None."""
        if mode == "none":
            return None
        stored = getattr(self.noises, f"noise_{n}")
        if mode == "const":
            return stored
        shape = (len(x), 1, *stored.shape[2:])
        return torch.randn(shape, generator=rng, device=stored.device, dtype=torch.float32).to(stored.dtype)

    @property
    def style_layers(self) -> tuple[StyleLayer, ...]:
        layers = []
        for spec in self.config.layer_order:
            layer = cast("StyledConv | ToRGB", self.get_submodule(spec.name))
            modulation = layer.conv.modulation
            stored = modulation.weight.detach()
            layers.append(StyleLayer(spec, stored * modulation.scale, stored))
        return tuple(layers)
