"""RGBA pictures in at most 256 colours, all in one common palette: entry 0 is transparent, soft edges have their own entries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

TRANSPARENT = 0
SHOWN = 128  # alpha, of 255, from which a pixel of hard edges is shown
EDGE_SHARE = 4  # one entry in so many is for soft edges
LEVELS = np.array([51, 102, 153, 204], np.uint8)  # their alphas
SAMPLES = 200_000  # pixels that a palette is made from


def with_palette(pictures: Sequence[Image.Image], colours: int, *, soft: bool = True) -> list[Image.Image]:
    """The pictures in mode "P" with one RGBA palette.

    Args:
        pictures: RGBA, of one size.
        colours: 16 to 256, the transparent one included.
        soft: whether edges keep their alpha; otherwise a pixel is shown or not, in its own colour.
    """
    pixels = np.stack([np.asarray(picture) for picture in pictures])  # [N,H,W,4]
    alpha = pixels[..., 3]
    opaque = alpha == 255 if soft else alpha >= SHOWN
    edge = (alpha > 0) & ~opaque & soft
    num_edge = colours // EDGE_SHARE if edge.any() else 0
    indices = np.full(alpha.shape, TRANSPARENT, np.uint8)
    parts = [np.zeros((1, 4), np.uint8)]
    if opaque.any():
        entries, chosen = _reduce(pixels[opaque][:, :3], colours - 1 - num_edge)
        indices[opaque] = 1 + chosen
        parts.append(_with_alpha(entries, 255))
    if num_edge:
        entries, chosen = _reduce(pixels[edge][:, :3], num_edge // len(LEVELS))
        level = np.abs(alpha[edge][:, None].astype(int) - LEVELS).argmin(axis=1)
        indices[edge] = sum(map(len, parts)) + level * len(entries) + chosen
        parts += [_with_alpha(entries, one) for one in LEVELS]
    palette = np.concatenate(parts)
    return [_indexed(array, palette) for array in indices]


def _reduce(colours: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Palette [<= count, 3] and indices [N] of colours [N, 3]; no dithering, which flickers and compresses badly."""
    step = -(-len(colours) // SAMPLES)
    reduced = Image.fromarray(colours[None, ::step]).quantize(count, method=Image.Quantize.MEDIANCUT)
    entries = np.array(reduced.getpalette(), np.uint8).reshape(-1, 3)[: int(np.asarray(reduced).max()) + 1]
    full = Image.new("P", (1, 1))
    full.putpalette(np.concatenate((entries, np.repeat(entries[:1], 256 - len(entries), axis=0))).tobytes())
    indices = np.asarray(Image.fromarray(colours[None]).quantize(palette=full, dither=Image.Dither.NONE))[0]
    return entries, np.where(indices < len(entries), indices, 0)


def _with_alpha(colours: np.ndarray, alpha: int) -> np.ndarray:
    return np.concatenate((colours, np.full((len(colours), 1), alpha, np.uint8)), axis=1)


def _indexed(indices: np.ndarray, palette: np.ndarray) -> Image.Image:
    picture = Image.fromarray(indices, "P")
    picture.putpalette(palette.tobytes(), "RGBA")
    return picture
