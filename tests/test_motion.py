"""Movements as recipes: they begin and end where they should, stay within the sliders and come round smoothly."""

import numpy as np
import pytest

from ganji.errors import InputError
from ganji.motion import MORPH_HOLD, between, face_to_emoji, sweep
from ganji.recipe import Recipe

EMOJI = Recipe("emoji", seed=3, strengths=(0.0, 2.0, 0.0, -4.0))
FACE = Recipe("emojified", seed=3, num_face_layers=4, blend_strength=0.5, style="seed:2", strengths=(1.0,))


@pytest.mark.parametrize("index", [0, 1, 3, 5])
def test_a_sweep_swings_one_slider_and_leaves_the_others(index):
    frames = sweep(EMOJI, index)
    values = np.array([[*recipe.strengths, *[0.0] * 8][:8] for recipe in frames.recipes])
    still = np.delete(values, index, axis=1)
    assert (still == np.delete([*EMOJI.strengths, 0, 0, 0, 0], index)).all()
    path = values[list(frames.order), index]
    own = EMOJI.strengths[index] if index < 4 else 0.0
    assert path.max() - path.min() == pytest.approx(12, abs=1e-3)
    assert (path.max() + path.min()) / 2 == pytest.approx(own, abs=1e-3)
    steps = np.diff([*path, path[0]])
    assert np.abs(steps).max() < 2.5, "no jump, not even from the last frame to the first"
    assert len(frames.order) == len(frames.holds)


def test_a_sweep_near_the_end_of_a_slider_stays_on_it():
    values = [recipe.strengths[0] for recipe in sweep(Recipe("emoji", seed=1, strengths=(9.5,)), 0).recipes]
    assert max(values) == 10
    assert min(values) == -2


def test_a_face_becomes_its_emoji_and_goes_back():
    frames = face_to_emoji(FACE)
    assert frames.recipes[0] == Recipe("face", seed=3)
    assert frames.recipes[-1] == FACE
    shares = [recipe.blend_strength for recipe in frames.recipes[1:-1]]
    assert shares == sorted(set(shares))
    assert {recipe.style for recipe in frames.recipes[1:]} == {"seed:2"}
    assert frames.order[0] == 0
    assert frames.holds[0] == frames.holds[frames.order.index(len(frames.recipes) - 1)] == MORPH_HOLD
    photo = Recipe("emojified", photo="0123456789abcdef")
    assert face_to_emoji(photo).recipes[0] == Recipe("face", photo="0123456789abcdef")
    with pytest.raises(InputError, match="face"):
        face_to_emoji(EMOJI)


def test_steps_between_two_leave_both_out():
    steps = between(EMOJI, EMOJI.moved((4.0,)), 3)
    assert [recipe.strengths[0] for recipe in steps] == sorted(recipe.strengths[0] for recipe in steps)
    assert EMOJI not in steps
    assert steps[1].strengths == (2.0, 1.0, 0.0, -2.0), "half way in the middle"
    assert between(EMOJI, EMOJI, 2) == (EMOJI, EMOJI)
