"""The smooth outline of a roundish face, and the white that belongs to it: teeth, tears or hands that open to the border.

An outline is the radius over the angle around a centre, a short Fourier series fitted so that bites and things that stick
out do not count. What is no roundish face has none.
"""

from __future__ import annotations

import numpy as np

from ganji import regions

ANGLES = 256
ORDER = 4  # of the series: circle, shift, ellipse, rounded square
STIFFNESS = 0.02  # keeps the series from swinging in a gap
STEPS = 12
NEAR = 1.5  # px of a 256 px picture: radii that agree with the series
AGREEMENT = 0.7  # of all radii, below which there is no outline
SMALLEST = 0.25  # of the picture's side: radius of the smallest face
BITE = 0.08  # of the radius: how deep a gap in the face must be to be a white part, not a dent


def white_parts(drawn: np.ndarray) -> np.ndarray | None:
    """How far white parts that are open to the background cover each pixel: [H, W] float32 from 0 to 1; None: not at all.

    Args:
        drawn: [H, W] bool, the drawing without them.
    """
    y, x = np.indices(drawn.shape, np.float32)
    ys, xs = np.nonzero(drawn)
    centre_y, centre_x = float(np.median(ys)), float(np.median(xs))
    distance = np.hypot(y - centre_y, x - centre_x)
    angle = np.arctan2(y - centre_y, x - centre_x)
    series = _fit(_radii(drawn, centre_y, centre_x), min(drawn.shape))
    if series is None:
        return None
    radius = np.interp(angle, np.linspace(-np.pi, np.pi, ANGLES + 1), np.append(series, series[0])) - 0.5
    gaps = ~drawn & (distance < radius)
    numbers, sizes = regions.pieces(gaps)
    deepest = np.zeros(len(sizes))
    np.maximum.at(deepest, numbers[gaps], (radius - distance)[gaps])
    bites = np.append(deepest >= BITE * series.mean(), False)[numbers]
    if not bites.any():
        return None
    return np.where(regions.grown(bites, 2), (radius - distance + 0.5).clip(0, 1), 0)


def _radii(drawn: np.ndarray, centre_y: float, centre_x: float) -> np.ndarray:
    """[ANGLES]: how far out something is drawn, px, from angle -pi on."""
    angles = np.linspace(-np.pi, np.pi, ANGLES, endpoint=False)
    steps = np.arange(0.0, float(np.hypot(*drawn.shape)), 0.5)
    y = np.round(centre_y + np.outer(np.sin(angles), steps)).astype(int)
    x = np.round(centre_x + np.outer(np.cos(angles), steps)).astype(int)
    inside = (y >= 0) & (y < drawn.shape[0]) & (x >= 0) & (x < drawn.shape[1])
    hit = inside & drawn[y.clip(0, drawn.shape[0] - 1), x.clip(0, drawn.shape[1] - 1)]
    return (hit * steps).max(axis=1)


def _fit(radii: np.ndarray, side: int) -> np.ndarray | None:
    """[ANGLES]: the series at the same angles; None where too few radii agree."""
    angles = np.linspace(-np.pi, np.pi, ANGLES, endpoint=False)
    waves = [np.ones(ANGLES)] + [f(k * angles) for k in range(1, ORDER + 1) for f in (np.cos, np.sin)]
    basis = np.stack(waves, axis=1)
    penalty = np.diag([0.0] + [STIFFNESS * ANGLES * (k - 1) ** 2 for k in range(1, ORDER + 1) for _ in range(2)])
    near = NEAR * side / 256
    series = np.full(ANGLES, np.median(radii))
    for step in range(STEPS):
        scale = near * 2.0 ** max(4 - step, 0)  # first forgiving, so that an ellipse is not taken for bites
        weights = 1 / (1 + ((radii - series) / scale) ** 2) ** 2
        weighted = basis * weights[:, None]
        series = basis @ np.linalg.solve(weighted.T @ basis + penalty, weighted.T @ radii)
    agreeing = np.mean(np.abs(radii - series) < near)
    return series if agreeing >= AGREEMENT and series.min() >= SMALLEST * side else None
