"""A whole bundle of tiny seeded networks in a folder, for tests that start the command line or an app as a process.

environment = {"GANJI_MANIFEST": str(write_tiny_bundle(tmp_path))}
"""

import hashlib
import json
import shutil
from pathlib import Path

import torch

from ganji.formats import native
from ganji.networks.config import GeneratorConfig
from tests.helpers import make_generator

ROOT = Path(__file__).resolve().parent.parent
SMALL = GeneratorConfig("mobile", 256, z_dim=32, w_dim=32, mapping_layers=2, channel_base=512, channel_max=16,
                        preview_resolutions=(64, 128), style_row=7)  # fmt: skip


def write_tiny_bundle(folder, *, hub=None):
    """Face and emoji generators of random weights, and the real LPIPS network.

    Args:
        hub: (repo_id, commit) that the manifest names in place of bundled files.
    Returns:
        The path of the manifest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed in (("face", 1), ("emoji", 2)):
        path = folder / f"{name}.safetensors"
        native.write_generator(path, make_generator(SMALL, seed), dtype=torch.float32)
    shutil.copy(ROOT / "weights" / "perceptual.safetensors", folder / "perceptual.safetensors")
    kinds = {"face": "generator", "emoji": "generator", "perceptual": "perceptual"}
    files = {name: _entry(folder / f"{name}.safetensors", kind, hub) for name, kind in kinds.items()}
    roles = {"face": "face", "emoji": "emoji", "emoji_blend": "emoji", "perceptual": "perceptual"}
    manifest = folder / "weights_manifest.json"
    manifest.write_text(json.dumps({"format": 1, "files": files, "bundles": {"default": {"title": "Tiny", **roles}}}))
    return manifest


def _entry(path, kind, hub):
    content = path.read_bytes()
    where = {"bundled": path.name} if hub is None else {}
    return {
        "kind": kind, "title": "tiny", "repo_id": hub and hub[0], "revision": hub and hub[1], "filename": path.name,
        "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "format": "safetensors", "licence": "CC0-1.0",
        "source": "tests", **where,
    }  # fmt: skip
