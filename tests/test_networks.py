"""Synthesis networks against golden data of the public implementations and against slow references."""

import json

import numpy as np
import pytest
import torch

from ganji.errors import CheckpointError, InputError
from ganji.networks.config import GeneratorConfig
from ganji.networks.discriminator import Discriminator, minibatch_stddev
from ganji.networks.generator import build_generator, use_channels_last
from ganji.networks.ops.haar import haar_down, haar_up
from ganji.networks.ops.resample import binomial_kernel, blur, upsample2
from ganji.networks.stylegan2 import ModulatedConv
from tests.helpers import DATA, TINY, make_generator, stand_in_weights
from tests.reference import synthesis as reference

PARITY = DATA / "parity"
SLOW = {"mobile": reference.mobile, "stylegan2": reference.stylegan2}


def relative(a, b):
    return float(np.abs(np.asarray(a) - np.asarray(b)).max() / np.abs(np.asarray(b)).max())


@pytest.fixture(scope="module")
def rosinality():
    keys = json.loads((PARITY / "rosinality_g64_keys.json").read_text())
    generator = build_generator(GeneratorConfig("stylegan2", 64)).eval().requires_grad_(False)
    state = generator.state_dict()
    assert set(keys) == set(state)
    assert {k: list(v.shape) for k, v in state.items()} == keys
    generator.load_state_dict({**state, **stand_in_weights(keys)})
    return generator, np.load(PARITY / "rosinality_g64_golden.npz")


def test_stylegan2_mapping_equals_rosinality(rosinality):
    generator, golden = rosinality
    assert relative(generator.mapping(torch.tensor(golden["z"])), golden["w"]) < 1e-5


@pytest.mark.parametrize("batch", [1, 2])
def test_stylegan2_pictures_equal_rosinality(rosinality, batch):
    generator, golden = rosinality
    w = torch.tensor(golden["w"])[:batch]
    plus = torch.tensor(golden["w_plus"])[:batch]
    tied = w[:, None].expand(-1, generator.config.num_ws, -1)
    assert relative(generator.synthesis(tied), golden["image_w"][:batch]) < 1e-4
    assert relative(generator.synthesis(plus), golden["image_w_plus"][:batch]) < 1e-4
    truncated = 0.05 + 0.6 * (tied - 0.05)
    assert relative(generator.synthesis(truncated), golden["image_w_truncated_06_wavg_005"][:batch]) < 1e-4


def test_discriminator_equals_rosinality():
    keys = json.loads((PARITY / "rosinality_d32_keys.json").read_text())
    discriminator = Discriminator(GeneratorConfig("stylegan2", 32)).requires_grad_(False)
    state = discriminator.state_dict()
    assert {k: list(v.shape) for k, v in state.items()} == keys
    discriminator.load_state_dict({**state, **stand_in_weights(keys)})
    golden = np.load(PARITY / "rosinality_d32_golden.npz")
    assert relative(discriminator(torch.tensor(golden["x"])), golden["score"]) < 1e-4


def codes(config, batch, seed=1):
    shape = (batch, config.num_ws, config.w_dim)
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


@pytest.mark.parametrize("batch", [1, 3])
def test_pictures_equal_the_slow_reference(tiny_generator, family, batch):
    config = tiny_generator.config
    w_plus = codes(config, batch)
    for side in tiny_generator.picture_resolutions:
        if side < 16:
            continue
        slow = SLOW[family](tiny_generator.state_dict(), config, w_plus, side)
        assert relative(tiny_generator.synthesis(w_plus, resolution=side), slow) < 1e-5


@pytest.mark.parametrize("batch", [1, 3])
def test_gradients_equal_the_slow_reference(tiny_generator, family, batch):
    config = tiny_generator.config
    weight = torch.from_numpy(np.random.default_rng(2).standard_normal((3, 32, 32)).astype(np.float32))
    names = dict(tiny_generator.named_parameters())
    buffers = {name: tensor for name, tensor in tiny_generator.state_dict().items() if name not in names}

    def paint_slowly(w_plus):
        return SLOW[family](dict(tiny_generator.named_parameters()) | buffers, config, w_plus, 32)

    gradients = []
    for paint in (tiny_generator.synthesis, paint_slowly):
        tiny_generator.requires_grad_(True)
        w_plus = codes(config, batch).requires_grad_(True)
        (paint(w_plus) * weight).sum().backward()
        gradients.append({"w_plus": w_plus.grad} | {n: p.grad for n, p in tiny_generator.named_parameters()})
        tiny_generator.zero_grad(set_to_none=True)
    fast, slow = gradients
    assert {n for n, g in fast.items() if g is not None} == {n for n, g in slow.items() if g is not None}
    for name, gradient in fast.items():
        if gradient is not None:
            assert relative(gradient, slow[name]) < 1e-3, name


def test_channels_last_paints_the_same(tiny_generator):
    w_plus = codes(tiny_generator.config, 1)
    plain = tiny_generator.synthesis(w_plus)
    use_channels_last(tiny_generator)
    with torch.no_grad():
        other = tiny_generator.synthesis(w_plus)
    assert relative(other, plain) < 1e-5


def test_batch_size_changes_nothing_visible(tiny_generator):
    w_plus = codes(tiny_generator.config, 4)
    together = tiny_generator.synthesis(w_plus)
    alone = torch.cat([tiny_generator.synthesis(row[None]) for row in w_plus])
    assert float((together - alone).abs().max()) < 2 / 255 * float(together.abs().max())


