"""The drawing without its background: an opaque picture on white -> RGBA with soft edges in the drawing's own colours.

For pictures drawn or painted on white, whose white need be neither pure nor even. What the border does not reach is kept,
whatever its colour, and so is white inside the face's outline. Where the border is not white a round crop is made instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from ganji import outline, regions
from ganji.errors import InputError

MIN_SIDE, MAX_SIDE = 32, 1024  # px

BORDER = 6  # px of a 256 px picture: the width of the border that is looked at
WHITE = 228  # the darkest channel of what may be background
WHITE_SHARE = 0.8  # of the border that must be white
CLEAN_NOISE = 0.5  # levels below which a background may be drawn; above it is painted by a network
CLEAN_TEXTURE = 2.5  # levels of a median pixel's Laplacian up to which a drawing may be drawn; networks leave a grain

LOWEST, HIGHEST = 6.0, 60.0  # levels from the background at which the drawing begins, for a clean one and a noisy one
SHARE = 0.3  # of a painted drawing's contrast that is still background: what a painter's haze reaches
GLOW = 60.0  # levels from the background that a shadow or glow around a drawing may have
GLOW_EDGE = 4  # px: as far as another edge makes a glow's slope look steep
SLOPE = 22.0  # levels within 3 px: what rises slower is no outline
STAIN = 2  # px: what is not wider than twice that, and faint, is no part of a painted drawing
SPECK = 0.002  # of the picture: separate pieces that are smaller
NEAR = 20  # px of a 256 px picture: specks so near to the face belong to it
SMALLEST = 0.02  # of the picture: the smallest face
FAINT = 48.0  # levels: pieces that are nowhere farther from the background are stains

MAX_RIM = 6  # px: the widest edge
DEEP = 9  # px below the outline that are surely solid
SOLID = 0.92  # of the full contrast, at which an edge ends
UNEVEN = 0.12  # of the contrast, by which a painted rim may be lighter than what lies under it
CRISP = 2  # px: the width of a drawn edge
SOFT = 2  # px that a wider or painted edge may be still wider in places
FAINTEST = {True: 0.25, False: 0.8}  # of the inner contrast: another colour within the rim; painted fringes are fainter
FOREIGN = 32.0  # levels that a mixture with the background leaves unexplained where another colour begins
OUTER = 3  # px outside the outline that may still be covered a little


@dataclass(frozen=True)
class Background:
    """What the border shows.

    Attributes:
        colour: [3] float32, 0 to 255.
        noise: levels, the 95th percentile of its pixels' distances from that colour; the largest of three channels counts.
        clean: whether the picture was drawn, not painted by a network.
    """

    colour: np.ndarray
    noise: float
    clean: bool

    def distance(self, picture: Image.Image) -> np.ndarray:
        """[H, W] float32: levels from the colour, in the channel that differs most."""
        if not self.clean:
            picture = picture.filter(ImageFilter.MedianFilter(3))
        difference = np.abs(np.asarray(picture, np.float32) - self.colour)
        return np.maximum(np.maximum(difference[..., 0], difference[..., 1]), difference[..., 2])

    def threshold(self, contrast: float = 0.0) -> float:
        """Levels from the colour at which something is drawn.

        Args:
            contrast: levels, of the whole drawing; 0 where that is unknown.
        """
        haze = 0.0 if self.clean else SHARE * contrast
        return float(np.clip(max(1.5 * self.noise + 4, haze), LOWEST, HIGHEST))


def cut_out(picture: Image.Image) -> Image.Image:
    """The drawing on a transparent background, same size.

    Args:
        picture: RGB, on a white or nearly white background; 32 to 1024 px a side.
    Returns:
        RGBA, not premultiplied. Where alpha is 0 the colours are 0.
    Raises:
        InputError: a size out of range, or an empty picture.
    """
    if min(picture.size) < MIN_SIDE or max(picture.size) > MAX_SIDE:
        raise InputError(
            f"A picture must have {MIN_SIDE} to {MAX_SIDE} px a side, not {picture.width} x {picture.height}."
        )
    picture = picture.convert("RGB")
    background = find_background(picture)
    if background is None:
        return round_crop(picture)
    pixels = np.asarray(picture, np.float32)
    drawn, glow = _drawn(picture, background)
    alpha, colour = _unmixed(pixels, drawn, glow, background)
    white = outline.white_parts(drawn)
    if white is not None:
        colour = np.where((white > alpha)[..., None], pixels, colour)
        alpha = np.maximum(alpha, white)
    return to_rgba(colour, alpha)


def cut_out_all(pictures: Sequence[Image.Image]) -> list[Image.Image]:
    """Frames of one animation, all in one way: if one of them has no white border, all become round crops.

    Args:
        pictures: as in `cut_out`.
    Raises:
        InputError: as in `cut_out`.
    """
    if all(find_background(picture) for picture in pictures):
        return [cut_out(picture) for picture in pictures]
    return [round_crop(picture) for picture in pictures]


def find_background(picture: Image.Image) -> Background | None:
    """What the picture is drawn on; None where its border is not white."""
    pixels = np.asarray(picture.convert("RGB"), np.float32)
    k = max(1, round(BORDER * min(picture.size) / 256))
    ring = np.concatenate([p.reshape(-1, 3) for p in (pixels[:k], pixels[-k:], pixels[k:-k, :k], pixels[k:-k, -k:])])
    white = ring[ring.min(axis=1) >= WHITE]
    if len(white) < WHITE_SHARE * len(ring):
        return None
    colour = np.median(white, axis=0)
    noise = float(np.percentile(np.abs(white - colour).max(axis=1), 95))
    return Background(colour, noise, noise < CLEAN_NOISE and _texture(picture) <= CLEAN_TEXTURE)


def _texture(picture: Image.Image) -> float:
    """Levels: the median size of the Laplacian where something is drawn."""
    grey = np.asarray(picture.convert("L")).astype(np.int16)
    around = sum(np.roll(grey, shift, axis) for axis in (0, 1) for shift in (1, -1))
    drawn = grey < WHITE
    return float(np.median(np.abs(4 * grey - around)[drawn])) if drawn.any() else 0.0


def round_crop(picture: Image.Image) -> Image.Image:
    """The largest circle around the picture's centre, its edge 2 px soft."""
    pixels = np.asarray(picture.convert("RGB"), np.float32)
    height, width = pixels.shape[:2]
    y, x = np.ogrid[:height, :width]
    distance = np.hypot(x - (width - 1) / 2, y - (height - 1) / 2)
    return to_rgba(pixels, np.clip((min(width, height) / 2 - distance) / 2, 0, 1))


