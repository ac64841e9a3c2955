"""The commands convert, factorize and publish, and the walk through docs/weights.md."""

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from ganji import cli, latents, weights
from ganji.commands import publish
from ganji.factorize import Directions, factorize, move
from ganji.formats import native
from ganji.manifest import load_manifest
from ganji.networks.config import GeneratorConfig
from ganji.training.pictures import write_codes, write_index
from tests.checkpoint_files import to_nvlabs, write_nvlabs
from tests.fake_hub import FakeHub
from tests.helpers import TINY, make_generator
from tests.pickle_assembler import payloads, saved, zipped

ROOT = Path(__file__).resolve().parent.parent
MOBILE = GeneratorConfig(
    "mobile", 32, z_dim=32, w_dim=32, mapping_layers=2, channel_base=512, channel_max=32, style_row=4
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, with a checkpoint of each kind and an empty manifest in force."""
    (tmp_path / "my_face.pt").write_bytes(saved({"g_ema": make_generator(TINY["stylegan2"], seed=1).state_dict()}))
    write_nvlabs(tmp_path / "my_emoji.pkl", to_nvlabs(make_generator(TINY["stylegan2"], seed=2).state_dict()))
    manifest = json.loads((ROOT / "weights_manifest.json").read_text(encoding="utf-8"))
    (tmp_path / "weights_manifest.json").write_text(json.dumps(manifest))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANJI_MANIFEST", str(tmp_path / "weights_manifest.json"))
    for name in ("GANJI_BUNDLE", "GANJI_WEIGHTS_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(*arguments):
    return cli.main([str(a) for a in arguments])


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


# --- convert -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "seed"), [("my_face.pt", 1), ("my_emoji.pkl", 2)])
def test_convert_keeps_every_weight(folder, capsys, name, seed):
    assert run("convert", name, "--out", "new/g.safetensors") == 0
    assert "g.safetensors: stylegan2, 32 px, 8 rows of w_plus" in capsys.readouterr().out
    assert same(weights.read_generator(folder / "new" / "g.safetensors"), make_generator(TINY["stylegan2"], seed=seed))
    with safe_open(folder / "new" / "g.safetensors", framework="pt") as stream:
        header = json.loads(stream.metadata()["ganji"])
    assert header["kind"] == "generator"
    assert header["source_format"] == ("nvlabs" if name.endswith("pkl") else "rosinality")


def test_convert_to_half_is_half_as_large_and_nearly_the_same(folder):
    assert run("convert", "my_face.pt", "--out", "whole.safetensors") == 0
    assert run("convert", "my_face.pt", "--out", "half.safetensors", "--half") == 0
    whole, half = (weights.read_generator(folder / f"{name}.safetensors") for name in ("whole", "half"))
    assert (folder / "half.safetensors").stat().st_size < 0.6 * (folder / "whole.safetensors").stat().st_size
    w_plus = torch.randn(4, 8, 32, generator=torch.Generator().manual_seed(0))
    a, b = whole.synthesis(w_plus), half.synthesis(w_plus)
    assert 0 < float((a - b).abs().max() / a.abs().max()) < 5e-3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nowhere.pt", "--out", "g.safetensors"), "nowhere.pt cannot be read"),
        (("my_face.pt", "--out", "g.pt"), "--out must end in .safetensors"),
        (("my_face.pt", "--out", "my_face.pt/g.safetensors"), "cannot be made"),
        (("my_face.pt", "--out", "g.safetensors", "--bundle", "mine"), "--bundle and --role go together"),
        (("my_face.pt", "--out", "g.safetensors", "--role", "face"), "--bundle and --role go together"),
        (("my_face.pt", "--out", "g.safetensors", "--role", "face", "--bundle", "My own"), "the id must be"),
        (
            ("my_face.pt", "--out", "../g.safetensors", "--role", "face", "--bundle", "mine"),
            "must lie below the folder",
        ),
        (("evil.pt", "--out", "g.safetensors"), "asks for os.system"),
        ((".", "--out", "g.safetensors"), "not the data folder of random-face"),
    ],
)
def test_convert_refuses_in_one_sentence(folder, capsys, arguments, sentence):
    (folder / "evil.pt").write_bytes(zipped(payloads(folder / "marker")["os.system"]))
    before = (folder / "weights_manifest.json").read_bytes()
    assert run("convert", *arguments) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.startswith("ganji: ")
    assert error.count("\n") == 1
    assert len(error) <= 210
    assert str(folder) not in error
    assert not (folder / "marker").exists()
    assert (folder / "weights_manifest.json").read_bytes() == before


@pytest.mark.parametrize("command", ["convert", "factorize", "publish"])
def test_help_shows_an_example_and_wrong_usage_is_2(command, capsys):
    with pytest.raises(SystemExit) as caught:
        run(command, "--help")
    assert caught.value.code == 0
    assert f"python -m ganji {command} " in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        run(command)
    assert caught.value.code == 2


# --- factorize ---------------------------------------------------------------------------------------------------------


def directions(path):
    return Directions.from_file(native.read(path, "directions"))


def test_factorize_by_both_rules(folder):
    assert run("convert", "my_face.pt", "--out", "g.safetensors") == 0
    assert run("factorize", "g.safetensors", "--out", "sefa.safetensors", "--count", 3) == 0
    assert run("factorize", "g.safetensors", "--out", "ros.safetensors", "--rule", "rosinality") == 0
    generator = make_generator(TINY["stylegan2"], seed=1)
    sefa, rosinality = directions(folder / "sefa.safetensors"), directions(folder / "ros.safetensors")
    assert (sefa.method, len(sefa), [d.rows for d in sefa.items]) == ("sefa", 3, [(0, 8)] * 3)
    assert (rosinality.method, len(rosinality)) == ("rosinality", 32)
    for found in (sefa, rosinality):
        found.check(generator)
        values = [d.value for d in found.items]
        assert values == sorted(values, reverse=True)
        assert min(values) >= 0
        assert all(float(d.vector[d.vector.abs().argmax()]) > 0 for d in found.items)
    wanted = factorize(generator, rule="rosinality")
    assert all(torch.equal(a.vector, b.vector) for a, b in zip(wanted.items, rosinality.items))


def test_factorize_the_mobile_family_in_ranges(folder):
    generator = make_generator(MOBILE)
    native.write_generator(folder / "m.safetensors", generator, dtype=torch.float32)
    assert run("factorize", "m.safetensors", "--out", "d.safetensors", "--count", 2) == 0
    found = directions(folder / "d.safetensors")
    found.check(generator)
    assert [(d.name, d.rows) for d in found.items] == [
        ("coarse 0", (0, 4)), ("coarse 1", (0, 4)), ("fine 0", (4, 8)), ("fine 1", (4, 8))
    ]  # fmt: skip
    assert run("factorize", "m.safetensors", "--out", "e.safetensors", "--rows", "0:2", "--rows", "5:8") == 0
    found = directions(folder / "e.safetensors")
    assert {d.rows for d in found.items} == {(0, 2), (5, 8)}


def test_factorize_takes_over_a_factor_that_belongs(folder, capsys):
    generator = make_generator(TINY["stylegan2"], seed=1)
    vectors = torch.stack([d.vector for d in factorize(generator, rule="rosinality").items], dim=1)
    (folder / "factor.pt").write_bytes(saved({"ckpt": "x", "eigvec": vectors * -1}))
    assert run("factorize", "my_face.pt", "--factor", "factor.pt", "--out", "d.safetensors") == 0
    residual = float(re.search(r"eigen residual (\S+)", capsys.readouterr().out)[1])
    assert residual < 1e-4
    found = directions(folder / "d.safetensors")
    found.check(generator)
    assert found.affine_sha256
    assert (found.items[0].rows, found.items[0].unit) == ((0, 8), 1.0)
    assert torch.equal(found.items[3].vector, -vectors[:, 3])
    assert run("factorize", "my_emoji.pkl", "--factor", "factor.pt", "--out", "e.safetensors") == 1
    assert "factor.pt was made from another generator: eigen residual 0." in capsys.readouterr().err
    assert not (folder / "e.safetensors").exists()


def test_factorize_calibrates_with_the_bundles_distance(folder):
    (folder / "weights").mkdir()
    (folder / "weights" / "perceptual.safetensors").symlink_to(ROOT / "weights" / "perceptual.safetensors")
    assert run("factorize", "my_face.pt", "--out", "d.safetensors", "--count", 2, "--calibrate", "--seeds", 8) == 0
    found, lpips = directions(folder / "d.safetensors"), weights.open_store()[0].perceptual("perceptual")
    generator = make_generator(TINY["stylegan2"], seed=1)
    codes = latents.to_w_plus(latents.w_from_seeds(generator, list(range(8))), 8)
    still = generator.synthesis(codes).clamp(-1, 1)
    for k, direction in enumerate(found.items):
        moved = generator.synthesis(move(codes, found, [0.0] * k + [1.0])).clamp(-1, 1)
        assert float(lpips(still, moved).mean()) == pytest.approx(direction.effect, rel=0.01)
        assert direction.effect == pytest.approx(0.05, rel=0.051)


def test_factorize_named_states_r2_and_paints_a_sheet_of_each(folder, capsys):
    """In a folder of drawings whose parts follow three coordinates of w."""
    generator = make_generator(MOBILE)
    native.write_generator(folder / "m.safetensors", generator, dtype=torch.float32)
    w = latents.w_from_seeds(generator, list(range(600)))
    v = latents.w_statistics(generator).whiten(w) > 0
    mouths = {(True, True): "1f600", (True, False): "1f642", (False, True): "1f62e", (False, False): "2639"}
    entries = [
        {"file": f"{k}.png", "mouth": mouths[bool(a), bool(b)], "eyes": "1f600" if c else "1f636"}
        for k, (a, b, c) in enumerate(v[:, :3].tolist())
    ]
    (folder / "drawings").mkdir()
    write_index(folder / "drawings", 32, entries, kind="drawings")
    write_codes(folder / "drawings", w)
    assert run("factorize", "m.safetensors", "--out", "d.safetensors", "--count", 1, "--named", "drawings") == 0
    names = ["smile", "mouth open", "eyes open"]
    found, out = directions(folder / "d.safetensors"), capsys.readouterr().out
    assert [d.name for d in found.items] == [*names, "coarse 0", "fine 0"]
    assert [d.rows for d in found.items[:3]] == [(0, 4)] * 3
    for direction in found.items[:3]:
        assert direction.value > 0.4  # of a step, of which a line explains 2 / pi
        assert f"{direction.name}: R2 {direction.value:.2f} on held-out codes" in out
    sheets = {path.name: Image.open(path) for path in (folder / "d-sheets").iterdir()}
    assert sorted(sheets) == ["eyes-open.png", "mouth-open.png", "smile.png"]
    for sheet in sheets.values():
        assert sheet.size == (5 * 34 - 2, 8 * 34 - 2)
        columns = [np.asarray(sheet.crop((34 * k, 0, 34 * k + 32, 270)), float) for k in range(5)]
        assert np.abs(columns[0] - columns[2]).mean() > np.abs(columns[1] - columns[2]).mean() > 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--rows", "4:2"), "--rows must be A:B with 0 <= A < B <= 8"),
        (("--rows", "0:9"), "--rows must be A:B"),
        (("--rows", "all"), "--rows must be A:B"),
        (("--seeds", "0"), "--seeds must be from 1 to 10000"),
        (("--target", "nan"), "--target between 0 and 2"),
        (("--count", "0"), "--count must be at least 1"),
        (("--factor", "my_face.pt"), "has no eigvec"),
        (("--factor", "nowhere.pt"), "nowhere.pt"),
    ],
)
def test_factorize_refuses_in_one_sentence(folder, capsys, arguments, sentence):
    assert run("factorize", "my_face.pt", "--out", "d.safetensors", *arguments) == 1
    assert sentence in capsys.readouterr().err


# --- the walk ----------------------------------------------------------------------------------------------------------

LIKE_THE_APP = """
from ganji.weights import open_store
store, bundle = open_store()
face, emoji = store.generator(bundle.roles["face"]), store.generator(bundle.roles["emoji_blend"])
store.directions(bundle.roles["emoji_directions"]).check(store.generator(bundle.roles["emoji"]))
print(bundle.name, face.config.img_resolution, emoji.config.img_resolution)
"""


def test_the_walk_in_the_documentation_leads_to_weights_that_load(folder):
    """Every command of the page runs as it stands; in place of app.py runs what it does first: open the bundle."""
    text = (ROOT / "docs" / "weights.md").read_text(encoding="utf-8")
    lines = re.search(r"```sh\n(.*?)```", text, re.S)[1].strip().splitlines()
    assert len(lines) == 5
    assert lines[-1] == "python app.py"
    (folder / "app.py").write_text(LIKE_THE_APP)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GANJI_")}
    environment |= {"PYTHONPATH": str(ROOT), "GANJI_MANIFEST": str(folder / "weights_manifest.json")}
    python = f'python() {{ {shlex.quote(sys.executable)} "$@"; }}\n'
    script = python + "set -e\n" + "\n".join(lines)
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "mine 32 32"
    found = load_manifest(folder / "weights_manifest.json")
    assert found.bundle("mine").roles["emoji_blend"] == "mine-emoji"
    assert found.file("mine-face").bundled == "weights/mine/face.safetensors"
    assert found.file("mine-face").source == "converted from my_face.pt"


def test_the_documentation_names_every_field_role_and_variable():
    text = (ROOT / "docs" / "weights.md").read_text(encoding="utf-8")
    schema = json.loads((ROOT / "weights_manifest.schema.json").read_text(encoding="utf-8"))
    names = [*schema["$defs"]["file"]["properties"], *schema["$defs"]["bundle"]["properties"]]
    names += [
        "GANJI_BUNDLE",
        "GANJI_MANIFEST",
        "GANJI_WEIGHTS_DIR",
        *schema["$defs"]["file"]["properties"]["kind"]["enum"],
    ]
    assert [name for name in names if f"`{name}`" not in text] == []


# --- publish -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def own(folder, monkeypatch):
    """A bundle of tiny networks in the manifest."""
    for name, role in (("my_face.pt", "face"), ("my_emoji.pkl", "emoji")):
        assert run("convert", name, "--out", f"w/{role}.safetensors", "--bundle", "mine", "--role", role) == 0
    monkeypatch.setenv("GANJI_BUNDLE", "mine")
    monkeypatch.setattr(publish, "CARDS", folder / "cards")
    (folder / "cards").mkdir()
    (folder / "cards" / "mine-face.md").write_text("# Faces\n")
    (folder / "cards" / "face.md").write_text("of another network\n")
    data = json.loads((folder / "weights_manifest.json").read_text())
    data["bundles"]["mine"].pop("perceptual", None)
    (folder / "weights_manifest.json").write_text(json.dumps(data))
    return folder


@pytest.fixture
def hub(monkeypatch):
    """A loopback Hub that the real client takes for the real one."""
    from huggingface_hub import constants

    with FakeHub({}) as server:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        original = publish.upload
        monkeypatch.setattr(publish, "upload", lambda *a, **k: original(*a, **k, endpoint=server.url))
        yield server


def test_a_dry_run_needs_neither_token_nor_network(own, monkeypatch, capsys):
    import socket

    def refused(*args):
        raise AssertionError("a dry run asked the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    before = (own / "weights_manifest.json").read_bytes()
    assert run("publish", "--repo-id", "me/ganji-weights", "--dry-run") == 0
    out = capsys.readouterr().out
    for name in ("face.safetensors", "emoji.safetensors"):
        assert re.search(rf"^ +{(own / 'w' / name).stat().st_size} {name}$", out, re.M)
    assert re.search(r"^ +8 docs/models/mine-face.md$", out, re.M)
    assert "Nothing was uploaded to me/ganji-weights" in out
    assert (own / "weights_manifest.json").read_bytes() == before


def test_publish_uploads_and_writes_the_commit(own, hub, monkeypatch, capsys, tmp_path_factory):
    from ganji import hub as hub_module

    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert run("publish", "--repo-id", "me/ganji-weights") == 0
    repo = hub.repos["me/ganji-weights"]
    assert sorted(repo.files) == ["README.md", "docs/models/mine-face.md", "emoji.safetensors", "face.safetensors"]
    assert repo.files["face.safetensors"] == (own / "w" / "face.safetensors").read_bytes()
    assert b"| `face.safetensors` | stylegan2, 32 px | unknown" in repo.files["README.md"]
    found = load_manifest(own / "weights_manifest.json")
    for name in ("mine-face", "mine-emoji"):
        assert (found.file(name).repo_id, found.file(name).revision) == ("me/ganji-weights", repo.sha)
    assert hub.token not in capsys.readouterr().out
    path = hub_module.fetch(found.file("mine-face"), cache_dir=tmp_path_factory.mktemp("cache"), endpoint=hub.url)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == found.file("mine-face").sha256  # and back again


@pytest.mark.parametrize(
    ("token", "sentence"), [(None, "There is no token: set HF_TOKEN"), ("hf_wrong", r"The Hub refused \(401\)")]
)
def test_publish_without_the_right_to(own, hub, monkeypatch, capsys, token, sentence):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(own / "no token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    before = (own / "weights_manifest.json").read_bytes()
    assert run("publish", "--repo-id", "me/ganji-weights") == 1
    error = capsys.readouterr().err
    assert re.search(sentence, error)
    assert "hf_" not in error.replace("HF_TOKEN", "")
    assert (own / "weights_manifest.json").read_bytes() == before


def test_publish_refuses_what_it_cannot_upload(own, capsys):
    assert run("publish", "--repo-id", "ganji-weights", "--dry-run") == 1
    assert "--repo-id must be owner/name" in capsys.readouterr().err
    assert run("publish", "--repo-id", "me/x", "--bundle", "ganji-2022", "--dry-run") == 1
    assert "is not on the Hub; put it into a folder and set GANJI_WEIGHTS_DIR" in capsys.readouterr().err
    (own / "w" / "face.safetensors").write_bytes(b"changed")
    assert run("publish", "--repo-id", "me/x", "--dry-run") == 1
    assert "cut short" in capsys.readouterr().err
