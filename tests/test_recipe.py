"""Recipes: text and JSON make the same recipe again, exactly; anything else is refused whole, with one message."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganji import recipe as recipes
from ganji import validate
from ganji.errors import InputError
from ganji.recipe import PhotoCode, Recipe, from_json, from_text, to_json

ROOT = Path(__file__).parent.parent
DIGEST = "0123456789abcdef"
FULL = (
    "kind=emojified&seed=7&psi=0.65&move=1:2.5,4:-1&cut=3&strength=0.5&style=flat-yellow&weights=default.1a2b3c4d5e6f"
)

seeds = st.integers(0, 2**32 - 1)
digests = st.text("0123456789abcdef", min_size=16, max_size=16)
sliders = st.lists(st.floats(-10, 10), max_size=validate.MAX_SLIDERS).map(tuple)
words = st.text("abcXYZ09_.-", min_size=1, max_size=20)


@st.composite
def any_recipe(draw):
    kind = draw(st.sampled_from(recipes.KINDS))
    values = {"kind": kind, "strengths": draw(sliders), "weights": draw(st.just("") | words)}
    if kind != "emoji" and draw(st.booleans()):
        values["photo"] = draw(digests)
    else:
        values["seed"] = draw(seeds)
    values["truncation_psi"] = draw(st.floats(0, 1))
    if kind == "emojified":
        values["num_face_layers"] = draw(st.integers(0, 64))
        values["blend_strength"] = draw(st.floats(0, 1))
        values["style"] = draw(st.sampled_from(["default", "face", "seed:7", "flat yellow", "납작-노랑"]) | words)
    return Recipe(**values)


def refusal(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert 10 < len(message) <= validate.MAX_SENTENCE
    assert message.endswith(".")
    assert message.isprintable()
    return message


def code(rows=4, dims=8, seed=0):
    return PhotoCode(np.random.default_rng(seed).standard_normal((rows, dims)).astype(np.float32))


@settings(max_examples=250, deadline=None)
@given(any_recipe())
def test_text_round_trip(recipe):
    text = recipe.to_text()
    assert from_text(text) == recipe
    assert from_text(text).to_text() == text
    assert from_text(f"https://example.org/app?{text}#top") == recipe
    assert from_text(f"?{text}\n") == recipe
    assert from_json(to_json(recipe)) == (recipe, None)
    assert text.isascii()
    assert not set(text) & set(" <>\"'\\")


@settings(max_examples=200, deadline=None)
@given(any_recipe())
def test_numbers_are_rounded_before_anything_is_painted(recipe):
    """What a recipe paints is what its text says: no hidden digits."""
    for value in (recipe.truncation_psi, recipe.blend_strength, *recipe.strengths):
        assert value == float(f"{value:.4f}")
    assert not recipe.strengths or recipe.strengths[-1] != 0


def test_longest_text_fits():
    full = Recipe("emojified", seed=2**32 - 1, truncation_psi=0.1234, strengths=(-9.1234,) * 64, num_face_layers=64, blend_strength=0.1234,
                  style="가" * 60, weights="w" * 80)  # fmt: skip
    assert len(full.to_text()) <= recipes.MAX_TEXT
    assert from_text(full.to_text()) == full


def test_text_form_is_stable():
    """Links that people keep: these texts must be read, and written again to the letter, by every later version."""
    texts = {
        "kind=emoji&seed=7&psi=0.7": Recipe("emoji", seed=7),
        "kind=emoji&seed=7&psi=0.7&move=1:2.5,4:-1&weights=default.1a2b3c4d5e6f":
            Recipe("emoji", seed=7, strengths=(0, 2.5, 0, 0, -1), weights="default.1a2b3c4d5e6f"),
        "kind=face&seed=4294967295&psi=0": Recipe("face", seed=4294967295, truncation_psi=0),
        f"kind=face&photo={DIGEST}": Recipe("face", photo=DIGEST),
        FULL: Recipe("emojified", seed=7, truncation_psi=0.65, strengths=(0, 2.5, 0, 0, -1), num_face_layers=3, blend_strength=0.5,
                     style="flat-yellow", weights="default.1a2b3c4d5e6f"),
        f"kind=emojified&photo={DIGEST}&cut=0&strength=1&style=seed:9": Recipe("emojified", photo=DIGEST, style="seed:9"),
    }  # fmt: skip
    for text, recipe in texts.items():
        assert recipe.to_text() == text
        assert from_text(text) == recipe


def test_text_is_the_same_in_every_process():
    program = f"from ganji.recipe import from_text; print(from_text({FULL!r}).to_text())"
    for seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == FULL


def test_order_of_fields_does_not_matter():
    assert from_text("&".join(reversed(FULL.split("&")))) == from_text(FULL)


BAD_TEXTS = {
    "empty": "", "spaces": "   ", "no pairs": "hello", "no kind": "seed=7", "kind alone": "kind=emoji", "other kind": "kind=cat&seed=7",
    "seed and photo": f"kind=face&seed=7&photo={DIGEST}", "photo of an emoji": f"kind=emoji&photo={DIGEST}", "twice": "kind=emoji&seed=7&seed=8",
    "unknown field": "kind=emoji&seed=7&admin=1", "empty field": "kind=emoji&seed=7&weights=", "empty seed": "kind=emoji&seed=", "negative": "kind=emoji&seed=-1",
    "too large": "kind=emoji&seed=4294967296", "fraction": "kind=emoji&seed=1.5", "nan": "kind=emoji&seed=7&psi=nan", "inf": "kind=emoji&seed=7&psi=inf",
    "1e400": "kind=emoji&seed=7&psi=1e400", "1e99": "kind=emoji&seed=7&psi=1e99", "underscore": "kind=emoji&seed=1_0", "other digits": "kind=emoji&seed=٧",
    "hex": "kind=emoji&seed=0x10", "plus": "kind=emoji&seed=%2B7", "space": "kind=emoji&seed=%207", "digits": "kind=emoji&seed=" + "9" * 1400,
    "psi over 1": "kind=emoji&seed=7&psi=1.01", "cut of an emoji": "kind=emoji&seed=7&cut=1", "style of a face": "kind=face&seed=7&style=face",
    "default style of a face": "kind=face&seed=7&style=default", "psi of a photo": f"kind=face&photo={DIGEST}&psi=0.7",
    "slider twice": "kind=emoji&seed=7&move=1:2,1:3", "slider 64": "kind=emoji&seed=7&move=64:1", "slider -1": "kind=emoji&seed=7&move=-1:1",
    "slider without value": "kind=emoji&seed=7&move=1", "slider of text": "kind=emoji&seed=7&move=a:b", "slider over 10": "kind=emoji&seed=7&move=1:10.1",
    "slider nan": "kind=emoji&seed=7&move=1:nan", "no sliders": "kind=emoji&seed=7&move=,", "short digest": "kind=face&photo=012", "loud digest": "kind=face&photo=0123456789ABCDEF",
    "path digest": "kind=face&photo=../../etc/passwd", "cut of 65": "kind=emojified&seed=7&cut=65", "strength of 2": "kind=emojified&seed=7&strength=2",
    "long style": "kind=emojified&seed=7&style=" + "a" * 61, "style with markup": "kind=emojified&seed=7&style=%3Cb%3E", "style of a line end": "kind=emojified&seed=7&style=a%0A",
    "weights of a path": "kind=emoji&seed=7&weights=../x", "weights of markup": "kind=emoji&seed=7&weights=%3Cscript%3E", "bad utf-8": "kind=emoji&seed=7&weights=%ff",
    "null byte": "kind=emoji&seed=7&weights=%00", "20 fields": "&".join(f"a{k}=1" for k in range(20)), "too long": "kind=emoji&seed=7&style=" + "a" * 2000,
    "bytes": b"kind=emoji&seed=7", "number": 7, "null": None, "list": ["kind=emoji"], "surrogate": "kind=emoji&seed=7&weights=\ud800",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BAD_TEXTS))
def test_bad_texts_are_refused(name):
    refusal(from_text, BAD_TEXTS[name])


@settings(max_examples=250, deadline=None)
@given(st.integers(0, len(FULL) - 1), st.characters() | st.just(""), st.booleans())
def test_tampered_text_is_another_recipe_or_none(position, character, inserted):
    """A changed text gives a valid recipe whose text reads back, or a message; never half of the old one."""
    text = FULL[:position] + character + FULL[position + (not inserted) :]
    try:
        recipe = from_text(text)
    except InputError:
        refusal(from_text, text)
        return
    assert from_text(recipe.to_text()) == recipe


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_recipe_or_refused(text):
    try:
        from_text(text)
    except InputError:
        refusal(from_text, text)


FIELDS = (
    "kind",
    "seed",
    "photo",
    "truncation_psi",
    "strengths",
    "num_face_layers",
    "blend_strength",
    "style",
    "weights",
)


@pytest.mark.parametrize("field", FIELDS)
def test_no_invalid_recipe_exists(field):
    for value in (float("nan"), True, [True], {"a": 1}, 10**5000, "\0", b"a", -1, "<b>"):
        values = {"kind": "emojified", "seed": 7} | {field: value}
        if field == "photo":
            del values["seed"]
        refusal(lambda values=values: Recipe(**values))


def test_other_weights_get_a_notice():
    recipe = Recipe("emoji", seed=7, weights="default.1a2b3c4d5e6f")
    assert recipe.notice("default.1a2b3c4d5e6f") == ""
    assert Recipe("emoji", seed=7).notice("default.1a2b3c4d5e6f") == ""
    assert "other weights" in recipe.notice("default.ffffffffffff")


def test_moved():
    moved = from_text(FULL).moved((1.00004, 0.0, 0.00001))
    assert moved.strengths == (1.0,)
    assert moved.style == "flat-yellow"


# files


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 32), st.sampled_from([1, 8, 512]), st.integers(0, 1000))
def test_face_code_round_trip(rows, dims, seed):
    mine = code(rows, dims, seed)
    recipe = Recipe("emojified", photo=mine.digest)
    text = to_json(recipe, mine)
    assert len(text) <= recipes.MAX_JSON
    for form in (text, text.encode(), b"\xef\xbb\xbf" + text.encode(), text.replace("\n", "\r\n")):
        again, read = from_json(form)
        assert again == recipe
        assert np.array_equal(read.w_plus, mine.w_plus)
        assert read.w_plus.dtype == np.float32
        assert read.digest == mine.digest


def test_a_recipe_file_without_the_code_shows_none_of_it():
    mine = code()
    text = to_json(Recipe("face", photo=mine.digest))
    assert "w_plus" not in text
    assert base64.b64encode(mine.w_plus.tobytes()).decode()[:20] not in text
    assert "face code" in to_json(Recipe("face", photo=mine.digest), mine)


def test_a_code_goes_only_with_its_own_recipe():
    refusal(to_json, Recipe("face", photo=code(seed=1).digest), code(seed=2))
    refusal(to_json, Recipe("emoji", seed=7), code())
    assert code() != code()  # arrays: compared by digest, never by ==


def _changed(**changes):
    mine = code()
    data = json.loads(to_json(Recipe("face", photo=mine.digest), mine))
    for path, value in changes.items():
        target, _, name = path.rpartition("__")
        (data[target] if target else data)[name] = value
    return json.dumps(data)


def _numbers(array):
    return base64.b64encode(np.asarray(array, "<f4").tobytes()).decode()


BAD_FILES = {
    "empty": "", "text": "hello", "number": "7", "list": "[]", "null": "null", "nested": "[" * 100_000, "other json": '{"a": 1}', "cut": _changed()[:-30],
    "without recipe": '{"ganji": 1}', "newer": _changed(ganji=2), "true": _changed(ganji=True), "text version": _changed(ganji="1"),
    "unknown field": _changed(admin=1), "recipe of another": _changed(recipe="kind=emoji&seed=7"), "recipe a list": _changed(recipe=[]),
    "recipe tampered": _changed(recipe="kind=face&photo=" + DIGEST), "no digest": _changed(recipe="kind=face&seed=1"),
    "code null": _changed(w_plus=None), "code a text": _changed(w_plus="abc"), "code a list": _changed(w_plus=[1]), "code empty": _changed(w_plus={}),
    "shape 1e400": _changed(w_plus__shape=[1e308 * 10, 8]).replace("Infinity", "1e400"), "shape nan": _changed(w_plus__shape=[float("nan"), 8]),
    "shape negative": _changed(w_plus__shape=[-4, -8]), "shape huge": _changed(w_plus__shape=[2**40, 2**40]), "shape of three": _changed(w_plus__shape=[4, 8, 1]),
    "shape a text": _changed(w_plus__shape="48"), "shape of texts": _changed(w_plus__shape=["4", "8"]), "shape swapped": _changed(w_plus__shape=[8, 4]),
    "shape digits": _changed(w_plus__shape=[4, 8]).replace("[4, 8]", "[" + "9" * 5000 + ", 8]"), "33 rows": _changed(w_plus__shape=[33, 1]),
    "base64 garbage": _changed(w_plus__float32="%%%"), "base64 short": _changed(w_plus__float32="AAAA"), "base64 a number": _changed(w_plus__float32=7),
    "base64 unicode": _changed(w_plus__float32="한국어"), "code nan": _changed(w_plus__float32=_numbers([[np.nan] * 8] * 4)),
    "code huge": _changed(w_plus__float32=_numbers([[1e30] * 8] * 4)), "code of another": _changed(w_plus__float32=_numbers(np.zeros((4, 8)))),
    "more in the code": _changed(w_plus__more=1), "twice": '{"ganji": 1, "recipe": "kind=emoji&seed=7", "recipe": "kind=emoji&seed=8"}',
    "too long": _changed(contains="a" * 300_000), "bytes of latin": b"\xff\xfe{}", "number type": 7, "none": None, "surrogate": '{"ganji": 1, "recipe": "\\ud800"}',
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BAD_FILES))
def test_bad_files_are_refused(name):
    refusal(from_json, BAD_FILES[name])


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_tampered_files_keep_the_code_whole(data):
    """A changed file is refused, or what was changed says nothing; the code is never another."""
    text = _changed()
    position = data.draw(st.integers(0, len(text) - 1))
    changed = text[:position] + data.draw(st.characters(codec="utf-8")) + text[position + 1 :]
    try:
        recipe, read = from_json(changed)
    except InputError:
        refusal(from_json, changed)
        return
    if read is not None:
        assert recipe.photo == code().digest
        assert np.array_equal(read.w_plus, code().w_plus)
