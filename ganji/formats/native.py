"""Our own weight files: safetensors with a JSON header that says what they are.

The header's `ganji` entry: {"format": 1, "kind": "generator", "config": {...}, "parts": {name: sha256}, ...}. A generator
whose mapping network lies in another file names that file's sha256 under `parts`; who finds that file is weights.py's
business. Loading is strict: names, shapes, dtypes, finite values.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ganji.errors import CheckpointError
from ganji.networks.config import GeneratorConfig
from ganji.networks.generator import Generator, build_generator

FORMAT = 1
MAPPING_PREFIX = "style."
_FLOATS = ("F32", "F16", "BF16")


@dataclass(frozen=True)
class NativeFile:
    """The contents of one of our files: what its header says, and its tensors as stored."""

    header: dict[str, Any]
    tensors: dict[str, torch.Tensor]

    @property
    def config(self) -> GeneratorConfig:
        return GeneratorConfig.from_dict(self.header.get("config", {}))


def sha256_file(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write(
    path: Path, tensors: Mapping[str, torch.Tensor], header: dict[str, Any], dtype: torch.dtype | None = None
) -> None:
    """Write a file at once: readers see the old one or the whole new one.

    Args:
        dtype: cast floating tensors to it; None keeps them.
    """
    stored = {}
    for name, tensor in sorted(tensors.items()):
        tensor = tensor.detach().cpu()
        if dtype is not None and tensor.is_floating_point():
            tensor = tensor.to(dtype)
        stored[name] = tensor.contiguous()
    part = path.with_name(f".{path.name}.part")
    save_file(stored, part, metadata={"ganji": json.dumps({"format": FORMAT, **header}, sort_keys=True)})
    part.replace(path)


def read(path: Path, kind: str) -> NativeFile:
    """Read one of our files.

    Raises:
        CheckpointError: no safetensors, no header of ours, another kind, a tensor that is not finite.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as stream:
            header = json.loads((stream.metadata() or {}).get("ganji", "null"))
            names = list(stream.keys())
            odd = [n for n in names if stream.get_slice(n).get_dtype() not in (*_FLOATS, "I64", "I32", "U8")]
            if odd:
                raise CheckpointError(f"{path.name}: tensor {odd[0]} has a type that we do not use.")
            tensors = {name: stream.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError) as exc:
        raise CheckpointError(f"{path.name} is no readable safetensors file.") from exc
    if not isinstance(header, dict) or header.get("format") != FORMAT or header.get("kind") != kind:
        raise CheckpointError(f"{path.name} is no {kind} file of ours; `python -m ganji convert` makes one.")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path.name}: tensor {name} holds values that are not finite.")
    return NativeFile(header, tensors)


def write_generator(
    path: Path,
    generator: Generator,
    *,
    dtype: torch.dtype = torch.float16,
    mapping: Path | None = None,
    info: dict[str, Any] | None = None,
) -> None:
    """Write a generator.

    Args:
        mapping: a file that holds its mapping network, which then is left out here; None puts everything in.
        info: more header entries (title, licence, recipe).
    """
    tensors = generator.state_dict()
    parts = {}
    if mapping is not None:
        tensors = {name: t for name, t in tensors.items() if not name.startswith(MAPPING_PREFIX)}
        parts["mapping"] = sha256_file(mapping)
    header = {"kind": "generator", "config": generator.config.to_dict(), "parts": parts, **(info or {})}
    write(path, tensors, header, dtype)


def build(config: GeneratorConfig, tensors: Mapping[str, torch.Tensor], name: str) -> Generator:
    """A generator in eval mode, float32, without gradients, from a complete set of tensors.

    Args:
        name: of the file, for the error.
    Raises:
        CheckpointError: missing, unknown or misshapen tensors (the first three are named), or not of a float type.
    """
    generator = build_generator(config)
    wanted = generator.state_dict()
    differences = [f"{key} is missing" for key in wanted if key not in tensors]
    differences += [f"{key} is unknown" for key in tensors if key not in wanted]
    for key, tensor in tensors.items():
        if key in wanted and tensor.shape != wanted[key].shape:
            differences.append(f"{key} is {list(tensor.shape)}, not {list(wanted[key].shape)}")
        elif key in wanted and not tensor.is_floating_point():
            differences.append(f"{key} has type {tensor.dtype}")
    if differences:
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise CheckpointError(
            f"{name} is no {config.family} generator of {config.img_resolution} px: {'; '.join(differences[:3])}{more}."
        )
    generator.load_state_dict({key: tensor.float() for key, tensor in tensors.items()})
    return generator.eval().requires_grad_(False)
