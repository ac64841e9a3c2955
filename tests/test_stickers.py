"""Stickers, animations, zips and packs: every file is opened again and looked at, down to its chunks."""

from __future__ import annotations

import io
import itertools
import struct
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ganji import animation, pack, stickers
from ganji.errors import GanjiError, InputError
from ganji.matte import cut_out
from ganji.palettes import with_palette
from ganji.sticker_files import make_zip, rounded
from ganji.sticker_frame import content_box, frame
from ganji.stickers import PLATFORMS, animate, export, export_animated, file_name, safe_name
from tests.sticker_pictures import HUES, coverage, disc, drawings, emoji_cache, luminance, on, painted, photo_like

SIZES = {
    "png": 256,
    "slack": 128,
    "discord": 128,
    "discord-sticker": 320,
    "telegram": 512,
    "whatsapp": 512,
    "kakaotalk": 360,
}
# What the platforms ask for, written down again: bytes of a still and of an animation.
LIMITS = {"slack": 128_000, "discord": 256_000, "discord-sticker": 512_000, "telegram": 512_000, "whatsapp": 100_000,
          "kakaotalk": 150_000}  # fmt: skip
ANIMATED = {"slack": 128_000, "discord": 256_000, "discord-sticker": 512_000, "whatsapp": 500_000}


@pytest.fixture(scope="module")
def hardest():
    """Painted with strong grain, without a white border, and pure noise."""
    rng = np.random.default_rng(5)
    noise = Image.fromarray(rng.integers(0, 256, (256, 256, 3)).astype(np.uint8))
    return [painted(HUES["cream"], 1, 3.0, 8), painted(HUES["dark"], 2, 3.0, 8), photo_like(), noise]


