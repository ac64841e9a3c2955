"""Blending by weights, and the presets."""

from dataclasses import replace

import pytest
import torch

from ganji.blend import BlendCut, blend_generators, blend_presets
from ganji.errors import BlendError
from ganji.networks.config import GeneratorConfig
from tests.helpers import TINY, make_generator
from tests.test_networks import codes


@pytest.fixture
def parents(family):
    config = TINY[family]
    return make_generator(config, 1), make_generator(replace(config, style_row=2), 2)


def test_no_face_layers_paints_the_emoji_and_all_paint_the_face(parents):
    face, emoji = parents
    w_plus = codes(face.config, 2)
    top = len(face.config.layer_order)
    assert torch.equal(blend_generators(face, emoji, BlendCut(0)).synthesis(w_plus), emoji.synthesis(w_plus))
    assert torch.equal(blend_generators(face, emoji, BlendCut(top)).synthesis(w_plus), face.synthesis(w_plus))
    assert torch.equal(blend_generators(face, emoji, BlendCut(0, 0.0)).synthesis(w_plus), face.synthesis(w_plus))


def test_every_layer_comes_from_the_side_of_the_cut_that_it_stands_on(parents):
    face, emoji = parents
    order = face.config.layer_order
    ours, theirs = face.state_dict(), emoji.state_dict()
    for cut in range(len(order) + 1):
        state = blend_generators(face, emoji, BlendCut(cut)).state_dict()
        for index, layer in enumerate(order):
            source = ours if index < cut else theirs
            for prefix in layer.parameters:
                for name in state:
                    if name == prefix or name.startswith(f"{prefix}."):
                        assert torch.equal(state[name], source[name]), (cut, name)
        assert all(torch.equal(state[n], ours[n]) for n in state if n.startswith("style."))


def test_strength_interpolates_weights(parents):
    face, emoji = parents
    half = blend_generators(face, emoji, BlendCut(0, 0.5)).state_dict()
    for name, tensor in half.items():
        if not name.startswith("style."):
            assert torch.allclose(tensor, (face.state_dict()[name] + emoji.state_dict()[name]) / 2, atol=1e-6)


def test_the_parents_stay_as_they_are(parents):
    face, emoji = parents
    before = {n: t.clone() for n, t in face.state_dict().items()}
    blend_generators(face, emoji, BlendCut(2, 0.3))
    assert all(torch.equal(before[n], t) for n, t in face.state_dict().items())


def test_refusals_are_one_sentence(parents, family):
    face, emoji = parents
    other = make_generator(TINY["mobile" if family == "stylegan2" else "stylegan2"])
    with pytest.raises(BlendError, match="one family"):
        blend_generators(face, other, BlendCut(1))
    wider = make_generator(replace(TINY[family], channel_max=16))
    with pytest.raises(BlendError, match="different architectures"):
        blend_generators(face, wider, BlendCut(1))
    for cut in (BlendCut(-1), BlendCut(99), BlendCut(1, 1.5), BlendCut(1, float("nan"))):
        with pytest.raises(BlendError):
            blend_generators(face, emoji, cut)


def test_presets_of_2022_and_soat():
    presets = {p.name: p for p in blend_presets(GeneratorConfig("stylegan2", 256))}
    assert (presets["ganji-2022"].cut, presets["ganji-2022"].style_row) == (BlendCut(3), 2)
    assert presets["soat"].cut == BlendCut(6, 0.7)
    mobile = blend_presets(GeneratorConfig("mobile", 256, channel_base=32768))
    assert [p.cut.num_face_layers for p in mobile] == [0, 1, 4, 7, 10, 13]
    assert all(p.style_row is None for p in mobile)
