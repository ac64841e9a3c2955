"""Expressions read off a regression: nearer to the truth than the labels it was fitted to, and the same again."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from ganji import latents
from ganji.data import code_expressions as ce
from ganji.data.direction_measures import load_measures
from ganji.data.expressions import Expressions
from ganji.data.matching import default_rules
from ganji.errors import InputError
from ganji.training.pictures import read_codes, read_index

from .helpers import TINY, make_generator

QUICK = ce.RegressionOptions(members=2, steps=300)
W_DIM = TINY["mobile"].w_dim


def labelled(count=1500, noise=0.3, seed=0):
    """(w, what the faces show, labels of it with noise and some mistakes)."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((count, W_DIM)).astype(np.float32)
    names = [field.name for field in fields(Expressions)]
    mix = rng.standard_normal((W_DIM, len(names))) / W_DIM**0.5
    truth = np.tanh(w @ mix) * np.linspace(0.1, 30, len(names))  # measures have very different sizes
    labels = truth + noise * truth.std(axis=0) * rng.standard_normal(truth.shape)
    labels[::50] *= -3
    as_expressions = (Expressions(**dict(zip(names, table.T.copy()))) for table in (truth, labels))
    return torch.from_numpy(w), *as_expressions


def fitted(w, labels, options=QUICK):
    *_, regression = ce.fit(w, labels, options)
    return regression


def test_nearer_to_the_truth_than_its_labels():
    w, truth, labels = labelled()
    held_out = np.arange(len(w)) % 5 == 0
    regression = fitted(w[~held_out], labels.rows(~held_out))
    ours = ce.explained(truth.rows(held_out), regression.measures(w[held_out]))
    theirs = ce.explained(truth.rows(held_out), labels.rows(held_out))
    assert all(ours[name] > max(0.85, theirs[name]) for name in ours), (ours, theirs)


def test_explained_is_the_coefficient_of_determination():
    _, truth, labels = labelled(200)
    expected = 1 - np.square(truth.lift - labels.lift).sum() / np.square(truth.lift - truth.lift.mean()).sum()
    assert ce.explained(truth, labels)["lift"] == pytest.approx(expected)


def test_same_seed_same_regression_and_faces_not_found_do_not_matter():
    w, _, labels = labelled(400)
    few = ce.RegressionOptions(members=1, steps=20)
    first = fitted(w, labels, few).measures(w[:9])
    np.testing.assert_array_equal(first.gap, fitted(w, labels, few).measures(w[:9]).gap)
    missing = labels.rows(np.arange(401) % 400)
    for field in fields(Expressions):
        getattr(missing, field.name)[400] = np.nan
    again = fitted(torch.cat([w, torch.full((1, W_DIM), 1e6)]), missing, few).measures(w[:9])
    np.testing.assert_array_equal(first.gap, again.gap)


def test_too_few_faces():
    w, _, labels = labelled(99)
    with pytest.raises(InputError, match="99 measured faces are too few; at least 100"):
        fitted(w, labels)


def test_a_small_map_says_what_the_regression_says():
    w, _, labels = labelled(2000)
    regression = fitted(w, labels)
    fresh = torch.from_numpy(np.random.default_rng(5).standard_normal((6000, W_DIM)).astype(np.float32))
    *_, found = ce.distil(regression, fresh, default_rules(), ce.RegressionOptions(steps=1500))
    share = ce.explained(regression.measures(w), ce.from_table(found.network(w)))
    assert min(share.values()) > 0.95, share
    assert found.names == ce.MEASURES
    assert sum(p.numel() for p in found.network.parameters()) < sum(
        p.numel() for p in regression._networks[0].parameters()
    )


def a_map(w, labels):
    *_, found = ce.distil(
        fitted(w, labels, ce.RegressionOptions(members=1, steps=20)), w, default_rules(), ce.RegressionOptions(steps=20)
    )
    return found


def test_codes_with_expressions_are_a_folder_that_pairs_and_directions_read(tmp_path):
    tiny_generator = make_generator(TINY["mobile"])
    w, _, labels = labelled(300)
    found = a_map(w, labels)
    made = ce.make_codes(tiny_generator, found, tmp_path / "codes", range(500, 520), (0.5, 1.0), 0.0)
    entries = read_index(tmp_path / "codes")["images"]
    codes = read_codes(tmp_path / "codes").coarse
    w_avg = latents.w_statistics(tiny_generator).mean
    for entry, code in zip(entries, codes):
        whole = latents.w_from_seeds(tiny_generator, [entry["seed"]])[0]
        torch.testing.assert_close(code, w_avg + entry["truncation_psi"] * (whole - w_avg), atol=1e-3, rtol=1e-3)
    assert len({entry["truncation_psi"] for entry in entries}) > 10
    stored, measures = load_measures(tmp_path / "codes")
    assert torch.equal(stored, codes)
    assert all(len(values) == 20 for values in measures.values())
    np.testing.assert_allclose(Expressions.load(tmp_path / "codes" / "expressions.npz").gap, made.gap, rtol=1e-6)


def test_settled_codes_are_those_that_are_drawn(tmp_path):
    tiny_generator = make_generator(TINY["mobile"])
    w, _, labels = labelled(300)
    found = a_map(w, labels)
    for name, share in (("plain", 0.0), ("settled", 0.8)):
        ce.make_codes(tiny_generator, found, tmp_path / name, range(40), (1.0, 1.0), share)
    plain, settled = (read_codes(tmp_path / name).coarse for name in ("plain", "settled"))
    wanted = found.settle(plain, latents.w_statistics(tiny_generator), share=0.8)
    torch.testing.assert_close(settled, wanted, atol=2e-3, rtol=2e-3)
