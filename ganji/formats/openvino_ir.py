"""Read the two networks of the PyPI package `random-face` (OpenVINO IR: XML graph and a blob of constants).

They are StyleGAN2's mapping network and a MobileStyleGAN that was distilled from StyleGAN2-FFHQ at 1024 px. The graph's
constants keep the names of the modules they came from, except the dense kernels and noise maps, which are found as the
inputs of the nodes that add the named biases. Nothing is executed and openvino is not needed.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ganji.errors import CheckpointError
from ganji.networks.config import GeneratorConfig
from ganji.networks.mapping import LR_MULTIPLIER

CONFIG = GeneratorConfig("mobile", 1024, channel_base=32768)
MAX_XML_BYTES, MAX_BLOB_BYTES = 4 << 20, 256 << 20
_DTYPES = {"f32": np.float32, "i64": np.int64, "i32": np.int32}


@dataclass(frozen=True)
class _Node:
    kind: str
    name: str
    attributes: dict[str, str]


class _Graph:
    """An IR file: nodes by id, the inputs of each in port order, and its constants as arrays."""

    def __init__(self, xml: Path):
        blob = xml.with_suffix(".bin")
        for path, limit in ((xml, MAX_XML_BYTES), (blob, MAX_BLOB_BYTES)):
            if not path.is_file() or path.stat().st_size > limit:
                raise CheckpointError(f"{path.name} is missing or larger than {limit >> 20} MiB.")
        try:
            root = ET.fromstring(xml.read_bytes())
            self.blob = blob.read_bytes()
            self.nodes: dict[str, _Node] = {}
            for layer in root.iterfind("layers/layer"):
                data = layer.find("data")
                attributes = {} if data is None else dict(data.attrib)
                self.nodes[layer.attrib["id"]] = _Node(layer.attrib["type"], layer.attrib["name"], attributes)
            inputs: dict[str, dict[int, str]] = {}
            for edge in root.iterfind("edges/edge"):
                a = edge.attrib
                inputs.setdefault(a["to-layer"], {})[int(a["to-port"])] = a["from-layer"]
        except (ET.ParseError, KeyError, ValueError) as exc:
            raise CheckpointError(f"{xml.name} is no OpenVINO IR graph.") from exc
        self.inputs = {node: [source for _, source in sorted(ports.items())] for node, ports in inputs.items()}
        self.users: dict[str, list[str]] = {}
        for node, sources in self.inputs.items():
            for source in sources:
                self.users.setdefault(source, []).append(node)
        self.by_name = {node.name: key for key, node in self.nodes.items() if node.kind == "Const"}

    def is_constant(self, key: str) -> bool:
        return self.nodes[key].kind == "Const"

    def constant(self, key: str) -> torch.Tensor:
        """The array of constant `key`, as float32."""
        a = self.nodes[key].attributes
        shape = [int(v) for v in a["shape"].split(",")] if a.get("shape") else []
        array = np.frombuffer(self.blob, _DTYPES[a["element_type"]], math.prod(shape), int(a["offset"]))
        return torch.from_numpy(array.reshape(shape).astype(np.float32))

    def named(self, name: str) -> torch.Tensor:
        return self.constant(self.by_name[name])

    def split(self, key: str) -> tuple[str, str]:
        """(the computed input, the constant input) of a node with one of each."""
        a, b = self.inputs[key]
        return (b, a) if self.is_constant(a) else (a, b)


def is_folder(path: Path) -> bool:
    """Whether `path` looks like `random_face/data`."""
    return (path / "SynthesisNetwork.xml").is_file() and (path / "MappingNetwork.xml").is_file()


def read_mapping(xml: Path) -> dict[str, torch.Tensor]:
    """`style.1.weight` .. `style.8.bias` in the scales of networks/mapping.py.

    Raises:
        CheckpointError: not that graph.
    """
    graph = _Graph(xml)
    state: dict[str, torch.Tensor] = {}
    try:
        products = [key for key, node in graph.nodes.items() if node.kind == "MatMul"]
        for n, product in enumerate(products, start=1):
            weight = graph.constant(graph.split(product)[1])
            if graph.nodes[product].attributes.get("transpose_b") != "true":
                weight = weight.t()
            added = next(user for user in graph.users[product] if graph.nodes[user].kind == "Add")
            reshaped = next(key for key in graph.inputs[added] if key != product)
            bias = graph.constant(graph.inputs[reshaped][0])
            state[f"style.{n}.weight"] = (weight * (math.sqrt(weight.shape[1]) / LR_MULTIPLIER)).contiguous()
            state[f"style.{n}.bias"] = bias / LR_MULTIPLIER
    except (KeyError, ValueError, IndexError, StopIteration) as exc:
        raise CheckpointError(f"{xml.name} is not the mapping network of random-face.") from exc
    return state


def read_synthesis(xml: Path) -> dict[str, torch.Tensor]:
    """The synthesis network in the names of networks/mobile.py, bands planar, 1024 px pictures.

    Raises:
        CheckpointError: not that graph.
    """
    graph = _Graph(xml)
    state: dict[str, torch.Tensor] = {"input": None}  # type: ignore[dict-item]
    try:
        state["input"] = graph.named("m.input.input")
        _read_layer(graph, "m.conv1", "conv", state)
        for k in range(len(CONFIG.feature_resolutions) - 1):
            _read_affine(graph, f"m.layers.{k}.up.modulation", f"blocks.{k}.up", state)
            for part in ("conv1", "conv2"):
                _read_layer(graph, f"m.layers.{k}.{part}", f"blocks.{k}.{part}", state)
        head = f"to_rgbs.{CONFIG.img_resolution}"
        _read_affine(graph, "m.layers.6.to_img.conv.modulation", f"{head}.affine", state)
        state[f"{head}.weight"] = graph.named("m.layers.6.to_img.conv.weight")
        state[f"{head}.bias"] = graph.named("m.layers.6.to_img.bias").flatten()
    except (KeyError, ValueError, IndexError) as exc:
        raise CheckpointError(f"{xml.name} is not the synthesis network of random-face.") from exc
    return _to_planar(state)


def _read_affine(graph: _Graph, source: str, target: str, state: dict[str, torch.Tensor]) -> None:
    """Weight and bias of one affine layer, times the scalar that follows it, if any."""
    weight, bias = graph.named(f"{source}.weight"), graph.named(f"{source}.bias").flatten()
    added = graph.users[graph.by_name[f"{source}.bias"]][0]
    scale = 1.0
    for reshape in graph.users[added]:
        for user in graph.users.get(reshape, []):
            if graph.nodes[reshape].kind == "Reshape" and graph.nodes[user].kind == "Multiply":
                other = next(key for key in graph.inputs[user] if key != reshape)
                if graph.is_constant(other):
                    scale = float(graph.constant(other))
    state[f"{target}.weight"], state[f"{target}.bias"] = weight * scale, bias * scale


def _read_layer(graph: _Graph, source: str, target: str, state: dict[str, torch.Tensor]) -> None:
    """One modulated layer: from the node that adds its bias back to the noise map and the dense kernel."""
    _read_affine(graph, f"{source}.conv.modulation", f"{target}.affine", state)
    bias = graph.by_name[f"{source}.bias"]
    noisy, _ = graph.split(graph.users[bias][0])
    convolution, noise = graph.split(noisy)
    _, kernel = graph.split(convolution)
    state[f"{target}.bias"] = graph.constant(bias).flatten()
    state[f"{target}.noise"] = graph.constant(noise)
    state[f"{target}.weight"] = graph.constant(kernel)
    if f"{source}.conv.weight_dw" in graph.by_name:
        state[f"{target}.depthwise"] = graph.named(f"{source}.conv.weight_dw").flatten(1, 2)


def _to_planar(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Reorder the channels that enter a Haar transform from [low, (v, h, d) per channel] to [low | v | h | d]."""

    def planar(count: int) -> torch.Tensor:
        c = count // 4
        return torch.cat([torch.arange(c)] + [c + 3 * torch.arange(c) + band for band in range(3)])

    producers = ["conv"] + [f"blocks.{k}.conv2" for k in range(len(CONFIG.feature_resolutions) - 2)]
    entries = [(f"{name}.{part}") for name in producers for part in ("weight", "bias")]
    entries += [f"blocks.{k}.up.{part}" for k in range(len(producers)) for part in ("weight", "bias")]
    head = f"to_rgbs.{CONFIG.img_resolution}"
    for entry in [*entries, f"{head}.weight", f"{head}.bias"]:
        state[entry] = state[entry][planar(len(state[entry]))]
    return {name: tensor.contiguous() for name, tensor in state.items()}
