"""Named directions: against a world in which the answer is known, and what their sliders do to a regression of its own."""

import json

import numpy as np
import pytest
import torch

from ganji import latents
from ganji.data.direction_measures import load_measures
from ganji.errors import InputError
from ganji.named_directions import named_directions
from ganji.training.pictures import write_codes, write_index

from .helpers import TINY, make_generator


@pytest.fixture(scope="module")
def world():
    """(statistics, w [4000, 32], v whitened)."""
    generator = make_generator(TINY["mobile"])
    statistics = latents.w_statistics(generator, num_samples=4000)
    w = latents.w_from_seeds(generator, range(4000))
    return statistics, w, statistics.whiten(w)


def test_a_linear_measure_is_found_with_its_sign(world):
    statistics, w, v = world
    values = (3 * v[:, 2] - 4 * v[:, 5]).numpy() + 0.5
    (found,) = named_directions(w, {"thing": values}, statistics, (0, 3))
    wanted = 3 * statistics.to_w[2] - 4 * statistics.to_w[5]
    assert float(torch.cosine_similarity(found.vector, wanted, dim=0)) > 0.999
    assert float(found.vector.norm()) == pytest.approx(1, abs=1e-5)
    assert found.value > 0.99
    assert found.rows == (0, 3)


def test_noise_has_no_held_out_r2(world):
    statistics, w, _ = world
    noise = np.random.default_rng(0).standard_normal(len(w))
    (found,) = named_directions(w, {"noise": noise}, statistics, (0, 3))
    assert abs(found.value) < 0.1


def test_a_slider_leaves_the_other_measures_alone(world):
    statistics, w, v = world
    first, second = v[:, 0], 0.5 * v[:, 0] + v[:, 1]
    one, two = named_directions(w, {"one": first.numpy(), "two": second.numpy()}, statistics, (0, 3))
    moved = (statistics.whiten(statistics.mean + one.vector), statistics.whiten(statistics.mean + two.vector))
    change = [(float(x[0]), float(0.5 * x[0] + x[1])) for x in moved]
    assert abs(change[0][1]) < 0.02 * abs(change[0][0])
    assert abs(change[1][0]) < 0.02 * abs(change[1][1])
    assert change[0][0] > 0
    assert change[1][1] > 0


def test_measures_that_are_the_same_stay_themselves(world):
    """Orthogonal parts of two nearly equal directions would be noise: they are kept as they are."""
    statistics, w, v = world
    close = (v[:, 0] + 0.05 * v[:, 1]).numpy()
    one, two = named_directions(w, {"one": v[:, 0].numpy(), "two": close}, statistics, (0, 3))
    assert float(torch.dot(one.vector, two.vector)) > 0.9


def test_too_few_and_constant(world):
    statistics, w, v = world
    values = v[:, 0].numpy().copy()
    values[400:] = np.nan
    with pytest.raises(InputError, match="400 codes"):
        named_directions(w, {"few": values}, statistics, (0, 3))
    with pytest.raises(InputError, match="never varies"):
        named_directions(w, {"flat": np.ones(len(w))}, statistics, (0, 3))


def test_measures_of_folders(tmp_path):
    entries = [{"file": f"{k}.png", "eyes": "1f600", "mouth": m} for k, m in enumerate(("1f642", "1f62e", "2639"))]
    write_index(tmp_path, 64, entries, kind="drawings")
    write_codes(tmp_path, torch.zeros(3, 32))
    w, measures = load_measures(tmp_path)
    assert w.shape == (3, 32)
    assert measures["smile"].tolist() == [1, 0, 0]
    assert measures["mouth open"].tolist() == [0, 1, 0]
    assert measures["eyes open"].tolist() == [1, 1, 1]
    index = json.loads((tmp_path / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps(index | {"kind": "faces"}))
    with pytest.raises(InputError, match="expressions"):
        load_measures(tmp_path)
