"""Alignment: geometry against formulas written out by hand, resampling against pictures whose answer is known."""

import re
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data, transform

from ganji import align
from ganji.align import align_by_points, align_face, largest_note, quad_from_landmarks, resample_quad
from ganji.detect import DetectedFace, MTCNNDetector
from ganji.errors import FaceTooSmallError, GanjiError, InputError, NoFaceError

POINTS = np.array([[200.0, 200.0], [300.0, 200.0], [250.0, 250.0], [210.0, 300.0], [290.0, 300.0]])


@pytest.fixture(scope="module")
def detector():
    return MTCNNDetector()


@pytest.fixture(scope="module")
def astronaut():
    return Image.fromarray(data.astronaut())


@pytest.fixture(scope="module")
def straight(astronaut, detector):
    return align_face(astronaut, detector, 512)


class Found:
    """A detector that knows the answer."""

    def __init__(self, *landmarks):
        self.faces = [DetectedFace((0, 0, 1, 1), 1.0, points) for points in landmarks]

    def __call__(self, picture):
        return self.faces


def decibels(a, b):
    return 10 * np.log10(255**2 / (np.square(np.asarray(a).astype(float) - np.asarray(b)).mean() + 1e-9))


def square(side, left=0.0, top=0.0):
    return np.array([[left, top], [left, top + side], [left + side, top + side], [left + side, top]])


def turned(points, degrees, centre, factor=1.0):
    """Points turned clockwise as seen on a screen, and enlarged, about a centre."""
    angle = np.radians(degrees)
    matrix = factor * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points - centre) @ matrix.T + centre


# geometry


def test_quad_by_hand():
    """An upright face: eyes 100 apart, mouth 100 below them. FFHQ's square is 400 wide, 10 below the eyes' middle."""
    quad = quad_from_landmarks(POINTS, (1.0, 0.0, 0.0))
    assert np.allclose(quad, square(400, 50, 10))
    long_face = POINTS + np.array([[0, 0], [0, 0], [0, 50], [0, 100], [0, 100]])
    assert np.allclose(quad_from_landmarks(long_face, (1.0, 0.0, 0.0)), square(720, 250 - 360, 220 - 360))


def test_correction_shrinks_and_moves():
    quad = quad_from_landmarks(POINTS, (0.5, 0.1, 0.2))
    assert np.allclose(quad, square(200, 150, 110) + np.array([0.1, 0.2]) * 400)


@settings(max_examples=100, deadline=None)
@given(st.floats(-180, 180), st.floats(0.2, 8), st.floats(-500, 500), st.floats(-500, 500), st.integers(0, 2**16))
def test_quad_turns_with_the_face(degrees, factor, x, y, seed):
    """Turn, enlarge and move the landmarks of an odd face: the square does the same."""
    points = POINTS + np.random.default_rng(seed).normal(0, 12, (5, 2))
    centre, shift = np.array([250.0, 250.0]), np.array([x, y])
    got = quad_from_landmarks(turned(points, degrees, centre, factor) + shift)
    assert np.allclose(
        got, turned(quad_from_landmarks(points), degrees, centre, factor) + shift, atol=1e-6 * factor * 1000
    )


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**16))
def test_quad_is_a_square(seed):
    quad = quad_from_landmarks(POINTS + np.random.default_rng(seed).normal(0, 15, (5, 2)))
    sides = np.roll(quad, -1, axis=0) - quad
    assert np.allclose(np.hypot(*sides.T), np.hypot(*sides[0]))
    assert abs(sides[0] @ sides[1]) < 1e-6
    assert sides[0][0] * sides[1][1] - sides[0][1] * sides[1][0] < 0  # down, then right: not mirrored


def test_mirrored_face_gives_the_mirrored_square():
    points = POINTS + np.random.default_rng(3).normal(0, 10, (5, 2))
    mirrored = (points * [-1, 1] + [600, 0])[[1, 0, 2, 4, 3]]
    want = (quad_from_landmarks(points) * [-1, 1] + [600, 0])[[3, 2, 1, 0]]
    assert np.allclose(quad_from_landmarks(mirrored), want)


