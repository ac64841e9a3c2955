"""The one interface that the rest of the project sees of a generator: mapping, synthesis, style layers.

Knows nothing of files, devices or which family it is. Factorization reads `style_layers`, blending reads
`config.layer_order`; neither looks inside a network.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ganji.errors import InputError
from ganji.networks.config import GeneratorConfig, LayerSpec
from ganji.networks.mapping import mapping_network

NOISE_MODES = ("const", "random", "none")


@dataclass(frozen=True)
class StyleLayer:
    """The affine map from w to one layer's styles.

    Attributes:
        spec: which layer.
        weight: [C, w_dim], effective (any learning-rate scale applied), detached.
        stored_weight: the same parameter as it stands in the state dict, without the scale.
    """

    spec: LayerSpec
    weight: torch.Tensor
    stored_weight: torch.Tensor


class Generator(nn.Module):
    """A mapping network and a synthesis network.

    The mapping network's parameters are called `style.*`, as in the public rosinality checkpoints.
    """

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        self.style = mapping_network(config.z_dim, config.w_dim, config.mapping_layers)

    def mapping(self, z: torch.Tensor) -> torch.Tensor:
        """z [B, z_dim], standard normal -> w [B, w_dim]. Not truncated."""
        return self.style(z)

    def synthesis(
        self,
        w_plus: torch.Tensor,
        *,
        resolution: int | None = None,
        noise_mode: str = "const",
        rng: torch.Generator | None = None,
    ) -> torch.Tensor:
        """Paint pictures.

        Args:
            w_plus: [B, num_ws, w_dim].
            resolution: side of the picture; None for the full one. Smaller ones (`picture_resolutions`) stop early and
                cost a fraction.
            noise_mode: "const" (the stored noise maps), "random" (fresh ones from `rng`) or "none".
        Returns:
            [B, 3, R, R], RGB, about [-1, 1] (not clamped), dtype of the parameters.
        Raises:
            InputError: a shape, resolution or noise mode that this generator does not have.
        """
        side = self.config.img_resolution if resolution is None else resolution
        return self.pictures(w_plus, (side,), noise_mode=noise_mode, rng=rng)[side]

    @abstractmethod
    def pictures(
        self,
        w_plus: torch.Tensor,
        resolutions: Sequence[int],
        *,
        noise_mode: str = "const",
        rng: torch.Generator | None = None,
    ) -> dict[int, torch.Tensor]:
        """Pictures of several sides from one pass; arguments, values and errors as in `synthesis`."""

    @property
    @abstractmethod
    def style_layers(self) -> tuple[StyleLayer, ...]:
        """The affine maps w -> styles, in layer order."""

    @property
    @abstractmethod
    def picture_resolutions(self) -> tuple[int, ...]:
        """Sides of the pictures that `synthesis` can make, ascending; the last is `config.img_resolution`."""

    def resolution_from(self, least: int) -> int:
        """Side of the smallest picture that has `least` pixels a side or more; of the full one if none has."""
        return next((side for side in self.picture_resolutions if side >= least), self.config.img_resolution)

    def _check(self, w_plus: torch.Tensor, resolutions: Sequence[int], noise_mode: str) -> None:
        """Validate the arguments of `pictures`."""
        config = self.config
        if w_plus.ndim != 3 or w_plus.shape[1:] != (config.num_ws, config.w_dim):
            raise InputError(f"w_plus must be [B, {config.num_ws}, {config.w_dim}], not {list(w_plus.shape)}.")
        if noise_mode not in NOISE_MODES:
            raise InputError(f"noise_mode must be one of {', '.join(NOISE_MODES)}, not {noise_mode!r}.")
        for side in resolutions:
            if side not in self.picture_resolutions:
                raise InputError(f"resolution must be one of {list(self.picture_resolutions)}, not {side!r}.")


def build_generator(config: GeneratorConfig) -> Generator:
    """A generator of that architecture with random weights, in training mode."""
    from ganji.networks.mobile import MobileGenerator
    from ganji.networks.stylegan2 import StyleGAN2Generator

    return {"mobile": MobileGenerator, "stylegan2": StyleGAN2Generator}[config.family](config)


def use_channels_last(module: nn.Module) -> None:
    """Store a module's 4-D weights channels-last, the layout in which processors and GPUs convolve fastest."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
