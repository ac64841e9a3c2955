"""Our own weight files: safetensors with a JSON header that says what they are.

The header's `ganji` entry: {"format": 1, "kind": "generator", "config": {...}, "parts": {name: sha256}, ...}. A generator
whose mapping network lies in another file names that file's sha256 under `parts`; who finds that file is weights.py's
business. Loading is strict: names, shapes, dtypes, finite values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ganji.checksums import sha256_file, short_name
from ganji.errors import CheckpointError, WeightsError
from ganji.networks.config import GeneratorConfig
from ganji.networks.generator import Generator, build_generator

FORMAT = 1
MAPPING_PREFIX = "style."
MAX_FILE_BYTES = 512 << 20  # the largest generator has 120 MB
MAX_SENTENCE = 200
_FLOATS = ("F32", "F16", "BF16")


@dataclass(frozen=True)
class NativeFile:
    """The contents of one of our files: what its header says, and its tensors as stored."""

    header: dict[str, Any]
    tensors: dict[str, torch.Tensor]

    @property
    def config(self) -> GeneratorConfig:
        """The generator's architecture.

        Raises:
            CheckpointError: the header has none, or an impossible one.
        """
        try:
            return GeneratorConfig.from_dict(self.header.get("config", {}))
        except (CheckpointError, TypeError) as exc:
            raise CheckpointError(
                f"The file's header holds no possible generator config: {str(exc)[:100].rstrip('.')}."
            ) from exc

    @property
    def mapping_sha256(self) -> str | None:
        """Digest of the file that holds the mapping network, if it is not in this one."""
        parts = self.header.get("parts", {})
        digest = parts.get("mapping") if isinstance(parts, dict) else None
        return digest if isinstance(digest, str) else None


def write(
    path: Path, tensors: Mapping[str, torch.Tensor], header: dict[str, Any], dtype: torch.dtype | None = None
) -> None:
    """Write a file at once: readers see the old one or the whole new one.

    Args:
        dtype: cast floating tensors to it; None keeps them.
    Raises:
        WeightsError: it cannot be written; nothing is left behind.
    """
    stored = {}
    for name, tensor in sorted(tensors.items()):
        tensor = tensor.detach().cpu()
        if dtype is not None and tensor.is_floating_point():
            tensor = tensor.to(dtype)
        stored[name] = tensor.contiguous()
    part = path.with_name(f".{path.name}.part")
    try:
        save_file(stored, part, metadata={"ganji": json.dumps({"format": FORMAT, **header}, sort_keys=True)})
        part.replace(path)
    except (OSError, SafetensorError) as exc:
        part.unlink(missing_ok=True)
        raise WeightsError(
            f"{short_name(path)} could not be written; does its folder exist, and is there space?"
        ) from exc


def read(path: Path, kind: str) -> NativeFile:
    """Read one of our files.

    Raises:
        CheckpointError: no safetensors, no header of ours, another kind, a tensor that is not finite.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise CheckpointError(
                f"{short_name(path)} is larger than {MAX_FILE_BYTES >> 20} MiB, which no file of ours is."
            )
        with safe_open(path, framework="pt", device="cpu") as stream:
            header = json.loads((stream.metadata() or {}).get("ganji", "null"))
            names = list(stream.keys())
            odd = [n for n in names if stream.get_slice(n).get_dtype() not in (*_FLOATS, "I64", "I32", "U8")]
            if odd:
                raise CheckpointError(f"{short_name(path)}: tensor {odd[0][:60]} has a type that we do not use.")
            if not isinstance(header, dict) or header.get("format") != FORMAT or header.get("kind") != kind:
                raise CheckpointError(
                    f"{short_name(path)} is no {kind} file of ours; `python -m ganji convert` makes one."
                )
            tensors = {name: stream.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError, RecursionError) as exc:
        raise CheckpointError(f"{short_name(path)} is no readable safetensors file.") from exc
    check_finite(tensors, short_name(path))
    return NativeFile(header, tensors)


def is_kind(path: Path, kind: str) -> bool:
    """Whether a file says in its header that it is one of ours, of that kind; reads no tensors."""
    try:
        with safe_open(path, framework="pt", device="cpu") as stream:
            header = json.loads((stream.metadata() or {}).get("ganji", "null"))
    except (SafetensorError, OSError, ValueError, RecursionError):
        return False
    return isinstance(header, dict) and header.get("kind") == kind


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


def check_finite(tensors: Mapping[str, torch.Tensor], name: str) -> None:
    """Raises CheckpointError for a NaN or an infinity: one of them spoils every pixel."""
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointError(f"{name}: tensor {key[:60]} holds values that are not finite.")


class HasShape(Protocol):
    """A tensor, or a claim of one that is not read yet."""

    @property
    def shape(self) -> torch.Size:
        """Sizes of its axes."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Type of its numbers."""
        ...


def check_tensors(config: GeneratorConfig, tensors: Mapping[str, HasShape], name: str) -> Generator:
    """Compare names, shapes and types with what the architecture wants, without memory for either.

    Returns:
        The architecture, its tensors without storage ("meta").
    Raises:
        CheckpointError: missing, unknown or misshapen tensors (the first three are named), or not of a float type.
    """
    with torch.device("meta"):
        generator = build_generator(config)
    wanted = generator.state_dict()
    differences = [f"{key} is missing" for key in wanted if key not in tensors]
    differences += [f"{key[:40]} is unknown" for key in tensors if key not in wanted]
    for key, tensor in tensors.items():
        if key in wanted and tensor.shape != wanted[key].shape:
            differences.append(f"{key} is {str(list(tensor.shape))[:30]}, not {list(wanted[key].shape)}")
        elif key in wanted and not tensor.dtype.is_floating_point:
            differences.append(f"{key} has type {tensor.dtype}")
    if differences:
        raise CheckpointError(_differences(name, config, differences))
    return generator


def _differences(name: str, config: GeneratorConfig, differences: list[str]) -> str:
    """The first three differences, or as many as one sentence holds."""
    sentence = f"{name[:40]} is no {config.family} generator of {config.img_resolution} px: {differences[0]}"
    shown = 1
    while shown < min(3, len(differences)) and len(f"{sentence}; {differences[shown]}") <= MAX_SENTENCE - 16:
        sentence += f"; {differences[shown]}"
        shown += 1
    more = len(differences) - shown
    return f"{sentence}{f' and {more} more' if more else ''}."


def build(config: GeneratorConfig, tensors: Mapping[str, torch.Tensor], name: str) -> Generator:
    """A generator in eval mode, float32, without gradients, from a complete set of tensors.

    Args:
        name: of the file, for the error.
    Raises:
        CheckpointError: as `check_tensors`.
    """
    generator = check_tensors(config, tensors, name)
    generator.load_state_dict({key: t.detach().to(torch.float32, copy=True) for key, t in tensors.items()}, assign=True)
    return generator.eval().requires_grad_(False)
