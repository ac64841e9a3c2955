"""Directions in w that change one measured thing: ridge regression of measures on codes.

In whitened coordinates the regression's coefficients are also the way in which codes differ, on average, between a little
and a lot of the measure (InterFaceGAN's normal, Shen et al. 2020, with numbers instead of two classes). A direction is
then made orthogonal to the other measures' where enough of it is left, so that a slider moves what its name says.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from ganji.errors import InputError
from ganji.factorize import Direction
from ganji.latents import WStatistics

RIDGE = 0.02  # of the number of codes
HELD_OUT = 5  # every so-many-th code only measures R2
LEAST_LEFT = 0.6  # share of a direction that must be left when the others are taken out of it
LEAST_CODES = 500


def named_directions(
    w: torch.Tensor, measures: Mapping[str, np.ndarray], statistics: WStatistics, rows: tuple[int, int]
) -> list[Direction]:
    """One direction per measure; strength grows with the measure, `value` is R2 on held-out codes.

    Args:
        w: [N, w_dim]. measures: {name: [N]}, NaN where unknown.
        statistics: of w, not activated.
        rows: the rows of w_plus that the sliders move.
    Raises:
        InputError: fewer than 500 measured codes, or a measure that never varies.
    """
    known = np.isfinite(np.stack(list(measures.values()))).all(axis=0)
    if known.sum() < LEAST_CODES:
        raise InputError(f"{known.sum()} codes are measured; named directions need at least {LEAST_CODES}.")
    v = statistics.whiten(w[torch.from_numpy(known)]).double().numpy()
    test = np.arange(len(v)) % HELD_OUT == 0
    gram = v[~test].T @ v[~test] + RIDGE * (~test).sum() * np.eye(v.shape[1])
    fitted, scores = [], []
    for name, values in measures.items():
        y = values[known].astype(np.float64)
        if y.std() == 0:
            raise InputError(f"The measure {name!r} never varies.")
        mean, scale = y[~test].mean(), y[~test].std()
        coefficients = np.linalg.solve(gram, v[~test].T @ ((y[~test] - mean) / scale))
        error = y[test] - mean - scale * (v[test] @ coefficients)
        fitted.append(coefficients)
        scores.append(1 - np.square(error).mean() / y[test].var())
    to_w = statistics.to_w.double().cpu().numpy()
    directions = []
    for k, name in enumerate(measures):
        vector = _without_others(np.stack(fitted), k) @ to_w
        unit = torch.from_numpy((vector / np.linalg.norm(vector)).astype(np.float32))
        directions.append(Direction(name, unit, rows, value=float(scores[k])))
    return directions


def _without_others(fitted: np.ndarray, k: int) -> np.ndarray:
    """Row k of [n, w_dim] made orthogonal to the others, nearest first, as long as `LEAST_LEFT` of its length is left."""
    own = fitted[k] / np.linalg.norm(fitted[k])
    others = [row / np.linalg.norm(row) for j, row in enumerate(fitted) if j != k]
    others.sort(key=lambda row: -abs(row @ own))
    for count in range(len(others), 0, -1):  # all of them, or else without the nearest, which cannot be told apart
        basis, _ = np.linalg.qr(np.stack(others[-count:]).T)
        left = own - basis @ (basis.T @ own)
        if np.linalg.norm(left) >= LEAST_LEFT:
            return left
    return own