# resampling


def test_the_whole_picture_comes_back(astronaut):
    assert decibels(resample_quad(astronaut, square(512), 512), astronaut) > 40
    half = astronaut.resize((256, 256), Image.Resampling.BOX)
    assert decibels(resample_quad(astronaut, square(512), 256), half) > 33


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns(astronaut, turns):
    upright = resample_quad(astronaut, square(300, 100, 50), 300)
    lying = astronaut.rotate(-90 * turns, expand=True)  # clockwise
    centre = np.array([256.0, 256.0])
    quad = turned(square(300, 100, 50), 90 * turns, centre)
    assert decibels(resample_quad(lying, quad, 300), upright) > 45


@pytest.mark.parametrize("degrees", [10, 33, -47, 120])
def test_any_turn(degrees):
    """A smooth picture turned by skimage: cutting along the turned square gives the upright crop."""
    smooth = np.asarray(Image.fromarray(data.astronaut()).resize((64, 64)).resize((512, 512), Image.Resampling.BICUBIC))
    lying = (
        (255 * transform.rotate(smooth / 255.0, -degrees, center=(255.5, 255.5), order=3)).clip(0, 255).astype(np.uint8)
    )
    quad = turned(square(200, 156, 156), degrees, np.array([256.0, 256.0]))
    crop = resample_quad(Image.fromarray(lying), quad, 200)
    assert decibels(crop, resample_quad(Image.fromarray(smooth), square(200, 156, 156), 200)) > 38


@pytest.mark.parametrize("degrees", [0, 20, 45])
@pytest.mark.parametrize("period", [1, 2, 3])
def test_fine_checkerboards_become_grey(degrees, period):
    """No aliasing: a pattern finer than a pixel of the crop leaves nothing but its mean."""
    side = 2000
    ys, xs = np.mgrid[:side, :side] // period
    board = Image.fromarray((255 * ((xs + ys) % 2)).astype(np.uint8)).convert("RGB")
    quad = turned(square(1200, 400, 400), degrees, np.array([1000.0, 1000.0]))
    crop = np.asarray(resample_quad(board, quad, 128)).astype(float)
    assert np.abs(crop - 127.5).max() < 8
    naive = np.asarray(
        board.transform((128, 128), Image.Transform.QUAD, tuple(quad.ravel()), Image.Resampling.BILINEAR)
    ).astype(float)
    assert naive.std() > 20 or period * 128 / 1200 > 1


def test_enlarging_stays_smooth(astronaut):
    crop = resample_quad(astronaut, square(60, 200, 100), 256)
    want = astronaut.crop((200, 100, 260, 160)).resize((256, 256), Image.Resampling.BICUBIC)
    assert decibels(crop.crop((16, 16, 240, 240)), want.crop((16, 16, 240, 240))) > 33


def test_a_colour_stays_that_colour_beyond_the_border():
    plain = Image.new("RGB", (100, 80), (200, 30, 90))
    crop = np.asarray(resample_quad(plain, turned(square(150, -30, -40), 30, np.array([50.0, 40.0])), 128))
    assert np.abs(crop.astype(int) - (200, 30, 90)).max() <= 1


def test_padding_mirrors_then_fades(astronaut):
    """Half of the square lies left of the photo: there the photo is continued without an edge, then without detail."""
    crop = np.asarray(resample_quad(astronaut, square(256, -128, 100), 256)).astype(float)
    inside = np.asarray(astronaut.crop((0, 100, 128, 356))).astype(float)
    assert decibels(crop[:, 130:], inside[:, 2:]) > 38
    jumps = np.abs(np.diff(crop.mean(axis=(0, 2))))
    assert jumps[118:138].max() < 3 * np.median(jumps[140:]) + 3  # no seam
    assert decibels(crop[:, 124:128][:, ::-1], inside[:, :4]) > 25  # a mirror near the border
    assert decibels(crop[:, 124:128][:, ::-1], inside[::-1, :4]) < 15
    detail = np.abs(np.diff(crop, axis=0)).mean(axis=(0, 2))
    assert detail[:40].mean() < 0.35 * detail[140:].mean()


