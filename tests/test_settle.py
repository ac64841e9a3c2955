"""Before a picture is painted its code moves onto what it draws, wherever sliders have left it."""

import numpy as np
import pytest
import torch

from ganji import latents
from ganji.codebook import FEATURE_GROUPS, Codebook
from ganji.data import codebook_design
from ganji.settle import Settler

from .helpers import TINY, make_generator

STYLE_ROW = 3


@pytest.fixture(scope="module")
def settler():
    generator = make_generator(TINY["mobile"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codebook_design, "LEADING", 20)
        statistics = latents.w_statistics(generator, num_samples=2000)
        distances = [1.0 - np.eye(count) for count in (7, 5)]  # all parts alike different: spread evenly
        eyes, mouths = [f"e{k}" for k in range(7)], [f"m{k}" for k in range(5)]
        plain = codebook_design.design_codebook(statistics, eyes, mouths, *distances)
    pairs = torch.ones(4, 7, 5, dtype=torch.uint8)
    pairs[1, :, 0] = 0  # what the second set has no drawing of
    return Settler(Codebook(plain.mean, plain.groups, pairs), None, statistics)


def rows_of(settler, seed):
    generator = make_generator(TINY["mobile"])
    w = latents.w_from_seeds(generator, [seed, seed + 1000])
    num_ws = generator.config.num_ws
    return latents.mix(latents.to_w_plus(w[:1], num_ws), latents.to_w_plus(w[1:], num_ws), STYLE_ROW)


def test_random_emoji_stand_on_their_points_and_keep_their_colour(settler):
    book = settler.codebook
    for seed in range(30):
        w_plus = rows_of(settler, seed)
        settled = settler.settle("emoji", w_plus, STYLE_ROW)
        fine = settled[:, STYLE_ROW]
        sets = book.choose(fine)["set"]
        assert float(book.group("set").distances(fine - book.mean).min()) < 1e-6
        torch.testing.assert_close(
            (fine - book.mean) @ book.group("colour").axes,
            (w_plus[:, STYLE_ROW] - book.mean) @ book.group("colour").axes,
            atol=1e-4, rtol=1e-4,
        )  # fmt: skip
        coarse = settled[:, 0]
        chosen = book.choose(w_plus[:, 0], sets=sets)
        for name in FEATURE_GROUPS:
            group = book.group(name)
            assert int(group.distances(coarse - book.mean).argmin()) == int(chosen[name])
            assert float(group.distances(coarse - book.mean).min()) < 1e-5
        assert book.pairs[int(sets), int(chosen["eyes"]), int(chosen["mouth"])]
        assert torch.equal(settler.settle("emoji", w_plus, STYLE_ROW), settled)


def test_rows_keep_their_differences(settler):
    w_plus = rows_of(settler, 3)
    w_plus = w_plus + 0.1 * torch.randn(w_plus.shape, generator=torch.Generator().manual_seed(1))
    settled = settler.settle("emoji", w_plus, STYLE_ROW)
    for rows in (slice(0, STYLE_ROW), slice(STYLE_ROW, None)):
        moved = (settled - w_plus)[:, rows]
        torch.testing.assert_close(moved, moved[:, :1].expand_as(moved), atol=1e-5, rtol=1e-4)


def test_faces_and_generators_without_a_style_row_stay_as_they_are(settler):
    w_plus = rows_of(settler, 4)
    assert settler.settle("face", w_plus, STYLE_ROW) is w_plus
    assert settler.settle("emoji", w_plus, None) is w_plus
    bare = Settler(None, None, settler.statistics)
    assert torch.equal(bare.settle("emoji", w_plus, STYLE_ROW), w_plus)
    assert torch.equal(bare.settle("emojified", w_plus, STYLE_ROW), w_plus)


def test_an_emojified_face_keeps_its_coarse_rows_without_a_map(settler):
    w_plus = rows_of(settler, 5)
    settled = settler.settle("emojified", w_plus, STYLE_ROW)
    assert torch.equal(settled[:, :STYLE_ROW], w_plus[:, :STYLE_ROW])
    assert float(settler.codebook.group("set").distances(settled[:, -1] - settler.codebook.mean).min()) < 1e-6
