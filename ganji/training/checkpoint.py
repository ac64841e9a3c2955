"""The whole state of a run in one file, written at once, so that `kill -9` loses at most the steps since.

Everything random in a run is drawn from (seed, step), so weights, averaged weights, optimiser moments and the step
number are the state; a resumed run repeats the interrupted one bit for bit.
"""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from ganji.errors import TrainingError

KEEP = 2


def optimizer_tensors(prefix: str, names: list[str], optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Adam's state by parameter name."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    return {
        f"{prefix}.{name}.{key}": value
        for name, parameter in zip(names, parameters, strict=True)
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def load_optimizer(
    prefix: str, names: list[str], optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]
) -> None:
    """The reverse of `optimizer_tensors`; parameters without a stored state start afresh."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for name, parameter in zip(names, parameters, strict=True):
        stored = {key: tensors.get(f"{prefix}.{name}.{key}") for key in ("step", "exp_avg", "exp_avg_sq")}
        if all(value is not None for value in stored.values()):
            optimizer.state[parameter] = {key: _like(parameter, value) for key, value in stored.items()}  # type: ignore[arg-type]


def _like(parameter: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """A copy in the parameter's own memory layout: the fused optimiser walks both as they lie in memory."""
    if value.shape != parameter.shape:
        return value.clone()
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def module_tensors(prefix: str, module: nn.Module) -> dict[str, torch.Tensor]:
    """A module's state dict under a prefix."""
    return {f"{prefix}.{name}": tensor for name, tensor in module.state_dict().items()}


def load_module(prefix: str, module: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """The reverse of `module_tensors`, strict."""
    start = f"{prefix}."
    module.load_state_dict({k[len(start) :]: v for k, v in tensors.items() if k.startswith(start)})


def save(folder: Path, images: int, tensors: dict[str, torch.Tensor], header: dict[str, Any]) -> Path:
    """Write `checkpoint-<images>.safetensors` and drop all but the newest `KEEP`.

    Raises:
        TrainingError: no room; older checkpoints are untouched.
    """
    path = folder / f"checkpoint-{images:08d}.safetensors"
    part = path.with_name(f".{path.name}.part")
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(stored, part, metadata={"run": json.dumps(header)})
        part.replace(path)
    except (OSError, SafetensorError) as exc:
        part.unlink(missing_ok=True)
        full = getattr(exc, "errno", None) == errno.ENOSPC or "No space" in str(exc)
        reason = "the disk is full" if full else "it cannot be written"
        raise TrainingError(f"{path.name} was not saved: {reason}. The last good checkpoint stays.") from exc
    for old in sorted(folder.glob("checkpoint-*.safetensors"))[:-KEEP]:
        old.unlink()
    return path


def newest(folder: Path) -> Path | None:
    """The newest checkpoint of a run, or None."""
    return max(folder.glob("checkpoint-*.safetensors"), default=None)


def load(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """(tensors, header) of a checkpoint.

    Raises:
        TrainingError: not one of ours.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as stream:
            header = json.loads((stream.metadata() or {})["run"])
            return {name: stream.get_tensor(name) for name in stream.keys()}, header
    except (SafetensorError, OSError, KeyError, ValueError) as exc:
        raise TrainingError(f"{path.name} is no training checkpoint of ours.") from exc
