"""Studio and Service on tiny generators of both families: the same recipe is the same picture, for everybody."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from ganji.errors import BusyError, InputError
from ganji.expressions_pack import EXPRESSIONS
from ganji.factorize import Directions
from ganji.recipe import PhotoCode, Recipe, from_json, from_text, to_json
from ganji.service import Service
from ganji.studio import BLENDS_KEPT
from tests.helpers import TINY
from tests.tiny_studio import tiny_studio


@pytest.fixture(scope="module", params=sorted(TINY))
def studio(request, tmp_path_factory):
    return tiny_studio(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def code(studio):
    config = studio.face.config
    w_plus = np.random.default_rng(4).standard_normal((config.num_ws, config.w_dim)).astype(np.float32)
    return PhotoCode(w_plus)


def pixels(painted):
    return painted.picture.tobytes()


def recipes(studio):
    """One of every kind, and more cuts than are kept."""
    sliders = (1.5, 0.0, -3.0)
    face = studio.emojified(seed=5)
    cuts = [studio.emojified(seed=5, num_face_layers=k, blend_strength=0.5) for k in range(BLENDS_KEPT + 2)]
    return [
        Recipe("emoji", seed=5),
        Recipe("emoji", seed=5, strengths=sliders),
        studio.face_recipe(seed=5),
        face,
        face.moved(sliders),
        replace(face, style="seed:9"),
        replace(face, style="face"),
        *cuts,
    ]


def test_a_grid_is_its_pictures_one_by_one(studio):
    grid = list(studio.generate(7, 3))
    assert [painted.recipe.seed for painted in grid] == [7, 8, 9]
    for painted in grid:
        (alone,) = studio.generate(painted.recipe.seed)
        assert pixels(alone) == pixels(painted)
    assert len({pixels(painted) for painted in grid}) == 3


@pytest.mark.parametrize(
    "values", [(-1,), (2**32,), (True,), (float("nan"),), (0, 0), (0, 21), (0, 1, -0.1), (0, 1, 1.01), (2**32 - 1, 2)]
)
def test_generate_refuses_what_is_out_of_range(studio, values):
    with pytest.raises(InputError):
        list(studio.generate(*values))


def test_every_kind_of_recipe_is_painted_again_from_its_text(studio):
    first = [studio.render(recipe) for recipe in recipes(studio)]
    again = [studio.render(from_text(painted.recipe.to_text())) for painted in reversed(first)]
    assert [pixels(p) for p in first] == [pixels(p) for p in reversed(again)]
    assert all(painted.recipe.weights == studio.weights_id for painted in first)


def test_choices_change_the_picture(studio):
    shown = [pixels(studio.render(recipe)) for recipe in recipes(studio)]
    plain, moved, _, face, face_moved, like, own_style, *cuts = shown
    assert plain != moved
    assert face != face_moved
    assert face == own_style, "without a codebook the face chooses"
    assert like != face
    assert len(set(cuts)) == len(cuts)


def test_threads_paint_the_same_bytes(studio):
    todo = recipes(studio)
    alone = [pixels(studio.render(recipe)) for recipe in todo]
    studio._blends.clear()
    order = [k for turn in range(3) for k in (range(len(todo)) if turn % 2 else reversed(range(len(todo))))]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda k: (k, pixels(studio.render(todo[k]))), order))
    assert [shown for _, shown in together] == [alone[k] for k, _ in together]
    assert len(studio._blends) <= BLENDS_KEPT


def test_a_photo_needs_its_own_code(studio, code):
    recipe = studio.emojified(code=code)
    painted = studio.render(recipe, code)
    read, read_code = from_json(to_json(painted.recipe, code))
    assert pixels(studio.render(read, read_code)) == pixels(painted)
    with pytest.raises(InputError, match="comes from a photo"):
        studio.render(recipe)
    with pytest.raises(InputError, match="not the one"):
        studio.render(recipe, PhotoCode(code.w_plus + 1))
    with pytest.raises(InputError, match="either"):
        studio.emojified()
    with pytest.raises(InputError, match="either"):
        studio.emojified(seed=1, code=code)


def test_a_mix_without_emoji_is_the_face_generator(studio):
    own = studio.emojified(seed=5, style="face")
    config = studio.face.config
    w_plus = torch.randn(1, config.num_ws, config.w_dim, generator=torch.Generator().manual_seed(1))
    ends = {0.0: studio.face, 1.0: studio.emoji_blend}
    for strength, generator in ends.items():
        mixed = studio._generator_of(replace(own, num_face_layers=0, blend_strength=strength))
        assert torch.equal(mixed.synthesis(w_plus), generator.synthesis(w_plus)), strength
    assert not torch.equal(studio.face.synthesis(w_plus), studio.emoji_blend.synthesis(w_plus))


def test_sliders_have_limits(studio):
    count = len(studio.directions["emoji"])
    with pytest.raises(InputError):
        studio.render(Recipe("emoji", seed=1, strengths=(0.0,) * count + (1.0,)))
    with pytest.raises(InputError):
        Recipe("emoji", seed=1, strengths=(10.5,))


def test_a_pack_starts_with_the_emoji_itself(studio, code):
    for recipe, own in (
        (Recipe("emoji", seed=5, strengths=(0.0,) * 5 + (2.0,)), None),
        (studio.emojified(code=code), code),
    ):
        found = studio.pack(recipe, own)
        assert [label for label, _ in found] == [one.label for one in EXPRESSIONS]
        assert found[0][1] == recipe
        assert len({pixels(studio.render(one, own)) for _, one in found}) == len(found)
        assert all(one.strengths[5:] == recipe.strengths[5:] for _, one in found)
    with pytest.raises(InputError, match="face"):
        studio.pack(studio.face_recipe(seed=1))


def test_random_emoji_without_named_sliders_get_the_pack_of_a_face_in_their_style(studio, monkeypatch):
    unnamed = {"emoji": Directions(()), "emojified": studio.directions["emojified"]}
    monkeypatch.setattr(studio, "directions", unnamed)
    recipe = Recipe("emoji", seed=5, truncation_psi=0.4)
    (label, own), *others = studio.pack(recipe)
    assert (label, own) == ("own", recipe)
    face = replace(studio.emojified(seed=5, truncation_psi=0.4), style=others[0][1].style)
    assert all(one.moved(()) == face for _, one in others)
    painted = studio.render(recipe).recipe
    if studio.codebook is not None:
        drawn = studio.codebook.read(studio._code_of(painted, studio.emoji, None)[:, -1])[0]
        assert face.style == f"{drawn['set']}-{drawn['colour']}"
    else:
        assert face.style == "default"


def test_without_named_sliders_there_is_no_pack(tmp_path):
    bare = tiny_studio(tmp_path, "mobile", named=False)
    with pytest.raises(InputError, match="no slider called 'smile'"):
        bare.pack(Recipe("emoji", seed=1))


# Service: the same, in turn with others


@pytest.fixture
def service(studio):
    return Service(lambda: studio)


def test_visitors_at_once_get_what_each_gets_alone(service, studio):
    alone = [pixels(painted) for painted in studio.generate(3, 4)]

    def visit(k):
        if k % 2:
            return [pixels(painted) for painted in service.generate(3, 4)]
        return [pixels(service.customize(seed, [])) for seed in range(3, 7)]

    with ThreadPoolExecutor(6) as pool:
        assert all(shown == alone for shown in pool.map(visit, range(6)))


def test_customize_and_emojify_say_what_they_were_asked(service, studio):
    moved = service.customize(4, [0, 2.5])
    assert moved.recipe == Recipe("emoji", seed=4, strengths=(0.0, 2.5), weights=studio.weights_id)
    face, emoji = service.emojify(4, 1, 0.5, "seed:3")
    assert (face.recipe.kind, emoji.recipe.kind, face.recipe.seed) == ("face", "emojified", 4)
    assert (emoji.recipe.num_face_layers, emoji.recipe.blend_strength, emoji.recipe.style) == (1, 0.5, "seed:3")
    for values in ((4, -1), (4, 1.5), (4, 0, 2), (4, 0, 1, "pirate"), (4, 0, 1, "seed:-1"), ("4",), (None,)):
        with pytest.raises(InputError):
            service.emojify(*values)


def test_directions_are_listed_by_kind(service, studio):
    listed = service.directions()
    assert [item["name"] for item in listed["emoji"]] == [d.name for d in studio.directions["emoji"].items]
    assert [item["index"] for item in listed["emojified"]] == list(range(len(studio.directions["emojified"])))


def test_nothing_new_starts_when_the_process_is_about_to_end(service):
    finished = threading.Thread(target=service.drain, args=(5,))
    finished.start()
    finished.join(5)
    assert not finished.is_alive()
    with pytest.raises(BusyError):
        list(service.generate(0, 1))
    with pytest.raises(BusyError):
        service.render(Recipe("emoji", seed=1))