@pytest.fixture(scope="module")
def emoji(tmp_path_factory, hardest):
    """20 pictures: 16 drawings and the hardest."""
    faces = drawings(emoji_cache(tmp_path_factory.mktemp("emoji")))
    return [face.picture for face in faces[:: len(faces) // 16][:16]] + hardest


@pytest.fixture(scope="module")
def cut(emoji):
    return [cut_out(picture) for picture in emoji]


@pytest.fixture(scope="module")
def moving():
    """10 frames: a disc that turns from yellow to blue and moves to the right, cut out."""
    result = []
    for k in range(10):
        colour = np.array(HUES["yellow"]) * (1 - k / 9) + np.array(HUES["blue"]) * k / 9
        result.append(cut_out(disc(colour, coverage((118 + 2 * k, 137), 80, fine=4))))
    return result


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def frames_of(data: bytes) -> tuple[list[Image.Image], list[float]]:
    """RGBA frames and milliseconds, as a viewer shows them."""
    picture, frames, stays = opened(data), [], []
    for k in range(getattr(picture, "n_frames", 1)):
        picture.seek(k)
        frames.append(picture.convert("RGBA"))
        stays.append(picture.info["duration"])
    return frames, stays


def chunks(data: bytes) -> list[str]:
    """The names of a PNG's or WebP's chunks, or of a GIF's extensions, read without Pillow."""
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        names, place = [], 8
        while place < len(data):
            (length,) = struct.unpack_from(">I", data, place)
            names.append(data[place + 4 : place + 8].decode())
            place += 12 + length
        return names
    assert data[:4] == b"RIFF"
    assert data[8:12] == b"WEBP"
    names, place = [], 12
    while place < len(data):
        (length,) = struct.unpack_from("<I", data, place + 4)
        names.append(data[place : place + 4].decode().strip())
        place += 8 + length + length % 2
    return names


PIXELS_ONLY = {
    "IHDR",
    "PLTE",
    "tRNS",
    "IDAT",
    "IEND",
    "acTL",
    "fcTL",
    "fdAT",
    "VP8X",
    "VP8L",
    "VP8",
    "ALPH",
    "ANIM",
    "ANMF",
}


# ---------------------------------------------------------------- stills


def test_the_table_says_what_the_platforms_ask_for():
    assert {name: platform.size or 256 for name, platform in PLATFORMS.items()} == SIZES
    assert {name: platform.max_bytes for name, platform in PLATFORMS.items() if platform.max_bytes} == LIMITS
    assert {name: one.max_animated_bytes for name, one in PLATFORMS.items() if one.animated} == ANIMATED
    with pytest.raises(AttributeError):
        PLATFORMS["slack"].size = 64


@pytest.mark.parametrize("name", PLATFORMS)
def test_stickers_of_20_emoji_meet_every_limit(name, cut):
    for number, picture in enumerate(cut):
        data = export(picture, name)
        sticker = opened(data)
        assert sticker.format == ("WEBP" if name in ("telegram", "whatsapp") else "PNG")
        assert sticker.size == (SIZES[name], SIZES[name])
        assert len(data) < LIMITS.get(name, 10**9), (name, number, len(data))
        assert set(chunks(data)) <= PIXELS_ONLY, chunks(data)
        assert getattr(sticker, "n_frames", 1) == 1
        alpha = np.asarray(sticker.convert("RGBA"))[..., 3]
        if name != "png":  # which is neither centred nor given a margin
            assert alpha[0].max() == alpha[:, 0].max() == 0
        assert alpha[SIZES[name] // 2, SIZES[name] // 2] == 255
        if sticker.mode != "P":
            assert sticker.mode == "RGBA"


def test_drawings_need_no_palette_and_whatsapp_ones_keep_their_quality(cut):
    for picture in cut[:3]:
        assert opened(export(picture, "kakaotalk")).mode == "RGBA"
        sticker = export(picture, "whatsapp")
        exact = np.asarray(frame(picture, 512)).astype(float)
        shown = np.asarray(opened(sticker).convert("RGBA")).astype(float)
        assert np.abs(exact - shown)[exact[..., 3] == 255].mean() < 2.5
        assert np.abs(exact - shown)[..., 3].max() <= 8


def test_a_sticker_takes_nothing_of_the_pictures_metadata(emoji):
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "SECRET"
    emoji[0].save(stream, "PNG", exif=exif, icc_profile=b"SECRET" * 30, dpi=(72, 72))
    loaded = opened(stream.getvalue())
    loaded.info["comment"] = loaded.info["recipe"] = "SECRET"
    for picture in (loaded, cut_out(loaded)):
        picture.info.update(loaded.info)
        files = [export(picture, name) for name in PLATFORMS]
        files += [animate([picture, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).rotate(20, fillcolor="white")], kind, size=64)
                  for kind in animation.KINDS if picture.mode == "RGB"]  # fmt: skip
        for data in files:
            assert b"SECRET" not in data
            if data[:3] != b"GIF":
                assert set(chunks(data)) <= PIXELS_ONLY
            assert not {"exif", "icc_profile", "comment", "recipe", "dpi"} & set(opened(data).info)


def test_quality_goes_down_to_meet_a_limit_and_then_a_sentence_says_so(hardest):
    sticker = cut_out(hardest[-1])
    small = {name: replace(PLATFORMS[name], size=160) for name in ("kakaotalk", "whatsapp")}
    best = len(export(sticker, replace(small["kakaotalk"], max_bytes=None)))
    sizes = []
    for share in (0.9, 0.4, 0.2):
        data = export(sticker, replace(small["kakaotalk"], max_bytes=int(best * share)))
        assert len(data) < best * share
        sizes.append(len(data))
    assert sizes[0] > sizes[1] > sizes[2]
    for platform in small.values():
        with pytest.raises(
            GanjiError, match=r"^This picture has \d+ bytes as .* at the lowest quality; the limit is 900\.$"
        ):
            export(sticker, replace(platform, max_bytes=900))


def test_the_full_size_png_lies_where_the_picture_does(emoji):
    sticker = opened(export(emoji[0], "png"))
    assert np.abs(on((255, 255, 255), sticker) - np.asarray(emoji[0])).mean() < 0.05


def test_export_all_has_a_file_per_platform(emoji):
    files = stickers.export_all(emoji[2], "My emoji")
    assert list(files) == [file_name("My emoji", name) for name in PLATFORMS]
    assert files["my-emoji-slack.png"] == export(emoji[2], "slack")


def test_unknown_platforms_are_refused(emoji):
    with pytest.raises(InputError, match="platform must be one of png, slack"):
        export(emoji[0], "icq")


# ---------------------------------------------------------------- palettes


def test_palettes_keep_colours_and_edges(moving):
    exact = [np.asarray(one).astype(int) for one in moving]
    for soft in (True, False):
        reduced = [np.asarray(one.convert("RGBA")).astype(int) for one in with_palette(moving, 256, soft=soft)]
        for a, b in zip(exact, reduced):
            solid = a[..., 3] == 255
            assert np.abs(a - b)[solid].mean() < 6
            assert (b[..., 3][solid] == 255).all()
            assert (b[..., 3][a[..., 3] == 0] == 0).all()
            assert np.abs(a - b)[..., 3].max() <= (52 if soft else 128)
    assert {one.mode for one in with_palette(moving, 16)} == {"P"}
    assert (np.asarray(with_palette([Image.new("RGBA", (8, 8))], 32)[0]) == 0).all()


def test_rounded_colours_stay_near(moving):
    for step in (3, 10):
        exact, near = (np.asarray(one).astype(int) for one in (moving[3], rounded(moving[3], step)))
        assert np.abs(exact - near).max() <= step / 2
        assert (exact[..., 3] == near[..., 3]).all()


# ---------------------------------------------------------------- animations


@pytest.mark.parametrize("kind", animation.KINDS)
def test_animations_show_every_frame(kind, moving):
    data = animate(moving, kind, fps=10, size=160)
    frames, stays = frames_of(data)
    assert len(frames) == 10
    assert stays == [100] * 10
    assert opened(data).info["loop"] == 0
    for own, shown in zip(stickers._framed(moving, 160), frames):
        exact, seen = (on((40, 90, 160), one) for one in (own, shown))
        opaque = np.asarray(own)[..., 3] == 255
        assert np.abs(exact - seen)[opaque].mean() < 8
        alpha = np.asarray(shown)[..., 3]
        assert alpha[np.asarray(own)[..., 3] == 0].max() == 0  # nothing of the frame before is left
    levels = set(np.unique([np.asarray(shown)[..., 3] for shown in frames]))
    assert levels == {0, 255} if kind == "gif" else len(levels) > 10


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0), (0, 150, 70)])
def test_a_gifs_hard_edges_have_the_drawings_own_colour(background, moving):
    frames, _ = frames_of(animate(moving, "gif", size=128))
    shown, alpha = on(background, frames[0]), np.asarray(frames[0])[..., 3]
    _, y0, _, y1 = content_box(frames[0])
    for row in range(y0 + 8, y1 - 8, 3):
        left = int(np.nonzero(alpha[row])[0][0])
        assert np.abs(shown[row, left] - HUES["yellow"]).max() < 40, (row, shown[row, left])
        assert abs(luminance(shown[row, left]) - luminance(np.array(HUES["yellow"]))) < 22


