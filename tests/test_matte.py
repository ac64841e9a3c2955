"""Cut-outs against known mattes: the renderer's own alpha, analytic coverage, and slow connectivity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from ganji import matte, outline, regions
from ganji.errors import InputError
from ganji.sticker_frame import common_box, content_box, frame
from tests.sticker_pictures import (
    CENTRE,
    HUES,
    RADIUS,
    SIDE,
    coverage,
    disc,
    drawings,
    emoji_cache,
    luminance,
    on,
    painted,
    photo_like,
    plain_disc,
)

BLACK, GREEN, WHITE = (0, 0, 0), (0, 150, 70), (255, 255, 255)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Drawings, each with its cut-out."""
    found = drawings(emoji_cache(tmp_path_factory.mktemp("emoji")))
    return [(face, matte.cut_out(face.picture)) for face in found]


@pytest.fixture(scope="module")
def crisp():
    """A disc's coverage at the place where ours are."""
    return coverage()


def from_centre(centre=CENTRE) -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    return np.hypot(x - centre[0], y - centre[1])


def alpha_of(sticker: Image.Image) -> np.ndarray:
    return np.asarray(sticker.getchannel("A")) / 255


# ---------------------------------------------------------------- drawings


def test_drawings_get_the_alpha_that_the_renderer_has(faces):
    for face, sticker in faces:
        difference = np.abs(alpha_of(sticker) - face.alpha)
        assert difference.mean() < 0.0006, (face.name, difference.mean())
        assert (difference > 0.25).sum() <= 12, (face.name, (difference > 0.25).sum())
        assert difference[face.alpha == 1].max() < 0.35, face.name  # no holes


def test_on_white_a_drawing_looks_as_before(faces):
    for face, sticker in faces:
        difference = np.abs(on(WHITE, sticker) - np.asarray(face.picture))
        assert difference.max() <= 30, (face.name, difference.max())
        assert difference.mean() < 0.03, (face.name, difference.mean())


@pytest.mark.parametrize("background", [BLACK, GREEN])
def test_on_other_colours_a_drawing_has_no_light_fringe(faces, background):
    for face, sticker in faces:
        shown = luminance(on(background, sticker))
        own = np.asarray(face.picture).astype(float) - 255 * (1 - face.alpha[..., None])
        true = luminance(own + np.asarray(background) * (1 - face.alpha[..., None]))
        rim = (face.alpha > 0) & (face.alpha < 1)
        lighter = (shown - true)[rim]
        assert np.percentile(lighter, 98) < 30, (face.name, np.percentile(lighter, 98))
        assert lighter.mean() < 5, (face.name, lighter.mean())
        assert (lighter > 45).sum() <= 10, (face.name, lighter.max())


@pytest.mark.parametrize("colour", HUES)
def test_coverage_of_a_disc_is_recovered(colour, crisp):
    sticker = matte.cut_out(disc(HUES[colour], crisp))
    assert np.abs(alpha_of(sticker) - crisp).max() < 0.06
    solid = np.asarray(sticker)[..., :3][crisp > 0.5]
    expected = np.asarray(disc(HUES[colour], np.ones_like(crisp)))[crisp > 0.5]
    assert np.abs(solid.astype(int) - expected).max() <= 6  # the white is un-mixed


def test_a_disc_may_lie_anywhere_and_be_cut_by_the_border():
    for centre, radius in (((100.3, 91.7), 60.4), ((128, 240), 80)):
        true = coverage(centre, radius)
        sticker = matte.cut_out(plain_disc(HUES["yellow"], true))
        assert np.abs(alpha_of(sticker) - true).max() < 0.06


def test_a_shadow_on_white_stays_a_shadow(crisp):
    shade = np.asarray(
        Image.fromarray((coverage((128, 150), 100) * 255).astype(np.uint8)).resize((32, 32)).resize((256, 256))
    )
    under = 255 - shade.astype(float) * 0.2
    pixels = np.asarray(disc(HUES["yellow"], np.ones_like(crisp))) * crisp[..., None] + (under * (1 - crisp))[..., None]
    sticker = matte.cut_out(Image.fromarray(np.round(pixels).astype(np.uint8)))
    below = (np.arange(SIDE) >= 246, slice(100, 156))
    assert alpha_of(sticker)[below].max() < 0.25
    assert luminance(on(BLACK, sticker))[below].max() < 20


# ---------------------------------------------------------------- white that belongs to the face


def test_whites_inside_are_kept(crisp):
    sticker = np.asarray(matte.cut_out(disc(HUES["blue"], crisp)))
    for part in (sticker[183:190, 92:165], sticker[107:112, 84:90]):  # teeth, the dots in the eyes
        assert (part == 255).all()


