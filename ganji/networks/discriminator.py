"""StyleGAN2's residual discriminator (Karras et al. 2020, section 4.1), in the parameter names of rosinality checkpoints."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from ganji.networks.config import GeneratorConfig
from ganji.networks.ops.resample import Kernel, blur
from ganji.networks.stylegan2 import BiasActivation, EqualLinear

STDDEV_GROUP = 4  # pictures per group of the minibatch standard deviation


class EqualConv(nn.Module):
    """Convolution whose stored weight has unit variance. No bias: the activation adds it."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.scale = 1 / math.sqrt(in_channels * kernel_size**2)
        self.stride, self.padding = stride, 0 if stride > 1 else kernel_size // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, self.weight * self.scale, stride=self.stride, padding=self.padding)


class Blur(Kernel):
    """The binomial filter, applied."""

    def __init__(self, pad: tuple[int, int]):
        super().__init__()
        self.pad = pad

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return blur(x, self.kernel, self.pad)


class ConvLayer(nn.Sequential):
    """(blur) -> convolution -> (bias and leaky ReLU)."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, down: bool = False, activate: bool = True
    ):
        layers: list[nn.Module] = []
        if down:
            pad = 2 + kernel_size - 1  # of 4 filter taps and the kernel, half on each side
            layers.append(Blur(((pad - 1) // 2, pad // 2) if pad % 2 else (pad // 2, pad // 2)))
        layers.append(EqualConv(in_channels, out_channels, kernel_size, stride=2 if down else 1))
        if activate:
            layers.append(BiasActivation(out_channels))
        super().__init__(*layers)


class ResidualBlock(nn.Module):
    """Two convolutions, halving the side, beside a 1x1 shortcut; the sum keeps its variance."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv1 = ConvLayer(in_channels, in_channels, 3)
        self.conv2 = ConvLayer(in_channels, out_channels, 3, down=True)
        self.skip = ConvLayer(in_channels, out_channels, 1, down=True, activate=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.conv2(self.conv1(x)) + self.skip(x)) / math.sqrt(2)


class Discriminator(nn.Module):
    """Pictures [B, 3, R, R] in [-1, 1] -> scores [B, 1]; larger means more like the data."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        resolution = config.img_resolution
        sides = [resolution >> k for k in range(resolution.bit_length() - 2)]  # R .. 4
        widths = [config.channels(side) for side in sides]
        blocks = [ResidualBlock(a, b) for a, b in zip(widths, widths[1:])]
        self.convs = nn.Sequential(ConvLayer(3, widths[0], 1), *blocks)
        last = widths[-1]
        self.final_conv = ConvLayer(last + 1, last, 3)
        self.final_linear = nn.Sequential(EqualLinear(last * 16, last, activate=True), EqualLinear(last, 1))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        x = self.convs(pictures)
        x = self.final_conv(torch.cat((x, minibatch_stddev(x)), dim=1))
        return self.final_linear(x.flatten(1))


def minibatch_stddev(x: torch.Tensor) -> torch.Tensor:
    """Mean standard deviation over groups of pictures, as one more channel [B, 1, H, W] (Karras et al. 2018).

    A group holds `STDDEV_GROUP` pictures, or all of them if the batch does not divide; it takes every (B / group)-th.
    """
    b, c, h, w = x.shape
    group = STDDEV_GROUP if b % STDDEV_GROUP == 0 else b
    grouped = x.view(group, b // group, c, h, w)
    std = torch.sqrt(grouped.var(dim=0, unbiased=False) + 1e-8)  # [B/g,C,H,W]
    return std.mean(dim=(1, 2, 3), keepdim=True).repeat(group, 1, h, w)
