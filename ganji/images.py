"""Pictures as tensors and as files. The only module that knows 127.5.

Tensors: [B, 3, H, W] float32, RGB, [-1, 1].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image


def to_tensor(pictures: Image.Image | Sequence[Image.Image]) -> torch.Tensor:
    """PIL pictures of one size -> [B, 3, H, W] float32 in [-1, 1]."""
    if isinstance(pictures, Image.Image):
        pictures = [pictures]
    return from_uint8(np.stack([np.asarray(picture.convert("RGB")) for picture in pictures]))


def from_uint8(array: np.ndarray) -> torch.Tensor:
    """[B, H, W, 3] uint8 -> [B, 3, H, W] float32 in [-1, 1], channels-last in memory."""
    return torch.from_numpy(np.ascontiguousarray(array)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_uint8(pictures: torch.Tensor) -> np.ndarray:
    """[B, 3, H, W] in [-1, 1] (clamped) -> [B, H, W, 3] uint8."""
    scaled = (pictures.detach().float().clamp(-1, 1) + 1) * 127.5
    return scaled.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def to_pil(pictures: torch.Tensor) -> list[Image.Image]:
    """[B, 3, H, W] in [-1, 1] (clamped) -> B pictures."""
    return [Image.fromarray(array) for array in to_uint8(pictures)]


def grid(pictures: Sequence[Image.Image], columns: int, gap: int = 0) -> Image.Image:
    """Pictures of one size, row by row, on white; `gap` pixels between them."""
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), "white")
    for k, picture in enumerate(pictures):
        sheet.paste(picture.convert("RGB"), ((k % columns) * (width + gap), (k // columns) * (height + gap)))
    return sheet
