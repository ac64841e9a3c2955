"""Where the faces of a picture are: facenet-pytorch's MTCNN, behind a small interface that tests can replace.

facenet-pytorch names torchvision, whose wheels do not always fit the installed torch (the CPU build used here has
none). It uses two small things of it, so those two are given to it while it is imported, and torchvision itself is
never loaded: CPU and CUDA machines run the same code, and start-up saves seconds.
"""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

MAX_SIDE = 1024  # px; larger pictures are searched in a reduced copy
MIN_FACE = 40  # px, in that copy; MTCNN fails on pictures that are smaller than the smallest face
MIN_PROBABILITY = 0.9

_importing = threading.Lock()


@dataclass(frozen=True)
class DetectedFace:
    """One face.

    Attributes:
        box: (x0, y0, x1, y1) pixels.
        probability: 0..1.
        landmarks: [5, 2] float64, (x, y) pixels: left eye, right eye, nose, left and right mouth corner, as seen.
    """

    box: tuple[float, float, float, float]
    probability: float
    landmarks: np.ndarray

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        x0, y0, x1, y1 = self.box
        return max(0.0, x1 - x0) * max(0.0, y1 - y0)


class FaceDetector(Protocol):
    """What alignment asks for."""

    def __call__(self, picture: Image.Image) -> list[DetectedFace]:
        """Faces of an RGB picture, the largest first; an empty list if there are none."""


class MTCNNDetector:
    """facenet-pytorch's MTCNN; its weights come with the package. Safe to call from several threads."""

    def __init__(self, device: str | torch.device = "cpu"):
        self._device = device
        self._network: Any = None
        self._lock = threading.Lock()

    def __call__(self, picture: Image.Image) -> list[DetectedFace]:
        reduced = _reduced(picture.convert("RGB"))
        if min(reduced.size) < MIN_FACE:
            return []
        with torch.no_grad():
            boxes, probabilities, landmarks = self._load().detect(reduced, landmarks=True)
        if boxes is None:
            return []
        factor = np.array([picture.width / reduced.width, picture.height / reduced.height])
        faces = [_face(*found, factor) for found in zip(boxes, probabilities, landmarks)]
        usable = [face for face in faces if face.probability >= MIN_PROBABILITY and np.isfinite(face.landmarks).all()]
        return sorted(usable, key=lambda face: (-face.area, face.box))

    def _load(self) -> Any:
        """The network, built at first use."""
        with self._lock:
            if self._network is None:
                network = import_mtcnn()
                self._network = network(device=self._device, min_face_size=MIN_FACE, keep_all=True, post_process=False)
            return self._network


def _reduced(picture: Image.Image) -> Image.Image:
    """The picture with sides of at most `MAX_SIDE`."""
    scale = max(picture.size) / MAX_SIDE
    if scale <= 1:
        return picture
    width, height = (max(1, round(side / scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BOX)


def _face(box: Any, probability: Any, points: Any, factor: np.ndarray) -> DetectedFace:
    """A row of MTCNN's answer, in pixels of the full picture."""
    x0, y0, x1, y1 = (np.asarray(box, np.float64).reshape(2, 2) * factor).ravel().tolist()
    return DetectedFace((x0, y0, x1, y1), float(probability), np.asarray(points, np.float64) * factor)


def import_mtcnn() -> Any:
    """facenet-pytorch's MTCNN class, imported without torchvision."""
    with _importing, _stand_ins():
        from facenet_pytorch import MTCNN
    return MTCNN


@contextmanager
def _stand_ins() -> Iterator[None]:
    """Modules in torchvision's place, with the two functions that facenet-pytorch uses; gone again afterwards."""
    leaves = ("", ".transforms", ".transforms.functional", ".ops", ".ops.boxes")
    modules = {f"torchvision{leaf}": types.ModuleType(f"torchvision{leaf}") for leaf in leaves}
    for name, module in modules.items():
        module.__path__ = []
        parent, _, leaf = name.rpartition(".")
        if parent:
            setattr(modules[parent], leaf, module)
    modules["torchvision.transforms.functional"].to_tensor = _to_tensor  # type: ignore[attr-defined]
    modules["torchvision.ops.boxes"].batched_nms = batched_nms  # type: ignore[attr-defined]
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:  # only these names: another thread may be importing other things meanwhile
        for name, module_before in before.items():
            if module_before is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module_before


def _to_tensor(picture: Image.Image) -> torch.Tensor:
    """[C, H, W] float32 in [0, 1], as torchvision's function of that name."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255


def batched_nms(boxes: torch.Tensor, scores: torch.Tensor, classes: torch.Tensor, threshold: float) -> torch.Tensor:
    """Non-maximum suppression within each class.

    Args:
        boxes: [N, 4] (x0, y0, x1, y1). scores: [N]. classes: [N].
        threshold: a box goes if its intersection over union with a better one is larger.
    Returns:
        Indices of the boxes kept, best first, int64.
    """
    if not len(boxes):
        return torch.zeros(0, dtype=torch.int64, device=boxes.device)
    b, c = boxes.detach().cpu().double().numpy(), classes.detach().cpu().numpy()
    areas = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    order = np.argsort(-scores.detach().cpu().numpy(), kind="stable")
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        low, high = np.maximum(b[best, :2], b[rest, :2]), np.minimum(b[best, 2:], b[rest, 2:])
        overlap = np.clip(high - low, 0, None).prod(axis=1)
        union = areas[best] + areas[rest] - overlap
        ratio = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
        order = rest[(ratio <= threshold) | (c[rest] != c[best])]
    return torch.tensor(np.array(kept), dtype=torch.int64, device=boxes.device)
