"""Design of the code that our emoji generators are trained to follow (codebook.py): which directions, which points.

Directions are a seeded random rotation of the leading whitened directions of w, so that every group is independent of the
others and of unit variance. Drawing set and colour have their plain choice (noto, yellow) at the mean and the others on a
ring around it, so that an average code draws something plain instead of the border between choices; on the colour ring
neighbours are neighbouring hues. Eyes and mouths lie on a sphere, parts that look alike side by side: then the picture
changes little where one cell meets the next, and a walk through w is a walk through similar expressions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from ganji.codebook import Codebook, CodeGroup
from ganji.latents import WStatistics

LEADING = 48  # whitened directions that carry the code: where w, and so the picture, varies most
SEED = 3
SETS = ("noto", "fluent", "fluent-flat", "twemoji")
COLOURS = ("yellow", "orange", "red", "pink", "purple", "blue", "teal", "green")
RING = {"set": 1.6, "colour": 1.8}  # standard deviations; the border to the plain choice lies halfway
PART_DIMS, PART_RADIUS = 6, 2.3


def ring_points(count: int, radius: float) -> np.ndarray:
    """[count, 2]: the origin, then count - 1 points evenly on a circle."""
    angles = 2 * math.pi * np.arange(count - 1) / (count - 1)
    return np.concatenate([np.zeros((1, 2)), radius * np.stack((np.cos(angles), np.sin(angles)), axis=1)])


def sphere_points(distances: np.ndarray, dims: int, radius: float, steps: int = 2000) -> np.ndarray:
    """Points on a sphere, well apart, that keep who is near to whom.

    Classical scaling gives the start; then the points repel each other as charges do while a spring holds the order of
    neighbours. Deterministic.

    Args:
        distances: [n, n] symmetric.
    Returns:
        [n, dims], each of length `radius`.
    """
    n, known = len(distances), min(dims, len(distances) - 1)
    centring = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(-0.5 * centring @ (distances**2) @ centring)
    start = 0.01 * np.random.default_rng(SEED).standard_normal((n, dims))
    scaled = vectors[:, ::-1][:, :known] * np.sqrt(np.clip(values[::-1][:known], 1e-9, None))
    signs = np.sign(scaled[np.abs(scaled).argmax(axis=0), np.arange(known)])
    start[:, :known] += signs * scaled / scaled.std(axis=0)
    x = torch.tensor(start, dtype=torch.float64)
    anchor = x / x.norm(dim=1, keepdim=True)
    points = anchor.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([points], lr=0.02)
    off_diagonal = ~torch.eye(n, dtype=torch.bool)
    for step in range(steps):
        unit = points / points.norm(dim=1, keepdim=True)
        gaps = torch.cdist(unit, unit)[off_diagonal]
        spring = 0.3 * (1 - step / steps)
        loss = gaps.clamp_min(1e-3).pow(-4).mean() + spring * (unit - anchor).square().sum(dim=1).mean() * 10
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    unit = (points / points.norm(dim=1, keepdim=True)).detach()
    return (radius * unit).numpy()


def design_codebook(
    statistics: WStatistics,
    eyes: Sequence[str] = (),
    mouths: Sequence[str] = (),
    eyes_distances: np.ndarray | None = None,
    mouth_distances: np.ndarray | None = None,
) -> Codebook:
    """The codebook of our emoji models.

    Args:
        eyes, mouths: labels of the parts; empty: a codebook of set and colour only, which has the same directions.
        eyes_distances, mouth_distances: [n, n], how different the parts look.
    """
    rotation, _ = np.linalg.qr(np.random.default_rng(SEED).standard_normal((LEADING, LEADING)))
    used = 0

    def group(name: str, labels: Sequence[str], points: np.ndarray) -> CodeGroup:
        nonlocal used
        dims = points.shape[1]
        columns = torch.from_numpy(rotation[:, used : used + dims]).float()
        used += dims
        axes = statistics.from_w[:, :LEADING] @ columns
        lift = columns.t() @ statistics.to_w[:LEADING]
        return CodeGroup(name, tuple(labels), axes, lift, torch.from_numpy(points).float())

    groups = [
        group("set", SETS, ring_points(len(SETS), RING["set"])),
        group("colour", COLOURS, ring_points(len(COLOURS), RING["colour"])),
    ]
    for name, labels, distances in (("eyes", eyes, eyes_distances), ("mouth", mouths, mouth_distances)):
        if labels and distances is not None:
            groups.append(group(name, labels, sphere_points(distances, PART_DIMS, PART_RADIUS)))
    return Codebook(statistics.mean, tuple(groups))
