"""Expressions read off pictures: fitted to something that is there to be read, and what a search makes of it."""

from dataclasses import fields

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ganji import images
from ganji.data import reader_fit
from ganji.data.expressions import Expressions
from ganji.errors import CheckpointError, InputError
from ganji.expression_goal import ExpressionGoal
from ganji.expression_map import ExpressionMap, Perceptron
from ganji.expression_reader import ExpressionReader
from ganji.face_regions import close_up
from ganji.formats import native
from ganji.training.pictures import PictureFolder, write_index
from ganji.weights import open_store

NAMES = ("gap", "lift", "yaw")


@pytest.fixture(scope="module")
def lpips():
    store, bundle = open_store()
    return store.perceptual(bundle.roles["perceptual"])


@pytest.fixture
def reader():
    torch.manual_seed(0)
    made = ExpressionReader(NAMES, width=4, hidden=8)
    made.std.copy_(torch.tensor([0.1, 0.05, 10.0]))
    return made.eval().requires_grad_(False)


def painted(gap, eyes, shade):
    """A face of three bars at FFHQ's places, 256 px, uint8: two eyes `eyes` high and a mouth `gap` high, 0 to 1."""
    picture = np.full((256, 256, 3), shade, np.uint8)
    for x in (97, 159):
        picture[round(120 - 14 * eyes) : round(120 + 14 * eyes), x - 16 : x + 16] = 30
    picture[round(180 - 20 * gap) : round(180 + 20 * gap), 100:156] = 60
    return picture


