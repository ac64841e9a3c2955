"""Codes: seeds, statistics, truncation, mixing."""

import threading

import numpy as np
import pytest
import torch

from ganji import latents
from ganji.errors import InputError


def test_z_is_the_documented_formula():
    for seed in (0, 7, 2**32 - 1):
        expected = np.random.default_rng(seed).standard_normal((1, 512)).astype(np.float32)
        assert np.array_equal(latents.z_from_seed(seed).numpy(), expected)


def test_seeds_do_not_disturb_each_other_or_anything_global():
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 - the legacy global state is what must not be disturbed
    expected = {seed: latents.z_from_seed(seed) for seed in range(20)}
    before = torch.rand(1), np.random.rand()  # noqa: NPY002 - the legacy global state is what must not be disturbed
    wrong = []

    def work():
        for seed in range(20):
            if not torch.equal(latents.z_from_seed(seed), expected[seed]):
                wrong.append(seed)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 - the legacy global state is what must not be disturbed
    assert before == (torch.rand(1), np.random.rand())  # noqa: NPY002 - the legacy global state is what must not be disturbed


@pytest.mark.parametrize("activated", [False, True])
def test_whitened_space_has_unit_covariance_and_an_inverse(tiny_generator, activated):
    space = latents.w_statistics(tiny_generator, activated=activated, num_samples=4000)
    z = np.random.default_rng(latents.STATISTICS_SEED).standard_normal((4000, 32), dtype=np.float32)
    w = tiny_generator.mapping(torch.from_numpy(z))
    assert torch.allclose(space.mean, w.mean(dim=0), atol=1e-4)
    v = space.whiten(w)
    assert torch.allclose(torch.cov(v.t()), torch.eye(32), atol=2e-2)
    assert torch.allclose(space.unwhiten(v), w, atol=1e-3)
    spread = w.std(dim=0).mean()
    assert (space.unwhiten(torch.zeros(32)) - w.mean(dim=0)).abs().max() < spread  # its middle is a usual code


def test_leading_directions_carry_most_variance(tiny_generator):
    space = latents.w_statistics(tiny_generator, num_samples=2000)
    lengths = space.to_w.norm(dim=1)
    assert bool((lengths[:-1] >= lengths[1:] - 1e-6).all())
    w = latents.w_from_seeds(tiny_generator, range(500))
    total = (w - w.mean(dim=0)).square().sum(dim=1).mean()
    assert float(lengths.square().sum()) == pytest.approx(float(total), rel=0.1)


def test_statistics_are_the_same_every_time(tiny_generator):
    a, b = (latents.w_statistics(tiny_generator, num_samples=500) for _ in range(2))
    assert torch.equal(a.to_w, b.to_w)
    assert torch.equal(a.mean, b.mean)


def test_truncation_interpolates():
    w, mean = torch.randn(3, 8), torch.randn(8)
    assert torch.allclose(latents.truncate(w, mean, 1.0), w)
    assert torch.allclose(latents.truncate(w, mean, 0.0), mean.expand(3, -1))
    assert torch.allclose(latents.truncate(w, mean, 0.5), (w + mean) / 2)


def test_mixing_takes_rows_from_either():
    a, b = torch.zeros(2, 6, 4), torch.ones(1, 6, 4)
    mixed = latents.mix(a, b, 2)
    assert mixed.shape == (2, 6, 4)
    assert mixed[:, :2].eq(0).all()
    assert mixed[:, 2:].eq(1).all()
    with pytest.raises(InputError):
        latents.mix(a, torch.ones(1, 5, 4), 2)
    with pytest.raises(InputError):
        latents.mix(a, b, 7)
