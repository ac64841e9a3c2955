"""A folder of training pictures: `index.json`, image files, and, for paired targets, `codes.safetensors`.

index.json            {"format": "ganji-pictures-1", "size": 256, "images": [{"file": "000000.png", ...recipe}, ...]}
codes.safetensors     w_coarse [N, w_dim], w_fine [N, w_dim] float32: row i belongs to images[i]
.pixels-256.npy       a cache of the decoded pictures, made at first use
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, UnidentifiedImageError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ganji import images
from ganji.errors import InputError

FORMAT = "ganji-pictures-1"
MIN_PICTURES = 50


@dataclass(frozen=True)
class Codes:
    """The codes that pictures belong to: rows below the generator's `style_row` read `coarse`, the others `fine`."""

    coarse: torch.Tensor  # [N, w_dim] float32
    fine: torch.Tensor  # [N, w_dim] float32

    def w_plus(self, rows: Sequence[int] | np.ndarray, num_ws: int, style_row: int | None) -> torch.Tensor:
        """[B, num_ws, w_dim]."""
        index = torch.as_tensor(np.asarray(rows))
        split = num_ws if style_row is None else style_row
        coarse = self.coarse[index, None].expand(-1, split, -1)
        return torch.cat((coarse, self.fine[index, None].expand(-1, num_ws - split, -1)), dim=1)


class PictureFolder:
    """Random access to the pictures of a folder.

    Raises:
        InputError: no index, fewer than `minimum` pictures, a picture that does not decode or has another size.
    """

    def __init__(self, folder: Path, *, minimum: int = MIN_PICTURES):
        self.folder = folder
        index = read_index(folder)
        self.size = int(index["size"])
        self.entries: list[dict[str, Any]] = list(index["images"])
        if len(self.entries) < minimum:
            raise InputError(f"{folder.name}/ holds {len(self.entries)} pictures; training needs at least {minimum}.")
        self.pixels = self._open_cache()

    def __len__(self) -> int:
        return len(self.entries)

    def batch(self, rows: Sequence[int] | np.ndarray, resolution: int) -> torch.Tensor:
        """[B, 3, resolution, resolution] in [-1, 1], channels-last; smaller sides by averaging."""
        pictures = images.from_uint8(self.pixels[np.asarray(rows)])
        if resolution > self.size or self.size % resolution:
            raise InputError(f"These pictures are {self.size} px; they cannot be shown at {resolution} px.")
        return F.avg_pool2d(pictures, self.size // resolution) if resolution < self.size else pictures

    def codes(self) -> Codes:
        """The codes of the pictures.

        Raises:
            InputError: the folder has none, or not one per picture.
        """
        codes = read_codes(self.folder)
        if len(codes.coarse) != len(self):
            raise InputError(f"{self.folder.name}/codes.safetensors does not have one code per picture.")
        return codes

    def _open_cache(self) -> np.ndarray:
        """The decoded pictures [N, size, size, 3] uint8, memory-mapped; decoded once."""
        cache = self.folder / f".pixels-{self.size}.npy"
        shape = (len(self), self.size, self.size, 3)
        if cache.is_file():
            pixels = np.load(cache, mmap_mode="r")
            if pixels.shape == shape and cache.stat().st_mtime >= (self.folder / "index.json").stat().st_mtime:
                return pixels
        part = cache.with_suffix(".part.npy")
        pixels = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
        for row, entry in enumerate(self.entries):
            try:
                with Image.open(self.folder / entry["file"], formats=("PNG", "JPEG", "WEBP")) as picture:
                    pixels[row] = np.asarray(picture.convert("RGB"))
            except (OSError, ValueError, KeyError, UnidentifiedImageError):
                part.unlink(missing_ok=True)
                raise InputError(f"{self.folder.name}/{entry.get('file')} is no {self.size} px picture.") from None
        pixels.flush()
        part.rename(cache)
        return np.load(cache, mmap_mode="r")


def read_index(folder: Path) -> dict[str, Any]:
    """`index.json` of a folder.

    Raises:
        InputError: there is none of ours.
    """
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        if index["format"] == FORMAT and int(index["size"]) and isinstance(index["images"], list):
            return index
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise InputError(f"{folder.name}/ holds no index.json of `python -m ganji data`; make one with `data folder`.")


def read_codes(folder: Path) -> Codes:
    """`codes.safetensors` of a folder.

    Raises:
        InputError: there is none, or it is damaged.
    """
    try:
        state = load_file(folder / "codes.safetensors")
        coarse, fine = state["w_coarse"].float(), state.get("w_fine", state["w_coarse"]).float()
    except (OSError, KeyError, SafetensorError):
        raise InputError(f"{folder.name}/ has no codes.safetensors, which a paired target needs.") from None
    if coarse.shape != fine.shape:
        raise InputError(f"{folder.name}/codes.safetensors has codes of two shapes.")
    return Codes(coarse, fine)


def write_index(folder: Path, size: int, entries: list[dict[str, Any]], **header: Any) -> None:
    """Write `index.json`; the folder's picture files are already there."""
    index = {"format": FORMAT, "size": size, **header, "images": entries}
    part = folder / "index.json.part"
    part.write_text(json.dumps(index, indent=0, ensure_ascii=False), encoding="utf-8")
    part.rename(folder / "index.json")


def write_codes(folder: Path, coarse: torch.Tensor, fine: torch.Tensor | None = None) -> None:
    """Write `codes.safetensors`; see the module's docstring."""
    tensors = {"w_coarse": coarse.float().contiguous()}
    if fine is not None:
        tensors["w_fine"] = fine.float().contiguous()
    save_file(tensors, folder / "codes.safetensors")
