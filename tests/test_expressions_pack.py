"""Where a code stands along named directions, and what brings it to an expression."""

import pytest
import torch

from ganji import latents
from ganji.errors import InputError
from ganji.expressions_pack import EXPRESSIONS, NAMED, OWN, Expression, NamedAxes
from ganji.factorize import MAX_STRENGTH, Direction, Directions, move
from tests.helpers import TINY, make_generator

NEEDED = {"own", "neutral", "smile", "laugh", "surprised", "sad", "eyes closed", "looking left", "looking right"}


@pytest.fixture(scope="module")
def generator():
    return make_generator(TINY["mobile"], 1)


@pytest.fixture(scope="module")
def directions(generator):
    rng = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(6, generator.config.w_dim, generator=rng))
    names = ("coarse 1", *NAMED, "fine 1")
    return Directions(
        tuple(Direction(n, v, (0, 3), unit=0.2 + 0.1 * k) for k, (n, v) in enumerate(zip(names, vectors)))
    )


@pytest.fixture(scope="module")
def axes(generator, directions):
    return NamedAxes.of(directions, latents.w_statistics(generator, num_samples=2000))


def code(generator, seed):
    w = latents.w_from_seeds(generator, [seed])
    return latents.to_w_plus(w, generator.config.num_ws)


def test_the_table_names_what_a_pack_must_show():
    assert {one.label for one in EXPRESSIONS} == NEEDED
    assert EXPRESSIONS[0] == Expression(OWN, {})
    assert all(set(one.levels) <= set(NAMED) for one in EXPRESSIONS)
    assert len({tuple(sorted(one.levels.items())) for one in EXPRESSIONS}) == len(EXPRESSIONS)


def test_what_a_slider_moves_is_read_again(generator, directions, axes):
    w_plus = code(generator, 5)
    before = axes.read(w_plus)
    after = axes.read(move(w_plus, directions, [0.0, 3.0, 0.0, -2.0, 1.0]))
    assert (after - before).tolist() == pytest.approx([3.0, 0.0, -2.0, 1.0], abs=1e-3)


def test_the_spread_is_that_of_codes(generator, axes):
    stands = torch.stack([axes.read(code(generator, seed)) for seed in range(400)])
    assert stands.mean(dim=0).abs().max() < 0.3 * axes.spread.max()
    assert (stands.std(dim=0) / axes.spread).tolist() == pytest.approx([1.0] * len(NAMED), abs=0.15)


@pytest.mark.parametrize("seed", [1, 2])
def test_any_code_is_brought_to_the_same_place(generator, directions, axes, seed):
    w_plus, own = code(generator, seed), (0.5, 1.0, -1.0)
    wanted = Expression("test", {NAMED[0]: 0.6, NAMED[2]: -0.4})
    strengths = axes.strengths(wanted, w_plus, own)
    stand = (axes.read(move(w_plus, directions, strengths)) / axes.spread).tolist()
    assert stand[0] == pytest.approx(0.6, abs=0.01)
    assert stand[2] == pytest.approx(-0.4, abs=0.01)
    assert strengths[0] == 0.5, "a slider without a name"
    assert strengths[2] == -1.0, "a name that the expression leaves out"
    assert axes.strengths(Expression(OWN, {}), w_plus, own)[:3] == own


def test_strengths_stay_on_the_slider(generator, axes):
    far = axes.strengths(Expression("test", dict.fromkeys(NAMED, 1000.0)), code(generator, 1))
    assert set(far) == {0.0, MAX_STRENGTH}


def test_a_missing_direction_is_named(generator, directions):
    bare = Directions(tuple(item for item in directions.items if item.name != NAMED[1]))
    with pytest.raises(InputError, match=NAMED[1]):
        NamedAxes.of(bare, latents.w_statistics(generator, num_samples=200))
