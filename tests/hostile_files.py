"""Builds checkpoint files, good, damaged and malicious, and reads them all in one process:

    python -m tests.hostile_files FOLDER

prints one JSON line a file: name, outcome ("loaded" or the error), seconds, and how far memory rose. Malicious files try
to create FOLDER/marker.
"""

import argparse
import io
import json
import pickle
import resource
import struct
import sys
import time
import zipfile
import zlib
from pathlib import Path

import torch

from tests.checkpoint_files import on_cuda, to_nvlabs, torch_members, write_nvlabs, write_zip
from tests.helpers import TINY, make_generator
from tests.pickle_assembler import (
    call,
    done,
    generator_of,
    legacy,
    lit,
    mapping,
    module_of,
    name,
    payloads,
    saved,
    tensor,
    zipped,
)  # fmt: skip


def good_files(state):
    """name -> bytes of checkpoints that must load and give the generator of `state`."""
    module = torch.nn.Linear(4, 4)
    module(torch.ones(4)).sum().backward()
    optimiser = torch.optim.Adam(module.parameters())
    optimiser.step()
    everything = {
        "g": {key: torch.zeros_like(t) for key, t in state.items()}, "d": module.state_dict(), "g_ema": state,
        "g_optim": optimiser.state_dict(), "args": argparse.Namespace(iter=1, path="data"), "ada_aug_p": 0.4,
    }  # fmt: skip
    old = {"_use_new_zipfile_serialization": False}
    members = torch_members(everything)
    cuda = io.BytesIO()
    write_zip(cuda, {**members, "data.pkl": on_cuda(members["data.pkl"])}, folder="635000")
    flat, views, start = torch.cat([t.flatten() for t in state.values()]), {}, 0
    for key, t in state.items():
        views[key] = flat[start : start + t.numel()].view(t.shape)
        start += t.numel()
    return {
        "everything.pt": saved(everything),
        "g_ema.pt": saved({"g_ema": state}),
        "g.pt": saved({"g": state, "latent_avg": torch.zeros(32)}),
        "bare state dict.pt": saved(dict(state)),
        "cuda.pt": cuda.getvalue(),
        "before 1.6.pt": saved(everything, **old),
        "before 1.6 on cuda.pt": on_cuda(saved(everything, **old)),
        "parameters.pt": saved({"g_ema": {k: torch.nn.Parameter(t) for k, t in state.items()}}),
        "views of one storage.pt": saved({"g_ema": views}),
        "float64.pt": saved({"g_ema": {k: t.double() for k, t in state.items()}}),
        "column major.pt": saved({"g_ema": {k: t.t().contiguous().t() if t.ndim == 2 else t for k, t in state.items()}}),
        "protocol 4.pt": saved({"g_ema": state}, pickle_protocol=4),
        "protocol 5.pt": saved({"g_ema": state}, pickle_protocol=5),
    }  # fmt: skip


def bad_contents(state):
    """name -> bytes of plain checkpoints that are not of our making; nothing hostile."""

    def changed(**changes):
        return saved({"g_ema": {k: t for k, t in {**state, **changes}.items() if t is not None}})

    key, weight = "convs.0.conv.weight", state["convs.0.conv.weight"]
    nan, infinite = weight.clone(), weight.clone()
    nan[0, 0, 0, 0, 0], infinite[0, 0, 0, 0, 0] = float("nan"), float("inf")
    return {
        "missing.pt": changed(**{"conv1.activate.bias": None}),
        "unknown.pt": changed(**{"convs.0.conv.extra": torch.zeros(1)}),
        "misshapen.pt": changed(**{"to_rgb1.bias": torch.zeros(1, 4, 1, 1)}),
        "int8.pt": changed(**{key: weight.to(torch.int8)}),
        "nan.pt": changed(**{key: nan}),
        "inf.pt": changed(**{key: infinite}),
        "no style.pt": changed(**{"style.1.weight": None}),
        "a layer too many.pt": changed(**{"convs.99.conv.weight": weight}),
        "odd widths.pt": changed(**{"input.input": torch.zeros(1, 17, 4, 4)}),
        "flat convolution.pt": changed(**{key: weight.flatten()}),
        "48 px.pt": changed(**{k: None for k in state if k.startswith(("convs.1.", "convs.3."))}),
        "empty.pt": saved({}),
        "a list.pt": saved([state]),
        "a tensor.pt": saved(torch.zeros(3)),
        "numbers.pt": saved({"g_ema": {"input.input": 3}}),
        "discriminator only.pt": saved({"d": {"convs.0.0.weight": torch.zeros(3)}}),
    }


