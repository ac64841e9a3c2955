"""Fits the reader of expressions (ganji/expression_reader.py) to measured faces: `data expression-reader`.

A face mesh measures faces; the reader learns to say the same of what LPIPS sees of them, also when they are lit otherwise,
turned a little, blurred or noisy, so that photos are read as well as the generator's pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ganji.data.expressions import Expressions
from ganji.data.picture_writer import Progress
from ganji.errors import InputError
from ganji.expression_reader import SIDE, TAPS, ExpressionReader
from ganji.perceptual import LPIPS
from ganji.training.pictures import PictureFolder

MEASURES = ("gap", "width", "lift", "left_eye", "right_eye", "brow", "yaw", "pitch")
MIN_FACES = 100
WEIGHT_DECAY = 0.1
BATCH, CHUNK = 64, 50  # faces per step; pictures described at one time


@dataclass(frozen=True)
class ReaderOptions:
    """
    Attributes:
        views: how often every picture is shown, each time changed in another way; once more as it is.
        steps: of AdamW; the rate falls linearly to 0.
        learning_rate: at the start.
        hidden: width of the reader's layer before the last.
        seed: of everything random.
    """

    views: int = 3
    steps: int = 8000
    learning_rate: float = 2e-3
    hidden: int = 48
    seed: int = 0


def fit(
    folders: Sequence[PictureFolder], expressions: Expressions, distance: LPIPS, options: ReaderOptions
) -> Iterator[Progress | ExpressionReader]:
    """Fit a reader to the absolute error. Yields progress and at last the reader.

    Args:
        folders: pictures; expressions: of all of them, in their order; faces that were not found are left out.
        distance: LPIPS on AlexNet.
    Raises:
        InputError: fewer than 100 measured faces.
    """
    table = torch.from_numpy(np.stack([getattr(expressions, name) for name in MEASURES], axis=1)).float()
    if int(torch.isfinite(table).all(dim=1).sum()) < MIN_FACES:
        raise InputError(f"Fewer than {MIN_FACES} measured faces are too few for a reader.")
    rng = np.random.default_rng(options.seed)
    seen: list[list[torch.Tensor]] = [[] for _ in TAPS]
    labels = []
    total = (options.views + 1) * len(table)
    for view in range(options.views + 1):
        offset = 0
        for folder in folders:
            for start in range(0, len(folder), CHUNK):
                rows = np.arange(start, min(start + CHUNK, len(folder)))
                wanted = table[offset + rows]
                rows, wanted = rows[found := torch.isfinite(wanted).all(dim=1).numpy()], wanted[found]
                pictures = folder.batch(rows, 2 * SIDE)
                if view % 2:
                    pictures, wanted = pictures.flip(3), mirrored(wanted)
                pictures = changed(pictures, rng) if view else F.avg_pool2d(pictures, 2)
                with torch.no_grad():
                    taps = ExpressionReader.see(pictures, distance)
                for kept, k in zip(seen, TAPS):
                    kept.append(taps[k].half())
                labels.append(wanted)
                yield Progress(view * len(table) + offset + start + len(wanted), total)
            offset += len(folder)
    yield from _fitted([torch.cat(kept) for kept in seen], torch.cat(labels), options)


def _fitted(
    seen: list[torch.Tensor], labels: torch.Tensor, options: ReaderOptions
) -> Iterator[Progress | ExpressionReader]:
    with torch.random.fork_rng():
        torch.manual_seed(options.seed)
        reader = ExpressionReader(MEASURES, hidden=options.hidden)
        reader.mean.copy_(labels.mean(dim=0))
        reader.std.copy_(labels.std(dim=0))
        optimizer = torch.optim.AdamW(reader.parameters(), options.learning_rate, weight_decay=WEIGHT_DECAY)
        for step in range(options.steps):
            for group in optimizer.param_groups:
                group["lr"] = options.learning_rate * (1 - step / options.steps)
            rows = torch.randint(len(labels), (BATCH,))
            taps = dict(zip(TAPS, (kept[rows] for kept in seen)))
            loss = ((reader(taps) - labels[rows]) / reader.std).abs().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % 100 == 99:
                yield Progress(step + 1, options.steps)
    yield reader.eval().requires_grad_(False)


def mirrored(table: torch.Tensor) -> torch.Tensor:
    """Measures [N, M] of the mirrored faces."""
    left, right, yaw = (MEASURES.index(name) for name in ("left_eye", "right_eye", "yaw"))
    result = table.clone()
    result[:, [left, right]] = table[:, [right, left]]
    result[:, yaw] = -table[:, yaw]
    return result


def changed(pictures: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Other photos of the same faces: [B, 3, 256, 256] -> [B, 3, 128, 128], turned, shifted, scaled, lit, tinted a little
    each; as a batch also blurred or noisy, two times out of three."""

    def draw(low: float, high: float, *shape: int) -> torch.Tensor:
        return torch.from_numpy(rng.uniform(low, high, (len(pictures), *shape))).float()

    angle, scale, shift = draw(-0.07, 0.07), draw(-0.04, 0.04).exp(), draw(-0.03, 0.03, 2, 1)
    turn = torch.stack([scale * angle.cos(), -scale * angle.sin(), scale * angle.sin(), scale * angle.cos()], dim=1)
    grid = F.affine_grid(torch.cat([turn.view(-1, 2, 2), shift], dim=2), list(pictures.shape), align_corners=False)
    seen = F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
    seen = F.avg_pool2d(seen, pictures.shape[-1] // SIDE)
    seen = (seen + 1) * draw(-0.3, 0.3, 1, 1, 1).exp() - 1 + draw(-0.15, 0.15, 3, 1, 1)
    kind = rng.integers(3)
    if kind == 1:
        seen = F.interpolate(F.interpolate(seen, size=88, mode="area"), size=SIDE, mode="bilinear")
    elif kind == 2:
        seen = seen + torch.from_numpy(rng.normal(0, 0.04, seen.shape)).float()
    return seen.clamp(-1, 1)
