"""Pairs and drawings: what a code stands for is what is drawn, and the codes lie where the codebook says."""

import json
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganji import latents
from ganji.codebook import FEATURE_GROUPS, STYLE_GROUPS, Codebook
from ganji.data import codebook_design, drawings, pairs
from ganji.data.compose import compose_svg, render
from ganji.data.expressions import Expressions
from ganji.data.matching import Rules
from ganji.data.part_builder import load_part_set
from ganji.latents import WStatistics
from ganji.training.pictures import PictureFolder, read_codes

from .test_expressions import PLAIN

DATA = Path(__file__).parent / "data"
SETS, COLOURS = ("noto", "twemoji"), ("yellow", "blue", "green")
EYES, MOUTHS = ("1f600", "1f60d"), ("1f642", "1f62e", "1f600")
W_DIM = 64


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return shutil.copytree(DATA / "emoji", tmp_path_factory.mktemp("emoji") / "cache")


@pytest.fixture
def small(monkeypatch):
    """The design's tables cut down to the glyphs of the tests."""
    monkeypatch.setattr(codebook_design, "SETS", SETS)
    monkeypatch.setattr(codebook_design, "COLOURS", COLOURS)
    monkeypatch.setattr(pairs, "default_rules", lambda: Rules(DATA / "rules.json"))


@pytest.fixture
def book(small, cache) -> Codebook:
    statistics = WStatistics(torch.zeros(W_DIM), torch.zeros(W_DIM), torch.eye(W_DIM), torch.eye(W_DIM), False)
    far = 1 - np.eye(3)
    designed = codebook_design.design_codebook(statistics, EYES, MOUTHS, far[:2, :2], far)
    part_sets = [load_part_set(cache, name) for name in SETS]
    states = [[[drawings._pair_state(one, e, m) for m in MOUTHS] for e in EYES] for one in part_sets]
    return Codebook(designed.mean, designed.groups, torch.tensor(states, dtype=torch.uint8))


def codes(count, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((count, W_DIM)).astype(np.float32))


def test_drawings_show_what_their_codes_choose(book, cache, tmp_path):
    w = codes(40)
    options = drawings.DrawingOptions(size=32, workers=1)
    assert sum(1 for _ in drawings.make_drawings(tmp_path / "d", w, book, cache, options)) == 40
    index = json.loads((tmp_path / "d" / "index.json").read_text())["images"]
    stored = read_codes(tmp_path / "d")
    by_code, by_style = book.choose(w, trained_only=True), book.choose(stored.fine)
    for k, entry in enumerate(index):
        for name in FEATURE_GROUPS:
            assert entry[name] == book.group(name).labels[int(by_code[name][k])]
        for name in STYLE_GROUPS:
            assert entry[name] == book.group(name).labels[int(by_style[name][k])]
    assert float((stored.fine - book.centres(stored.fine, STYLE_GROUPS)).norm(dim=1).lt(1e-5).float().mean()) > 0.3
    part_sets = {name: load_part_set(cache, name) for name in SETS}
    entry = index[7]
    drawn = render(compose_svg(part_sets[entry["set"]], entry["eyes"], entry["mouth"], entry["colour"]), 32)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "d" / entry["file"])), np.asarray(drawn))
    assert {e["set"] for e in index} == set(SETS)


@pytest.mark.parametrize("rows", ["coarse", "fine"])
def test_stored_codes_lie_between_the_choices_centre_and_the_code(book, cache, tmp_path, rows):
    w = codes(30, seed=1)
    list(drawings.make_drawings(tmp_path / "d", w, book, cache, drawings.DrawingOptions(size=16, workers=1)))
    chosen = book.choose(w, trained_only=True)
    centres = book.centres_of(chosen, FEATURE_GROUPS if rows == "coarse" else STYLE_GROUPS)
    stored = getattr(read_codes(tmp_path / "d"), rows)
    share = ((stored - centres) * (w - centres)).sum(1) / (w - centres).square().sum(1)
    torch.testing.assert_close(stored, centres + share[:, None] * (w - centres), atol=1e-5, rtol=0)
    assert -1e-6 <= float(share.min()) < 0.2
    assert 0.8 < float(share.max()) <= 1


def expressions(rows):
    return Expressions(
        **{
            f.name: np.array([PLAIN[f.name] if f.name not in r else r[f.name] for r in rows])
            for f in fields(Expressions)
        }
    )


def test_pairs_draw_the_faces_own_classes(book, cache, tmp_path):
    rows = [{}, {"gap": 0.2}, {"gap": 0.2, "width": 0.7}, {"left_eye": 0.6, "right_eye": 0.6}, {"gap": np.nan}]
    w_faces, measured = codes(5, seed=2), expressions(rows)
    options = pairs.PairOptions(60, size=32, balance=0.5, plain_codes=0.5, workers=1)
    done = list(
        pairs.make_pairs(
            tmp_path / "p", w_faces, measured, [10, 11, 12, 13, 14], book, codes(50, seed=3), cache, options
        )
    )
    assert done[-1].done == 60
    rules = Rules(DATA / "rules.json")
    folder = PictureFolder(tmp_path / "p")
    stored = folder.codes()
    labels = book.choose(stored.fine)
    seen = set()
    for k, entry in enumerate(folder.entries):
        face = entry["seed"] - 10
        seen.add(face)
        assert (entry["eyes"], entry["mouth"]) == rules.classify(measured.row(face))
        assert torch.equal(stored.coarse[k], w_faces[face])
        for name in ("set", "colour"):  # the style code says how it is drawn
            assert book.group(name).labels[int(labels[name][k])] == entry[name]
    assert seen == {0, 1, 2, 3}  # never the picture without a face
    plain = sum(
        any(torch.equal(fine, book.code({"set": s, "colour": c})[0]) for s in SETS for c in COLOURS)
        for fine in stored.fine
    )
    assert 15 < plain < 45


def test_balance_draws_rare_classes_more_often(book):
    rows = [{} for _ in range(90)] + [{"gap": 0.2, "width": 0.7}] * 10
    measured, index = expressions(rows), np.arange(100)
    rules = Rules(DATA / "rules.json")
    for balance, share in ((0.0, 0.1), (1.0, 0.5)):
        weights = pairs._weights(measured, index, rules, balance)
        assert weights.sum() == pytest.approx(1)
        assert weights[90:].sum() == pytest.approx(share)


def test_truncation_keeps_what_a_code_draws(book):
    w = codes(200, seed=4)
    chosen = book.choose(w)
    for psi in (0.0, 0.3, 0.7):
        again = book.choose(latents.truncate(w, book.centres(w), psi))
        for name in ("set", "colour"):
            assert torch.equal(again[name], chosen[name])