def damaged(state):
    """name -> bytes that are cut, flipped, or something else altogether."""
    whole, old = saved({"g_ema": state}), saved({"g_ema": state}, _use_new_zipfile_serialization=False)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    members = torch_members({"g_ema": state})
    less = {k: v for k, v in members.items() if k != "data/3"}
    variants = {"storage missing.pt": less, "storage short.pt": {**members, "data/3": members["data/3"][:-4]},
                "big-endian.pt": {**members, "byteorder": b"big"}, "script.pt": {**members, "constants.pkl": b"x"},
                "no pickle.pt": {k: v for k, v in members.items() if k != "data.pkl"}}  # fmt: skip
    files = {}
    for title, content in variants.items():
        buffer = io.BytesIO()
        write_zip(buffer, content)
        files[title] = buffer.getvalue()
    return files | {
        "cut.pt": whole[: len(whole) // 2], "cut late.pt": whole[:-10], "old and cut.pt": old[: len(old) // 2],
        "old and cut late.pt": old[:-10], "one bit.pt": bytes(flipped), "nothing.pt": b"", "noise.pt": bytes(range(256)) * 40,
        "page.pt": b"<!DOCTYPE html><html>not found</html>", "json.pt": b'{"error": "not found"}',
        "pointer.pt": b"version https://git-lfs.github.com/spec/v1\noid sha256:80eb\nsize 828535255\n",
        "tar.pt": b"sys_info\0" * 100, "only magic.pt": old[:15],
    }  # fmt: skip


def odd_tensors(state):
    """name -> bytes of files with one tensor that has the right shape, and claims numbers that are not there."""
    numel = max(t.numel() for t in state.values())
    key, shape = "conv1.activate.bias", (32,)
    cases = {
        "beyond its storage": tensor(shape, offset=numel - 31, numel=numel),
        "negative offset": tensor(shape, offset=-8, numel=numel),
        "offset of text": tensor(shape, offset="a", numel=numel),
        "negative stride": tensor(shape, (-1,), offset=100, numel=numel),
        "stride of text": tensor(shape, ("a",), numel=numel),
        "stride for another shape": tensor(shape, (1, 1), numel=numel),
        "0 stride": tensor(shape, (0,), numel=numel),
        "long stride": tensor(shape, (1 << 62,), numel=numel),
        "another size of storage": tensor(shape, numel=numel + 1),
        "another type of storage": tensor(shape, numel=numel, storage="DoubleStorage"),
        "storage of no number": tensor(shape, numel="many"),
        "storage of a negative number": tensor(shape, numel=-4),
        "storage elsewhere": tensor(shape, numel=numel, key="../../etc/passwd"),
        "no storage": call(name("torch._utils", "_rebuild_tensor_v2"), lit(b""), lit(0), lit(shape), lit((1,))),
    }
    wide = {"conv1.conv.weight": tensor((1, 32, 32, 3, 3), (0, 0, 0, 0, 0), numel=numel)}
    files = {f"{title}.pt": zipped(*generator_of(state, **{key: opcodes})) for title, opcodes in cases.items()}
    return files | {"0 strides.pt": zipped(*generator_of(state, **wide))}


def bombs():
    """name -> bytes of small files that want much memory or time."""
    zeros = zlib.compressobj(1, zlib.DEFLATED, -15)
    deflated = b"".join(zeros.compress(bytes(1 << 20)) for _ in range(160)) + zeros.flush()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", done(mapping(g_ema=mapping(w=tensor((1 << 22,), numel=1 << 22)))))
        archive.writestr("a/data/0", bytes(1 << 24))
    directory = b"".join(
        b"PK\x01\x02" + bytes(24) + struct.pack("<HHHHHII", 6, 0, 0, 0, 0, 0, 0) + b"%06d" % k for k in range(300_000)
    )
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, len(directory), 4, 0)
    nested = b"N"
    laughs = b"]" + b"q\x00" + b"".join(b"]q%c(" % (k + 1) + b"h%c" % k * 10 + b"e" for k in range(60))
    modules = module_of(b"}")
    for k in range(60):  # each refers twice to the one before: 2^60 visits
        modules = module_of(b"q%c0" % (100 + k) + mapping(a=b"h%c" % (100 + k), b=b"h%c" % (100 + k)), before=modules)
    many = mapping(**{f"k{k}": tensor((1 << 20,), numel=1 << 20) for k in range(600)})
    return {
        "3 TB.pt": zipped(mapping(g_ema=mapping(**{"input.input": tensor((1, 1 << 40, 4, 4), (0, 0, 0, 0))}))),
        "shape of 3 TB.pt": zipped(mapping(g_ema=mapping(**{"input.input": tensor((1, 1 << 40, 4, 4))}))),
        "no numbers.pt": zipped(mapping(g_ema=mapping(**{"input.input": tensor((0, 1 << 62), (1, 1))}))),
        "one storage, many tensors.pt": zipped(mapping(g_ema=many), {"0": bytes(4 << 20)}),
        "deflated.pt": buffer.getvalue(),
        "deflated pickle.pkl": deflated[:1000],
        "members.pt": b"PK\x03\x04" + directory + end,
        "memo index.pkl": b"\x80\x02Nr\xff\xff\xff\x7f.",
        "long bytes.pkl": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"x.",
        "long bytearray.pkl": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"x.",
        "long text.pkl": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b"x.",
        "long frame.pkl": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N.",
        "long number.pkl": b"\x80\x02\x8b" + struct.pack("<i", 1 << 30) + b"x.",
        "many digits.pkl": b"\x80\x02L" + b"9" * 1_000_000 + b"L\n.",
        "deep lists.pkl": b"\x80\x02" + b"]" * 400_000 + b"a" * 399_999 + b".",
        "laughs.pt": zipped(mapping(g_ema=laughs)),
        "laughing modules.pkl": b"\x80\x02" + mapping(G_ema=modules) + b".",
        "copies.pkl": b"\x80\x02](" + nested * 500_000 + b"eq\x00"
        + b"".join(name("builtins", "set") + b"(h\x00tR" for _ in range(2000)) + b".",
        "copied sizes.pkl": b"\x80\x02(" + nested * 500_000 + b"tq\x00"
        + b"".join(name("torch", "Size") + b"(h\x00tR" for _ in range(2000)) + b".",
        "copied dicts.pt": zipped(b"](" + nested * 500_000 + b"eq\x00"
                                  + b"".join(name("collections", "OrderedDict") + b"(h\x00tR" for _ in range(100))),
        "old, all pickle.pt": legacy(b"](" + b"N" * (8 << 20) + b"e"),
        "old, long storage.pt": legacy(mapping(g_ema=mapping(a=tensor((4,), numel=1 << 40))), [bytes(64)]),
        "all pickle.pkl": b"\x80\x02](" + b"N" * (8 << 20) + b"e.",
    }  # fmt: skip


