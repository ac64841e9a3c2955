"""A bank of seeded codes with a compact description of each picture: starting points for projection, no trained encoder.

The description is what LPIPS sees of the 64 px picture, pooled to a coarse grid and reduced by PCA, so that the distance of
two descriptions is close to the LPIPS distance of the pictures. Codes are stored as seeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ganji import latents
from ganji.errors import CheckpointError
from ganji.formats.native import NativeFile
from ganji.networks.generator import Generator
from ganji.perceptual import LPIPS

RESOLUTION = 64
GRID = 4  # cells a side to which larger taps are pooled


@dataclass(frozen=True)
class LatentBank:
    """
    Attributes:
        seeds: [N] int64. truncation_psi: of all of them.
        mean: [F]; basis: [F, k] orthonormal columns; features: [N, k].
    """

    seeds: torch.Tensor
    truncation_psi: float
    mean: torch.Tensor
    basis: torch.Tensor
    features: torch.Tensor

    def nearest(self, picture: torch.Tensor, distance: LPIPS, count: int) -> list[int]:
        """Seeds of the codes whose pictures are most like this one, best first.

        Args:
            picture: [1, 3, S, S] in [-1, 1]; any side from 64 px.
        """
        query = (describe(picture, distance) - self.mean) @ self.basis
        order = torch.cdist(query, self.features)[0].argsort()
        return self.seeds[order[:count]].tolist()

    def to_tensors(self) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
        """(tensors, header) for formats/native.py."""
        tensors = {name: getattr(self, name) for name in ("seeds", "mean", "basis", "features")}
        return tensors, {"kind": "bank", "truncation_psi": self.truncation_psi, "resolution": RESOLUTION}

    @classmethod
    def from_file(cls, stored: NativeFile) -> LatentBank:
        """Read what `to_tensors` wrote.

        Raises:
            CheckpointError: something is missing or misshapen.
        """
        try:
            t = {name: stored.tensors[name] for name in ("seeds", "mean", "basis", "features")}
            psi = float(stored.header["truncation_psi"])
        except (KeyError, TypeError, ValueError) as exc:
            raise CheckpointError("The latent bank is incomplete.") from exc
        if t["basis"].shape != (len(t["mean"]), t["features"].shape[1]) or len(t["seeds"]) != len(t["features"]):
            raise CheckpointError("The latent bank is misshapen.")
        return cls(t["seeds"], psi, t["mean"].float(), t["basis"].float(), t["features"].float())


@torch.no_grad()
def describe(pictures: torch.Tensor, distance: LPIPS) -> torch.Tensor:
    """[B, 3, S, S] in [-1, 1] -> [B, F] float32: pooled LPIPS taps, scaled so that squared distances add up to LPIPS."""
    factor = pictures.shape[-1] // RESOLUTION
    taps = distance.embed(F.avg_pool2d(pictures, factor) if factor > 1 else pictures)
    parts = []
    for k, tap in enumerate(taps):
        if tap.shape[-1] > GRID:
            tap = F.adaptive_avg_pool2d(tap, GRID)
        weight = getattr(distance, f"lin{k}").weight.float().clamp_min(0)[:, None, None]
        parts.append((tap * (weight / tap[0, 0].numel()).sqrt()).flatten(1))
    return torch.cat(parts, dim=1)


def codes(bank_seeds: Sequence[int], truncation_psi: float, generator: Generator, w_avg: torch.Tensor) -> torch.Tensor:
    """[N, w_dim] codes of bank seeds."""
    return latents.truncate(latents.w_from_seeds(generator, bank_seeds), w_avg, truncation_psi)


@torch.no_grad()
def build_bank(
    generator: Generator,
    distance: LPIPS,
    seeds: Sequence[int],
    *,
    truncation_psi: float,
    count: int = 64,
    batch_size: int = 32,
) -> Iterator[int | LatentBank]:
    """Describe the pictures of `seeds`. Yields how many are done, and at the end the bank.

    Args:
        count: dimensions kept.
    """
    w = codes(seeds, truncation_psi, generator, latents.w_statistics(generator).mean)
    described = []
    for chunk in w.split(batch_size):
        pictures = generator.synthesis(latents.to_w_plus(chunk, generator.config.num_ws), resolution=RESOLUTION)
        described.append(describe(pictures.float(), distance))
        yield sum(map(len, described))
    features = torch.cat(described)
    mean = features.mean(dim=0)
    _, _, axes = torch.linalg.svd(features - mean, full_matrices=False)
    basis = axes[:count].t().contiguous()
    yield LatentBank(torch.tensor(list(seeds)), truncation_psi, mean, basis, (features - mean) @ basis)
