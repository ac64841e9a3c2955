"""A Studio of tiny seeded networks, of either family, read from files as the real one is."""

from dataclasses import replace

import torch

from ganji.expressions_pack import NAMED
from ganji.factorize import Direction, Directions, affine_digest, factorize
from ganji.formats import native
from ganji.manifest import Bundle, Manifest, WeightSpec
from ganji.studio import Studio
from ganji.weights import WeightStore
from tests.helpers import TINY, make_generator

STYLE_ROW = 3


def tiny_studio(folder, family, *, named=True):
    """Face and emoji generators of random weights; sliders: the named ones of a pack (random vectors), then closed-form ones."""
    folder.mkdir(parents=True, exist_ok=True)
    config = TINY[family]
    face, emoji = make_generator(config, 1), make_generator(replace(config, style_row=STYLE_ROW), 2)
    for name, generator in (("face", face), ("emoji", emoji)):
        native.write_generator(folder / f"{name}.safetensors", generator, dtype=torch.float32)
    tensors, header = _directions(emoji, named).to_tensors()
    native.write(folder / "directions.safetensors", tensors, header)
    kinds = {"face": "generator", "emoji": "generator", "directions": "directions"}
    manifest = Manifest({name: _spec(folder, name, kind) for name, kind in kinds.items()}, {})
    roles = {"face": "face", "emoji": "emoji", "emoji_blend": "emoji", "emoji_directions": "directions",
             "emoji_blend_directions": "directions"}  # fmt: skip
    bundle = Bundle("tiny", "Tiny", roles)
    return Studio(WeightStore(manifest, root=folder), bundle, device="cpu", detector=lambda picture: [])


def _directions(generator, named):
    found = factorize(generator, rows=(0, STYLE_ROW), count=6)
    rng = torch.Generator().manual_seed(3)
    vectors = torch.nn.functional.normalize(torch.randn(len(NAMED), generator.config.w_dim, generator=rng))
    own = [Direction(name, vector, (0, STYLE_ROW), unit=0.3) for name, vector in zip(NAMED, vectors)]
    return Directions((*(own if named else ()), *found.items), affine_digest(generator), "named")


def _spec(folder, name, kind):
    path = folder / f"{name}.safetensors"
    return WeightSpec(
        id=name, kind=kind, title="tiny", repo_id=None, revision=None, filename=path.name, bytes=path.stat().st_size,
        sha256=native.sha256_file(path), format="safetensors", config=None, licence="CC0-1.0", source="tests", bundled=path.name,
    )  # fmt: skip
