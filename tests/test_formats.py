"""Foreign checkpoints: golden pictures of the public implementations, and files that are damaged or malicious."""

import collections
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ganji import cli, convert, weights
from ganji.errors import CheckpointError, DirectionsError, WeightsError
from ganji.formats import native, pickles, rosinality
from ganji.networks.config import GeneratorConfig
from ganji.networks.generator import build_generator
from tests import hostile_files
from tests.checkpoint_files import (
    nvlabs_state,
    rosinality_state,
    to_nvlabs,
    torch_members,
    write_nvlabs,
    write_zip,
)
from tests.helpers import DATA, TINY, make_generator
from tests.pickle_assembler import payloads, saved
from tests.reference import synthesis

PARITY = DATA / "parity"
ROOT = Path(__file__).resolve().parent.parent


def relative(a, b):
    return float(np.abs(np.asarray(a) - np.asarray(b)).max() / np.abs(np.asarray(b)).max())


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


# --- golden data -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nvlabs(tmp_path_factory):
    """(path, golden data) of a file of stylegan2-ada-pytorch's shape."""
    described = json.loads((PARITY / "nvlabs_g32_keys.json").read_text())
    path = tmp_path_factory.mktemp("nvlabs") / "network-snapshot-000000.pkl"
    write_nvlabs(path, nvlabs_state(described["keys"]), **described["init_kwargs"])
    return path, np.load(PARITY / "nvlabs_g32_golden.npz")


def test_nvlabs_pictures_equal_the_golden_data(nvlabs):
    path, golden = nvlabs
    generator = convert.read_generator(path)
    w = generator.mapping(torch.tensor(golden["z"]))
    assert relative(w[:, None].expand(-1, generator.config.num_ws, -1), golden["ws"]) < 1e-4
    assert relative(generator.synthesis(torch.tensor(golden["ws"])), golden["image"]) < 1e-4
    for k in range(2):  # a batch of one takes another path through the network
        assert relative(generator.synthesis(torch.tensor(golden["ws"][k : k + 1])), golden["image"][k : k + 1]) < 1e-4


def test_nvlabs_header_keeps_what_our_network_does_not_need(nvlabs):
    path, golden = nvlabs
    config, state, info = convert.read_foreign(path)
    assert (config.family, config.img_resolution, config.mapping_layers, config.channel_max) == ("stylegan2", 32, 8, 64)
    assert info["source_format"] == "nvlabs"
    assert (config.conv_clamp, info["conv_clamp"], info["num_fp16_res"]) == (256, 256, 4)
    w_avg = torch.tensor(info["w_avg"])
    assert relative(w_avg + 0.5 * (torch.tensor(golden["ws"]) - w_avg), golden["ws_psi_05"]) < 1e-5
    assert "mapping.w_avg" not in state


def test_the_clamp_of_nvlabs_is_kept_by_every_layer(tmp_path):
    """By a clamp that is reached, unlike the golden data's: the slow reference, with its features cut off, agrees."""
    state = make_generator(TINY["stylegan2"]).state_dict()
    write_nvlabs(tmp_path / "g.pkl", to_nvlabs(state), img_resolution=32, synthesis_kwargs={"conv_clamp": 0.75})
    assert cli.main(["convert", str(tmp_path / "g.pkl"), "--out", str(tmp_path / "g.safetensors")]) == 0
    generator = weights.load_generator(tmp_path / "g.safetensors")
    assert generator.config == replace(TINY["stylegan2"], conv_clamp=0.75)
    w_plus = torch.randn(2, 8, 32, generator=torch.Generator().manual_seed(0))
    slow = synthesis.stylegan2(state, generator.config, w_plus, 32)
    assert relative(generator.synthesis(w_plus), slow) < 1e-5
    assert (
        relative(convert.read_generator(tmp_path / "g.pkl", TINY["stylegan2"].to_dict()).synthesis(w_plus), slow) < 1e-5
    )
    assert relative(make_generator(TINY["stylegan2"]).synthesis(w_plus), slow) > 0.05


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_nvlabs_names_are_ours_one_to_one(protocol, tmp_path):
    generator = make_generator(TINY["stylegan2"])
    write_nvlabs(tmp_path / "g.pkl", to_nvlabs(generator.state_dict()), protocol=protocol, img_resolution=32)
    read = convert.read_generator(tmp_path / "g.pkl")
    assert read.config == generator.config
    assert same(read, generator)
    assert b"must never be executed" in (tmp_path / "g.pkl").read_bytes()