def to_rgba(colour: np.ndarray, alpha: np.ndarray) -> Image.Image:
    """[H, W, 3] from 0 to 255 and [H, W] from 0 to 1 -> RGBA."""
    levels = np.round(alpha * 255)
    colour = np.where(levels[..., None] > 0, colour.clip(0, 255), 0)
    return Image.fromarray(np.round(np.dstack((colour, levels))).astype(np.uint8))


def _drawn(picture: Image.Image, background: Background) -> tuple[np.ndarray, np.ndarray]:
    """What the border does not reach over background, and a glow or shadow around it; both [H, W] bool.

    Without what is small or faint and stands alone. Painted pictures have no glow, only haze, which is background.
    """
    distance = background.distance(picture)
    border = np.zeros(distance.shape, bool)
    border[[0, -1]] = border[:, [0, -1]] = True
    drawn = ~regions.reached(distance < background.threshold(), border)
    glow = np.zeros_like(drawn)
    contrast = float(np.median(distance[drawn])) if drawn.any() else 0.0
    if background.clean:
        gentle = (distance < GLOW) & (_steepness(picture) < SLOPE)
        glow = drawn & regions.reached(gentle | ~drawn, border)
        glow |= drawn & regions.grown(glow, GLOW_EDGE) & (distance < min(GLOW, contrast / 2))
        drawn &= ~glow
    else:
        drawn = ~regions.reached(distance < background.threshold(contrast), border)
        core = regions.grown(regions.depth(drawn, STAIN + 1) > STAIN, STAIN + 1)
        drawn &= core | (distance >= FAINT)
    return _without_specks(drawn, distance, background.clean), glow


def _steepness(picture: Image.Image) -> np.ndarray:
    """[H, W] uint8: by how many levels a channel changes within 3 x 3 px."""
    highest = lowest = np.asarray(picture)
    for axis in (0, 1):
        before, after = (np.roll(highest, shift, axis) for shift in (1, -1))
        highest = np.maximum(np.maximum(before, after), highest)
        before, after = (np.roll(lowest, shift, axis) for shift in (1, -1))
        lowest = np.minimum(np.minimum(before, after), lowest)
    return (highest - lowest).max(axis=2)


def _without_specks(drawn: np.ndarray, distance: np.ndarray, clean: bool) -> np.ndarray:
    """The face, and the pieces beside it that are strong and either near or large.

    Args:
        distance: [H, W], levels from the background.
        clean: whether the picture was drawn; in a painted one only large pieces count.
    Raises:
        InputError: there is nothing large enough to be a face.
    """
    numbers, sizes = regions.pieces(drawn)
    if not sizes.size or sizes.max() < SMALLEST * drawn.size:
        raise InputError("Nothing is drawn on this picture.")
    face = int(sizes.argmax())
    near = np.zeros(len(sizes), bool)
    touching = numbers[regions.grown(numbers == face, round(NEAR * min(drawn.shape) / 256))]
    near[touching[touching >= 0]] = True
    strongest = np.zeros(len(sizes))
    np.maximum.at(strongest, numbers[drawn], distance[drawn])
    kept = (strongest >= FAINT) & (near & clean & (sizes > 4) | (sizes >= SPECK * drawn.size))
    if not clean:  # what comes in from the border is a painter's slip
        for line in (numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]):
            kept[line[line >= 0]] = False
    kept[face] = True
    return np.append(kept, False)[numbers]