def safetensors_files():
    """name -> bytes of safetensors files that are wrong in their header."""

    def made(header, data=b"", length=None):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack("<Q", len(text) if length is None else length) + text + data

    ours = {"format": 1, "kind": "generator", "config": {"family": "mobile", "img_resolution": 1024}, "parts": {}}
    one = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}

    def with_header(value):
        return made(
            {"__metadata__": {"ganji": value if isinstance(value, str) else json.dumps(value)}, "a": one}, bytes(4)
        )

    largest = {"family": "mobile", "img_resolution": 1024, "channel_base": 1 << 18, "channel_max": 4096,
               "channel_multiplier": 16, "w_dim": 4096, "z_dim": 4096, "mapping_layers": 16}  # fmt: skip
    return {
        "header of 2^63.safetensors": made(b"{}", length=1 << 63),
        "header of 200 MB.safetensors": made(b"{}", length=200 << 20),
        "header cut.safetensors": made(b'{"a": ', length=100),
        "no JSON.safetensors": made(b"not json!"),
        "beyond the end.safetensors": made({"a": {**one, "data_offsets": [0, 1 << 40]}}, bytes(4)),
        "overlap.safetensors": made({"a": one, "b": one}, bytes(4)),
        "huge shape.safetensors": made({"a": {**one, "shape": [1 << 62, 4]}}, bytes(4)),
        "no header of ours.safetensors": made({"a": one}, bytes(4)),
        "header of a list.safetensors": with_header([1]),
        "deep header.safetensors": with_header("[" * 100_000),
        "another kind.safetensors": with_header({**ours, "kind": "codebook"}),
        "format 2.safetensors": with_header({**ours, "format": 2}),
        "no config.safetensors": with_header({**ours, "config": None}),
        "config of text.safetensors": with_header({**ours, "config": {"family": "mobile", "img_resolution": "256"}}),
        "previews of 5.safetensors": with_header({**ours, "config": {**ours["config"], "preview_resolutions": 5}}),
        "style row of text.safetensors": with_header({**ours, "config": {**ours["config"], "style_row": "x"}}),
        "largest network.safetensors": with_header({**ours, "config": largest}),
        "mapping nowhere.safetensors": with_header({**ours, "parts": {"mapping": "0" * 64}}),
        "parts of a list.safetensors": with_header({**ours, "parts": [1]}),
        "nan.safetensors": made({"__metadata__": {"ganji": json.dumps(ours)}, "a": one}, struct.pack("<f", float("nan"))),
        "bool.safetensors": made({"__metadata__": {"ganji": json.dumps(ours)},
                                  "a": {"dtype": "BOOL", "shape": [4], "data_offsets": [0, 4]}}, bytes(4)),
        "sparse 5 GB.safetensors": made({"__metadata__": {"ganji": json.dumps(ours)},
                                         "a": {"dtype": "F32", "shape": [5 << 28], "data_offsets": [0, 5 << 30]}}),
    }  # fmt: skip


