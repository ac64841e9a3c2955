"""Codes settle: clear of every border of their own class, by a short way, and nothing else of the expression changes."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from ganji import latents
from ganji.data.expressions import Expressions
from ganji.data.matching import default_rules
from ganji.errors import CheckpointError
from ganji.expression_map import ExpressionMap, Perceptron, class_of, with_mean_eye
from ganji.formats import native

from .helpers import TINY, make_generator

NAMES = tuple(field.name for field in fields(Expressions))
MEANS = {"gap": 0.1, "width": 0.92, "lift": 0.05, "left_eye": 0.31, "right_eye": 0.31}
SPREADS = {"gap": 0.09, "width": 0.12, "lift": 0.056, "left_eye": 0.07, "right_eye": 0.07}
MARGINS = {"gap": 0.025, "lift": 0.02, "width": 0.04, "eye": 0.03}
W_DIM = TINY["mobile"].w_dim


@pytest.fixture(scope="module")
def statistics():
    return latents.w_statistics(make_generator(TINY["mobile"]), num_samples=2000)


@pytest.fixture(scope="module")
def codes():
    return latents.w_from_seeds(make_generator(TINY["mobile"]), range(300))


@pytest.fixture(scope="module")
def known(codes):
    """A perceptron of random weights whose outputs have the means and deviations of real measures."""
    network = Perceptron((W_DIM, 40, len(NAMES)), torch.Generator().manual_seed(0))
    network.standardise(codes, network(codes).detach())
    outputs = network.layers((codes - network.input_mean) / network.input_std).detach()
    last = network.layers[-1]
    with torch.no_grad():
        last.weight /= outputs.std(dim=0)[:, None]
        last.bias.copy_((last.bias - outputs.mean(dim=0)) / outputs.std(dim=0))
    network.output_mean.copy_(torch.tensor([MEANS.get(name, 0.0) for name in NAMES]))
    network.output_std.copy_(torch.tensor([SPREADS.get(name, 1.0) for name in NAMES]))
    return ExpressionMap(NAMES, network.eval().requires_grad_(False), default_rules().classes, MARGINS)


def test_a_settled_code_keeps_its_classes_and_stands_clear_of_borders(known, codes, statistics):
    settled = known.settle(codes, statistics)
    classes = [known.classify(measures) for measures in known.measures(codes)]
    assert len({c["mouth"] for c in classes}) >= 5, "the codes do not say much"
    near = 0
    for measures, own in zip(known.measures(settled), classes):
        assert known.classify(measures) == own
        for name, margin in known.margins.items():  # an independent look: step half a margin both ways
            for step in (-0.45 * margin, 0.45 * margin):
                values = with_mean_eye(measures)
                values[name] += step
                near += any(class_of(rules, values) != own[slot] for slot, rules in known.rules.items())
    before = 0
    for measures, own in zip(known.measures(codes), classes):
        for name, margin in known.margins.items():
            for step in (-0.45 * margin, 0.45 * margin):
                values = with_mean_eye(measures)
                values[name] += step
                before += any(class_of(rules, values) != own[slot] for slot, rules in known.rules.items())
    assert before > 100
    assert near < before / 10  # classes narrower than two margins keep to their middle


def test_what_no_border_is_near_to_stays_as_it_is(known, codes, statistics):
    settled = known.settle(codes, statistics)
    targets = [known.target(measures) for measures in known.measures(codes)]
    for before, after, target, measures in zip(codes, settled, targets, known.measures(codes)):
        if target == measures:
            assert torch.equal(before, after)
    moved = (settled != codes).any(dim=1)
    assert 0.2 < float(moved.float().mean()) < 0.95
    free = [name for name in NAMES if name not in ("gap", "width", "lift", "left_eye", "right_eye")]
    for before, after in zip(known.measures(codes), known.measures(settled)):
        for name in free:
            assert abs(before[name] - after[name]) < 0.05 * SPREADS.get(name, 1.0)


def test_the_way_is_the_shortest_for_a_linear_map(codes, statistics):
    """For a linear map the shortest way has a closed form: the pseudo-inverse in whitened space."""
    network = Perceptron((W_DIM, len(NAMES)), torch.Generator().manual_seed(1))
    network.standardise(codes, network(codes).detach())
    linear = ExpressionMap(NAMES, network.eval().requires_grad_(False), default_rules().classes, MARGINS)
    jacobian = network.output_std[:, None] * network.layers[0].weight / network.input_std
    wanted = network(codes[:20]) + 0.1 * network.output_std
    moved = linear._moved(codes[:20], wanted, statistics.to_w)
    rows = (jacobian @ statistics.to_w.t()).double()
    expected = (0.1 * network.output_std).double() @ torch.linalg.pinv(rows).t() @ statistics.to_w.double()
    scale = float(expected.abs().max())
    assert float(((moved - codes[:20]).double() - expected).abs().max()) < 0.02 * scale


def test_batches_do_not_matter(known, codes, statistics):
    together = known.settle(codes[:40], statistics)
    single = torch.cat([known.settle(code[None], statistics) for code in codes[:40]])
    torch.testing.assert_close(together, single, atol=1e-4, rtol=1e-4)


def test_settling_twice_changes_little(known, codes, statistics):
    once = known.settle(codes, statistics)
    again = known.settle(once, statistics)
    assert float((again - once).norm(dim=1).mean()) < 0.1 * float((once - codes).norm(dim=1).mean())


def test_gradients_are_those_of_finite_differences(known, codes):
    value, jacobian = known._linearised(codes[:2])
    step = 1e-3 * torch.nn.functional.one_hot(torch.tensor(5), W_DIM)
    with torch.no_grad():
        slope = (known.network(codes[:2] + step) - known.network(codes[:2] - step)) / 2e-3
    np.testing.assert_allclose(jacobian[:, :, 5], slope, atol=2e-2 * float(jacobian.abs().max()))
    torch.testing.assert_close(value, known.network(codes[:2]))


def test_file_round_trip_and_damage(known, codes, statistics, tmp_path):
    path = tmp_path / "map.safetensors"
    tensors, header = known.to_tensors()
    native.write(path, tensors, header)
    again = ExpressionMap.from_file(native.read(path, "expression-map"))
    assert torch.equal(again.settle(codes[:30], statistics), known.settle(codes[:30], statistics))
    for damaged in (
        ({k: v for k, v in tensors.items() if k != "input_std"}, header),
        ({**tensors, "layers.0.weight": torch.zeros(3, 3)}, header),
        (tensors, {**header, "measures": ["gap"]}),
        (tensors, {**header, "rules": {"mouth": [{"name": "x", "when": {"hat": [1, 2]}}]}}),
        (tensors, {**header, "rules": {"mouth": []}}),
        (tensors, {**header, "margins": {"hat": 1}}),
        (tensors, {**header, "margins": "wide"}),
    ):
        native.write(path, *damaged)
        with pytest.raises(CheckpointError, match="expression map"):
            ExpressionMap.from_file(native.read(path, "expression-map"))
