"""Random emoji: where their rows come from."""

from dataclasses import replace

import pytest
import torch

from ganji import latents
from ganji.codebook import STYLE_GROUPS, Codebook
from ganji.data import codebook_design
from ganji.styles import StyleCodes

from .helpers import TINY, make_generator

STYLE_ROW = 3


@pytest.fixture(scope="module")
def emoji():
    return make_generator(replace(TINY["mobile"], style_row=STYLE_ROW))


@pytest.fixture(scope="module")
def swatches(emoji):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codebook_design, "LEADING", 20)  # the tiny generator's w has 32 numbers
        designed = codebook_design.design_codebook(latents.w_statistics(emoji, num_samples=2000))
    assert {group.name for group in designed.groups} == set(STYLE_GROUPS)
    return designed


@pytest.mark.parametrize("psi", [0.0, 0.7, 1.0])
def test_style_rows_are_a_swatch_and_the_others_the_truncated_code(emoji, swatches, psi):
    styles, mean = StyleCodes(emoji, swatches), swatches.mean
    known = torch.cat([styles.code(name, mean[None]) for name in styles.names])
    used = set()
    for seed in range(40):
        rows, w = styles.random(seed, psi)[0], latents.w_from_seeds(emoji, [seed])
        torch.testing.assert_close(rows[:STYLE_ROW], (mean + psi * (w - mean)).expand(STYLE_ROW, -1))
        distances = (rows[STYLE_ROW] - known).norm(dim=1)
        assert float(distances.min()) < 1e-4
        assert swatches.read(rows[STYLE_ROW:][:1]) == swatches.read(w), "another swatch than the code's own"
        assert torch.equal(rows[STYLE_ROW:], rows[STYLE_ROW].expand(len(rows) - STYLE_ROW, -1))
        used.add(int(distances.argmin()))
    assert len(used) > 10


def test_without_a_codebook_one_code_truncated_towards_the_mean(emoji):
    rows = StyleCodes(emoji, None).random(5, 0.5)[0]
    mean, w = latents.w_statistics(emoji).mean, latents.w_from_seeds(emoji, [5])
    torch.testing.assert_close(rows, (mean + 0.5 * (w - mean)).expand(len(rows), -1))


def test_a_codebook_that_names_features_truncates_towards_them(emoji, swatches):
    featured = Codebook(swatches.mean, (*swatches.groups, replace(swatches.groups[0], name="mouth")))
    rows, w = StyleCodes(emoji, featured).random(5, 0.5)[0], latents.w_from_seeds(emoji, [5])
    torch.testing.assert_close(rows[0], ((w + featured.centres(w, ("mouth",))) / 2)[0])