def test_a_square_beside_the_photo_is_refused(astronaut):
    with pytest.raises(InputError, match="does not touch"):
        resample_quad(astronaut, square(100, 2000, 2000), 64)


# photos


def test_aligned_face_comes_back_nearly_unchanged(straight, detector):
    """Alignment of what is aligned already: the square is the picture itself, within a few percent."""
    again = align_face(straight.picture, detector, 512)
    error = np.abs(again.quad - square(512)).max() / 512
    print("quad error:", error)
    assert error < 0.03
    assert decibels(again.picture.resize((64, 64)), straight.picture.resize((64, 64))) > 22


@pytest.mark.parametrize(("degrees", "most"), [(-25, 0.08), (-12, 0.05), (12, 0.05), (25, 0.08)])
def test_turned_photo_turns_the_square(astronaut, detector, straight, degrees, most):
    lying = astronaut.rotate(-degrees, Image.Resampling.BICUBIC, center=(256, 256))  # clockwise
    found = align_face(lying, detector, 512)
    want = turned(straight.quad, degrees, np.array([256.0, 256.0]))
    error = np.abs(found.quad - want).max() / np.hypot(*(straight.quad[3] - straight.quad[0]))
    print("quad error:", error)
    assert error < most
    assert decibels(found.picture.resize((32, 32)), straight.picture.resize((32, 32))) > 16


@pytest.mark.parametrize("factor", [0.6, 2.5])
def test_scaled_photo_scales_the_square(astronaut, detector, straight, factor):
    size = tuple(round(side * factor) for side in astronaut.size)
    found = align_face(astronaut.resize(size, Image.Resampling.LANCZOS), detector, 256)
    side = np.hypot(*(straight.quad[3] - straight.quad[0]))
    assert np.abs(found.quad / factor - straight.quad).max() < 0.04 * side


def test_exact_equivariance_with_known_landmarks(astronaut):
    points = (POINTS - 250) * 0.4 + [225, 118]
    straight = align_face(astronaut, Found(points), 128)
    for degrees in (90, 180, 270):
        lying = astronaut.rotate(-degrees, expand=True)
        found = align_face(lying, Found(turned(points, degrees, np.array([256.0, 256.0]))), 128)
        assert decibels(found.picture, straight.picture) > 45


def test_three_points_equal_the_automatic_way(astronaut):
    """The same points by hand: the same quad and the same pixels."""
    landmarks = np.array([[205.0, 101.0], [246.0, 103.0], [225.0, 129.0], [201.0, 139.0], [245.0, 141.0]])
    automatic = align_face(astronaut, Found(landmarks), 200)
    mouth = tuple(landmarks[3:].mean(axis=0))
    manual = align_by_points(astronaut, tuple(landmarks[0]), tuple(landmarks[1]), mouth, 200)
    assert np.array_equal(manual.quad, automatic.quad)
    assert manual.picture.tobytes() == automatic.picture.tobytes()
    assert manual.num_faces == 1


BAD_POINTS = {
    "outside": ((10, 10), (600, 10), (100, 100)), "negative": ((-1, 10), (60, 10), (30, 60)), "nan": ((float("nan"), 10), (60, 10), (30, 60)),
    "infinite": ((10, 10), (float("inf"), 10), (30, 60)), "swapped eyes": ((60, 10), (10, 10), (30, 60)), "mouth above": ((10, 60), (60, 60), (30, 10)),
    "in a line": ((10, 10), (40, 10), (70, 10)), "all alike": ((10, 10), (10, 10), (10, 10)), "flat": ((10, 10), (110, 10), (60, 14)),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BAD_POINTS))
def test_bad_points_are_refused(astronaut, name):
    with pytest.raises(InputError, match=r"(?i)mark") as caught:
        align_by_points(astronaut, *BAD_POINTS[name], 64)
    assert len(str(caught.value)) <= 200