def test_nvlabs_learning_rate_of_the_mapping_network_is_part_of_its_weights(tmp_path):
    generator = make_generator(TINY["stylegan2"])
    state = to_nvlabs(generator.state_dict())
    stored = {key: t / 10 if key.startswith("mapping.fc") else t for key, t in state.items()}
    write_nvlabs(tmp_path / "g.pkl", stored, mapping_kwargs={"lr_multiplier": 0.1, "num_layers": 2})
    read = convert.read_generator(tmp_path / "g.pkl")
    z = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    assert relative(read.mapping(z), generator.mapping(z)) < 1e-5


@pytest.mark.parametrize("old", [False, True])
def test_rosinality_pictures_equal_the_golden_data(old, tmp_path):
    keys = json.loads((PARITY / "rosinality_g64_keys.json").read_text())
    golden = np.load(PARITY / "rosinality_g64_golden.npz")
    (tmp_path / "g.pt").write_bytes(saved({"g_ema": rosinality_state(keys)}, _use_new_zipfile_serialization=not old))
    generator = convert.read_generator(tmp_path / "g.pt")
    assert generator.config == GeneratorConfig("stylegan2", 64)
    assert relative(generator.synthesis(torch.tensor(golden["w_plus"])), golden["image_w_plus"]) < 1e-4


@pytest.mark.parametrize(
    "config",
    [
        GeneratorConfig("stylegan2", 256, channel_multiplier=2),
        GeneratorConfig("stylegan2", 1024, channel_multiplier=2),
        GeneratorConfig("stylegan2", 256, channel_multiplier=1),
        GeneratorConfig("stylegan2", 16, z_dim=64, w_dim=128, mapping_layers=2),
        GeneratorConfig("stylegan2", 128, channel_base=8192, channel_max=256),
        TINY["stylegan2"],
    ],
)
def test_architectures_are_read_off_the_shapes(config):
    with torch.device("meta"):
        state = build_generator(config).state_dict()
    found = rosinality.infer_config(state, "g.pt")
    assert [found.channels(side) for side in found.feature_resolutions] == [
        config.channels(side) for side in config.feature_resolutions
    ]
    assert (found.z_dim, found.w_dim, found.mapping_layers) == (config.z_dim, config.w_dim, config.mapping_layers)
    native.check_tensors(found, state, "g.pt")


def test_older_files_get_seeded_noise_maps(tmp_path):
    generator = make_generator(TINY["stylegan2"])
    state = {key: t for key, t in generator.state_dict().items() if not key.startswith("noises.")}
    (tmp_path / "old.pt").write_bytes(saved({"g_ema": state}))
    first, second = (convert.read_generator(tmp_path / "old.pt") for _ in range(2))
    assert same(first, second)
    assert convert.read_foreign(tmp_path / "old.pt")[2]["noises"] == "seeded"
    w_plus = torch.randn(1, generator.config.num_ws, 32, generator=torch.Generator().manual_seed(0))
    a, b = (g.synthesis(w_plus, noise_mode="none") for g in (first, generator))
    assert relative(a, b) < 1e-6
    assert 0.8 < float(first.state_dict()["noises.noise_5"].std()) < 1.2


