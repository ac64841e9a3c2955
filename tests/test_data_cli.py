"""`python -m ganji data`: each kind on a few glyphs or faces, in processes of their own, with the bundled models."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from ganji.bank import LatentBank
from ganji.data.expressions import NUM_LANDMARKS, Expressions
from ganji.data.seeds import RESERVED
from ganji.formats import native

ROOT = Path(__file__).parent.parent
DRAWINGS = Path(__file__).parent / "data" / "emoji"


def data(*words, cwd, ok=True):
    """Run one command; returns its finished process."""
    command = [sys.executable, "-m", "ganji", "data", *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=240, env=environment())
    assert "Traceback" not in done.stderr
    assert (done.returncode == 0) == ok, done.stderr
    return done


def environment():
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def test_faces_with_codes_never_of_reserved_seeds(tmp_path):
    data("faces", "--generator", "face", "--count", 3, "--out", tmp_path / "faces", cwd=tmp_path)
    index = json.loads((tmp_path / "faces" / "index.json").read_text())
    codes = load_file(tmp_path / "faces" / "codes.safetensors")["w_coarse"]
    assert len(index["images"]) == len(codes) == 3
    assert not {entry["seed"] for entry in index["images"]} & set(RESERVED)
    assert Image.open(tmp_path / "faces" / index["images"][0]["file"]).size == (256, 256)
    landmarks = np.full((3, NUM_LANDMARKS, 3), np.nan, np.float32)
    np.savez(tmp_path / "faces" / "mesh.npz", files=[e["file"] for e in index["images"]], landmarks=landmarks)
    assert "0 of 3" in data("expressions", tmp_path / "faces", cwd=tmp_path).stdout
    assert not Expressions.load(tmp_path / "faces" / "expressions.npz").found.any()
    np.savez(tmp_path / "faces" / "mesh.npz", files=["other.jpg"], landmarks=landmarks[:1])
    assert "other pictures" in data("expressions", tmp_path / "faces", cwd=tmp_path, ok=False).stderr


def test_bank_of_training_seeds(tmp_path):
    data("bank", "--count", 40, "--features", 8, "--out", tmp_path / "bank.safetensors", cwd=tmp_path)
    bank = LatentBank.from_file(native.read(tmp_path / "bank.safetensors", "bank"))
    assert bank.features.shape == (40, 8)
    np.testing.assert_allclose(bank.basis.T @ bank.basis, np.eye(8), atol=1e-4)


def test_emoji_of_two_sets(tmp_path):
    shutil.copytree(DRAWINGS, tmp_path / "data-cache" / "emoji")
    words = ["emoji", "--count", 6, "--size", 64, "--sets", "noto", "twemoji", "--workers", 1]
    data(*words, "--out", tmp_path / "a", cwd=tmp_path)
    data(*words, "--out", tmp_path / "b", cwd=tmp_path)
    index = json.loads((tmp_path / "a" / "index.json").read_text())
    assert {entry["set"] for entry in index["images"]} == {"noto", "twemoji"}
    for entry in index["images"]:
        assert (tmp_path / "a" / entry["file"]).read_bytes() == (tmp_path / "b" / entry["file"]).read_bytes()
    assert "not empty" in data(*words, "--out", tmp_path / "a", cwd=tmp_path, ok=False).stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["folder", "nowhere", "--out", "x"], "nowhere"),
        (["emoji", "--count", "0", "--out", "x"], "count"),
        (["bank", "--count", "3", "--out", "x.safetensors"], "at least 16"),
        (["expressions", "nowhere"], "mesh.npz"),
        (["pairs", "--faces", "nowhere", "--codebook", "none.safetensors", "--out", "x", "--cache", "cache"], ""),
    ],
)
def test_bad_input_is_one_sentence(words, sentence, tmp_path):
    shutil.copytree(DRAWINGS, tmp_path / "cache" / "emoji")
    done = data(*words, cwd=tmp_path, ok=False)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert sentence in done.stderr
    assert not (tmp_path / "x").exists()
