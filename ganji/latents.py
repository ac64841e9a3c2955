"""seed -> z -> w -> w_plus, and what is done with codes: truncate, mix, interpolate, whiten.

Knows a Generator's mapping and config; never paints and never reads files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ganji.errors import InputError
from ganji.networks.generator import Generator

STATISTICS_SEED, STATISTICS_SAMPLES = 0, 10_000


def z_from_seed(seed: int, z_dim: int = 512) -> torch.Tensor:
    """The code of a seed: [1, z_dim] float32 on the CPU. The same everywhere in this project.

    A private generator per seed: nothing global is read or changed, so threads cannot disturb each other.
    """
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((1, z_dim)).astype(np.float32))


def z_from_seeds(seeds: Iterable[int], z_dim: int = 512) -> torch.Tensor:
    """[N, z_dim]; row i is `z_from_seed(seeds[i])`."""
    return torch.cat([z_from_seed(seed, z_dim) for seed in seeds])


@torch.no_grad()
def w_from_seeds(generator: Generator, seeds: Sequence[int], batch_size: int = 512) -> torch.Tensor:
    """[N, w_dim] float32 on the generator's device, not truncated."""
    device = next(generator.style.parameters()).device
    z_dim = generator.config.z_dim
    chunks = (seeds[k : k + batch_size] for k in range(0, len(seeds), batch_size))
    return torch.cat([generator.mapping(z_from_seeds(chunk, z_dim).to(device)) for chunk in chunks])


@dataclass(frozen=True)
class WStatistics:
    """First and second moments of w, and the whitened space that they define.

    A whitened code v [.., w_dim] has unit variance in every direction, sorted by the variance of w along them, largest
    first. With `activated`, the last leaky ReLU of the mapping network is undone before (Wulff and Torralba 2020): what
    comes out of the linear layer is closer to a normal distribution than w itself.

    Attributes:
        mean: [w_dim] mean of w (elsewhere called w_avg).
        centre: [w_dim] mean of what is whitened; equals `mean` unless `activated`.
        to_w: [w_dim, w_dim]; w = centre + v @ to_w, then the leaky ReLU if `activated`.
        from_w: [w_dim, w_dim], the inverse; directions without variance map to 0.
    """

    mean: torch.Tensor
    centre: torch.Tensor
    to_w: torch.Tensor
    from_w: torch.Tensor
    activated: bool

    def whiten(self, w: torch.Tensor) -> torch.Tensor:
        """w [.., w_dim] -> v [.., w_dim]."""
        return (_undo_activation(w) if self.activated else w).sub(self.centre) @ self.from_w

    def unwhiten(self, v: torch.Tensor) -> torch.Tensor:
        """v [.., w_dim] -> w [.., w_dim]; differentiable."""
        x = self.centre + v @ self.to_w
        return F.leaky_relu(x, SLOPE) if self.activated else x


SLOPE = 0.2  # of the mapping network's leaky ReLU; its gain does not matter here


def _undo_activation(w: torch.Tensor) -> torch.Tensor:
    return F.leaky_relu(w, 1 / SLOPE)


@torch.no_grad()
def w_statistics(
    generator: Generator, *, activated: bool = False, num_samples: int = STATISTICS_SAMPLES
) -> WStatistics:
    """Statistics of `num_samples` seeded codes, by an eigendecomposition of their covariance in float64."""
    device = next(generator.style.parameters()).device
    z = np.random.default_rng(STATISTICS_SEED).standard_normal((num_samples, generator.config.z_dim), dtype=np.float32)
    w = torch.cat([generator.mapping(chunk) for chunk in torch.from_numpy(z).to(device).split(1000)]).double()
    x = _undo_activation(w) if activated else w
    centre = x.mean(dim=0)
    variances, axes = torch.linalg.eigh((x - centre).t() @ (x - centre) / (num_samples - 1))
    variances, axes = variances.flip(0).clamp_min(0), axes.flip(1)
    signs = torch.sign(axes[axes.abs().argmax(dim=0), torch.arange(axes.shape[1], device=device)])
    axes = axes * signs  # an eigenvector's sign is arbitrary: make its largest entry positive
    scale = variances.sqrt()
    inverse = torch.where(scale > scale[0] * 1e-6, 1 / scale.clamp_min(1e-30), torch.zeros_like(scale))
    to_w, from_w = (axes * scale).t().float().contiguous(), (axes * inverse).float().contiguous()
    return WStatistics(w.mean(dim=0).float(), centre.float(), to_w, from_w, activated)


def truncate(w: torch.Tensor, w_avg: torch.Tensor, truncation_psi: float) -> torch.Tensor:
    """Move w towards the mean: w_avg + psi (w - w_avg) (Karras et al. 2019, section 4.2). psi 1 changes nothing."""
    return w_avg + truncation_psi * (w - w_avg)


def to_w_plus(w: torch.Tensor, num_ws: int) -> torch.Tensor:
    """One code for every layer: [B, w_dim] -> [B, num_ws, w_dim] (a view)."""
    return w[:, None].expand(-1, num_ws, -1)


def mix(w_coarse: torch.Tensor, w_fine: torch.Tensor, row: int) -> torch.Tensor:
    """Rows below `row` from one code, the others from another (style mixing, Karras et al. 2019, section 3.1).

    Args:
        w_coarse, w_fine: [B, num_ws, w_dim].
    Raises:
        InputError: the shapes differ, or the row does not exist.
    """
    if w_coarse.shape[1:] != w_fine.shape[1:]:
        raise InputError(
            f"These two codes are of different generators ({list(w_coarse.shape)} and {list(w_fine.shape)})."
        )
    num_ws = w_coarse.shape[1]
    if not 0 <= row <= num_ws:
        raise InputError(f"The row must be from 0 to {num_ws}, not {row}.")
    batch = max(len(w_coarse), len(w_fine))
    parts = (w_coarse[:, :row].expand(batch, -1, -1), w_fine[:, row:].expand(batch, -1, -1))
    return torch.cat(parts, dim=1)
