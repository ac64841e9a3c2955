"""Write small files of all kinds for the fuzzers to start from: python fuzz/make_seeds.py <folder>."""

import io
import pickle
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ganji.formats import native
from ganji.networks.config import GeneratorConfig
from ganji.png_recipe import embed
from ganji.recipe import PhotoCode, Recipe, to_json
from tests import bad_photos, good_photos
from tests.helpers import make_generator

SMALL = GeneratorConfig("stylegan2", 16, z_dim=8, w_dim=8, mapping_layers=1, channel_base=32, channel_max=4)


def photos(folder: Path) -> None:
    """Good and bad photos of 40 pixels and less than 20 KB."""
    good_photos.SIZE = bad_photos.SIZE = (40, 32)
    small = np.asarray(Image.fromarray(good_photos.scene()).resize(good_photos.SIZE))
    good_photos.scene = bad_photos.scene = lambda: small
    for k, photo in enumerate(
        list(good_photos._turned())
        + list(good_photos._deep())
        + list(good_photos._moving())
        + list(good_photos._decorated())
    ):
        (folder / f"good-{k}").write_bytes(photo.data)
    for k, (data, _) in enumerate(bad_photos.bad().values()):
        if len(data) < 20_000:
            (folder / f"bad-{k}").write_bytes(data)


def recipes(folder: Path) -> None:
    """Recipes as text, JSON and PNG."""
    code = PhotoCode(np.ones((2, 4), np.float32))
    full = Recipe(
        "emojified", seed=7, strengths=(0, 2.5), num_face_layers=3, style="a-b", weights="default.1a2b3c4d5e6f"
    )
    mine = Recipe("face", photo=code.digest)
    seeds = [full.to_text().encode(), mine.to_text().encode(), to_json(full).encode(), to_json(mine, code).encode()]
    seeds.append(embed(Image.new("RGB", (4, 4)), full))
    for k, data in enumerate(seeds):
        (folder / str(k)).write_bytes(data)


class _Command:
    def __reduce__(self):
        return print, ("code ran",)


def checkpoints(folder: Path) -> None:
    """Checkpoints of all kinds that are read, some of them hostile."""
    generator = make_generator(SMALL)
    state = generator.state_dict()
    native.write_generator(folder / "native.safetensors", generator)
    for k, data in enumerate(
        (
            {"g_ema": state, "latent_avg": torch.zeros(8)},
            {"g_ema": {"a": torch.ones(2)}},
            {"eigvec": torch.eye(4)},
            _Command(),
        )
    ):
        torch.save(data, folder / f"{k}.pt")
        torch.save(data, folder / f"{k}-legacy.pt", _use_new_zipfile_serialization=False)
        for protocol in (0, 2, 4):
            stream = io.BytesIO()
            if k:
                pickle.dump(data, stream, protocol)
                (folder / f"{k}-{protocol}.pkl").write_bytes(stream.getvalue())


def main() -> None:
    root = Path(sys.argv[1])
    for make in (photos, recipes, checkpoints):
        folder = root / make.__name__
        folder.mkdir(parents=True, exist_ok=True)
        make(folder)
        print(folder, len(list(folder.iterdir())), "files")


if __name__ == "__main__":
    main()
