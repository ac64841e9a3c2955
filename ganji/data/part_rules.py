"""Which shapes of a face are its disc, its eyes or its mouth, and which parts are of use: rules on small masks.

All masks are [RASTER, RASTER] bool over the drawing's view box, row 0 on top. The numbers were found on four sets by
looking at every part; distances are in radii of the face's disc, (0, 0) is its centre, v points down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ganji.data.framing import EYES, MOUTH
from ganji.data.svg_split import ViewBox, groups

RASTER = 96
BORDER = 0.13  # a group of shapes whose centre of mass lies above v = BORDER belongs to the eyes, else to the mouth
FRAME = 1 / 0.88  # half the side of the tightest picture, in radii

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class FaceRaster:
    """The grid of pixels in which a set's parts are judged.

    Attributes:
        cx, cy, r: the face's disc in raster pixels.
    """

    cx: float
    cy: float
    r: float

    @classmethod
    def over(cls, view_box: ViewBox, centre: tuple[float, float], radius: float) -> FaceRaster:
        """The grid over a view box in SVG units; centre and radius are the disc's, in SVG units."""
        scale = RASTER / max(view_box[2:])
        return cls((centre[0] - view_box[0]) * scale, (centre[1] - view_box[1]) * scale, radius * scale)

    @cached_property
    def u(self) -> np.ndarray:
        """[1, RASTER] x of pixel centres, in radii."""
        return ((np.arange(RASTER) + 0.5 - self.cx) / self.r)[None, :]

    @cached_property
    def v(self) -> np.ndarray:
        """[RASTER, 1] y of pixel centres, in radii."""
        return ((np.arange(RASTER) + 0.5 - self.cy) / self.r)[:, None]

    @cached_property
    def distance(self) -> np.ndarray:
        """[RASTER, RASTER] from the disc's centre, in radii."""
        return np.hypot(self.u, self.v)

    @cached_property
    def disc(self) -> np.ndarray:
        """[RASTER, RASTER] bool: pixels on the face."""
        return self.distance <= 1

    @cached_property
    def frame(self) -> np.ndarray:
        """What the tightest picture shows."""
        return (abs(self.u) <= FRAME) & (abs(self.v) <= FRAME)

    @cached_property
    def disc_box(self) -> Box:
        """The face's bounds."""
        return bounds(self.disc)  # type: ignore[return-value]  # a disc has pixels

    def centre_of_mass(self, mask: np.ndarray) -> tuple[float, float]:
        """Mean place (u, v) of a mask's pixels, in radii from the disc's centre."""
        rows, columns = np.nonzero(mask)
        return (columns.mean() + 0.5 - self.cx) / self.r, (rows.mean() + 0.5 - self.cy) / self.r

    def span(self, mask: np.ndarray) -> tuple[float, float]:
        """v of the upper and lower edge."""
        rows = np.nonzero(mask.any(axis=1))[0]
        return (rows[0] - self.cy) / self.r, (rows[-1] + 1 - self.cy) / self.r


def bounds(mask: np.ndarray) -> Box | None:
    """x0, y0, x1, y1 of a mask's pixels, the last two exclusive; None for an empty one."""
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def grown(mask: np.ndarray) -> np.ndarray:
    """The mask and its four-neighbours."""
    out = mask.copy()
    out[1:] |= mask[:-1]
    out[:-1] |= mask[1:]
    out[:, 1:] |= mask[:, :-1]
    out[:, :-1] |= mask[:, 1:]
    return out


def is_base(mask: np.ndarray, outline: np.ndarray | None, face: FaceRaster) -> bool:
    """Whether a shape belongs to the bare disc: it covers it, shades all of it, or hugs its rim.

    Args:
        mask: the shape as it is drawn.
        outline: the shape in solid ink, where that differs.
    """
    if outline is not None:
        box = bounds(outline)
        if box is not None and _overlap(box, face.disc_box) > 0.80 and outline.sum() > 0.8 * face.disc.sum():
            return True
    box = bounds(mask)
    if box is None:
        return False
    overlap, distance = _overlap(box, face.disc_box), face.distance[mask]
    return overlap > 0.80 or (overlap > 0.45 and (distance > 0.85).mean() > 0.6 and bool((distance < 1.12).all()))


def touching(masks: Sequence[np.ndarray]) -> list[list[int]]:
    """Indices of shapes that overlap or touch, so that they move together."""
    areas = [mask.sum() for mask in masks]
    linked = np.zeros((len(masks), len(masks)), dtype=bool)
    for i, mask in enumerate(masks):
        wide = grown(mask)
        for j in range(i):
            common = (wide & masks[j]).sum()
            linked[i, j] = common >= 12 or common > 0.25 * min(areas[i], areas[j])
    return groups(linked)


def slot_of(mask: np.ndarray, face: FaceRaster) -> str | None:
    """The slot of a group of shapes; None for one that reaches over the whole face (a hand, streams of tears)."""
    top, bottom = face.span(mask)
    if mask.sum() > 0.12 * np.pi * face.r**2 and top < -0.22 and bottom > 0.50:
        return None
    return EYES if face.centre_of_mass(mask)[1] < BORDER else MOUTH


def fault(slot: str, mask: np.ndarray, face: FaceRaster, eyes_bottom: float) -> str | None:
    """Why a part is of no use; None if it is.

    Args:
        mask: of the part; not empty.
        eyes_bottom: v of the lower edge of plain eyes.
    """
    if (mask & ~face.frame).sum() > 0.10 * mask.sum():
        return "leaves the frame"
    visible = mask & face.frame
    return _eyes_fault(mask, visible, face, eyes_bottom) if slot == EYES else _mouth_fault(mask, visible, face)


def _eyes_fault(mask: np.ndarray, visible: np.ndarray, face: FaceRaster, eyes_bottom: float) -> str | None:
    band = mask & (abs(face.v + 0.15) < 0.40)
    if not 0.2 < (band & (face.u < 0)).sum() / max(1, band.sum()) < 0.8:
        return "an eye is missing"
    if (mask & (abs(face.u) < 0.16) & (face.v > 0.22) & (face.v < 0.62)).sum() >= 6:
        return "contains a mouth"
    return "brows only" if face.span(visible)[1] < eyes_bottom - 0.27 else None


def _mouth_fault(mask: np.ndarray, visible: np.ndarray, face: FaceRaster) -> str | None:
    if abs(face.centre_of_mass(visible)[0]) > 0.60:
        return "beside the mouth"
    if (mask & (abs(face.u) < 0.22) & (face.v > 0.10) & (face.v < 0.90)).sum() < 5:
        return "no mouth, hands only"
    return "too high" if face.span(visible)[1] < 0.22 else None


def look_alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two parts are the same to the eye.

    Args:
        one, other: [RASTER, RASTER, 4] uint8 RGBA.
    """
    masks = one[..., 3] > 0, other[..., 3] > 0
    both, either = masks[0] & masks[1], masks[0] | masks[1]
    if both.sum() <= 0.86 * either.sum():
        return False
    return bool(np.abs(_on_yellow(one) - _on_yellow(other))[either].mean() < 18)


def collide(eyes: np.ndarray, mouth: np.ndarray, down: int = 0) -> bool:
    """Whether two parts on one face touch.

    Args:
        down: raster pixels by which the mouth moves down, relative to the eyes.
    """
    moved = np.roll(mouth, down, axis=0)
    return bool((grown(eyes) & moved).sum() > 6)


def _on_yellow(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return rgba[..., :3] * alpha + np.array([255, 204, 50], np.float32) * (1 - alpha)


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)