def test_the_folder_of_random_face_must_be_one(tmp_path):
    with pytest.raises(CheckpointError, match="not the data folder of random-face"):
        convert.read_foreign(tmp_path)
    for name in ("SynthesisNetwork.xml", "MappingNetwork.xml"):
        (tmp_path / name).write_text("<net/>")
    with pytest.raises(CheckpointError, match="missing or larger"):
        convert.read_foreign(tmp_path)
    for name in ("SynthesisNetwork.bin", "MappingNetwork.bin"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(CheckpointError):
        convert.read_foreign(tmp_path)


def test_manifest_config_and_file_must_agree(tmp_path):
    generator = make_generator(TINY["stylegan2"])
    (tmp_path / "g.pt").write_bytes(saved({"g_ema": generator.state_dict()}))
    told = {**generator.config.to_dict(), "style_row": 3}
    assert convert.read_generator(tmp_path / "g.pt", told).config.style_row == 3
    with pytest.raises(CheckpointError, match="has img_resolution 32; the manifest says 64"):
        convert.read_generator(tmp_path / "g.pt", {**told, "img_resolution": 64})
    with pytest.raises(CheckpointError, match=r"to_rgbs\.0|convs|is \["):
        convert.read_generator(tmp_path / "g.pt", {**told, "channel_base": 256})


# --- factor.pt ---------------------------------------------------------------------------------------------------------


def test_factor_files(tmp_path):
    vectors = torch.linalg.qr(torch.randn(32, 32, generator=torch.Generator().manual_seed(0)))[0]
    for name, value, old in (
        ("plain", vectors, False),
        ("old", vectors, True),
        ("columns", vectors.t().contiguous().t(), False),
    ):
        (tmp_path / f"{name}.pt").write_bytes(
            saved({"ckpt": "635000.pt", "eigvec": value}, _use_new_zipfile_serialization=not old)
        )
        assert torch.equal(rosinality.read_factor(tmp_path / f"{name}.pt"), vectors)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"eigvec": torch.eye(8)[:, :3]}, "must hold a square eigvec"),
        ({"eigvec": torch.ones(8)}, "must hold a square eigvec"),
        ({"eigvec": torch.eye(8).to(torch.int8)}, "must hold a square eigvec"),
        ({"eigvec": torch.eye(8) * float("nan")}, "not finite"),
        ({"eigvec": torch.eye(8) * 2}, "not of unit length"),
        ({"eigvec": [1, 2]}, "has no eigvec"),
        ([torch.eye(8)], "has no eigvec"),
    ],
)
def test_wrong_factor_files(value, sentence, tmp_path):
    (tmp_path / "factor.pt").write_bytes(saved(value))
    with pytest.raises(DirectionsError, match=sentence):
        rosinality.read_factor(tmp_path / "factor.pt")


def test_malicious_factor_files(tmp_path):
    for data in hostile_files.malicious(tmp_path / "marker").values():
        (tmp_path / "factor.pt").write_bytes(data)
        with pytest.raises(DirectionsError):
            rosinality.read_factor(tmp_path / "factor.pt")
    assert not (tmp_path / "marker").exists()


# --- our own files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_own_files_round_trip(tiny_generator, dtype, tmp_path):
    path = tmp_path / "g.safetensors"
    native.write_generator(path, tiny_generator, dtype=dtype, info={"title": "a test"})
    stored = native.read(path, "generator")
    read = native.build(stored.config, stored.tensors, "g")
    assert read.config == tiny_generator.config
    assert stored.header["title"] == "a test"
    limit = 0 if dtype == torch.float32 else 1e-3
    for key, t in read.state_dict().items():
        assert t.dtype == torch.float32
        assert relative(t, tiny_generator.state_dict()[key]) <= limit
    assert not any(p.requires_grad for p in read.parameters())
    assert not read.training


def test_building_does_not_share_memory_with_its_source(tiny_generator):
    state = tiny_generator.state_dict()
    read = native.build(tiny_generator.config, state, "g")
    before = {key: t.clone() for key, t in read.state_dict().items()}
    for t in state.values():
        t.fill_(0)
    assert all(torch.equal(t, before[key]) for key, t in read.state_dict().items())