def test_points_close_together_are_a_small_face(astronaut):
    with pytest.raises(FaceTooSmallError, match="10 pixels apart"):
        align_by_points(astronaut, (100, 100), (110, 100), (105, 110), 64)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(-10, 200), st.floats(-10, 200)), min_size=3, max_size=3))
def test_any_points_give_a_crop_or_a_message(points):
    photo = Image.new("RGB", (190, 170), "green")
    message, found = "", None
    try:
        found = align_by_points(photo, *points, 32)
    except GanjiError as error:
        message = str(error)
    assert len(message) <= 200
    assert found is None or (found.picture.size == (32, 32) and np.isfinite(found.quad).all())


@pytest.mark.parametrize("small_left", [True, False])
def test_face_picker(astronaut, detector, small_left):
    """Two faces: 0 is the larger one, wherever it stands; the same one each time."""
    head = astronaut.crop((120, 0, 340, 240))
    both = Image.new("RGB", (700, 400), (60, 60, 60))
    both.paste(head, (20 if small_left else 460, 20))
    both.paste(head.resize((330, 360)), (340 if small_left else 20, 20))
    faces = detector(both)
    crops = [align_face(both, lambda picture: faces, 96, face_index=k) for k in (0, 1)]
    centres = [crop.quad.mean(axis=0)[0] for crop in crops]
    assert bool(centres[0] > 340) is small_left
    assert bool(centres[1] > 340) is not small_left
    assert {crop.num_faces for crop in crops} == {2}
    assert align_face(both, detector, 96).picture.tobytes() == crops[0].picture.tobytes()


@pytest.mark.parametrize("index", [2, 10**9, -1])
def test_there_is_no_such_face(astronaut, index):
    with pytest.raises(InputError, match="from 1 to 2"):
        align_face(astronaut, Found(POINTS, POINTS), 96, face_index=index)


def test_what_the_user_is_told():
    assert largest_note(1) == ""
    assert "2 faces" in largest_note(2)


NOISE = np.random.default_rng(0).integers(0, 256, (600, 800, 3), np.uint8)
NO_FACES = {
    "black": (Image.new("RGB", (640, 480)), NoFaceError), "noise": (Image.fromarray(NOISE), NoFaceError), "16 pixels": (Image.fromarray(NOISE[:16, :16]), NoFaceError),
    "strip": (Image.new("RGB", (3000, 30), "pink"), NoFaceError), "tiny": (Image.fromarray(data.astronaut()).resize((128, 128)), FaceTooSmallError),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(NO_FACES))
def test_no_face_is_said_quickly(detector, name):
    photo, kind = NO_FACES[name]
    start = time.monotonic()
    with pytest.raises(kind) as caught:
        align_face(photo, detector, 256)
    assert time.monotonic() - start < 5
    assert len(str(caught.value)) <= 200
    assert re.search("Use a photo", str(caught.value))


def test_impossible_landmarks_are_no_face(astronaut):
    upside_down = POINTS.copy()
    upside_down[2:, 1] = 400 - upside_down[2:, 1]  # the mouth as far above the eyes as they are apart: no axis
    with pytest.raises(NoFaceError):
        align_face(astronaut, Found(upside_down), 64)


def test_faces_at_the_border(astronaut):
    """The square leaves the photo on every side in turn; the crop is whole."""
    for x, y in ((10, 10), (500, 10), (10, 500), (500, 500)):
        points = (POINTS - 250) * 0.5 + [x, y]
        found = align_face(astronaut, Found(points), 128)
        assert found.picture.size == (128, 128)
        assert np.asarray(found.picture).std() > 3


def test_large_photos_cost_little(astronaut):
    """24 megapixels: only the face's part is worked on."""
    large = astronaut.resize((4900, 4900))
    points = (POINTS - 250) * 4 + [2155, 1132]
    start = time.monotonic()
    align_face(large, Found(points), 256)
    assert time.monotonic() - start < 3


def test_calibration_is_kept():
    """Changing these moves every aligned photo; benchmarks/alignment.py measures them."""
    assert align.CORRECTION == (0.990, 0.0, 0.0043)
