"""Codebooks: what a code draws, codes for wishes, and their file."""

import numpy as np
import pytest
import torch

from ganji import latents
from ganji.codebook import Codebook
from ganji.data import codebook_design
from ganji.errors import CheckpointError, InputError
from ganji.formats import native
from tests.helpers import TINY, make_generator


@pytest.fixture(scope="module")
def statistics():
    generator = make_generator(TINY["mobile"])
    return latents.w_statistics(generator, num_samples=2000), latents.w_from_seeds(generator, range(3000))


@pytest.fixture(scope="module")
def book(statistics, monkeypatch_module):
    monkeypatch_module.setattr(codebook_design, "LEADING", 20)
    rng = np.random.default_rng(0)
    places = rng.standard_normal((7, 3)), rng.standard_normal((5, 3))
    distances = [np.linalg.norm(p[:, None] - p[None], axis=2) for p in places]
    eyes, mouths = [f"e{k}" for k in range(7)], [f"m{k}" for k in range(5)]
    plain = codebook_design.design_codebook(statistics[0], eyes, mouths, *distances)
    pairs = torch.ones(4, 7, 5, dtype=torch.uint8)
    pairs[:, 0, 0], pairs[:, 1, 1] = 0, 2
    return Codebook(plain.mean, plain.groups, pairs)


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def test_code_of_a_wish_draws_it(book):
    for set_name in book.group("set").labels:
        for colour in book.group("colour").labels:
            w = book.code({"set": set_name, "colour": colour, "eyes": "e3", "mouth": "m2"})
            assert book.read(w) == [{"set": set_name, "colour": colour, "eyes": "e3", "mouth": "m2"}]


def test_average_code_draws_the_plain_style(book):
    chosen = book.read(book.mean[None])[0]
    assert (chosen["set"], chosen["colour"]) == ("noto", "yellow")


def test_moving_towards_the_centre_never_changes_the_choice(book, statistics):
    w = statistics[1]
    chosen, centres = book.choose(w), book.centres(w)
    assert all(torch.equal(chosen[name], value) for name, value in book.choose(centres).items())
    for psi in (0.2, 0.7):
        moved = book.choose(latents.truncate(w, centres, psi))
        for name in ("set", "colour"):
            assert torch.equal(moved[name], chosen[name])
        same = (moved["eyes"] == chosen["eyes"]) & (moved["mouth"] == chosen["mouth"])
        assert float(same.float().mean()) > 0.97  # exact but where a nearest pair was not allowed


def test_pairs_that_touch_are_never_chosen_and_held_out_ones_only_outside_training(book, statistics):
    w = statistics[1]
    free, trained = book.choose(w), book.choose(w, trained_only=True)
    pair = free["eyes"] * 10 + free["mouth"]
    assert 0 not in pair
    assert 11 in pair
    assert 11 not in trained["eyes"] * 10 + trained["mouth"]


def test_groups_are_independent_and_of_unit_variance(book, statistics):
    offsets = statistics[1] - book.mean
    u = torch.cat([offsets @ group.axes for group in book.groups], dim=1)
    assert torch.allclose(torch.cov(u.t()), torch.eye(u.shape[1]), atol=0.15)
    for group in book.groups:
        assert torch.allclose(group.lift @ group.axes, torch.eye(group.axes.shape[1]), atol=1e-3)


def test_centres_of_some_groups_leave_the_others_at_the_mean(book, statistics):
    centres = book.centres(statistics[1][:50], ("set",))
    assert {c["colour"] for c in book.read(centres)} == {"yellow"}


def test_similar_parts_lie_side_by_side():
    x = np.linspace(0, 5, 12)
    points = codebook_design.sphere_points(np.abs(x[:, None] - x[None]), dims=3, radius=2.0, steps=500)
    assert np.allclose(np.linalg.norm(points, axis=1), 2.0)
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert gaps[~np.eye(12, dtype=bool)].min() > 0.5
    neighbours = np.mean([gaps[k, k + 1] for k in range(11)])
    assert neighbours < 0.85 * gaps[~np.eye(12, dtype=bool)].mean()  # twelve points evenly on a sphere allow 0.74


def test_file_round_trip_and_damage(book, tmp_path):
    tensors, header = book.to_tensors()
    path = tmp_path / "codebook.safetensors"
    native.write(path, tensors, header)
    again = Codebook.from_file(native.read(path, "codebook"))
    assert [g.labels for g in again.groups] == [g.labels for g in book.groups]
    assert torch.equal(again.groups[2].points, book.groups[2].points)
    assert torch.equal(again.pairs, book.pairs)
    for missing in ("mean", "set.axes"):
        native.write(path, {k: v for k, v in tensors.items() if k != missing}, header)
        with pytest.raises(CheckpointError):
            Codebook.from_file(native.read(path, "codebook"))


def test_a_codebook_goes_to_a_device_as_a_whole(book):
    """Studio sends it where the generators are; "meta" stands in for a GPU, and any tensor left behind would be an error."""
    moved = book.to("meta")
    w = torch.zeros(2, len(book.mean), device="meta")
    assert (
        moved.settled(w, ("set", "eyes", "mouth"), sets=torch.zeros(2, dtype=torch.long, device="meta")).device
        == w.device
    )
    assert moved.centres(w).device == moved.code({"set": "noto"}).device == w.device


def test_unknown_wishes(book):
    with pytest.raises(InputError, match="noto"):
        book.code({"set": "joypixels"})
    with pytest.raises(InputError, match="no choice of hat"):
        book.code({"hat": "x"})
