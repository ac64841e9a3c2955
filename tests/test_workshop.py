"""Files made of recipes on tiny generators: every one is opened again."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from ganji import stickers
from ganji.errors import InputError
from ganji.recipe import PhotoCode, Recipe
from ganji.workshop import FACE, File, PackFiles, Step, Workshop, stem
from tests.tiny_studio import tiny_studio


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    return tiny_studio(tmp_path_factory.mktemp("studio"), "mobile")


@pytest.fixture(scope="module")
def workshop(studio):
    return Workshop(studio)


def opened(data):
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def steps_of(items):
    """Whether a job's steps count up to its total; the result that ends it."""
    *steps, done = items
    assert all(isinstance(step, Step) for step in steps)
    assert [step.done for step in steps] == sorted({step.done for step in steps})
    assert {step.total for step in steps} == {steps[-1].total}
    assert steps[-1].done <= steps[-1].total
    return done


def test_a_sticker_has_its_platforms_name_and_size(workshop):
    file = workshop.still(Recipe("emoji", seed=3), "telegram")
    assert file.name == "ganji-emoji-3-telegram.webp"
    assert opened(file.data).size == (512, 512)
    with pytest.raises(InputError):
        workshop.still(Recipe("emoji", seed=3), "myspace")


def test_a_photos_files_do_not_say_whose(workshop, studio):
    config = studio.face.config
    code = PhotoCode(np.zeros((config.num_ws, config.w_dim), np.float32))
    recipe = studio.emojified(code=code)
    file = workshop.still(recipe, "slack", code)
    assert file.name == "ganji-emojified-photo-slack.png"
    assert recipe.photo.encode() not in file.data
    assert opened(file.data).info == {}
    with pytest.raises(InputError, match="photo"):
        workshop.still(recipe, "slack")


def test_what_can_move_depends_on_the_picture(workshop, studio):
    count = len(studio.directions["emoji"])
    assert workshop.movements(Recipe("emoji", seed=1)) == tuple(map(str, range(count)))
    assert workshop.movements(studio.emojified(seed=1))[0] == FACE
    assert workshop.movements(studio.face_recipe(seed=1)) == ()
    for recipe, movement in (
        (Recipe("emoji", seed=1), FACE),
        (Recipe("emoji", seed=1), "99"),
        (studio.face_recipe(seed=1), "0"),
    ):
        with pytest.raises(InputError):
            list(workshop.frames(recipe, movement))


def test_a_movement_is_an_endless_animation(workshop, studio):
    frames, holds = steps_of(workshop.frames(studio.emojified(seed=1), FACE))
    assert len(frames) == len(holds)
    assert {frame.mode for frame in frames} == {"RGBA"}
    for kind, name in (("gif", "me-animated.gif"), ("apng", "me-animated.png"), ("webp", "me-animated.webp"), ("whatsapp", "me-whatsapp-animated.webp")):  # fmt: skip
        file = workshop.animated(frames, holds, "me", kind)
        picture = opened(file.data)
        assert (file.name, picture.is_animated, picture.info["loop"]) == (name, True, 0)


def test_everything_is_one_zip_with_credits(workshop, studio):
    done = steps_of(workshop.everything(studio.emojified(seed=2), movements=[FACE]))
    assert isinstance(done, File)
    assert done.name == "ganji-emojified-2-stickers.zip"
    with zipfile.ZipFile(io.BytesIO(done.data)) as archive:
        names = archive.namelist()
        assert {
            one.name for one in stickers.PLATFORMS.values() if f"ganji-emojified-2-{one.name}{one.suffix}" in names
        } == set(stickers.PLATFORMS)
        for ending in ("animated.gif", "animated.png", "animated.webp", "slack-animated.gif"):
            assert f"ganji-emojified-2-face-to-emoji-{ending}" in names, names
        credits = archive.read("CREDITS.txt").decode()
        for name in names:
            if name != "CREDITS.txt":
                assert "kind" not in str(opened(archive.read(name)).info)
    for word in ("Noto", "Fluent", "Twemoji", "CC BY 4.0", "FFHQ", "CC0-1.0"):
        assert word in credits
    assert max(map(len, credits.splitlines())) <= 100


def test_everything_moves_the_first_slider_and_a_face_as_well(workshop, studio):
    totals = {kind: next(workshop.everything(recipe)).total for kind, recipe in (
        ("emoji", Recipe("emoji", seed=1)), ("emojified", studio.emojified(seed=1)), ("face", studio.face_recipe(seed=1))
    )}  # fmt: skip
    assert totals == {"emoji": 9, "emojified": 17, "face": 1}


def test_a_pack_is_a_zip_a_sheet_and_an_animation(workshop):
    members = list(workshop.pack(Recipe("emoji", seed=4)))
    done = steps_of(workshop.pack_files(members))
    assert isinstance(done, PackFiles)
    assert opened(done.sheet.data).width > 400
    assert opened(done.animation.data).n_frames > len(members)
    with zipfile.ZipFile(io.BytesIO(done.zip.data)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
    for label in ("neutral", "eyes-closed", "looking-left"):
        assert any(name.endswith(f"-{label}-whatsapp.webp") for name in names), names


def test_names_are_short_and_plain():
    assert stem(Recipe("emoji", seed=2**32 - 1)) == "ganji-emoji-4294967295"
    assert stem(Recipe("emojified", photo="0123456789abcdef")) == "ganji-emojified-photo"