@pytest.mark.parametrize("box", [(150, 170, 256, 205), (0, 120, 80, 160), (110, 200, 150, 256), (120, 0, 145, 90)])
@pytest.mark.parametrize("colour", ["yellow", "silver"])
def test_white_parts_that_open_to_the_border_are_kept(box, colour, crisp):
    picture = disc(HUES[colour], crisp)
    ImageDraw.Draw(picture).rectangle(box, fill="white")
    ImageDraw.Draw(picture).line((box[0], box[1], box[2], box[1]), fill="white")
    alpha = alpha_of(matte.cut_out(picture))
    assert alpha[from_centre() < RADIUS - 2].min() > 0.98
    assert alpha[from_centre() > RADIUS + 2].max() < 0.02


def test_a_dent_is_no_white_part(crisp):
    dented = np.minimum(crisp, 1 - coverage((128, 26), 14))  # 7 px deep
    assert outline.white_parts(dented > 0.5) is None
    assert alpha_of(matte.cut_out(disc(HUES["yellow"], dented)))[36, 128] < 0.1


def test_what_is_no_roundish_face_has_no_outline():
    star = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(star).polygon(
        [(128, 10), (150, 100), (246, 128), (150, 156), (128, 246), (106, 156), (10, 128), (106, 100)], 255
    )
    assert outline.white_parts(np.asarray(star) > 0) is None


# ---------------------------------------------------------------- painted pictures


@settings(
    max_examples=12, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(
    seed=st.integers(0, 10**6),
    colour=st.sampled_from(["yellow", "blue", "dark", "cream"]),
    noise=st.floats(0.5, 3.0),
    haze=st.floats(0, 8),
)
def test_painted_discs_have_clean_edges_whatever_the_noise(seed, colour, noise, haze):
    sticker = matte.cut_out(painted(HUES[colour], seed, noise, haze))
    alpha, distance = alpha_of(sticker), from_centre()
    assert alpha[distance < RADIUS - 6].min() > 0.98  # no holes
    assert alpha[distance > RADIUS + 6].max() == 0  # no noise
    for background in (BLACK, GREEN):
        shown = luminance(on(background, sticker))
        inside = shown[(distance > RADIUS - 20) & (distance < RADIUS - 8)]
        rim = shown[distance > RADIUS - 5]
        assert rim.max() <= max(inside.max(), luminance(np.array(background, float))) + 28, (rim.max(), inside.max())


def test_specks_are_removed_and_large_pieces_kept(crisp):
    picture = disc(HUES["yellow"], crisp)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((4, 4, 8, 8), fill="black")
    draw.point((250, 10), "red")
    draw.ellipse((200, 6, 226, 32), fill=(80, 120, 250))
    alpha = alpha_of(matte.cut_out(picture))
    assert alpha[:12, :12].max() == 0
    assert alpha[10, 250] == 0
    assert alpha[19, 213] == 1


def test_specks_and_stains_of_a_painted_picture_are_removed():
    picture = painted(HUES["yellow"], 3)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 20, 14, 60), fill=(250, 190, 60))  # comes in from the border
    draw.ellipse((228, 6, 246, 24), fill=(225, 220, 230))  # faint
    alpha = alpha_of(matte.cut_out(picture))
    assert alpha[from_centre() > RADIUS + 6].max() == 0


# ---------------------------------------------------------------- round crops, bad input


def test_a_picture_without_white_border_becomes_a_round_crop():
    picture = photo_like()
    sticker = matte.cut_out(picture)
    alpha, distance = alpha_of(sticker), from_centre((128, 128))
    assert alpha[distance < 125].min() == 1
    assert alpha[distance > 129].max() == 0
    assert 0.3 < alpha[(distance > 126) & (distance < 128)].mean() < 0.8  # soft
    assert (np.asarray(sticker)[..., :3][alpha > 0] == np.asarray(picture)[alpha > 0]).all()


def test_frames_of_one_animation_are_cut_in_one_way(crisp):
    emoji = disc(HUES["yellow"], crisp)
    assert alpha_of(matte.cut_out_all([emoji, emoji])[0])[60, 20] == 0
    both = matte.cut_out_all([emoji, photo_like()])
    assert (alpha_of(both[0]) == alpha_of(both[1])).all()
    assert alpha_of(both[0])[60, 30] == 1


def test_empty_and_absurd_pictures_are_refused():
    rng = np.random.default_rng(0)
    noisy = Image.fromarray(rng.integers(245, 256, (256, 256, 3)).astype(np.uint8))
    for empty in (Image.new("RGB", (256, 256), "white"), noisy):
        with pytest.raises(InputError, match="Nothing is drawn"):
            matte.cut_out(empty)
    for size in ((16, 256), (256, 4000)):
        with pytest.raises(InputError, match="32 to 1024 px"):
            matte.cut_out(Image.new("RGB", size))


@pytest.mark.parametrize("size", [32, 64, 200, 512])
def test_other_sizes_work(size, crisp):
    small = disc(HUES["yellow"], crisp).resize((size, size), Image.Resampling.LANCZOS)
    alpha = alpha_of(matte.cut_out(small))
    assert abs(alpha.mean() - crisp.mean()) < 0.02


