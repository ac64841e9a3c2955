"""Network pickles of NVlabs' stylegan2-ada-pytorch (`.pkl`), read without their embedded source, in rosinality's names.

`conv_clamp` becomes part of the config. Differs from those networks in one way: all layers run in one precision, whatever
`num_fp16_res` says; that is only noted.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ganji.checksums import short_name
from ganji.formats import native, pickles
from ganji.formats.pickles import LazyTensor, Module, Refused, Unpickler
from ganji.formats.rosinality import infer_config
from ganji.formats.torch_file import storage_from_bytes
from ganji.networks.config import GeneratorConfig
from ganji.networks.mapping import LR_MULTIPLIER

MAX_FILE_BYTES = 512 << 20  # FFHQ at 1024 px, three networks: 382 MB
_MAX_MODULES = 1000
_LAYER = re.compile(r"synthesis\.b(\d+)\.(conv0|conv1|torgb)\.(.+)")
_PARTS = {  # of a convolution -> ours
    "weight": "conv.weight",
    "bias": "activate.bias",
    "affine.weight": "conv.modulation.weight",
    "affine.bias": "conv.modulation.bias",
    "noise_strength": "noise.weight",
}


def read(path: Path) -> tuple[GeneratorConfig, dict[str, torch.Tensor], dict[str, Any]]:
    """(config, state dict in rosinality's names, what else the file says) of `G_ema`.

    Raises:
        CheckpointError: no such pickle, a conditional network, or another architecture.
    """
    name = short_name(path)
    with pickles.reading(name):
        if path.stat().st_size > MAX_FILE_BYTES:
            raise Refused(f"is larger than {MAX_FILE_BYTES >> 20} MiB, which no StyleGAN2 pickle is")
        with path.open("rb") as stream:
            saved = Unpickler(stream, storage_from_bytes=storage_from_bytes).load()
        network = saved.get("G_ema") if isinstance(saved, dict) else None
        if not isinstance(network, Module):
            raise Refused("holds no G_ema network of stylegan2-ada-pytorch")
        found, kwargs = _tensors(network), _kwargs(network)
        tensors = pickles.load_all(found)
        info: dict[str, Any] = {"source_format": "nvlabs", "network": "G_ema", **_notes(kwargs)}
        w_avg = tensors.pop("mapping.w_avg", None)
        if w_avg is not None:
            info["w_avg"] = [round(float(v), 7) for v in w_avg.flatten()]
        state = _rename(tensors, float(_number(kwargs, "mapping_kwargs", "lr_multiplier", LR_MULTIPLIER)))
    config = replace(infer_config(state, name), conv_clamp=info.get("conv_clamp"))
    native.check_tensors(config, state, name)
    native.check_finite({**state, "w_avg": torch.zeros(1) if w_avg is None else w_avg}, name)
    return config, state, info


def _tensors(network: Module) -> dict[str, LazyTensor]:
    """Parameters and buffers by their full names."""
    found: dict[str, LazyTensor] = {}
    todo, visited = [("", network)], 0
    while todo:
        prefix, module = todo.pop()
        visited += 1
        if visited > _MAX_MODULES or not isinstance(module.state, dict):
            raise Refused("holds a network that is no StyleGAN2")
        for kind in ("_parameters", "_buffers", "_modules"):
            for key, value in (module.state.get(kind) or {}).items():
                if isinstance(value, LazyTensor):
                    found[f"{prefix}{key}"] = value
                elif isinstance(value, Module):
                    todo.append((f"{prefix}{key}."[:200], value))
    return found


def _kwargs(network: Module) -> dict[str, Any]:
    """The arguments the network was made with; refuses what our network has no counterpart for."""
    kwargs = network.state.get("_init_kwargs")
    if not isinstance(kwargs, dict):
        raise Refused("does not say how its network was made")
    if kwargs.get("c_dim"):
        raise Refused("is a conditional network (c_dim > 0), which GAN-ji has no use for")
    for group in ("mapping_kwargs", "synthesis_kwargs"):
        values = kwargs.get(group) or {}
        if not isinstance(values, dict):
            raise Refused("does not say how its network was made")
        if values.get("activation", "lrelu") != "lrelu" or values.get("architecture", "skip") != "skip":
            raise Refused("has another activation or architecture than StyleGAN2's")
    return kwargs


def _number(kwargs: dict[str, Any], group: str, field: str, default: float) -> float:
    value = (kwargs.get(group) or {}).get(field, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e6:
        raise Refused(f"has an impossible {field}")
    return value


def _notes(kwargs: dict[str, Any]) -> dict[str, Any]:
    """What the file's header shall remember of the network's arguments."""
    values = kwargs.get("synthesis_kwargs") or {}
    notes = {}
    for field in ("conv_clamp", "num_fp16_res"):
        if values.get(field) is not None:
            notes[field] = _number(kwargs, "synthesis_kwargs", field, 1)
    return notes


def _rename(tensors: dict[str, torch.Tensor], lr_multiplier: float) -> dict[str, torch.Tensor]:
    """Names and shapes of rosinality; names that have no counterpart stay, so that strict loading shows them."""
    state: dict[str, torch.Tensor] = {}
    for key, tensor in tensors.items():
        if m := re.fullmatch(r"mapping\.fc(\d+)\.(weight|bias)", key):
            state[f"style.{int(m[1]) + 1}.{m[2]}"] = tensor * (lr_multiplier / LR_MULTIPLIER)
        elif key == "synthesis.b4.const":
            state["input.input"] = tensor[None]
        elif m := re.fullmatch(r"synthesis\.b(\d+)\.resample_filter", key):
            if int(m[1]) > 4:  # enlarges the picture of the level before; a gain of 4 goes with it
                state[f"to_rgbs.{_level(m[1])}.upsample.kernel"] = 4 * tensor
        elif m := _LAYER.fullmatch(key):
            _rename_layer(state, m[1], m[2], m[3], tensor)
        else:
            state[key] = tensor
    return state


def _level(side: str) -> int:
    """8 -> 0, 16 -> 1, ..."""
    level = int(side).bit_length() - 4
    if level < 0 or int(side) != 8 << level:
        raise Refused(f"has a layer of {side[:10]} px, which StyleGAN2 has not")
    return level


def _rename_layer(state: dict[str, torch.Tensor], side: str, layer: str, part: str, tensor: torch.Tensor) -> None:
    """One tensor of `synthesis.b<side>.<layer>`."""
    first = side == "4"
    if layer == "torgb":
        target = "to_rgb1" if first else f"to_rgbs.{_level(side)}"
        if part == "weight":
            state[f"{target}.conv.weight"] = tensor[None]
        elif part == "bias":
            state[f"{target}.bias"] = tensor.reshape(1, -1, 1, 1)
        else:
            state[f"{target}.{_PARTS.get(part, part).replace('activate.', '')}"] = tensor
        return
    number = 0 if first else 2 * _level(side) + (1 if layer == "conv0" else 2)  # of the noise map; convs start at 1
    target = "conv1" if first else f"convs.{number - 1}"
    if part == "noise_const":
        state[f"noises.noise_{number}"] = tensor[None, None]
    elif part == "resample_filter":
        if layer == "conv0":
            state[f"{target}.conv.blur.kernel"] = 4 * tensor
    elif part == "weight":
        state[f"{target}.conv.weight"] = tensor[None]
    elif part == "noise_strength":
        state[f"{target}.noise.weight"] = tensor.reshape(1)
    else:
        state[f"{target}.{_PARTS.get(part, part)}"] = tensor
