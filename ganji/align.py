"""photo -> the square, upright crop that FFHQ-trained generators know.

The landmark finder is injected (detect.py), so this module is geometry and resampling only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from ganji.detect import DetectedFace, FaceDetector
from ganji.errors import FaceTooSmallError, InputError, NoFaceError

MIN_EYE_DISTANCE = 16.0  # px; less than this holds no expression
FEATHER = 0.0167  # width of the blur at padded borders, in crop sides

# The quad is made for dlib's landmarks; MTCNN's points lie elsewhere on the same face. Measured on faces that are aligned
# already (benchmarks/alignment.py), where the answer must be the picture itself: (scale, shift right, shift down) in crop
# sides.
CORRECTION = (0.990, 0.0, 0.0043)

_NO_FACE = "No face was found. Use a photo that shows one face from the front, in good light, or mark the eyes and mouth by hand."


@dataclass(frozen=True)
class AlignedFace:
    """A crop and where it came from.

    Attributes:
        picture: RGB, `size` x `size`.
        quad: [4, 2] float64: its corners in the photo, (x, y) pixels: top left, bottom left, bottom right, top right.
        num_faces: how many faces the photo shows.
    """

    picture: Image.Image
    quad: np.ndarray
    num_faces: int


def align_face(photo: Image.Image, detector: FaceDetector, size: int, *, face_index: int = 0) -> AlignedFace:
    """Find the largest face and crop it as FFHQ's are.

    Args:
        photo: RGB, upright.
        size: side of the crop in pixels.
        face_index: which face, by size; 0 is the largest.
    Raises:
        NoFaceError: there is none. FaceTooSmallError: its eyes are less than 16 pixels apart.
        InputError: `face_index` is not among the faces.
    """
    faces = detector(photo)
    if not faces:
        raise NoFaceError(_NO_FACE)
    if not 0 <= face_index < len(faces):
        raise InputError(f"The photo shows {len(faces)} face(s); choose a number from 1 to {len(faces)}.")
    return AlignedFace(*_crop(photo, faces[face_index].landmarks, size), len(faces))


def align_by_points(
    photo: Image.Image,
    left_eye: tuple[float, float],
    right_eye: tuple[float, float],
    mouth: tuple[float, float],
    size: int,
) -> AlignedFace:
    """Crop by three points that a person has marked: both eyes (left and right as seen) and the middle of the mouth.

    Raises:
        InputError: a point outside the photo, or points that make no face. FaceTooSmallError: as in `align_face`.
    """
    points = np.array([left_eye, right_eye, mouth], np.float64)
    if not np.isfinite(points).all() or (points < 0).any() or (points > np.array(photo.size)).any():
        raise InputError("The three points must lie on the photo. Mark both eyes and the mouth again.")
    (x0, y0), (x1, y1), (mx, my) = points
    across, down = points[1] - points[0], points[2] - points[:2].mean(axis=0)
    if x1 <= x0 or across[0] * down[1] - across[1] * down[0] <= 0.2 * float(across @ across):
        raise InputError("Mark the eye on the left, then the eye on the right, then the mouth below them.")
    landmarks = np.array([(x0, y0), (x1, y1), (mx, my), (mx, my), (mx, my)])
    return AlignedFace(*_crop(photo, landmarks, size), 1)


def quad_from_landmarks(landmarks: np.ndarray, correction: tuple[float, float, float] = CORRECTION) -> np.ndarray:
    """The corners of the crop.

    The square's axis is the mean of the eye line and of the perpendicular to the eye-mouth line; its half side is the
    larger of twice the eye distance and 1.8 times the eye-mouth distance; its centre is a tenth of the way from the eyes
    to the mouth (FFHQ's rule, Karras et al. 2019, appendix A), then `correction`.

    Args:
        landmarks: [5, 2], (x, y) pixels.
    Returns:
        [4, 2] float64: top left, bottom left, bottom right, top right.
    """
    eyes, mouth = landmarks[:2].mean(axis=0), landmarks[3:5].mean(axis=0)
    across, down = landmarks[1] - landmarks[0], mouth - eyes
    axis = across + np.array([down[1], -down[0]])
    with np.errstate(invalid="ignore", divide="ignore"):
        axis = axis / np.hypot(*axis)
    half = max(2.0 * np.hypot(*across), 1.8 * np.hypot(*down))
    scale, right, lower = correction
    x = axis * half * scale
    y = np.array([-x[1], x[0]])
    centre = eyes + 0.1 * down + 2 * (right * x + lower * y) / scale
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def _crop(photo: Image.Image, landmarks: np.ndarray, size: int) -> tuple[Image.Image, np.ndarray]:
    """The aligned crop and its quad."""
    eye_distance = float(np.hypot(*(landmarks[1] - landmarks[0])))
    if not eye_distance >= MIN_EYE_DISTANCE:  # NaN as well
        raise FaceTooSmallError(
            f"The face is too small: its eyes are {eye_distance:.0f} pixels apart. Use a photo where they are at least {MIN_EYE_DISTANCE:.0f}."
        )
    quad = quad_from_landmarks(landmarks)
    if not np.isfinite(quad).all():  # a mouth above the eyes: the two axes cancel each other
        raise NoFaceError(_NO_FACE)
    return resample_quad(photo, quad, size), quad


def resample_quad(photo: Image.Image, quad: np.ndarray, size: int) -> Image.Image:
    """Cut a square out of the photo, turned upright, without aliasing; what lies outside is mirrored and blurred.

    Args:
        quad: [4, 2] as in `AlignedFace`.
    """
    side = float(np.hypot(*(quad[3] - quad[0])))
    low = np.floor(quad.min(axis=0)).astype(int) - 2
    high = np.ceil(quad.max(axis=0)).astype(int) + 2
    box = (max(low[0], 0), max(low[1], 0), min(high[0], photo.width), min(high[1], photo.height))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise InputError("That square does not touch the photo. Mark the face again.")
    photo, quad = photo.crop(box).convert("RGB"), quad - np.array(box[:2])
    shrink = side / (2 * size)
    if shrink > 1:  # first to twice the size wanted, then turn, then the exact size
        reduced = (max(1, round(photo.width / shrink)), max(1, round(photo.height / shrink)))
        quad = quad * (np.array(reduced) / np.array(photo.size))
        photo, side = photo.resize(reduced, Image.Resampling.LANCZOS), 2.0 * size
    photo, quad = _pad(photo, quad, side)
    supersampled = photo.transform(
        (2 * size, 2 * size), Image.Transform.QUAD, tuple(quad.ravel()), Image.Resampling.BICUBIC
    )
    return supersampled.resize((size, size), Image.Resampling.LANCZOS)


def _pad(photo: Image.Image, quad: np.ndarray, side: float) -> tuple[Image.Image, np.ndarray]:
    """Extend the photo by reflection where the quad leaves it, blurring more and more towards the outside."""
    left, top = (max(0, math.ceil(-v) + 1) for v in quad.min(axis=0))
    right = max(0, math.ceil(quad[:, 0].max() - photo.width) + 1)
    bottom = max(0, math.ceil(quad[:, 1].max() - photo.height) + 1)
    if not (left or top or right or bottom):
        return photo, quad
    array = np.pad(np.asarray(photo), ((top, bottom), (left, right), (0, 0)), mode="symmetric")
    h, w = array.shape[:2]
    ys, xs = np.ogrid[:h, :w]
    outside = np.maximum(
        np.maximum(left - xs, xs - (w - 1 - right)).clip(min=0), np.maximum(top - ys, ys - (h - 1 - bottom)).clip(min=0)
    )
    weight = np.clip(outside / max(1.0, 0.15 * side), 0, 1)[:, :, None]
    blurred = np.asarray(Image.fromarray(array).filter(ImageFilter.GaussianBlur(max(1.0, FEATHER * side))))
    mixed = array + (blurred.astype(np.float32) - array) * np.clip(3 * weight, 0, 1)
    faded = mixed + (np.median(np.asarray(photo), axis=(0, 1)) - mixed) * weight
    return Image.fromarray(faded.round().clip(0, 255).astype(np.uint8)), quad + np.array([left, top])


def largest_note(faces: int) -> str:
    """What to tell the user when the photo shows several faces; empty for one."""
    return "" if faces <= 1 else f"The photo shows {faces} faces; the largest one was used."


__all__ = ["AlignedFace", "DetectedFace", "align_by_points", "align_face", "quad_from_landmarks", "resample_quad"]