@pytest.mark.parametrize("name", ANIMATED)
def test_platform_animations_meet_their_limits(name, moving):
    grainy = [Image.fromarray(np.clip(np.asarray(one).astype(int) + np.random.default_rng(k).integers(-20, 20, (256, 256, 1)) * (np.asarray(one)[..., 3:] > 0) * (1, 1, 1, 0), 0, 255).astype(np.uint8))
              for k, one in enumerate(moving)]  # fmt: skip
    data = export_animated(grainy, name, fps=10)
    picture = opened(data)
    assert len(data) < ANIMATED[name]
    assert picture.size == (SIZES[name], SIZES[name])
    assert picture.format == {"slack": "GIF", "discord": "GIF", "discord-sticker": "PNG", "whatsapp": "WEBP"}[name]
    assert picture.n_frames >= 2
    assert sum(frames_of(data)[1]) == pytest.approx(1000, abs=15)
    if picture.format != "GIF":
        assert set(chunks(data)) <= PIXELS_ONLY


@pytest.mark.parametrize("kind", animation.KINDS)
def test_frames_are_left_out_when_quality_alone_does_not_do(kind, moving):
    limit = len(animate(moving, kind, fps=10, size=64)) // {"gif": 4, "apng": 8, "webp": 4}[kind]
    data = animate(moving, kind, fps=10, size=64, max_bytes=limit)
    frames, stays = frames_of(data)
    assert len(data) < limit
    assert 2 <= len(frames) < 10
    assert sum(stays) == 1000
    with pytest.raises(InputError, match="at the lowest quality"):
        animate(moving, kind, size=64, max_bytes=200)


