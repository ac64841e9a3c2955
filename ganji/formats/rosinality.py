"""Checkpoints of rosinality's stylegan2-pytorch (`.pt`): its state-dict names are ours, so nothing is renamed.

Also reads the `factor.pt` that its closed-form factorization writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganji.checksums import short_name
from ganji.errors import CheckpointError, DirectionsError
from ganji.formats import native, pickles, torch_file
from ganji.formats.pickles import LazyTensor
from ganji.networks.config import GeneratorConfig

CHANNEL_BASE = 16384  # of rosinality's widths with channel_multiplier 1
NETWORKS = ("g_ema", "g")  # in order of preference
_STYLE = re.compile(r"style\.(\d+)\.weight")
_CONVS = re.compile(r"convs\.(\d+)\.conv\.weight")


def read(path: Path) -> tuple[GeneratorConfig, dict[str, torch.Tensor], dict[str, Any]]:
    """(config, state dict, what else the file says) of a generator.

    Older files, which lack the noise maps, get seeded ones.

    Raises:
        CheckpointError: no such checkpoint; the first differing tensors are named.
    """
    with torch_file.opened(path) as saved:
        network, state = _network(saved, short_name(path))
        config = infer_config(state, short_name(path))
        info = {"source_format": "rosinality", "network": network, "noises": "stored"}
        made = {} if any(key.startswith("noises.") for key in state) else noise_maps(config)
        if made:
            info["noises"] = "seeded"
        native.check_tensors(config, {**state, **made}, short_name(path))
        tensors = {**pickles.load_all(state), **made}
    native.check_finite(tensors, short_name(path))
    return config, tensors, info


def _network(saved: Any, name: str) -> tuple[str, dict[str, LazyTensor]]:
    """The averaged generator, else the plain one, else the file itself if it is a bare state dict."""
    if not isinstance(saved, dict):
        raise CheckpointError(f"{name} holds no networks.")
    found = next((key for key in NETWORKS if isinstance(saved.get(key), dict)), None)
    state = saved if found is None else saved[found]
    if not state or any(not isinstance(k, str) or not isinstance(t, LazyTensor) for k, t in state.items()):
        known = ", ".join(str(key) for key in saved if isinstance(key, str))[:60]
        raise CheckpointError(f"{name} holds no generator under {' or '.join(NETWORKS)}; it has {known or 'nothing'}.")
    return found or "state dict", dict(state)


def infer_config(shapes: Mapping[str, native.HasShape], name: str) -> GeneratorConfig:
    """The architecture that tensors of these names and shapes belong to.

    Args:
        shapes: in rosinality's names; values need only `shape` and `dtype`.
    Raises:
        CheckpointError: a tensor is missing, or the widths are none that our networks have.
    """
    layers = {int(m[1]) for key in shapes if (m := _STYLE.fullmatch(key))}
    convs = {int(m[1]) for key in shapes if (m := _CONVS.fullmatch(key))}
    problem = None
    if "input.input" not in shapes or len(shapes["input.input"].shape) != 4:
        problem = "input.input is missing"
    elif not layers or layers != set(range(1, len(layers) + 1)) or len(shapes["style.1.weight"].shape) != 2:
        problem = "style.1.weight and its followers are missing"
    elif not convs or len(convs) % 2 or convs != set(range(len(convs))):
        problem = "convs.0.conv.weight and its followers are missing"
    elif any(len(shapes[f"convs.{n}.conv.weight"].shape) != 5 for n in convs):
        problem = "convs.0.conv.weight has another shape"
    if problem:
        raise CheckpointError(f"{name} is no StyleGAN2 generator: {problem}.")
    w_dim, z_dim = shapes["style.1.weight"].shape
    sides = [4 << k for k in range(len(convs) // 2 + 1)]
    widths = [shapes["input.input"].shape[1]]
    widths += [shapes[f"convs.{n}.conv.weight"].shape[1] for n in range(1, len(convs), 2)]
    channels = _channels(sides, widths, name)
    try:
        return GeneratorConfig("stylegan2", sides[-1], z_dim, w_dim, len(layers), **channels)
    except CheckpointError as exc:
        raise CheckpointError(f"{name} is no generator of ours: {exc}") from exc


def _channels(sides: list[int], widths: list[int], name: str) -> dict[str, Any]:
    """The channel fields of a config whose features have these widths."""
    top = max(widths)
    narrow = {width * side for side, width in zip(sides, widths) if width < top}
    for base in sorted(narrow) or [CHANNEL_BASE, top * sides[-1]]:
        if [min(top, base // side) for side in sides] == widths:
            if base % CHANNEL_BASE == 0:
                return {"channel_max": top, "channel_base": CHANNEL_BASE, "channel_multiplier": base // CHANNEL_BASE}
            return {"channel_max": top, "channel_base": base}
    raise CheckpointError(f"{name} has channel widths that we do not know: {str(widths)[:100]}.")


def noise_maps(config: GeneratorConfig) -> dict[str, torch.Tensor]:
    """`noises.*` for checkpoints without: rosinality drew them anew for every picture, here they are seeded."""
    rng = np.random.default_rng(0)
    maps = {}
    for layer in config.layer_order:
        for key in layer.parameters:
            if key.startswith("noises."):
                shape = (1, 1, layer.resolution, layer.resolution)
                maps[key] = torch.from_numpy(rng.standard_normal(shape).astype(np.float32))
    return maps


def read_factor(path: Path) -> torch.Tensor:
    """The eigenvectors in a `factor.pt`: [w_dim, w_dim] float32, columns of unit length, strongest first.

    Raises:
        DirectionsError: no such file, misshapen or not finite.
    """
    try:
        with torch_file.opened(path) as saved:
            found = saved.get("eigvec") if isinstance(saved, dict) else None
            if not isinstance(found, LazyTensor):
                raise DirectionsError(f"{short_name(path)} is no factor file of rosinality: it has no eigvec.")
            if len(found.shape) != 2 or found.shape[0] != found.shape[1] or not found.dtype.is_floating_point:
                raise DirectionsError(
                    f"{short_name(path)} must hold a square eigvec; it is {str(list(found.shape))[:40]}."
                )
            vectors = pickles.load_all({"eigvec": found})["eigvec"].float()
    except CheckpointError as exc:
        raise DirectionsError(str(exc)) from exc
    if not torch.isfinite(vectors).all() or (vectors.norm(dim=0) - 1).abs().max() > 1e-2:
        raise DirectionsError(f"{short_name(path)} holds vectors that are not finite or not of unit length.")
    return vectors
