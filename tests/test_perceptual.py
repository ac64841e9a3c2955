"""LPIPS against a second implementation, on the bundled weights."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from skimage.data import astronaut

from ganji import images
from ganji.errors import CheckpointError
from ganji.perceptual import LPIPS
from ganji.weights import open_store
from tests.reference import lpips as reference


@pytest.fixture(scope="module")
def network():
    store, bundle = open_store()
    return store.perceptual(bundle.roles["perceptual"])


def pictures(seed=0, side=64):
    return torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, (3, 3, side, side)).astype(np.float32))


@pytest.mark.parametrize("side", [32, 64, 100])
def test_equals_the_reference(network, side):
    a, b = pictures(0, side), pictures(1, side)
    expected = reference.distance(a, b, dict(network.state_dict()))
    assert torch.allclose(network(a, b), expected, rtol=1e-4, atol=1e-6)


def test_vgg16_equals_the_reference():
    torch.manual_seed(0)
    network = LPIPS("vgg16").requires_grad_(False)
    a, b = pictures(0, 32), pictures(1, 32)
    expected = reference.distance(a, b, dict(network.state_dict()), "vgg16")
    assert torch.allclose(network(a, b), expected, rtol=1e-4, atol=1e-6)


def test_order_of_real_pictures(network):
    """More blur is farther away; a picture is at distance 0 from itself; the distance is symmetric."""
    photo = Image.fromarray(astronaut()[40:240, 120:320]).resize((128, 128))
    original = images.to_tensor(photo)
    blurred = [images.to_tensor(photo.filter(ImageFilter.GaussianBlur(radius))) for radius in (0.5, 1, 2, 4)]
    distances = [float(network(original, other)) for other in blurred]
    assert float(network(original, original)) == 0
    assert distances == sorted(distances)
    assert float(network(blurred[2], original)) == pytest.approx(distances[2], rel=1e-5)


def test_mask_counts_only_what_it_covers(network):
    a, b = pictures(0), pictures(0).clone()
    b[:, :, :, 40:] = 0.9  # they differ on the right only
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :16] = 1
    ta, tb = network.embed(a), network.embed(b)
    everywhere, left = network.compare(ta, tb), network.compare(ta, tb, mask)
    assert bool((left < 0.4 * everywhere).all())
    full = network.compare(ta, tb, torch.ones(1, 1, 64, 64))
    assert torch.allclose(full, everywhere, rtol=1e-4)


def test_unknown_backbone():
    with pytest.raises(CheckpointError, match="alexnet"):
        LPIPS("resnet")
