"""A cut-out drawing, centred in a square of any size: where it lies, and one resize that keeps edges crisp.

Everything is computed with premultiplied alpha, so that what is transparent lends no colour to the edges.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageFilter

from ganji.errors import InputError

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, half open."""

MARGIN = 1 / 32  # of the side, on every side
VISIBLE = 24  # alpha, of 255, from which a pixel counts
GHOST = 6.0  # alpha, of 255, that resizing leaves beside an edge, and takes from within it; costs half a WebP's bytes
MIN_SIDE, MAX_SIDE = 16, 1024  # px

BLUR = 0.75  # px of the source: standard deviation of what sharpening compares with
FLAT, EDGE = 14.0, 54.0  # levels within 5 x 5 px: below the first everything is smoothed, above the second sharpened


def content_box(picture: Image.Image) -> Box:
    """Where an RGBA picture shows something.

    Raises:
        InputError: nowhere.
    """
    visible = np.asarray(picture.getchannel("A")) >= VISIBLE
    if not visible.any():
        raise InputError("This picture is empty.")
    rows, columns = np.nonzero(visible.any(axis=1))[0], np.nonzero(visible.any(axis=0))[0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def common_box(pictures: Sequence[Image.Image]) -> Box:
    """Where any of several pictures of one size shows something: the frames of an animation must not jump about."""
    boxes = [content_box(picture) for picture in pictures]
    x0, y0, x1, y1 = zip(*boxes)
    return min(x0), min(y0), max(x1), max(y1)


def frame(picture: Image.Image, size: int, margin: float = MARGIN, box: Box | None = None) -> Image.Image:
    """What is drawn, centred in a square and as large as its margin allows.

    Args:
        picture: RGBA, not premultiplied.
        size: of the result, 16 to 1024 px a side.
        margin: fraction of the side that stays empty on every side, 0 to 0.4.
        box: what to show; None for everything that is visible.
    Returns:
        RGBA [size, size]. Where alpha is 0 the colours are 0.
    Raises:
        InputError: a value out of range, or an empty picture.
    """
    if not MIN_SIDE <= size <= MAX_SIDE or not 0 <= margin <= 0.4:
        raise InputError(
            f"A sticker has {MIN_SIDE} to {MAX_SIDE} px and a margin of 0 to 0.4, not {size} and {margin}."
        )
    x0, y0, x1, y1 = box or content_box(picture)
    side = max(x1 - x0, y1 - y0) / (1 - 2 * margin)
    left, top = (x0 + x1 - side) / 2, (y0 + y1 - side) / 2
    pad = int(np.ceil(side)) + 1  # so that the square lies inside
    padded = np.pad(_premultiplied(picture), ((pad, pad), (pad, pad), (0, 0)))
    square = (left + pad, top + pad, left + pad + side, top + pad + side)
    resized = np.stack([_resize(padded[..., channel], size, square) for channel in range(4)], axis=2)
    if size > side:
        resized = _crisp(resized, BLUR * size / side)
    return _from_premultiplied(resized)


def _premultiplied(picture: Image.Image) -> np.ndarray:
    """[H, W, 4] float32, 0 to 255."""
    pixels = np.array(picture.convert("RGBA"), np.float32)
    pixels[..., :3] *= pixels[..., 3:] / 255
    return pixels


def _from_premultiplied(pixels: np.ndarray) -> Image.Image:
    alpha = pixels[..., 3:]
    colour = pixels[..., :3] * (255 / np.maximum(alpha, 1))
    alpha = np.round((alpha - GHOST) * (255 / (255 - 2 * GHOST))).clip(0, 255)
    colour = np.where(alpha > 0, np.round(colour).clip(0, 255), 0)
    return Image.fromarray(np.concatenate((colour, alpha), axis=2).astype(np.uint8))


def _resize(channel: np.ndarray, size: int, square: tuple[float, float, float, float]) -> np.ndarray:
    source = Image.fromarray(np.ascontiguousarray(channel))
    return np.asarray(source.resize((size, size), Image.Resampling.LANCZOS, box=square))


def _crisp(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """An enlarged picture with steeper edges and smoother areas between them.

    An edge never leaves the range of its neighbours, so nothing rings.

    Args:
        pixels: [H, W, 4] float32, premultiplied, 0 to 255; values outside are clipped.
        sigma: px, of the blur that smooths and that sharpening compares with.
    """
    levels = np.round(pixels.clip(0, 255)).astype(np.uint8)
    low, high = _extreme(levels, np.minimum), _extreme(levels, np.maximum)
    span = (_extreme(high, np.maximum) - _extreme(low, np.minimum)).max(axis=2, keepdims=True)
    smooth = np.asarray(Image.fromarray(levels).filter(ImageFilter.GaussianBlur(sigma)))
    sharp = (2 * levels.astype(np.int16) - smooth).clip(low, high)
    edge = ((span - np.float32(FLAT)) / np.float32(EDGE - FLAT)).clip(0, 1)
    return smooth + edge * (sharp - smooth)


def _extreme(levels: np.ndarray, function: np.ufunc) -> np.ndarray:
    """The largest or smallest level within 3 x 3 px."""
    for axis in (0, 1):
        before, after = (np.roll(levels, shift, axis) for shift in (1, -1))
        levels = function(levels, function(before, after))
    return levels
