"""Pieces of the page that need no browser: markup, visits, recipes from files and addresses."""

import copy
import json
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from ganji import validate
from ganji.errors import InputError
from ganji.png_recipe import embed
from ganji.recipe import PhotoCode, Recipe, to_json
from ganji.ui import parts
from ganji.ui.page import _recipe_text
from ganji.ui.recipe_panel import read_file
from ganji.ui.shell import picked, picked_number
from ganji.ui.sticker_panel import size_of
from ganji.ui.visit import MAX_MADE, Visit
from ganji.workshop import File

EVIL = "<script>alert(1)</script>\"' onerror=x"


class Tags(HTMLParser):
    """Tag names and attributes of some markup."""

    def __init__(self, markup):
        super().__init__()
        self.seen = []
        self.feed(markup)

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))


@pytest.mark.parametrize(
    "markup",
    [
        parts.image("data:,", EVIL),
        parts.tile(parts.Tile(EVIL, EVIL, colour=EVIL, is_named=True)),
        parts.tiles([parts.Tile(EVIL, EVIL)], EVIL),
        parts.stage("data:,", EVIL, EVIL, EVIL),
        parts.panels([("data:,", EVIL), ("", EVIL)], EVIL),
        parts.progress(EVIL, 0.5),
        parts.message(EVIL, "problem"),
        parts.empty(EVIL),
        parts.fine_print(EVIL),
    ],
)
def test_texts_are_escaped(markup):
    tags = Tags(markup).seen
    assert tags
    assert "script" not in [tag for tag, _ in tags]
    assert not any("onerror" in attributes for _, attributes in tags)


def test_a_tile_says_what_it_is_and_whether_it_is_chosen():
    ((_, chosen), *_) = Tags(parts.tile(parts.Tile("7", "Seven", is_chosen=True))).seen
    assert (chosen["aria-label"], chosen["aria-pressed"], chosen["data-pick"]) == ("Seven", "true", "7")
    ((_, plain), *_) = Tags(parts.tile(parts.Tile("7", "Seven", is_named=True, is_chosen=None))).seen
    assert "aria-pressed" not in plain
    assert "aria-label" not in plain, "its text is its name"


@pytest.mark.parametrize(("share", "now"), [(0, "0"), (0.256, "26"), (7, "100"), (-1, "0")])
def test_a_bar_stays_within_its_ends(share, now):
    assert Tags(parts.progress("x", share)).seen[0][1]["aria-valuenow"] == now


def test_problems_interrupt_and_notes_wait():
    assert Tags(parts.message("x", "problem")).seen[0][1]["role"] == "alert"
    assert Tags(parts.message("x")).seen[0][1]["role"] == "status"
    assert parts.message("") == ""


def test_sizes_for_people():
    assert [size_of(File("x", b"." * n), "en") for n in (1499, 127_000, 1_500_000)] == ["1 KB", "127 KB", "1.5 MB"]


class Event:
    def __init__(self, pick):
        self.pick = pick


def test_choices_are_validated():
    assert picked(Event("set:noto")) == "set:noto"
    assert picked_number(Event("43")) == 43
    for bad in (None, 7, "x" * 41, "a\x00b"):
        with pytest.raises(InputError):
            picked(Event(bad))
    for bad in ("", "-1", "1.5", "4294967296", "٣٣٣x"):
        with pytest.raises(InputError):
            picked_number(Event(bad))


# a visit


def visit_with(*seeds):
    visit = Visit()
    for seed in seeds:
        visit.add(Recipe("emoji", seed=seed), f"thumbnail {seed}")
    return visit


