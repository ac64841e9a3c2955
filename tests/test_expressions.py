"""Measures of faces, the drawings that show them, and the judge: against known rotations and the drawings themselves."""

import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

from ganji import images
from ganji.data import expressions as ex
from ganji.data.agreement import Agreement, Confusion, Judge
from ganji.data.compose import render
from ganji.data.expressions import Expressions, measure
from ganji.data.matching import Rules, default_rules
from ganji.data.part_builder import load_part_set
from ganji.errors import InputError
from ganji.perceptual import LPIPS

DATA = Path(__file__).parent / "data"
SETS = ("noto", "twemoji")
PLAIN = {"gap": 0.02, "width": 0.9, "lift": 0.05, "left_eye": 0.3, "right_eye": 0.3, "brow": 0.4, "yaw": 0.0, "pitch": 0.0, "roll": 0.0,
             "eye_x": 0.5, "eye_y": 0.47, "eye_distance": 0.25, "mouth_y": 1.0}  # fmt: skip


def face(gap=0.1, lift=0.05, eye=0.3):
    """Landmarks of a made-up frontal face, in the template's frame: [1, 478, 3]."""
    points = np.zeros((1, ex.NUM_LANDMARKS, 3))
    points[0, list(ex.RIGID)] = ex.TEMPLATE
    for lids, corners in ((ex.LEFT_LIDS, ex.LEFT_EYE), (ex.RIGHT_LIDS, ex.RIGHT_EYE)):
        middle = points[0, list(corners)].mean(axis=0)
        height = eye * np.linalg.norm(points[0, corners[0], :2] - points[0, corners[1], :2])
        half = np.array([0, height / 2, 0])
        points[0, lids[0]], points[0, lids[1]] = middle - half, middle + half
    points[0, ex.LIPS[0]], points[0, ex.LIPS[1]] = (0, 1 - gap / 2, -0.2), (0, 1 + gap / 2, -0.2)
    points[0, ex.OUTER_CORNERS[0]], points[0, ex.OUTER_CORNERS[1]] = (-0.45, 1 - lift, 0), (0.45, 1 - lift, 0)
    for k, x in zip(ex.BROWS, (-0.5, 0.5)):
        points[0, k] = (x, -0.4, 0)
    return points


def turned(points, yaw=0.0, pitch=0.0, roll=0.0, scale=0.25, centre=(0.5, 0.47, 0)):
    """The same face, turned by so many degrees: right, down, clockwise as seen."""
    y, p, r = np.radians((yaw, pitch, roll))
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return scale * points @ (about_z @ about_x @ about_y).T + np.array(centre)


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(0, 0, 0), (20, 0, 0), (-30, 0, 0), (0, 10, 0), (0, 0, 15), (15, -8, 5)]
)
def test_expression_does_not_depend_on_how_the_head_is_turned(yaw, pitch, roll):
    front, found = measure(turned(face())).row(0), measure(turned(face(), yaw, pitch, roll)).row(0)
    for name in ("gap", "width", "lift", "left_eye", "right_eye", "brow", "mouth_y"):
        assert found[name] == pytest.approx(front[name], abs=1e-6), name


@pytest.mark.parametrize("axis", ["yaw", "pitch", "roll"])
@pytest.mark.parametrize("degrees", [-20, 7, 25])
def test_angles_are_those_of_the_turn(axis, degrees):
    before = measure(turned(face())).row(0)[axis]
    assert abs(measure(turned(face(), **{axis: degrees})).row(0)[axis] - before) == pytest.approx(abs(degrees), abs=0.5)


def test_measures_are_what_was_put_in():
    found = measure(turned(face(gap=0.17, lift=0.08, eye=0.25))).row(0)
    assert found["gap"] == pytest.approx(0.17)
    assert found["lift"] == pytest.approx(0.08)
    assert found["left_eye"] == pytest.approx(0.25)
    assert found["eye_distance"] == pytest.approx(0.25)