def test_a_failed_write_leaves_nothing(tiny_generator, tmp_path):
    with pytest.raises(WeightsError, match="could not be written") as caught:
        native.write_generator(tmp_path / "nowhere" / "g.safetensors", tiny_generator)
    assert str(tmp_path) not in str(caught.value)
    (tmp_path / "g.safetensors").mkdir()
    with pytest.raises(WeightsError):
        native.write_generator(tmp_path / "g.safetensors", tiny_generator)
    assert [p.name for p in tmp_path.iterdir()] == ["g.safetensors"]


def test_the_first_differences_are_named():
    generator = make_generator(TINY["stylegan2"])
    state = generator.state_dict()
    short = {key: t for key, t in state.items() if not key.startswith("style.")}
    with pytest.raises(CheckpointError) as caught:
        native.build(generator.config, short, "a" * 60 + ".safetensors")
    text = str(caught.value)
    assert "style.1.weight is missing" in text
    assert text.endswith("more.")
    assert len(text) <= 200


# --- hostile files -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """(outcomes by file name, names of good files, folder): all files read in a process whose environment is against us."""
    folder = tmp_path_factory.mktemp("hostile")
    good = hostile_files.build(folder)
    environment = {**os.environ, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.hostile_files", str(folder)]
    out = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120)
    outcomes = {o["name"]: o for o in map(json.loads, out.stdout.splitlines())}
    assert len(outcomes) == len(list(folder.iterdir())) - (folder / "marker").exists()
    return outcomes, good, folder


def test_the_corpus_is_large(corpus):
    outcomes, good, _ = corpus
    kinds = collections.Counter(Path(name).suffix for name in outcomes)
    assert len(outcomes) >= 150
    assert len(good) >= 10
    assert min(kinds[".pt"], kinds[".pkl"], kinds[".safetensors"]) >= 20


def test_no_code_ran(corpus):
    outcomes, _, folder = corpus
    assert not (folder / "marker").exists()
    for title in payloads(folder / "marker"):
        assert outcomes[f"{title.replace('.', ' ')}.pt"]["error"] == "CheckpointError"
        assert outcomes[f"{title.replace('.', ' ')}.pkl"]["error"] == "CheckpointError"


def test_the_payloads_are_live(tmp_path):
    """They would run if anything unpickled them: otherwise the test above proves nothing."""
    marker = tmp_path / "marker"
    fired = []
    for title in ("os.system", "eval", "exec", "subprocess", "INST", "OBJ", "STACK_GLOBAL", "runpy", "partial"):
        path = tmp_path / "payload.pkl"
        path.write_bytes(b"\x80\x02" + payloads(marker)[title] + b".")
        code = f"import pickle; pickle.load(open({str(path)!r}, 'rb'))"
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
        if not marker.exists() and title == "subprocess":  # it does not wait for its child
            subprocess.run(["sleep", "0.3"], check=True)
        if marker.exists():
            fired.append(title)
            marker.unlink()
    assert len(fired) >= 8


def test_good_files_load_and_all_others_are_refused_with_a_sentence(corpus):
    outcomes, good, folder = corpus
    assert {name for name, o in outcomes.items() if "loaded" in o} == set(good)
    for name, outcome in outcomes.items():
        if "loaded" not in outcome:
            assert outcome["error"] == "CheckpointError", outcome
            assert len(outcome["sentence"]) <= 200, outcome
            assert outcome["sentence"].endswith("."), outcome
            assert str(folder) not in outcome["sentence"], outcome
            assert "\n" not in outcome["sentence"], name