def test_held_frames_stay_longer_and_long_animations_play_faster(moving):
    holds = [6, 1, 1, 6, 1, 1, 6, 1, 1, 1]
    assert frames_of(animate(moving, "webp", fps=10, holds=holds, size=48))[1] == [100 * hold for hold in holds]
    fewer = list(animation.attempts(moving, "webp", [0.1 * hold for hold in holds]))[len(animation.LOSSES["webp"])]()
    assert frames_of(fewer)[1] == [700, 700, 200, 700, 200]
    stays = frames_of(animate(moving, "apng", fps=1, size=48, max_seconds=5))[1]
    assert sum(stays) == pytest.approx(5000, abs=10)


def test_animations_of_pictures_are_cut_out_in_one_way(moving):
    frames = [disc(HUES["yellow"], coverage(fine=4)), photo_like(), photo_like(1)]
    shown, _ = frames_of(animate(frames, "apng", size=64))
    corners = [np.asarray(one)[8, 8, 3] for one in shown]
    assert corners == [0, 0, 0]
    assert all(np.asarray(one)[32, 4, 3] == 255 for one in shown)  # a round crop, the white of the first included


def test_animations_refuse_what_they_cannot_show(moving):
    for frames, options, sentence in (
        (moving[:1], {}, "2 to 120 frames, not 1"),
        (moving[:1] * 3, {}, "all alike"),
        ([*moving[:2], moving[0].resize((64, 64))], {}, "same size"),
        (moving, {"fps": 0}, "fps must be a number from 1 to 50"),
        (moving, {"fps": float("nan")}, "fps must be"),
        (moving, {"holds": [1]}, "for each of the 10 frames"),
        (moving, {"holds": [0] * 10}, "from 1 on"),
        (moving, {"size": 5000}, "16 to 1024 px"),
    ):
        with pytest.raises(InputError, match=sentence):
            animate(frames, "gif", **options)
    with pytest.raises(InputError, match="kind must be one of gif, apng, webp"):
        animate(moving, "mp4")
    for name in ("telegram", "kakaotalk", "png"):
        with pytest.raises(InputError, match="takes no animation; slack, discord, discord-sticker, whatsapp do"):
            export_animated(moving, name)


# ---------------------------------------------------------------- names, zips


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Eyes closed", "eyes-closed"),
        ("../../etc/passwd", "etc-passwd"),
        ("Ünïcode & co.", "unicode-co"),
        ("CON", "con"),
        ("x" * 300, "x" * 40),
        ("웃음", "emoji-09676716"),
        ("", "emoji-00000000"),
        ("\ud800\0", "emoji-"),
    ],
)
def test_names_are_stable_and_safe(text, name):
    made = safe_name(text)
    assert made == safe_name(text)
    assert made.startswith(name)
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert file_name(text, "slack") == f"{made}-slack.png"
    assert file_name(text, "whatsapp") == f"{made}-whatsapp.webp"
    assert file_name(text, "discord-sticker", animated=True) == f"{made}-discord-sticker-animated.png"


def test_a_zip_has_all_files_and_the_credits():
    files = {"b.png": b"two", "a.webp": b"one"}
    data = make_zip(files, "  Noto Emoji, Google, Apache-2.0 ♥ ")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["b.png", "a.webp", "CREDITS.txt"]
        assert {name: archive.read(name) for name in files} == files
        assert archive.read("CREDITS.txt").decode() == "Noto Emoji, Google, Apache-2.0 ♥\n"
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert make_zip(files, "  Noto Emoji, Google, Apache-2.0 ♥ ") == data


def test_a_zip_takes_plain_names_only():
    for name in ("../a.png", "/a.png", "a/b.png", "A.png", "", ".hidden", "a\nb", "CREDITS.txt", "x" * 101, "ㅋ.png"):
        with pytest.raises(InputError, match="plain name"):
            make_zip({name: b""}, "")
    with pytest.raises(InputError, match="no files"):
        make_zip({}, "")


