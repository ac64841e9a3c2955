"""Writes checkpoints of the shapes that the public StyleGAN2 projects write, without any of their code."""

import collections
import io
import pickle
import sys
import types
import zipfile

import torch

from ganji.networks.ops.resample import binomial_kernel
from tests.helpers import stand_in_weights

SOURCE_TEXT = "raise SystemExit('this text must never be executed')"  # where a real file embeds 37 kB of networks.py
NVLABS_BUFFERS = ("w_avg", "noise_const", "resample_filter")


def with_filters(keys, state, gain):
    """`state` plus the constant filters that `keys` lists."""
    filters = {key: binomial_kernel(gain) for key in keys if key.endswith(("kernel", "resample_filter"))}
    return {**state, **filters}


def rosinality_state(keys):
    """Stand-in weights of a rosinality generator, filters included."""
    return with_filters(keys, stand_in_weights(keys), 4.0)


def nvlabs_state(keys):
    """Stand-in weights of an NVlabs generator, filters included."""
    return with_filters(keys, stand_in_weights(keys), 1.0)


def to_nvlabs(state):
    """Our state dict in NVlabs' names: the way back from formats/nvlabs.py, written anew."""
    out = {"synthesis.b4.const": state["input.input"][0]}
    for key, tensor in state.items():
        part = key.split(".")
        if part[0] == "style":
            out[f"mapping.fc{int(part[1]) - 1}.{part[2]}"] = tensor
        elif part[0] in ("to_rgb1", "to_rgbs"):
            side = 4 if part[0] == "to_rgb1" else 8 << int(part[1])
            rest = ".".join(part[1 if side == 4 else 2 :])
            if rest == "upsample.kernel":
                out[f"synthesis.b{side}.resample_filter"] = tensor / 4
            else:
                name = {"conv.weight": "weight", "bias": "bias"}.get(rest, rest.replace("conv.modulation", "affine"))
                value = tensor[0] if name == "weight" else tensor.flatten() if name == "bias" else tensor
                out[f"synthesis.b{side}.torgb.{name}"] = value
        elif part[0] in ("conv1", "convs", "noises"):
            number = 0 if part[0] == "conv1" else int(part[1]) + 1 if part[0] == "convs" else int(part[1][6:])
            side = 4 if number == 0 else 8 << (number - 1) // 2
            layer = f"synthesis.b{side}.conv{1 if number == 0 else (number - 1) % 2}"
            rest = "noise_const" if part[0] == "noises" else ".".join(part[1 if number == 0 else 2 :])
            names = {"conv.weight": "weight", "activate.bias": "bias", "noise.weight": "noise_strength"}
            names |= {"conv.modulation.weight": "affine.weight", "conv.modulation.bias": "affine.bias"}
            if rest == "conv.blur.kernel":
                out[f"{layer}.resample_filter"] = tensor / 4
            elif rest == "noise_const":
                out[f"{layer}.noise_const"] = tensor[0, 0]
            elif rest == "noise.weight":
                out[f"{layer}.noise_strength"] = tensor.reshape(())
            else:
                out[f"{layer}.{names[rest]}"] = tensor[0] if rest == "conv.weight" else tensor
    out["mapping.w_avg"] = torch.zeros(len(state["style.1.bias"]))
    return out


def _reconstruct_persistent_obj(meta):
    raise RuntimeError("only its name is pickled")


class EasyDict(dict):
    """Pickles as dnnlib.util.EasyDict."""


_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
EasyDict.__module__ = "dnnlib.util"


class Module:
    """Pickles as a module of NVlabs' persistence decorator."""

    def __init__(self, name, parameters=(), buffers=(), modules=(), **kwargs):
        state = {
            "training": False,
            "_parameters": collections.OrderedDict(parameters),
            "_buffers": collections.OrderedDict(buffers),
            "_non_persistent_buffers_set": set(),
            "_modules": collections.OrderedDict(modules),
            "_init_args": (),
            "_init_kwargs": EasyDict(kwargs),
        }
        self.meta = {"type": "class", "version": 6, "module_src": SOURCE_TEXT, "class_name": name, "state": state}

    def __reduce__(self):
        return _reconstruct_persistent_obj, (self.meta,)


def nvlabs_tree(state, **kwargs):
    """A state dict as nested modules."""
    own = {key: tensor for key, tensor in state.items() if "." not in key}
    children = collections.OrderedDict()
    for key, tensor in state.items():
        if "." in key:
            head, tail = key.split(".", 1)
            children.setdefault(head, {})[tail] = tensor
    parameters = [(k, torch.nn.Parameter(t)) for k, t in own.items() if k not in NVLABS_BUFFERS]
    buffers = [(k, t) for k, t in own.items() if k in NVLABS_BUFFERS]
    return Module("Generator", parameters, buffers, [(k, nvlabs_tree(s)) for k, s in children.items()], **kwargs)


def write_nvlabs(path, state, *, protocol=3, others=None, **init_kwargs):
    """Write a network pickle of stylegan2-ada-pytorch's shape."""
    kwargs = {key: EasyDict(value) if isinstance(value, dict) else value for key, value in init_kwargs.items()}
    kwargs.setdefault("c_dim", 0)
    saved = {"G": None, "D": None, "G_ema": nvlabs_tree(state, **kwargs), **(others or {})}
    modules = {
        "torch_utils": {}, "dnnlib": {}, "dnnlib.util": {"EasyDict": EasyDict},
        "torch_utils.persistence": {"_reconstruct_persistent_obj": _reconstruct_persistent_obj},
    }  # fmt: skip
    for name, attributes in modules.items():
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__.update(attributes)
    try:
        path.write_bytes(pickle.dumps(saved, protocol=protocol))
    finally:
        for name in modules:
            del sys.modules[name]


def torch_members(value, **kwargs):
    """What torch.save writes, as {member name without its folder: bytes}."""
    buffer = io.BytesIO()
    torch.save(value, buffer, **kwargs)
    with zipfile.ZipFile(buffer) as archive:
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


def write_zip(path, members, *, folder="archive", compression=zipfile.ZIP_STORED):
    """Write members as torch.save lays them out."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(f"{folder}/{name}", data)


def on_cuda(data):
    """Pickled bytes whose tensors say that they lay on a GPU."""
    assert b"X\x03\x00\x00\x00cpu" in data
    return data.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