def test_no_file_takes_long_or_much_memory(corpus):
    outcomes, _, _ = corpus
    assert max(o["processor_seconds"] for o in outcomes.values()) < 10  # the same on a busy machine
    assert max(o["seconds"] for o in outcomes.values()) < 60
    assert sum(o["rise_mb"] for o in outcomes.values()) < 1000


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("os system.pt", r"asks for os\.system.*nothing of it was run"),
        ("missing.pt", r"conv1\.activate\.bias is missing"),
        ("unknown.pt", r"convs\.0\.conv\.extra is unknown"),
        ("misshapen.pt", r"to_rgb1\.bias is \[1, 4, 1, 1\], not \[1, 3, 1, 1\]"),
        ("int8.pt", r"convs\.0\.conv\.weight has type torch\.int8"),
        ("nan.pt", r"convs\.0\.conv\.weight holds values that are not finite"),
        ("missing.pkl", r"convs\.0\.activate\.bias is missing"),
        ("conditional.pkl", r"conditional network \(c_dim > 0\)"),
        ("tensorflow.pkl", "is a TensorFlow pickle; legacy.py"),
        ("pointer.pt", "Git-LFS pointer"),
        ("deflated.pt", "compressed members"),
        ("cut.pt", "is cut short"),
        ("0 stride.pt", "holds a tensor of 32 numbers in 9216 stored ones"),
        ("all pickle.pkl", "more objects than any checkpoint has"),
        ("members.pt", "more members than any checkpoint has"),
        ("sparse 5 GB.safetensors", "larger than 512 MiB"),
        ("largest network.safetensors", "input is missing"),
        ("mapping nowhere.safetensors", "needs its mapping network"),
    ],
)
def test_sentences_say_what_is_wrong(corpus, name, sentence):
    outcomes, _, _ = corpus
    assert re.search(sentence, outcomes[name]["sentence"]), outcomes[name]


def test_good_files_of_every_age_give_the_same_generator(tmp_path):
    generator = make_generator(TINY["stylegan2"])
    for name, data in hostile_files.good_files(generator.state_dict()).items():
        (tmp_path / name).write_bytes(data)
        assert same(convert.read_generator(tmp_path / name), generator), name


def test_flipped_bytes_never_surprise(tmp_path):
    """Seeded damage to pickles: a file loads, or is refused with a sentence."""
    state = make_generator(TINY["stylegan2"]).state_dict()
    write_nvlabs(tmp_path / "g.pkl", to_nvlabs(state))
    members = torch_members({"g_ema": state})
    whole = {"pkl": (tmp_path / "g.pkl").read_bytes(), "pt": members["data.pkl"]}
    rng, sentences = np.random.default_rng(0), []
    for k in range(400):
        kind = ("pkl", "pt")[k % 2]
        data = bytearray(whole[kind])
        for _ in range(int(rng.integers(1, 4))):
            data[int(rng.integers(len(data) if kind == "pt" else 3000))] = int(rng.integers(256))
        if kind == "pkl":
            (tmp_path / "x").write_bytes(data)
        else:
            write_zip(tmp_path / "x", {**members, "data.pkl": bytes(data)})
        try:
            convert.read_foreign(tmp_path / "x")
        except CheckpointError as error:
            sentences.append(str(error))
    assert len(sentences) > 200
    assert max(map(len, sentences)) <= 200


@pytest.mark.network
@pytest.mark.slow
def test_the_networks_of_random_face_are_read(tmp_path):
    from ganji.data import faces

    folder = faces.teacher_folder(tmp_path)
    config = convert.convert(folder, tmp_path / "face.safetensors")
    assert (config.family, config.img_resolution, config.num_ws) == ("mobile", 1024, 23)
    assert same(weights.read_generator(tmp_path / "face.safetensors"), faces.load_teacher(folder))


def test_tensors_are_measured_before_they_are_read():
    storage = pickles.Storage(torch.float32, 1 << 28, lambda: pytest.fail("it was read"))
    whole = pickles.LazyTensor(storage, 0, (1 << 28,), (1,))
    with pytest.raises(pickles.Refused, match="MiB of weights"):
        pickles.load_all({"a": whole})
    part = pickles.LazyTensor(storage, 0, (1 << 20,), (1,))
    with pytest.raises(pickles.Refused, match="MiB of weights"):
        pickles.load_all({str(k): part for k in range(600)})
