"""A face's expression in numbers, from 478 face-mesh landmarks (scripts/face_mesh.py): `data expressions`.

Landmarks are three-dimensional, so every face is first turned to the front: a rigid template of points that no expression
moves is fitted to it, and measures are taken in the template's frame. Without that a raised chin reads as a frown and a
turned head as wide eyes. Lengths are in eye distances (between the centres of the two eyes), x to the right, y down.
Landmark numbers are MediaPipe's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ganji.errors import InputError

NUM_LANDMARKS = 478
LEFT_EYE, RIGHT_EYE = (33, 133), (263, 362)  # outer and inner corner; left and right as seen
LEFT_LIDS, RIGHT_LIDS = (159, 145), (386, 374)  # upper, lower
LIPS, OUTER_CORNERS = (13, 14), (61, 291)
BROWS = (105, 334)

# Eye corners, nose bridge, forehead, temples: mean of 1,925 frontal faces, made symmetric; eye distances, z to the back.
RIGID = (33, 133, 362, 263, 168, 6, 197, 10, 151, 127, 356, 234, 454)
TEMPLATE = np.array([
    (-0.7185, -0.0172, 0.0422), (-0.2815, 0.0172, -0.0422), (0.2815, 0.0172, -0.0422), (0.7185, -0.0172, 0.0422),
    (0, -0.0650, -0.3263), (0, 0.0610, -0.3911), (0, 0.1801, -0.4666), (0, -0.8475, -0.2980), (0, -0.5923, -0.3406),
    (-1.1376, 0.0430, 0.8540), (1.1376, 0.0430, 0.8540), (-1.1297, 0.2724, 0.9450), (1.1297, 0.2724, 0.9450),
])  # fmt: skip


@dataclass(frozen=True)
class Expressions:
    """One array [N] per measure; NaN where no face was found.

    Attributes:
        gap: opening between the lips. width: between the mouth's outer corners. lift: how far the corners stand above the
            lips' middle (a smile is positive). left_eye, right_eye: opening of an eye over its own width.
        brow: height of the brows above the eyes. mouth_y: of the lips' middle below the eyes.
        yaw, pitch, roll: degrees: turned to the right of the picture, chin down, tilted clockwise.
        eye_x, eye_y: middle between the eyes, fractions of the picture; eye_distance likewise.
    """

    gap: np.ndarray
    width: np.ndarray
    lift: np.ndarray
    left_eye: np.ndarray
    right_eye: np.ndarray
    brow: np.ndarray
    yaw: np.ndarray
    pitch: np.ndarray
    roll: np.ndarray
    eye_x: np.ndarray
    eye_y: np.ndarray
    eye_distance: np.ndarray
    mouth_y: np.ndarray

    @property
    def found(self) -> np.ndarray:
        """[N] bool: a face was found."""
        return np.isfinite(self.gap)

    @classmethod
    def joined(cls, parts: Sequence[Expressions]) -> Expressions:
        """Those of several folders, one after the other."""
        return cls(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)})

    def row(self, index: int) -> dict[str, float]:
        """One face's measures by name."""
        return {f.name: float(getattr(self, f.name)[index]) for f in fields(self)}

    def rows(self, chosen: np.ndarray) -> Expressions:
        """Those of some faces; chosen: a mask [N] or row numbers."""
        return Expressions(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    def save(self, path: Path) -> None:
        """Write all measures to an .npz file."""
        np.savez_compressed(path, **{f.name: getattr(self, f.name).astype(np.float32) for f in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Expressions:
        """Read what `save` wrote.

        Raises:
            InputError: not such a file.
        """
        try:
            with np.load(path) as stored:
                return cls(**{f.name: stored[f.name] for f in fields(cls)})
        except (OSError, ValueError, KeyError) as exc:
            raise InputError(f"{path.name} is no file of `data expressions`.") from exc


def measure(landmarks: np.ndarray) -> Expressions:
    """Expressions from landmarks.

    Args:
        landmarks: [N, 478, 3] float, x and y as fractions of the picture's side, z in the same scale; NaN where no face
            was found.
    Raises:
        InputError: another shape.
    """
    if landmarks.ndim != 3 or landmarks.shape[1:] != (NUM_LANDMARKS, 3):
        raise InputError(f"Landmarks must be [N, {NUM_LANDMARKS}, 3], not {list(landmarks.shape)}.")
    points = landmarks.astype(np.float64)
    front, rotation = turn_to_front(points)

    def opening(lids: tuple[int, int], corners: tuple[int, int]) -> np.ndarray:
        height = np.linalg.norm(front[:, lids[0], :2] - front[:, lids[1], :2], axis=1)
        return height / np.linalg.norm(front[:, corners[0], :2] - front[:, corners[1], :2], axis=1)

    lips, corners = front[:, LIPS].mean(axis=1), front[:, OUTER_CORNERS]
    left, right = points[:, LEFT_EYE].mean(axis=1), points[:, RIGHT_EYE].mean(axis=1)
    centre, across = (left + right) / 2, right - left
    return Expressions(
        gap=front[:, LIPS[1], 1] - front[:, LIPS[0], 1],
        width=corners[:, 1, 0] - corners[:, 0, 0],
        lift=lips[:, 1] - corners[:, :, 1].mean(axis=1),
        left_eye=opening(LEFT_LIDS, LEFT_EYE),
        right_eye=opening(RIGHT_LIDS, RIGHT_EYE),
        brow=-front[:, BROWS, 1].mean(axis=1),
        yaw=np.degrees(np.arctan2(-rotation[:, 0, 2], rotation[:, 2, 2])),
        pitch=np.degrees(np.arcsin(np.clip(-rotation[:, 1, 2], -1, 1))),
        roll=np.degrees(np.arctan2(across[:, 1], across[:, 0])),
        eye_x=centre[:, 0],
        eye_y=centre[:, 1],
        eye_distance=np.linalg.norm(across[:, :2], axis=1),
        mouth_y=lips[:, 1],
    )


def turn_to_front(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit the rigid template to every face and undo what it took.

    The similarity transform that carries the template onto a face's rigid points in the least-squares sense (Umeyama 1991).

    Args:
        points: [N, 478, 3]; NaN where no face was found.
    Returns:
        (points in the template's frame [N, 478, 3], rotations [N, 3, 3] from that frame to the picture's).
    """
    found = np.isfinite(points).all(axis=(1, 2))
    faces = np.where(found[:, None, None], points, 0.0)
    centre = faces[:, RIGID].mean(axis=1, keepdims=True)
    model = TEMPLATE - TEMPLATE.mean(axis=0)
    rigid = np.where(found[:, None, None], faces[:, RIGID] - centre, model)
    u, _, vt = np.linalg.svd(np.einsum("nki,kj->nij", rigid, model))
    flip = np.ones((len(points), 3))
    flip[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * flip[:, None, :]) @ vt
    scale = np.einsum("nki,nij,kj->n", rigid, rotation, model) / np.square(model).sum()
    front = np.einsum("nki,nij->nkj", faces - centre, rotation) / scale[:, None, None] + TEMPLATE.mean(axis=0)
    front[~found], rotation[~found] = np.nan, np.nan
    return front, rotation


def load_landmarks(path: Path) -> tuple[list[str], np.ndarray]:
    """(file names, landmarks [N, 478, 3]) as scripts/face_mesh.py wrote them.

    Raises:
        InputError: not such a file.
    """
    try:
        with np.load(path) as stored:
            return [str(name) for name in stored["files"]], stored["landmarks"]
    except (OSError, ValueError, KeyError) as exc:
        raise InputError(f"{path.name} is no file of scripts/face_mesh.py.") from exc