def _unmixed(
    pixels: np.ndarray, drawn: np.ndarray, glow: np.ndarray, background: Background
) -> tuple[np.ndarray, np.ndarray]:
    """Alpha [H, W] and the drawing's own colour [H, W, 3], by C = alpha F + (1 - alpha) B along the edges.

    F is taken from where the edge ends, straight inwards.
    """
    deep = np.where(drawn, regions.depth(drawn, DEEP), 1 - regions.depth(~drawn, OUTER + 1))
    contrast = pixels - background.colour
    width = _rim_width(contrast, deep)
    width += 1 if background.clean and width == CRISP else SOFT  # 1: on diagonals an edge reaches farther in
    solid = _carried_outwards(contrast, deep, width, FAINTEST[background.clean])
    alpha, own = drawn.astype(np.float32), contrast.copy()
    edge = (deep < width) & (deep > -OUTER)
    c, f = contrast[edge], solid[edge]  # [N,3]
    share = (c * f).sum(axis=1) / np.maximum((f * f).sum(axis=1), 1)
    floor = np.minimum(background.noise / np.maximum(np.abs(f).max(axis=1), 1), 0.25)
    ceiling = 1 - np.maximum(floor, 0 if background.clean else UNEVEN)
    covered = ((share - floor) / (ceiling - floor)).clip(0, 1)
    trust = ((covered - 0.3) / 0.4).clip(0, 1)[:, None]  # fainter than that, the pixel's own colour is mostly noise
    alpha[edge] = covered
    own[edge] = trust * c / np.maximum(covered, 0.05)[:, None] + (1 - trust) * f
    far = glow & (deep <= -OUTER)  # as transparent as its colour allows
    alpha[far] = (-contrast[far] / background.colour).max(axis=1).clip(0, 1)
    own[far] /= np.maximum(alpha[far], 1 / 255)[:, None]
    return alpha, background.colour + own


def _rim_width(contrast: np.ndarray, deep: np.ndarray) -> int:
    """px from the outline to where the drawing is solid, for most of the outline."""

    def strength(level: int) -> np.ndarray:
        return np.abs(contrast[deep == level]).max(axis=1)

    inner = strength(DEEP)
    for width in range(2, MAX_RIM):
        if not inner.size or np.median(strength(width)) >= SOLID * np.median(inner):
            return width
    return MAX_RIM


def _carried_outwards(contrast: np.ndarray, deep: np.ndarray, width: int, foreign_share: float) -> np.ndarray:
    """[H, W, 3]: `contrast`, but in the rim that of the nearest pixels farther in.

    Thin strokes, which have nothing farther in, take their strongest neighbour. Another colour that begins within the rim
    keeps its own, unless it is fainter than `foreign_share` of what lies farther in.
    """
    across = deep.shape[1] + 2
    offsets = np.array([dy * across + dx for dy, dx in regions.NEIGHBOURS])
    levels = np.pad(deep, 1, constant_values=-OUTER - 9).reshape(-1)
    carried = np.pad(contrast, ((1, 1), (1, 1), (0, 0))).reshape(-1, 3)
    for level in range(width - 1, -OUTER, -1):
        here = np.nonzero(levels == level)[0]
        around = here[:, None] + offsets  # [N,8]
        farther_in = levels[around] > level
        count = farther_in.sum(axis=1)
        values = (carried[around] * farther_in[..., None]).sum(axis=1) / np.maximum(count, 1)[:, None]
        thin = around[count == 0]
        strongest = np.abs(carried[thin]).max(axis=2).argmax(axis=1)
        values[count == 0] = carried[thin[np.arange(len(thin)), strongest]]
        if level > 0:
            own = carried[here]
            foreign = _foreign(own, values, foreign_share)
            values[foreign] = own[foreign]
        carried[here] = values
    return carried.reshape(-1, across, 3)[1:-1, 1:-1]


def _foreign(own: np.ndarray, inner: np.ndarray, faintest: float) -> np.ndarray:
    """[N] bool: whether colours are no mixture of the inner ones and the background; both [N, 3], as contrasts."""
    share = ((own * inner).sum(axis=1) / np.maximum((inner**2).sum(axis=1), 1)).clip(0, 1)
    unexplained = np.abs(own - share[:, None] * inner).max(axis=1)
    return (unexplained > FOREIGN) & (np.abs(own).max(axis=1) > faintest * np.abs(inner).max(axis=1))
