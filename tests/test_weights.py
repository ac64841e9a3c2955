"""From a manifest entry to a loaded network: which file is used, that it is checked, and what is said when it is not."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganji import weights
from ganji.checksums import short_name, verify
from ganji.errors import (
    CheckpointError,
    ChecksumError,
    DirectionsError,
    GanjiError,
    ManifestError,
    WeightsError,
)
from ganji.factorize import Directions, affine_digest, calibrate, factorize
from ganji.formats import native
from ganji.manifest import load_manifest
from tests.checkpoint_files import to_nvlabs, write_nvlabs
from tests.helpers import TINY, make_generator
from tests.pickle_assembler import saved

ROOT = Path(__file__).resolve().parent.parent


def entry(folder, name, kind, **changes):
    data = (folder / name).read_bytes()
    return {
        "kind": kind, "title": name, "repo_id": None, "revision": None, "filename": name, "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(), "format": "safetensors", "licence": "MIT", "source": "a test",
        "bundled": name, **changes,
    }  # fmt: skip


def write_manifest(folder, files):
    generators = [name for name, e in files.items() if e["kind"] == "generator"]
    bundle = {"title": "Test", **dict.fromkeys(("face", "emoji", "emoji_blend"), generators[0])}
    data = {"format": 1, "files": files, "bundles": {"default": bundle}}
    (folder / "weights_manifest.json").write_text(json.dumps(data))
    return load_manifest(folder / "weights_manifest.json")


@pytest.fixture
def bundle(tmp_path):
    """A folder with a manifest and one file of every format; returns (store, folder, generator)."""
    generator = make_generator(TINY["stylegan2"])
    state = generator.state_dict()
    mapping = {key: t for key, t in state.items() if key.startswith("style.")}
    native.write(tmp_path / "mapping.safetensors", mapping, {"kind": "mapping"})
    native.write_generator(tmp_path / "whole.safetensors", generator, dtype=torch.float32)
    native.write_generator(
        tmp_path / "shared.safetensors", generator, dtype=torch.float32, mapping=tmp_path / "mapping.safetensors"
    )
    (tmp_path / "g.pt").write_bytes(saved({"g_ema": state}))
    write_nvlabs(tmp_path / "g.pkl", to_nvlabs(state))
    found = factorize(generator, rule="rosinality")
    native.write(tmp_path / "directions.safetensors", *found.to_tensors())
    vectors = torch.stack([d.vector for d in found.items], dim=1)
    (tmp_path / "factor.pt").write_bytes(saved({"ckpt": "g.pt", "eigvec": vectors}))
    files = {
        "mapping": entry(tmp_path, "mapping.safetensors", "mapping"),
        "whole": entry(tmp_path, "whole.safetensors", "generator"),
        "shared": entry(tmp_path, "shared.safetensors", "generator"),
        "pt": entry(tmp_path, "g.pt", "generator", format="rosinality", config=generator.config.to_dict()),
        "pkl": entry(tmp_path, "g.pkl", "generator", format="nvlabs"),
        "directions": entry(tmp_path, "directions.safetensors", "directions"),
        "factor": entry(tmp_path, "factor.pt", "directions", format="factor"),
    }
    return weights.WeightStore(write_manifest(tmp_path, files), root=tmp_path), tmp_path, generator


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("name", ["whole", "shared", "pt", "pkl"])
def test_every_format_gives_the_same_generator(bundle, name, monkeypatch):
    store, folder, generator = bundle
    read = store.generator(name)
    assert same(read, generator)
    assert not read.training
    monkeypatch.setenv("GANJI_MANIFEST", str(folder / "weights_manifest.json"))
    assert same(weights.load_generator(name), generator)
    assert same(weights.load_generator(folder / store.manifest.file(name).filename), generator)


def test_directions_of_both_formats(bundle):
    store, _, generator = bundle
    ours, theirs = store.directions("directions"), store.directions("factor")
    assert (len(ours), ours.affine_sha256) == (32, affine_digest(generator))
    assert (len(theirs), theirs.affine_sha256) == (32, "")
    for found in (ours, theirs):
        found.check(generator)
        with pytest.raises(DirectionsError, match="sliders stay off"):
            found.check(make_generator(TINY["stylegan2"], seed=1))
    for a, b in zip(ours.items, theirs.items):
        assert torch.equal(a.vector, b.vector)
        assert b.unit == 1.0


def test_directions_that_are_not_finite_belong_to_nobody(bundle):
    _, _, generator = bundle
    with pytest.raises(DirectionsError):
        Directions.from_factor(torch.full((32, 32), float("nan"))).check(generator)


def test_bytes_are_checked_before_anything_is_read(bundle):
    store, folder, _ = bundle
    path = folder / "whole.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ChecksumError, match=r"whole\.safetensors has sha256 .*; the manifest says"):
        store.generator("whole")
    assert path.exists()  # a user's or bundled file is refused and left alone


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:80eba31b\nsize 828535255\n",
            "Git-LFS pointer of 78 bytes",
        ),
        (b"\xef\xbb\xbf <!DOCTYPE HTML><html>", "is an HTML page"),
        (b"", "cut short: 0 bytes; the manifest says"),
        (b"x" * 10, "cut short: 10 bytes"),
    ],
)
def test_files_that_are_something_else(bundle, data, sentence):
    store, folder, _ = bundle
    (folder / "whole.safetensors").write_bytes(data)
    with pytest.raises(ChecksumError, match=sentence) as caught:
        store.path("whole")
    assert len(str(caught.value)) <= 200


def test_the_users_folder_comes_first_and_is_checked_too(bundle, tmp_path_factory):
    store, folder, generator = bundle
    own = tmp_path_factory.mktemp("own")
    mine = weights.WeightStore(store.manifest, folder=own, root=folder)
    assert mine.path("whole") == folder / "whole.safetensors"  # not in the user's folder: the bundled one
    (own / "mapping.safetensors").write_bytes(b"other bytes")
    with pytest.raises(ChecksumError, match="cut short"):
        mine.path("mapping")
    assert (own / "mapping.safetensors").read_bytes() == b"other bytes"
    (own / "whole.safetensors").write_bytes((folder / "whole.safetensors").read_bytes())
    fresh = weights.WeightStore(store.manifest, folder=own, root=folder)
    assert fresh.path("whole") == own / "whole.safetensors"
    assert same(fresh.generator("whole"), generator)


def test_files_that_nobody_has(bundle):
    _, folder, _ = bundle
    nowhere = entry(folder, "whole.safetensors", "generator", bundled=None)
    on_hub = {**nowhere, "repo_id": "me/weights", "revision": "a" * 40}
    manifest = write_manifest(folder, {"nowhere": nowhere, "hub": on_hub})
    store = weights.WeightStore(manifest, root=folder)
    with pytest.raises(WeightsError, match="is not on the Hub; put it into a folder and set GANJI_WEIGHTS_DIR"):
        store.path("nowhere")
    with pytest.raises(WeightsError, match="must be downloaded"):
        store.path("hub")
    asked = []

    def fetch(spec):
        asked.append(spec.id)
        return folder / "whole.safetensors"

    store = weights.WeightStore(manifest, root=folder, fetch=fetch)
    assert store.path("hub") == store.path("hub")
    assert asked == ["hub"]
    store = weights.WeightStore(manifest, root=folder, fetch=lambda spec: folder / "g.pt")
    with pytest.raises(ChecksumError):  # a download is checked here too, whoever made it
        store.path("hub")


def test_a_bundled_file_that_is_missing_is_no_reason_to_download(bundle):
    _, folder, _ = bundle
    listed = entry(folder, "whole.safetensors", "generator", repo_id="me/weights", revision="a" * 40)
    store = weights.WeightStore(
        write_manifest(folder, {"whole": listed}), root=folder, fetch=lambda spec: pytest.fail("it was downloaded")
    )
    (folder / "whole.safetensors").unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        store.path("whole")


def test_a_mapping_network_is_found_beside_the_file_or_in_the_manifest(bundle, tmp_path_factory, monkeypatch):
    _, folder, generator = bundle
    alone = tmp_path_factory.mktemp("alone")
    (alone / "shared.safetensors").write_bytes((folder / "shared.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match="needs its mapping network"):
        weights.read_generator(alone / "shared.safetensors")
    monkeypatch.setenv("GANJI_MANIFEST", str(folder / "weights_manifest.json"))
    assert same(weights.load_generator(alone / "shared.safetensors"), generator)
    (alone / "renamed.safetensors").write_bytes((folder / "mapping.safetensors").read_bytes())
    assert same(weights.read_generator(alone / "shared.safetensors"), generator)
    header = {"kind": "generator", "config": generator.config.to_dict(), "parts": {"heads": "0" * 64}}
    native.write(alone / "other.safetensors", generator.state_dict(), header)
    with pytest.raises(CheckpointError, match="tensors of a kind that we do not share: heads"):
        weights.read_generator(alone / "other.safetensors")


def test_wrong_kinds_and_names(bundle, monkeypatch):
    store, folder, _ = bundle
    with pytest.raises(WeightsError, match="is a mapping file, not a generator"):
        store.generator("mapping")
    with pytest.raises(ManifestError, match="No weight file is called"):
        store.generator("nobody")
    with pytest.raises(CheckpointError, match="no directions file of ours"):
        native.read(store.path("mapping"), "directions")
    monkeypatch.setenv("GANJI_MANIFEST", str(folder / "weights_manifest.json"))
    for name in ("nobody", folder / "nobody.pt", folder / "nobody.safetensors"):
        with pytest.raises(GanjiError, match="neither a file nor one of the generators whole") as caught:
            weights.load_generator(name)
        assert str(folder) not in str(caught.value)


def test_directions_files_that_are_misshapen(bundle):
    _, _, generator = bundle
    tensors, header = factorize(generator, count=3).to_tensors()
    good = native.NativeFile(header, tensors)
    assert len(Directions.from_file(good)) == 3
    items = header["items"]
    broken = [
        ({}, header),
        ({"vectors": tensors["vectors"][:, :2]}, header),
        ({"vectors": tensors["vectors"].flatten()}, header),
        (tensors, {**header, "items": None}),
        (tensors, {**header, "items": [{}, {}, {}]}),
        (tensors, {**header, "items": [{**items[0], "unit": float("nan")}, *items[1:]]}),
        (tensors, {**header, "items": [{**items[0], "rows": [5, 2]}, *items[1:]]}),
        (tensors, {**header, "items": [{**items[0], "rows": [0]}, *items[1:]]}),
        (tensors, {key: value for key, value in header.items() if key != "method"}),
    ]
    for changed, head in broken:
        with pytest.raises(DirectionsError, match="incomplete or misshapen"):
            Directions.from_file(native.NativeFile(head, changed))


def test_settings_come_from_the_environment(monkeypatch, tmp_path):
    for name in ("GANJI_MANIFEST", "GANJI_BUNDLE", "GANJI_WEIGHTS_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert weights.Settings.from_environment() == weights.Settings(ROOT / "weights_manifest.json", "default", None)
    monkeypatch.setenv("GANJI_BUNDLE", "ganji-2022")
    monkeypatch.setenv("GANJI_WEIGHTS_DIR", str(tmp_path))
    store, found = weights.open_store()
    assert (found.name, store.folder) == ("ganji-2022", tmp_path)
    with pytest.raises(
        WeightsError, match=r"635000\.pt is not on the Hub; put it into a folder and set GANJI_WEIGHTS_DIR"
    ):
        store.generator(found.roles["emoji"])
    (tmp_path / "networks").mkdir()
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:80eba31b\nsize 828535255\n"
    (tmp_path / "networks" / "635000.pt").write_bytes(pointer)
    with pytest.raises(
        ChecksumError, match=r"635000\.pt is a Git-LFS pointer of 78 bytes, not the weights; run `git lfs pull`"
    ):
        store.generator(found.roles["emoji"])


def test_a_folder_of_weights_that_is_none_is_not_passed_over(monkeypatch, tmp_path):
    monkeypatch.setenv("GANJI_WEIGHTS_DIR", str(tmp_path / "mistyped"))
    with pytest.raises(WeightsError, match=r"^GANJI_WEIGHTS_DIR must be a folder, and 'mistyped' is none\.$"):
        weights.open_store()


def test_names_in_sentences_are_short_and_plain():
    assert short_name("/root/secret/face.pt") == "face.pt"
    assert short_name("x" * 300) == "x" * 60
    assert short_name("a\nb\x1b[0m") == "ab[0m"


def test_a_file_that_cannot_be_read(bundle):
    store, folder, _ = bundle
    with pytest.raises(WeightsError, match=r"whole\.safetensors cannot be read") as caught:
        verify(folder / "missing", store.manifest.file("whole"))
    assert str(folder) not in str(caught.value)


def test_the_bundled_weights_load_without_the_hub(tmp_path):
    """In a process of its own: nothing imports the Hub's client, and no file appears in its cache."""
    code = (
        "import sys, torch; from ganji import load_generator; g = load_generator('face');"
        "print(g.config.img_resolution, 'huggingface_hub' in sys.modules)"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GANJI_", "HF_"))}
    environment |= {"HF_HOME": str(tmp_path / "hf"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["256", "False"]
    assert not (tmp_path / "hf").exists()


# --- calibration -------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _one_thread():
    """Networks this small are slower on two threads, and much slower on a busy computer."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def mean_change(a, b):
    return (a - b).abs().mean(dim=(1, 2, 3))


@pytest.mark.parametrize("target", [0.02, 0.1])
def test_calibrated_directions_change_pictures_equally_much(tiny_generator, target):
    found = factorize(tiny_generator, count=5)
    done = calibrate(tiny_generator, found, mean_change, seeds=range(24), target=target)
    again = calibrate(tiny_generator, done, mean_change, seeds=range(24), target=target, tolerance=0.2)
    assert [d.unit for d in again.items] == [d.unit for d in done.items]  # within 20 % already: nothing to do
    assert len({round(d.unit, 3) for d in done.items}) > 1
    assert all(torch.equal(a.vector, b.vector) and a.name == b.name for a, b in zip(found.items, done.items))
    assert done.affine_sha256 == found.affine_sha256


def test_calibration_measures_what_it_says(tiny_generator):
    from ganji import latents
    from ganji.factorize import move

    found = calibrate(tiny_generator, factorize(tiny_generator, count=2), mean_change, seeds=range(20), target=0.05)
    w_plus = latents.to_w_plus(latents.w_from_seeds(tiny_generator, list(range(20))), tiny_generator.config.num_ws)
    still = tiny_generator.synthesis(w_plus).clamp(-1, 1)
    for k in range(2):
        moved = tiny_generator.synthesis(move(w_plus, found, [0.0] * k + [1.0])).clamp(-1, 1)
        assert abs(float(mean_change(still, moved).mean()) / 0.05 - 1) < 0.06


def test_directions_without_any_effect_cannot_be_calibrated(tiny_generator):
    with pytest.raises(DirectionsError, match=r"never changes pictures by 0\.05; leave it out"):
        calibrate(tiny_generator, factorize(tiny_generator, count=1), lambda a, b: torch.zeros(len(a)), seeds=range(2))
    with pytest.raises(DirectionsError, match="never changes"):  # more than pictures can differ
        calibrate(tiny_generator, factorize(tiny_generator, count=1), mean_change, seeds=range(2), target=3.0)