def drawn_faces(folder, count):
    """A folder of drawn faces and their measures, of which only the mouth's and the eyes' openings vary."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    gaps, eyes = rng.uniform(0.1, 1, count), rng.uniform(0.1, 1, count)
    for k in range(count):
        images.Image.fromarray(painted(gaps[k], eyes[k], rng.integers(120, 220))).save(folder / f"{k:04d}.png")
    write_index(folder, 256, [{"file": f"{k:04d}.png"} for k in range(count)])
    table = {field.name: np.full(count, 0.5) + 0.01 * rng.standard_normal(count) for field in fields(Expressions)}
    return PictureFolder(folder), Expressions(**{**table, "gap": gaps, "left_eye": eyes, "right_eye": eyes})


def test_a_fitted_reader_reads_faces_that_it_has_not_seen(tmp_path, lpips):
    folder, measured = drawn_faces(tmp_path / "faces", 220)
    measured.gap[5] = np.nan  # not found
    options = reader_fit.ReaderOptions(views=1, steps=500, hidden=16)
    *progress, found = reader_fit.fit([folder], measured, lpips, options)
    assert progress[-1].done == progress[-1].total == 500
    rng = np.random.default_rng(9)
    truth = rng.uniform(0.15, 0.95, (30, 2))
    pictures = images.from_uint8(np.stack([painted(gap, eyes, 170) for gap, eyes in truth]))
    read = dict(zip(found.names, found(found.see(pictures, lpips)).T.numpy()))
    for name, column in (("gap", 0), ("left_eye", 1), ("right_eye", 1)):
        assert np.corrcoef(read[name], truth[:, column])[0, 1] > 0.95, name
        assert np.abs(read[name] - truth[:, column]).mean() < 0.08, name


def test_too_few_faces(tmp_path, lpips):
    folder, measured = drawn_faces(tmp_path / "faces", 99)
    with pytest.raises(InputError, match="Fewer than 100"):
        next(reader_fit.fit([folder], measured, lpips, reader_fit.ReaderOptions()))


def test_mirrored_measures():
    table = torch.rand(4, len(reader_fit.MEASURES))
    other = reader_fit.mirrored(table)
    columns = {name: k for k, name in enumerate(reader_fit.MEASURES)}
    assert torch.equal(other[:, columns["left_eye"]], table[:, columns["right_eye"]])
    assert torch.equal(other[:, columns["yaw"]], -table[:, columns["yaw"]])
    assert torch.equal(other[:, columns["gap"]], table[:, columns["gap"]])
    assert torch.equal(reader_fit.mirrored(other), table)


def test_changed_pictures_are_other_photos_of_the_same_face():
    picture = images.from_uint8(painted(0.5, 0.5, 170)[None])
    rng = np.random.default_rng(0)
    seen = torch.cat([reader_fit.changed(picture, rng) for _ in range(12)])
    assert seen.shape == (12, 3, 128, 128)
    assert float(seen.abs().max()) <= 1
    assert len({view.numpy().tobytes() for view in seen}) == 12
    plain = F.avg_pool2d(picture, 2)
    for view in seen:  # the mouth is where it was, within a few pixels
        dark = view[:, 80:104, 40:88].mean(dim=0) < view[:, 100:110, 56:72].mean() - 0.1
        assert abs(float(dark.nonzero()[:, 0].float().mean()) + 80 - 90) < 5
        assert not torch.equal(view, plain[0])


def test_large_pictures_are_reduced_before_they_are_read(reader, lpips):
    torch.manual_seed(1)
    pictures = torch.rand(2, 3, 256, 256) * 2 - 1
    small = F.avg_pool2d(pictures, 2)
    assert torch.equal(reader(reader.see(pictures, lpips)), reader(lpips.embed(close_up(small))))


def test_reader_file(reader, lpips, tmp_path):
    path = tmp_path / "reader.safetensors"
    tensors, header = reader.to_tensors()
    native.write(path, tensors, header)
    again = ExpressionReader.from_file(native.read(path, "expression-reader"))
    picture = torch.rand(1, 3, 128, 128) * 2 - 1
    assert again.names == NAMES
    assert torch.equal(again(again.see(picture, lpips)), reader(reader.see(picture, lpips)))
    bad_files = [
        ({**tensors, "hidden.weight": tensors["hidden.weight"][:, 1:]}, header),
        ({name: t for name, t in tensors.items() if name != "coarse.bias"}, header),
        (tensors, {**header, "measures": 7}),
        (tensors, {**header, "measures": ["gap"]}),
    ]
    for bad, head in bad_files:
        native.write(path, bad, head)
        with pytest.raises(CheckpointError, match="expression reader"):
            ExpressionReader.from_file(native.read(path, "expression-reader"))


# the goal


@pytest.fixture
def known():
    network = Perceptron((6, 5, 4), torch.Generator().manual_seed(1)).eval().requires_grad_(False)
    return ExpressionMap(("width", "yaw", "lift", "gap"), network, {}, {})


def test_a_photo_is_no_way_from_its_own_expression(reader, lpips):
    photo, other = torch.rand(2, 1, 3, 128, 128) * 2 - 1
    goal = ExpressionGoal.of(photo, reader, None, lpips)
    assert float(goal.of_taps(reader.see(photo, lpips))) == pytest.approx(0, abs=1e-6)
    assert float(goal.of_taps(reader.see(other, lpips))) > 1e-4
    assert goal.of_codes(torch.rand(3, 6)).tolist() == [0, 0, 0]
    assert goal.can_read(photo)
    assert not goal.can_read(photo[..., :64, :64])


def test_difference_is_huber_in_standard_deviations(reader, known):
    w = torch.rand(3, 6)
    first = known.measures(w)[0]
    wanted = [
        first["gap"] + 0.03,
        first["lift"] - 0.2,
        first["yaw"] + 1,
    ]  # 0.3, 4 and 0.1 deviations from the first code's
    goal = ExpressionGoal(torch.tensor(wanted), reader, known)
    for row, got in zip(known.measures(w), goal.of_codes(w).tolist()):
        units = [abs(row[name] - goal_value) / unit for name, goal_value, unit in zip(NAMES, wanted, (0.1, 0.05, 10.0))]
        expected = [u * u / 2 if u < 1 else u - 0.5 for u in units]
        assert got == pytest.approx(sum(expected) / 3, rel=1e-4)


def test_pictures_and_codes_have_gradients(reader, known, lpips):
    photo, picture = torch.rand(2, 1, 3, 128, 128) * 2 - 1
    goal = ExpressionGoal.of(photo, reader, known, lpips)
    picture.requires_grad_(True)
    w = torch.rand(1, 6, requires_grad=True)
    before = goal.of_taps(reader.see(picture, lpips)), goal.of_codes(w)
    sum(before).sum().backward()
    with torch.no_grad():  # a third of the way that would lead to 0, were the differences linear
        picture -= before[0] / 3 / picture.grad.square().sum() * picture.grad
        w -= before[1] / 3 / w.grad.square().sum() * w.grad
        after = goal.of_taps(reader.see(picture, lpips)), goal.of_codes(w)
    for now, then in zip(after, before):
        assert float(now) < 0.9 * float(then.detach())
