"""Aligned faces with their codes: `data faces`.

They come from the networks of the PyPI package `random-face` (run by our own module, no openvino), or from any face
generator of ours.
"""

from __future__ import annotations

import copy
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ganji import images, latents
from ganji.data.packages import pip_download
from ganji.errors import InputError
from ganji.formats import openvino_ir
from ganji.networks.generator import Generator, build_generator, use_channels_last
from ganji.training.pictures import write_codes, write_index

PACKAGE = "random-face==2021.7.21.1"
PACKAGE_SHA256 = "e5d10e2be7df63f06123855ec591ca35dcb1d059eba47ddcb175d7d26b4019b5"
JPEG: dict[str, Any] = {"quality": 92, "subsampling": 0}


@dataclass(frozen=True)
class FaceOptions:
    """
    Attributes:
        seeds: one face each.
        psi: (low, high): each face is truncated by its own factor, uniform in this range and fixed by its seed.
        size: side in pixels; larger pictures are reduced by Lanczos.
        batch_size: faces per pass.
        bfloat16: paint in bfloat16: quicker on AMX processors, differences below what JPEG does.
        compile: let torch.compile fuse the generator; needs a C++ compiler.
    """

    seeds: Sequence[int]
    psi: tuple[float, float] = (1.0, 1.0)
    size: int = 256
    batch_size: int = 8
    bfloat16: bool = False
    compile: bool = False


def teacher_folder(cache: Path) -> Path:
    """The folder with the networks of `random-face`, downloaded and unpacked once.

    Raises:
        InputError: pip or the package index failed, or the wheel's digest is another one.
    """
    folder = cache / "random_face" / "data"
    if not openvino_ir.is_folder(folder):
        wheel = pip_download(PACKAGE, PACKAGE_SHA256, cache)
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.startswith("random_face/data/") and name.endswith((".xml", ".bin")):
                    (folder / Path(name).name).parent.mkdir(parents=True, exist_ok=True)
                    (folder / Path(name).name).write_bytes(archive.read(name))
    return folder


def load_teacher(folder: Path) -> Generator:
    """The `random-face` generator, 1024 px, eval mode, float32."""
    generator = build_generator(openvino_ir.CONFIG)
    state = openvino_ir.read_synthesis(folder / "SynthesisNetwork.xml")
    generator.load_state_dict(state | openvino_ir.read_mapping(folder / "MappingNetwork.xml"))
    return generator.eval().requires_grad_(False)


def truncation_of(seed: int, psi: tuple[float, float]) -> float:
    """The truncation of one seed's face, from a random stream of its own."""
    return float(np.random.default_rng((seed, 1)).uniform(*psi)) if psi[0] < psi[1] else psi[0]


def make_faces(generator: Generator, out: Path, options: FaceOptions) -> Iterator[int]:
    """Write a folder of pictures (training/pictures.py). Yields how many are done.

    `index.json` has each picture's seed and truncation_psi, `codes.safetensors` its truncated w.

    Raises:
        InputError: the generator's pictures are smaller than `size`, or the folder cannot be written.
    """
    if generator.config.img_resolution < options.size:
        raise InputError(
            f"This generator's pictures are {generator.config.img_resolution} px; {options.size} px was asked for."
        )
    w_avg = latents.w_statistics(generator).mean
    w = latents.w_from_seeds(generator, options.seeds)
    psi = torch.tensor([truncation_of(seed, options.psi) for seed in options.seeds])[:, None]
    w = w_avg + psi * (w - w_avg)
    painter = copy.deepcopy(generator).bfloat16() if options.bfloat16 else generator
    use_channels_last(painter)
    paint = torch.compile(painter.synthesis) if options.compile else painter.synthesis
    try:
        out.mkdir(parents=True, exist_ok=True)
        for start in range(0, len(w), options.batch_size):
            chunk = w[start : start + options.batch_size]
            with torch.no_grad():
                painted = paint(latents.to_w_plus(chunk, generator.config.num_ws))
            for k, picture in enumerate(images.to_pil(painted)):
                if picture.width != options.size:
                    picture = picture.resize((options.size, options.size), Image.Resampling.LANCZOS)
                picture.save(out / f"{options.seeds[start + k]:06d}.jpg", **JPEG)
            yield min(start + len(chunk), len(w))
        entries = [
            {"file": f"{seed:06d}.jpg", "seed": seed, "truncation_psi": round(float(p), 4)}
            for seed, p in zip(options.seeds, psi)
        ]
        write_index(out, options.size, entries, source="random-face or a face generator of ours")
        write_codes(out, w)
    except OSError as exc:
        raise InputError(f"{out.name}/ cannot be written: {exc.strerror or 'input/output error'}.") from exc