def test_undo_and_redo_walk_along_what_was_made():
    visit = visit_with(1, 2, 3)
    assert visit.neighbour(1) is None
    before = visit.neighbour(-1)
    visit.choose(before.number)
    assert visit.current.recipe.seed == 2
    assert (visit.neighbour(-1).recipe.seed, visit.neighbour(1).recipe.seed) == (1, 3)
    visit.add(Recipe("emoji", seed=4), "")
    assert [made.recipe.seed for made in visit.made] == [1, 2, 3, 4], "nothing is lost by going on from the middle"
    assert (visit.neighbour(-1).recipe.seed, visit.neighbour(1)) == (2, None), "undo shows what it was made from"
    assert visit.choose(99) is None


def test_undo_after_a_look_at_the_history_shows_what_was_on_show_before():
    visit = visit_with(1, 2, 3)
    visit.choose(visit.made[0].number)
    assert (visit.neighbour(-1).recipe.seed, visit.neighbour(1)) == (3, None)
    visit.choose(visit.neighbour(-1).number)
    assert (visit.neighbour(-1).recipe.seed, visit.neighbour(1).recipe.seed) == (2, 1)
    for seed in range(10, 10 + 2 * MAX_MADE):
        visit.choose(visit.made[seed % 3].number)
        visit.add(Recipe("emoji", seed=seed), "")
    steps = 0
    while before := visit.neighbour(-1):
        visit.choose(before.number)
        steps += 1
    assert 0 < steps <= MAX_MADE, "what is forgotten is not gone back to"


def test_the_same_picture_twice_is_one():
    visit = visit_with(1, 1, 2, 1)
    assert [made.recipe.seed for made in visit.made] == [1, 2, 1]


def test_slider_moves_are_forgotten_first_and_codes_with_their_last_picture():
    visit = Visit()
    code = PhotoCode(np.zeros((2, 3), np.float32))
    photo = Recipe("emojified", photo=code.digest)
    visit.add(photo, "", code)
    for k in range(5):
        visit.add(Recipe("emoji", seed=1, strengths=(1.0 + k,)), "")
    for seed in range(MAX_MADE - 1):
        visit.add(Recipe("emoji", seed=seed), "")
    assert len(visit.made) == MAX_MADE
    assert not any(made.recipe.strengths for made in visit.made)
    assert visit.code_of(photo) is code
    visit.add(Recipe("emoji", seed=1000), "")
    assert visit.made[0].recipe.seed == 0, "the oldest has gone, which was the photo's"
    assert visit.code_of(photo) is None


def test_every_session_starts_afresh():
    visit = visit_with(1)
    assert copy.deepcopy(visit).made == ()
    assert len(visit.made) == 1


# recipes from outside


def test_a_recipe_is_read_from_both_kinds_of_files(tmp_path):
    recipe = Recipe("emoji", seed=7, strengths=(0.5,))
    picture = tmp_path / "a.png"
    picture.write_bytes(embed(Image.new("RGB", (8, 8)), recipe))
    assert read_file(picture) == (recipe, None)
    code = PhotoCode(np.ones((2, 3), np.float32))
    photo = Recipe("emojified", photo=code.digest)
    sheet = tmp_path / "a.json"
    sheet.write_text(to_json(photo, code))
    read, read_code = read_file(str(sheet))
    assert read == photo
    assert (read_code.w_plus == code.w_plus).all()


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"{}", json.dumps({"ganji": 2, "recipe": "x"}).encode(), b"\xff" * 100],
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_file(path)


def test_missing_and_huge_files_are_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no longer here"):
        read_file(tmp_path / "gone")
    monkeypatch.setattr(validate, "MAX_PHOTO_BYTES", 10)
    (tmp_path / "big").write_bytes(b"x" * 11)
    with pytest.raises(InputError, match="larger"):
        read_file(tmp_path / "big")


class Request:
    def __init__(self, params):
        self.query_params = params


def test_the_address_is_a_recipe_only_if_it_names_a_kind():
    assert _recipe_text(Request({"kind": "emoji", "seed": "7", "__theme": "dark"})) == "kind=emoji&seed=7"
    assert _recipe_text(Request({"utm_source": "x"})) == ""
    assert _recipe_text(Request({})) == ""
    assert _recipe_text(None) == ""