# ---------------------------------------------------------------- packs


@pytest.fixture(scope="module")
def items():
    return [
        pack.PackItem(label, disc(HUES[colour], coverage(fine=4)))
        for label, colour in (
            ("neutral", "yellow"),
            ("smile", "blue"),
            ("eyes closed", "cream"),
            ("웃음", "dark"),
            ("smile", "silver"),
        )
    ]


def test_a_contact_sheet_shows_every_emoji_and_its_label(items):
    sheet = pack.contact_sheet(items, columns=2)
    step_x, step_y = pack.TILE + pack.GAP, pack.TILE + pack.GAP + pack.CAPTION
    assert sheet.size == (2 * step_x + pack.GAP, 3 * step_y + pack.GAP)
    pixels = np.asarray(sheet).astype(int)
    for k, item in enumerate(items):
        x, y = pack.GAP + k % 2 * step_x, pack.GAP + k // 2 * step_y
        own = np.asarray(item.picture).astype(int)[60, 128]  # the forehead
        assert np.abs(pixels[y + pack.TILE // 4, x + pack.TILE // 2] - own).max() < 8, item.label
        caption = pixels[y + pack.TILE : y + pack.TILE + pack.CAPTION, x : x + pack.TILE]
        assert (caption.min() < 100) == item.label.isascii()
    assert (pixels[-20:, -step_x + 20 :] == 255).all()  # the sixth place is empty


def test_a_round_through_a_pack_cross_fades(items):
    motion = pack.through(items)
    assert motion.holds == [pack.HOLD, *[1] * pack.FADE] * 5
    assert len(motion.frames) == len(motion.holds)
    middle = np.asarray(motion.frames[2]).astype(float)[60, 128]
    ends = [np.asarray(items[k].picture).astype(float)[60, 128] for k in (0, 1)]
    assert np.abs(middle[:3] - np.mean(ends, axis=0)).max() < 2
    assert middle[3] == 255
    last = np.asarray(motion.frames[-1]).astype(float)[60, 128]
    assert np.abs(last[:3] - ends[0]).max() < np.abs(last[:3] - np.asarray(items[-1].picture)[60, 128]).max()


def test_a_round_takes_given_frames(items):
    between = [[one.picture, two.picture] for one, two in zip(items, [*items[1:], items[0]])]
    motion = pack.through(items, between)
    assert motion.holds == [pack.HOLD, 1, 1] * 5
    assert {one.mode for one in motion.frames} == {"RGBA"}
    assert (np.asarray(motion.frames[0]) == np.asarray(motion.frames[1])).all()


def test_a_packs_zip_holds_stickers_sheet_animation_and_credits(items):
    platforms = ("slack", "whatsapp")
    data = pack.pack_zip(items, "Credits", platforms=platforms, motion=pack.through(items[:2]), stem="Mein Emoji")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        assert names[0] == "mein-emoji-01-neutral-slack.png"
        assert len(names) == len(set(names)) == 5 * 2 + 3
        assert names[-3:] == ["contact-sheet.png", "mein-emoji-whatsapp-animated.webp", "CREDITS.txt"]
        assert set(chunks(archive.read("contact-sheet.png"))) <= PIXELS_ONLY
        frames, stays = frames_of(archive.read("mein-emoji-whatsapp-animated.webp"))
        assert len(frames) == 2 * (1 + pack.FADE)
        assert max(stays) == 6 * min(stays) or max(stays) - 6 * min(stays) < 10
        for name, platform in itertools.product(names[:-3], platforms):
            if f"-{platform}." in name:
                assert opened(archive.read(name)).size == (SIZES[platform],) * 2


def test_packs_refuse_what_they_cannot_lay_out(items):
    other = pack.PackItem("small", items[0].picture.resize((64, 64)))
    for bad, sentence in (([], "1 to 30 emoji, not 0"), ([*items, other], "same size"), (items * 7, "not 35")):
        with pytest.raises(InputError, match=sentence):
            pack.contact_sheet(bad)
    with pytest.raises(InputError, match="at least two"):
        pack.through(items[:1])
    with pytest.raises(InputError, match="after each of the 5 emoji"):
        pack.through(items, [[]])