def test_modulated_convolution_both_ways():
    torch.manual_seed(0)
    for demodulate in (True, False):
        conv = ModulatedConv(6, 5, 3, 8, demodulate=demodulate)
        x, w = torch.randn(3, 6, 7, 7), torch.randn(3, 8)
        slow = reference.modulated_conv_loop(x, conv.weight[0] * conv.scale, conv.modulation(w), demodulate)
        assert relative(conv(x, w).detach(), slow.detach()) < 1e-5
        big = torch.randn(1, 6, 64, 64)  # features outweigh the weights: the weights are modulated instead
        slow = reference.modulated_conv_loop(big, conv.weight[0] * conv.scale, conv.modulation(w[:1]), demodulate)
        assert relative(conv(big, w[:1]).detach(), slow.detach()) < 1e-5


def test_noise_modes(tiny_generator):
    w_plus = codes(tiny_generator.config, 2)
    const, none = (tiny_generator.synthesis(w_plus, noise_mode=mode) for mode in ("const", "none"))
    assert torch.equal(const, tiny_generator.synthesis(w_plus))
    assert not torch.equal(const, none)
    a, b, c = (
        tiny_generator.synthesis(w_plus, noise_mode="random", rng=torch.Generator().manual_seed(s)) for s in (1, 1, 2)
    )
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_wrong_arguments_are_one_sentence(tiny_generator):
    config = tiny_generator.config
    with pytest.raises(InputError, match="w_plus must be"):
        tiny_generator.synthesis(torch.zeros(1, config.num_ws + 1, config.w_dim))
    with pytest.raises(InputError, match="noise_mode"):
        tiny_generator.synthesis(codes(config, 1), noise_mode="loud")
    with pytest.raises(InputError, match="resolution"):
        tiny_generator.synthesis(codes(config, 1), resolution=24)


def test_haar_is_orthonormal_and_inverts_itself():
    y = torch.randn(2, 3, 8, 10, dtype=torch.float64)
    x = haar_down(y)
    assert torch.allclose(haar_up(x), y)
    assert torch.allclose(x.square().sum(), y.square().sum())
    last = x.to(memory_format=torch.channels_last)
    with torch.no_grad():
        assert torch.allclose(haar_up(last), y)
    constant = haar_down(torch.ones(1, 1, 4, 4))
    assert torch.allclose(constant[:, 0], torch.full((1, 2, 2), 2.0))
    assert torch.allclose(constant[:, 1:], torch.zeros(1, 3, 2, 2))


def test_filters_against_shifted_sums():
    x = torch.randn(2, 3, 6, 6)
    padded = torch.nn.functional.pad(x, (2, 1, 2, 1))
    assert torch.allclose(blur(x, binomial_kernel(), (2, 1)), reference._filter(padded, 1.0), atol=1e-6)
    assert torch.allclose(upsample2(x, binomial_kernel(4.0)), reference._enlarge(x), atol=1e-6)
    assert torch.allclose(upsample2(torch.ones(1, 1, 8, 8), binomial_kernel(4.0))[..., 4:-4, 4:-4], torch.ones(1))


def test_minibatch_stddev_of_a_group():
    x = torch.randn(8, 4, 3, 3)
    out = minibatch_stddev(x)
    for k in range(2):  # pictures k, k+2, k+4, k+6 form a group
        expected = x[k::2].std(dim=0, unbiased=False).mean()
        assert torch.allclose(out[k::2], expected.expand(4, 1, 3, 3), atol=1e-4)


def test_layer_orders():
    stylegan2 = GeneratorConfig("stylegan2", 256)
    assert (len(stylegan2.layer_order), stylegan2.num_ws) == (20, 14)
    assert [layer.name for layer in stylegan2.layer_order[:5]] == [
        "conv1",
        "to_rgb1",
        "convs.0",
        "convs.1",
        "to_rgbs.0",
    ]
    assert [layer.row for layer in stylegan2.layer_order[:8]] == [0, 1, 1, 2, 3, 3, 4, 5]
    mobile = GeneratorConfig("mobile", 256, channel_base=32768, preview_resolutions=(64, 128))
    assert (len(mobile.layer_order), mobile.num_ws) == (17, 17)
    assert [mobile.channels(side) for side in mobile.feature_resolutions] == [512, 512, 512, 512, 512, 256]
    assert mobile.num_layers_up_to(4) == 1
    assert mobile.num_layers_up_to(16) == 7


def test_every_parameter_belongs_to_exactly_one_layer(tiny_generator):
    prefixes = [prefix for layer in tiny_generator.config.layer_order for prefix in layer.parameters]
    for name in tiny_generator.state_dict():
        if name.startswith(("style.", "to_rgbs.16.")):
            continue
        owners = [p for p in prefixes if name == p or name.startswith(f"{p}.")]
        assert len(owners) == 1, name


def test_config_round_trip_and_refusals():
    for config in TINY.values():
        assert GeneratorConfig.from_dict(config.to_dict()) == config
    for values in (
        {"family": "stylegan3", "img_resolution": 64},
        {"family": "mobile", "img_resolution": 96},
        {"family": "mobile", "img_resolution": 2048},
        {"family": "mobile"},
        {"family": "mobile", "img_resolution": 64, "colour": 1},
        {"family": "mobile", "img_resolution": 64, "preview_resolutions": [48]},
        {"family": "stylegan2", "img_resolution": 64, "channel_max": 0},
        {"family": "mobile", "img_resolution": 64, "style_row": 40},
        {"family": "mobile", "img_resolution": 64, "style_row": True},
        {"family": "mobile", "img_resolution": 64, "style_row": 1.5},
        {"family": "mobile", "img_resolution": 64, "preview_resolutions": 32},
        [],
    ):
        with pytest.raises(CheckpointError):
            GeneratorConfig.from_dict(values)


def test_same_seed_same_generator():
    a, b = (make_generator(TINY["mobile"], seed=3) for _ in range(2))
    assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))
