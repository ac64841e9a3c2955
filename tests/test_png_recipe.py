"""Recipes in PNG files: what goes in comes out, and nothing else of a file is read."""

import io
import re
import struct
import time
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from ganji import png_recipe, validate
from ganji.errors import InputError
from ganji.png_recipe import embed, extract, is_emoji_file
from ganji.recipe import Recipe
from tests.good_photos import SECRET, chunk, encode, exif

RECIPE = Recipe("emoji", seed=7, strengths=(0, 2.5), weights="default.1a2b3c4d5e6f")
TEXT = b"ganji\0" + RECIPE.to_text().encode()


@pytest.fixture(scope="module")
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8))


@pytest.fixture(scope="module")
def saved(picture):
    return embed(picture, RECIPE)


def test_a_picture_without_a_recipe_has_no_metadata_at_all(picture):
    picture = picture.copy()
    picture.info["secret"] = SECRET
    data = embed(picture, None)
    found = Image.open(io.BytesIO(data))
    assert found.info == {}
    assert np.array_equal(np.asarray(found), np.asarray(picture))
    with pytest.raises(InputError, match="no recipe"):
        extract(data)


def refusal(data):
    with pytest.raises(InputError) as caught:
        extract(data)
    message = str(caught.value)
    assert 10 < len(message) <= validate.MAX_SENTENCE
    assert not re.search(r"Error|[\\/<>]|\n", message)
    return message


def with_chunk(saved, *chunks):
    """The picture without its recipe, and other chunks instead."""
    start = saved.index(b"tEXt") - 4
    return saved[:start] + b"".join(chunks) + saved[start + 12 + len(TEXT) :]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_round_trip(picture, mode):
    data = embed(picture.convert(mode), RECIPE)
    assert extract(data) == RECIPE
    with Image.open(io.BytesIO(data)) as again:
        assert again.text == {"ganji": RECIPE.to_text()}
        assert np.array_equal(np.asarray(again), np.asarray(picture.convert(mode)))
    assert embed(picture.convert(mode), RECIPE) == data


def test_nothing_else_is_written(picture):
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", SECRET.decode())
    loaded = Image.open(io.BytesIO(encode(picture, "PNG", pnginfo=text, exif=exif(3), icc_profile=SECRET * 9)))
    loaded.load()
    data = embed(loaded, RECIPE)
    assert SECRET not in data
    kinds = [kind for kind, _, _ in png_recipe.png_chunks(data)]
    assert set(kinds) == {b"IHDR", b"tEXt", b"IDAT", b"IEND"}


def test_after_other_programs_rewrote_the_file(saved, picture):
    moved = with_chunk(saved)[:-12] + chunk(b"tEXt", b"Software\0else") + chunk(b"tEXt", TEXT) + saved[-12:]
    assert extract(moved) == RECIPE
    assert extract(saved + b"trailing bytes") == RECIPE
    with Image.open(io.BytesIO(saved)) as loaded:
        info = PngImagePlugin.PngInfo()
        for name, value in loaded.text.items():
            info.add_text(name, value)
        assert extract(encode(loaded, "PNG", pnginfo=info, optimize=True)) == RECIPE


def test_pictures_without_a_recipe(saved, picture):
    for data in (
        b"",
        b"hello",
        encode(picture, "JPEG"),
        encode(picture, "PNG"),
        encode(picture, "WEBP"),
        with_chunk(saved),
        saved[:8],
    ):
        assert re.search("no recipe|damaged", refusal(data))
    for value in (None, 7, "text", [saved]):
        refusal(value)


def test_bad_recipes_in_pictures(saved):
    bad = {
        "two": with_chunk(saved, chunk(b"tEXt", TEXT), chunk(b"tEXt", TEXT)),
        "no text": with_chunk(saved, chunk(b"tEXt", b"ganji\0")),
        "nonsense": with_chunk(saved, chunk(b"tEXt", b"ganji\0hello")),
        "tampered": with_chunk(saved, chunk(b"tEXt", TEXT.replace(b"seed=7", b"seed=-7"))),
        "latin": with_chunk(saved, chunk(b"tEXt", b"ganji\0kind=emoji&seed=7&weights=\xff")),
        "long": with_chunk(saved, chunk(b"tEXt", TEXT + b"&style=" + b"a" * 5000)),
        "check sum": saved.replace(TEXT, TEXT.replace(b"seed=7", b"seed=8")),
        "packed": with_chunk(saved, chunk(b"zTXt", b"ganji\0\0" + zlib.compress(TEXT[6:]))),
        "international": with_chunk(saved, chunk(b"iTXt", b"ganji\0\0\0\0\0" + TEXT[6:])),
        "cut": saved[:-20],
        "long chunk": with_chunk(saved, struct.pack(">I", 2**31 - 1) + b"tEXt" + TEXT),
    }
    for name, data in bad.items():
        assert refusal(data), name


def test_bombs_are_not_unpacked(saved):
    packed = zlib.compress(bytes(200 << 20), 9)
    start = time.perf_counter()
    for bomb in (
        chunk(b"zTXt", b"ganji\0\0" + packed),
        chunk(b"iTXt", b"ganji\0\1\0\0\0" + packed),
        chunk(b"IDAT", packed),
    ):
        assert extract(with_chunk(saved, bomb, chunk(b"tEXt", TEXT))) == RECIPE
    assert "damaged" in refusal(with_chunk(saved, chunk(b"teXt", b"") * 400_000))
    refusal(saved + bytes(31 << 20))
    assert time.perf_counter() - start < 2


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=6))
def test_damaged_files(position, piece):
    data = bytearray(embed(Image.new("RGB", (32, 32)), RECIPE))
    position %= len(data)
    data[position : position + len(piece)] = piece
    try:
        recipe = extract(bytes(data))
    except InputError:
        refusal(bytes(data))
        return
    assert recipe == RECIPE


def test_emoji_files_are_told_from_photos(tmp_path, picture, saved):
    face = embed(picture, Recipe("face", seed=7))
    for name, data, is_emoji in (
        ("a", saved, True),
        ("b", face, False),
        ("c", encode(picture, "PNG"), False),
        ("d", b"", False),
    ):
        (tmp_path / name).write_bytes(data)
        assert is_emoji_file(tmp_path / name) is is_emoji
    assert not is_emoji_file(tmp_path / "missing")
    assert not is_emoji_file(tmp_path)