def test_no_face_is_nan_and_files_round_trip(tmp_path):
    landmarks = np.concatenate([turned(face()), np.full((1, ex.NUM_LANDMARKS, 3), np.nan)])
    found = measure(landmarks)
    assert found.found.tolist() == [True, False]
    found.save(tmp_path / "e.npz")
    again = Expressions.joined([Expressions.load(tmp_path / "e.npz")] * 2)
    for field in fields(Expressions):
        np.testing.assert_allclose(getattr(again, field.name)[2:], getattr(found, field.name), rtol=1e-6)
    with pytest.raises(InputError, match="478"):
        measure(np.zeros((1, 5, 3)))
    (tmp_path / "bad.npz").write_bytes(b"no")
    for read in (Expressions.load, ex.load_landmarks):
        with pytest.raises(InputError, match=r"bad\.npz"):
            read(tmp_path / "bad.npz")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("open", "smile")),
        ({"lift": 0.0}, ("open", "neutral")),
        ({"lift": -0.05}, ("open", "frown")),
        ({"gap": 0.12, "lift": 0.1}, ("open", "grin")),
        ({"gap": 0.25, "lift": 0.1}, ("open", "laugh")),
        ({"gap": 0.2, "lift": 0.0, "width": 0.7}, ("open", "o")),
        ({"left_eye": 0.1, "right_eye": 0.1}, ("happy", "smile")),
        ({"left_eye": 0.1, "right_eye": 0.1, "lift": 0.0}, ("narrow", "neutral")),
        ({"left_eye": 0.5, "right_eye": 0.5}, ("wide", "smile")),
    ],
)
def test_the_rule_table_reads_as_a_human_does(changes, expected):
    assert default_rules().classify(PLAIN | changes) == expected


def test_every_class_has_a_part_in_every_set():
    rules = default_rules()
    assert set(rules.set_names) == {"noto", "fluent", "fluent-flat", "twemoji"}
    assert len(rules.names("mouth")) >= 6
    assert len(rules.names("eyes")) >= 3
    for slot in ("eyes", "mouth"):
        for name in rules.names(slot):
            assert all(rules.code(slot, name, one) for one in rules.set_names)


def test_a_turned_head_moves_the_features_and_a_wide_mouth_is_wide():
    rules = default_rules()
    straight, right = rules.match(PLAIN), rules.match(PLAIN | {"yaw": 20.0})
    assert right.eyes_placement.dx > straight.eyes_placement.dx + 5
    assert rules.match(PLAIN | {"width": 1.1}).mouth_placement.sx > straight.mouth_placement.sx
    assert rules.match(PLAIN | {"yaw": 400.0}) == rules.match(PLAIN | {"yaw": 36.0})


def test_bad_rule_tables(tmp_path):
    (tmp_path / "rules.json").write_text('{"eyes": []}')
    with pytest.raises(InputError, match=r"rules\.json"):
        Rules(tmp_path / "rules.json")


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    cache = shutil.copytree(DATA / "emoji", tmp_path_factory.mktemp("emoji") / "cache")
    torch.manual_seed(0)
    distance = LPIPS().eval().requires_grad_(False)
    return Judge(Rules(DATA / "rules.json"), {name: load_part_set(cache, name) for name in SETS}, distance, 64)


@pytest.mark.parametrize("set_name", SETS)
def test_the_judge_names_every_drawing(judge, set_name):
    drawings = judge.drawings(PLAIN, set_name, "blue")
    verdicts = judge.judge(drawings, PLAIN, set_name, "blue")
    assert [(v.eyes, v.mouth) for v in verdicts] == judge.pairs
    own = judge.pairs.index(judge.rules.classify(PLAIN))
    assert verdicts[own].distance == pytest.approx(0, abs=1e-6)
    assert all(v.distance > 0.001 for k, v in enumerate(verdicts) if k != own)


def test_the_judge_compares_at_the_faces_own_place(judge):
    """A drawing is found again when the face is turned, which it would not be among drawings of a straight face."""
    measures = PLAIN | {"yaw": 30.0}
    part_set = judge.part_sets["noto"]
    drawn = render(judge.rules.draw(judge.rules.match(measures, "wide", "o"), part_set, "yellow"), 64)
    verdict = judge.judge(images.to_tensor(drawn), measures, "noto", "yellow")[0]
    assert (verdict.eyes, verdict.mouth) == ("wide", "o")


def test_balanced_accuracy_is_the_mean_of_recalls():
    confusion = Confusion(("a", "b", "c"))
    for true, shown in [("a", "a")] * 9 + [("a", "b")] + [("b", "b")] * 5 + [("b", "c")] * 5 + [("c", "a")] * 3:
        confusion.add(true, shown)
    assert confusion.recalls(8) == {"a": 0.9, "b": 0.5}
    assert confusion.balanced_accuracy(8) == pytest.approx(0.7)
    assert confusion.balanced_accuracy(1) == pytest.approx((0.9 + 0.5 + 0) / 3)
    assert np.isnan(Confusion(("a",)).balanced_accuracy())
    assert confusion.to_text().splitlines()[1].split() == ["a", "9", "1", "0"]


def test_agreement_counts_each_picture(judge):
    table = Agreement(judge.rules)
    drawings = judge.drawings(PLAIN, "noto", "yellow")
    for _ in range(8):
        table.add(PLAIN, judge.judge(drawings[:1], PLAIN, "noto", "yellow")[0])
    assert table.eyes.counts.sum() == table.mouth.counts.sum() == len(table.distances) == 8
    assert "|" in table.to_row()
