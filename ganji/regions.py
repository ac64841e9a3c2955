"""Connected regions of a mask, in pure numpy: what the border reaches, separate pieces, depth below a region's edge.

Masks: [H, W] bool. Pixels are neighbours along rows and columns. Everything works on whole runs of pixels, so the number
of steps follows the turns that a region takes, not its size.
"""

from __future__ import annotations

import numpy as np

NEIGHBOURS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx)


def reached(passable: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """The pixels of `passable` that are connected with one of its `seeds`: [H, W] bool."""
    rows, columns = _run_numbers(passable), _run_numbers(passable.T).T
    found = passable & seeds
    while True:
        before = np.count_nonzero(found)
        for numbers in (rows, columns):
            hit = np.zeros(int(numbers.max(initial=0)) + 1, bool)
            hit[numbers[found]] = True
            found = passable & hit[numbers]
        if np.count_nonzero(found) == before:
            return found


def pieces(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the connected pieces of a mask.

    Returns:
        [H, W] int: -1 outside, else the piece, from 0; and [N] int: their sizes in pixels.
    """
    labels = np.arange(mask.size).reshape(mask.shape)
    while True:
        before = labels
        labels = _smallest_in_runs(labels, mask)
        labels = _smallest_in_runs(labels.T, mask.T).T
        if np.array_equal(labels[mask], before[mask]):
            break
    numbered = np.full(mask.shape, -1)
    _, numbered[mask], sizes = np.unique(labels[mask], return_inverse=True, return_counts=True)
    return numbered, sizes


def depth(mask: np.ndarray, limit: int) -> np.ndarray:
    """How far inside a mask a pixel lies: 0 outside, 1 at the edge, at most `limit`. Octagonal distance.

    Beyond the picture counts as inside.
    """
    result = mask.astype(np.int8)
    inner = mask
    for step in range(1, limit):
        inner = _shrunk(inner, diagonal=step % 2 == 0)
        result += inner
    return result


def grown(mask: np.ndarray, steps: int) -> np.ndarray:
    """A mask and all pixels up to `steps` away. Octagonal distance."""
    return depth(~mask, steps + 1) <= steps if steps else mask


def _run_numbers(mask: np.ndarray) -> np.ndarray:
    """A number, from 1, for every run of a row; what lies outside has an arbitrary one."""
    starts = mask.copy()
    starts[:, 1:] &= ~mask[:, :-1]
    return np.cumsum(starts, axis=None).reshape(mask.shape)


def _smallest_in_runs(labels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    starts = mask.copy()
    starts[:, 1:] &= ~mask[:, :-1]
    inside = labels[mask]
    if not inside.size:
        return labels
    first = np.nonzero(starts[mask])[0]
    result = labels.copy()
    result[mask] = np.repeat(np.minimum.reduceat(inside, first), np.diff(first, append=inside.size))
    return result


def _shrunk(mask: np.ndarray, diagonal: bool) -> np.ndarray:
    padded = np.pad(mask, 1, constant_values=True)
    height, width = mask.shape
    result = mask.copy()
    for dy, dx in NEIGHBOURS:
        if diagonal or not (dy and dx):
            result &= padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
    return result