def malicious(marker):
    """name -> bytes of files that would run something, in every container that we read."""
    files = {}
    inner = saved(torch.zeros(4).untyped_storage(), _use_new_zipfile_serialization=False)
    for title, opcodes in payloads(marker).items():
        stem = title.replace(".", " ")
        files[f"{stem}.pt"] = zipped(mapping(g_ema=opcodes))
        files[f"{stem}.pkl"] = done(mapping(G_ema=opcodes))
    code = payloads(marker)["posix.system"]
    files |= {
        "in args.pt": zipped(mapping(g_ema=b"}", args=code)),
        "old.pt": legacy(code),
        "in the key list.pt": legacy(b"}")[: -len(pickle.dumps([], 2))] + done(code),
        "raw pickle.pt": done(code),
        "named.safetensors": done(code),
        "zip named.safetensors": zipped(code),
        "in a storage.pkl": b"\x80\x03" + mapping(G_ema=call(
            name("torch.storage", "_load_from_bytes"), pickle.dumps(legacy(code), 3)[2:-1])) + b".",
        "in a storage id.pt": zipped(b"(" + lit("storage") + code + lit("0") + lit("cpu") + lit(4) + b"tQ"),
        "storage for a call.pkl": b"\x80\x03" + mapping(G_ema=call(
            call(name("torch.storage", "_load_from_bytes"), pickle.dumps(inner, 3)[2:-1]), lit(1))) + b".",
        "tensorflow.pkl": done(mapping(G_ema=call(name("dnnlib.tflib.network", "Network")))),
    }  # fmt: skip
    return files


def nvlabs_files(folder, state):
    """Write NVlabs pickles that are refused; they need files of their own."""
    good = to_nvlabs(state)
    cases = {
        "conditional": (good, {"c_dim": 10}),
        "resnet": (good, {"synthesis_kwargs": {"architecture": "resnet"}}),
        "swish": (good, {"mapping_kwargs": {"activation": "swish"}}),
        "rate of text": (good, {"mapping_kwargs": {"lr_multiplier": "x"}}),
        "rate of zero": (good, {"mapping_kwargs": {"lr_multiplier": 0}}),
        "missing": ({k: t for k, t in good.items() if k != "synthesis.b8.conv0.bias"}, {}),
        "unknown": ({**good, "synthesis.b8.skip.weight": torch.zeros(1)}, {}),
        "embedding": ({**good, "mapping.embed.weight": torch.zeros(32, 4)}, {}),
        "a layer of 12 px": ({**good, "synthesis.b12.conv0.weight": torch.zeros(1, 1, 3, 3)}, {}),
        "StyleGAN3": ({"mapping.w_avg": good["mapping.w_avg"], "synthesis.L0_36_32.weight": torch.zeros(4)}, {}),
        "nan": ({**good, "mapping.w_avg": torch.full((32,), float("nan"))}, {}),
    }
    for title, (tensors, kwargs) in cases.items():
        write_nvlabs(folder / f"{title}.pkl", tensors, img_resolution=32, **kwargs)


def build(folder):
    """Write all files; returns the names of the good ones."""
    state = make_generator(TINY["stylegan2"]).state_dict()
    good = good_files(state)
    files = (
        good
        | bad_contents(state)
        | damaged(state)
        | odd_tensors(state)
        | bombs()
        | safetensors_files()
        | malicious(folder / "marker")
    )
    for title, data in files.items():
        with (folder / title).open("wb") as stream:
            stream.write(data)
            if title.startswith("sparse"):
                stream.truncate(len(data) + (5 << 30))
    nvlabs_files(folder, state)
    return sorted(good)


def main():
    """Read every file in a folder as `load_generator` does, and say what happened."""
    from ganji import convert, weights
    from ganji.errors import GanjiError

    peak = 0
    for path in sorted(Path(sys.argv[1]).iterdir()):
        start, worked = time.monotonic(), time.process_time()
        try:
            read = weights.read_generator if path.suffix == ".safetensors" else convert.read_generator
            outcome = {"loaded": read(path).config.img_resolution}
        except GanjiError as error:
            outcome = {"error": type(error).__name__, "sentence": str(error)}
        except BaseException as error:
            outcome = {"error": "UNEXPECTED", "sentence": repr(error)[:300]}
        before, peak = peak, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        outcome |= {
            "name": path.name,
            "seconds": time.monotonic() - start,
            "processor_seconds": time.process_time() - worked,
            "rise_mb": (peak - before) >> 10 if before else 0,
        }
        print(json.dumps(outcome), flush=True)


if __name__ == "__main__":
    main()
