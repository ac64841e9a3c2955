"""Foreign checkpoints -> our generators: rosinality `.pt`, NVlabs `.pkl`, the folder of the `random-face` package.

Which it is is read off the file's first bytes, not its name. No code that a file carries runs (formats/pickles.py).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ganji.checksums import short_name
from ganji.errors import CheckpointError
from ganji.formats import native, nvlabs, openvino_ir, rosinality, torch_file
from ganji.networks.config import GeneratorConfig
from ganji.networks.generator import Generator

Foreign = tuple[GeneratorConfig, dict[str, torch.Tensor], dict[str, Any]]


def read_foreign(path: Path) -> Foreign:
    """Read a checkpoint of someone else's making.

    Returns:
        (config, state dict in our names, float tensors as stored, what else the file says: plain JSON values).
    Raises:
        CheckpointError: unreadable, hostile, or of an architecture that is not ours; the first differing tensors are named.
    """
    name = short_name(path)
    if path.is_dir():
        if not openvino_ir.is_folder(path):
            raise CheckpointError(f"{name} is a folder, but not the data folder of random-face.")
        return _read_random_face(path)
    try:
        with path.open("rb") as stream:
            start = stream.read(64)
    except OSError as exc:
        raise CheckpointError(f"{name} cannot be read; is the path right?") from exc
    if start.startswith((torch_file.ZIP_START, torch_file.LEGACY_START)):
        return rosinality.read(path)
    if start[:1] == b"\x80":
        return nvlabs.read(path)
    if start.startswith(b"version https://git-lfs"):
        raise CheckpointError(f"{name} is a Git-LFS pointer, not the checkpoint; run `git lfs pull`.")
    if start[8:9] == b"{":
        raise CheckpointError(f"{name} is a safetensors file already; it needs no conversion.")
    raise CheckpointError(f"{name} is no checkpoint that we read: rosinality .pt, NVlabs .pkl or random-face.")


def _read_random_face(folder: Path) -> Foreign:
    state = openvino_ir.read_mapping(folder / "MappingNetwork.xml")
    state = {**state, **openvino_ir.read_synthesis(folder / "SynthesisNetwork.xml")}
    native.check_finite(state, folder.name)
    return openvino_ir.CONFIG, state, {"source_format": "random-face"}


def read_generator(path: Path, config: dict[str, Any] | None = None) -> Generator:
    """A generator from a foreign checkpoint: eval mode, float32, CPU.

    Args:
        config: what the manifest says of it, or None; a contradiction is refused.
    Raises:
        CheckpointError: as `read_foreign`.
    """
    found, state, _ = read_foreign(path)
    if config is not None:
        wanted = GeneratorConfig.from_dict(config)
        for field, value in wanted.to_dict().items():
            seen = found.to_dict().get(field)
            if value != seen and field not in ("channel_base", "channel_multiplier", "channel_max", "style_row"):
                raise CheckpointError(f"{short_name(path)} has {field} {seen!r}; the manifest says {value!r}.")
        clamp = found.conv_clamp  # which most manifests leave to the file
        found = replace(wanted, conv_clamp=clamp)  # widths are compared by the tensors themselves
    return native.build(found, state, short_name(path))


def convert(path: Path, out: Path, *, dtype: torch.dtype = torch.float32) -> GeneratorConfig:
    """Write a foreign checkpoint as one of our files, mapping network included.

    Args:
        dtype: float32 keeps the pictures as they were; float16 halves the file and moves them by less than one grey level
            in most pictures.
    Raises:
        CheckpointError: as `read_foreign`.
    """
    config, state, info = read_foreign(path)
    native.write_generator(out, native.build(config, state, short_name(path)), dtype=dtype, info=info)
    return config