# ---------------------------------------------------------------- framing


def test_frame_centres_and_fills(crisp):
    sticker = matte.cut_out(plain_disc(HUES["yellow"], coverage((90.3, 140.8), 70.2, fine=4)))
    for size in (32, 128, 320, 512):
        x0, y0, x1, y1 = content_box(frame(sticker, size, 1 / 32))
        assert abs(x0 - (size - x1)) <= 2.5, (size, x0, x1)
        assert abs(y0 - (size - y1)) <= 2.5, (size, y0, y1)
        assert abs((x1 - x0) - size * 30 / 32) <= max(2, size / 64), (size, x1 - x0)


def test_frames_share_one_place(crisp):
    left, right = (matte.cut_out(plain_disc(HUES["blue"], coverage((x, 128), 40, fine=4))) for x in (60, 190))
    box = common_box([left, right])
    a, b = (content_box(frame(one, 256, 0, box)) for one in (left, right))
    assert a[0] <= 1
    assert b[2] >= 255
    assert a[2] < b[0]


def test_enlarging_is_closer_to_the_large_drawing_than_lanczos_is(tmp_path):
    from ganji.data import part_builder, svg_split
    from ganji.data.compose import compose_svg

    parts = part_builder.load_part_set(emoji_cache(tmp_path), "noto")
    svg = compose_svg(parts, "1f60d", "1f600")
    large = svg_split.rasterise(svg, 512)
    small = svg_split.rasterise(svg, 256)
    ours = frame(small, 512, 0, (0, 0, 256, 256))
    plain = small.resize((512, 512), Image.Resampling.LANCZOS)
    for background in (BLACK, WHITE):
        errors = [np.sqrt(((on(background, one) - on(background, large)) ** 2).mean()) for one in (ours, plain)]
        assert errors[0] < 0.95 * errors[1], errors


def test_enlarging_does_not_ring_and_hides_nothing_in_transparent_pixels(crisp):
    sticker = frame(matte.cut_out(plain_disc((200, 60, 40), crisp)), 512)
    pixels = np.asarray(sticker).astype(int)
    assert (pixels[..., :3][pixels[..., 3] == 0] == 0).all()
    y, x = np.mgrid[:512, :512] - 255.5
    skin = (np.hypot(x, y) > 190) & (np.hypot(x, y) < 232)
    assert np.abs(pixels[skin] - (200, 60, 40, 255)).max() <= 4
    assert pixels[..., 3][np.hypot(x, y) > 246].max() == 0


def test_frame_refuses_absurd_values(crisp):
    sticker = matte.cut_out(disc(HUES["yellow"], crisp))
    for size, margin in ((8, 0), (4000, 0), (128, 0.5), (128, -1)):
        with pytest.raises(InputError):
            frame(sticker, size, margin)
    with pytest.raises(InputError, match="empty"):
        frame(Image.new("RGBA", (64, 64)), 128)


# ---------------------------------------------------------------- regions


def slow_pieces(mask: np.ndarray) -> list[set[tuple[int, int]]]:
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(mask))}
    found = []
    while left:
        piece, edge = set(), [left.pop()]
        while edge:
            y, x = edge.pop()
            piece.add((y, x))
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if near in left:
                    left.remove(near)
                    edge.append(near)
        found.append(piece)
    return found


@pytest.mark.parametrize("density", [0.3, 0.55, 0.62, 0.9])
def test_regions_equal_a_slow_search(density):
    rng = np.random.default_rng(int(density * 100))
    mask = rng.random((37, 53)) < density
    expected = slow_pieces(mask)
    numbers, sizes = regions.pieces(mask)
    assert sorted(map(len, expected)) == sorted(sizes)
    for piece in expected:
        assert len({int(numbers[place]) for place in piece}) == 1
    seeds = rng.random(mask.shape) < 0.02
    reached = {place for piece in expected if any(seeds[place] for place in piece) for place in piece}
    assert {(int(y), int(x)) for y, x in zip(*np.nonzero(regions.reached(mask, seeds)))} == reached
    assert (numbers[~mask] == -1).all()


def test_regions_of_nothing_and_everything():
    nothing, everything = np.zeros((5, 7), bool), np.ones((5, 7), bool)
    assert not regions.reached(nothing, everything).any()
    assert regions.pieces(nothing)[1].size == 0
    assert regions.pieces(everything)[1].tolist() == [35]
    assert regions.depth(everything, 3).min() == 3  # beyond the picture counts as inside


def test_depth_counts_steps_from_the_edge():
    mask = np.zeros((40, 40), bool)
    mask[5:35, 5:35] = True
    deep = regions.depth(mask, 9)
    assert deep[4, 20] == 0
    assert [int(deep[5 + k, 20]) for k in range(10)] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 9]
    assert (regions.grown(mask, 2)[3:37, 20]).all()
    assert not regions.grown(mask, 2)[2, 20]
