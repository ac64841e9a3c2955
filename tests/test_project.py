"""Projection: recovers codes, respects its limits, stops, resumes; the bank against brute force."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ganji import bank, latents, project, project_options
from ganji.bank import LatentBank
from ganji.errors import CheckpointError, InputError, ProjectionError
from ganji.formats import native
from ganji.perceptual import LPIPS
from ganji.project import ProjectionState
from ganji.project_options import ProjectOptions, ProjectStage
from tests.helpers import TINY, make_generator

SMALL = ProjectOptions(
    stages=(ProjectStage(16, 12, tied=True, learning_rate=0.1), ProjectStage(32, 25, tied=False, learning_rate=0.05)),
    tolerance=-1.0,
)


class Pixels(LPIPS):
    """A distance that tiny pictures can have: squared pixels, in the shape of LPIPS."""

    def __init__(self):
        torch.nn.Module.__init__(self)
        self.lin0 = torch.nn.Module()
        self.lin0.weight = torch.nn.Parameter(torch.ones(3))

    def embed(self, x):
        return [x.float()]


@pytest.fixture(scope="module")
def setting():
    generator = make_generator(TINY["mobile"])
    space = latents.w_statistics(generator, activated=True, num_samples=2000)
    w = latents.w_from_seeds(generator, [3])
    target = generator.synthesis(latents.to_w_plus(w, generator.config.num_ws)).clamp(-1, 1)
    return generator, space, target, Pixels()


def run(setting, options=SMALL, state=None, **keywords):
    generator, space, target, distance = setting
    state = state or project.start_from(None, space, generator.config.num_ws)
    return project.project(generator, target, distance, options, space=space, state=state, **keywords)


def test_finds_a_code_whose_picture_is_much_closer(setting):
    options = ProjectOptions((ProjectStage(32, 80, True, 0.15),), prior_weight=0, colour_weight=0, tolerance=-1)
    steps = list(run(setting, options))
    assert [s.index for s in steps] == list(range(80))
    generator, _, target, _ = setting
    errors = [float((generator.synthesis(s.w_plus) - target).square().mean()) for s in (steps[0], steps[-1])]
    assert errors[1] < 0.25 * errors[0]
    last = steps[-1]
    assert last.w_plus.shape == (1, generator.config.num_ws, 32)
    assert not last.w_plus.requires_grad


def test_tied_stages_keep_one_code_for_all_rows(setting):
    steps = list(itertools.islice(run(setting), 20))
    assert torch.allclose(steps[11].w_plus, steps[11].w_plus[:, :1], atol=1e-5)
    assert not torch.allclose(steps[19].w_plus, steps[19].w_plus[:, :1], atol=1e-5)


def test_continues_exactly_where_it_stopped(setting):
    whole = list(run(setting))
    for stop in (5, 12, 20):
        part = list(itertools.islice(run(setting), stop))[-1]
        assert isinstance(part.state, ProjectionState)
        rest = list(run(setting, state=part.state))
        assert rest[0].index == stop
        assert torch.equal(rest[-1].w_plus, whole[-1].w_plus)


def test_same_every_time_and_parameters_untouched(setting):
    before = {n: p.clone() for n, p in setting[0].named_parameters()}
    a, b = (list(run(setting))[-1].w_plus for _ in range(2))
    assert torch.equal(a, b)
    assert all(torch.equal(before[n], p) for n, p in setting[0].named_parameters())
    assert all(p.grad is None for p in setting[0].parameters())


def test_best_candidate_survives(setting):
    generator, space, _, _ = setting
    w = latents.w_from_seeds(generator, [11, 3, 12])  # the target is seed 3
    state = project.start_from(w, space, generator.config.num_ws)
    options = ProjectOptions((ProjectStage(32, 1, True, 1e-6), ProjectStage(32, 1, True, 1e-6)), tolerance=-1)
    last = list(run(setting, options, state))[-1]
    assert last.state.codes.shape[0] == 1
    assert torch.allclose(last.w_plus[0, 0], w[1], atol=1e-2)


def test_prior_pulls_towards_usual_codes(setting):
    _, space, _, _ = setting

    def size(weight):
        options = ProjectOptions(SMALL.stages, prior_weight=weight, tolerance=-1)
        return float(space.whiten(list(run(setting, options))[-1].w_plus).square().mean())

    assert size(1.0) < size(0.0)


def test_deadline_plateau_and_mask(setting):
    ticks = itertools.count()
    options = project_options.with_deadline(SMALL, 5)
    assert len(list(run(setting, options, clock=lambda: float(next(ticks))))) == 5
    plateau = ProjectOptions((ProjectStage(32, 500, True, 1e-5),), tolerance=0.01)
    assert len(list(run(setting, plateau))) == 2 * project.PATIENCE_WINDOW
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., :8] = 1
    generator, _, target, _ = setting
    last = list(run(setting, mask=mask))[-1]
    error = (generator.synthesis(last.w_plus) - target).abs().mean(dim=1)[0]
    assert float(error[:, :8].mean()) < float(error[:, 24:].mean())


def test_non_finite_loss_ends_within_ten_steps(setting):
    class Broken(Pixels):
        def embed(self, x):
            return [x.float() * float("nan")]

    generator, space, target, _ = setting
    steps = []
    with pytest.raises(ProjectionError, match="another photo"):
        steps.extend(run((generator, space, target, Broken())))
    assert len(steps) < 10


def test_wrong_targets(setting):
    generator, space, target, distance = setting
    with pytest.raises(InputError, match="target"):
        next(run((generator, space, F.avg_pool2d(target, 2), distance)))


@pytest.mark.parametrize(("wished", "found"), [(8, 16), (16, 16), (64, 32)])
def test_stages_take_the_next_picture_that_the_generator_has(setting, wished, found):
    """Foreign checkpoints are smaller than a stage, or have no heads for previews."""
    step = next(run(setting, ProjectOptions((ProjectStage(wished, 1, True, 0.1),))))
    assert (step.resolution, step.picture.shape[-1]) == (found, found)


def test_tied_code_is_the_whitened_mean(setting):
    _, space, _, _ = setting
    w = space.unwhiten(torch.randn(1, 8, 32))
    assert torch.allclose(project.tied(w[:, :1].expand(-1, 8, -1), space), w[:, 0], atol=1e-3)


# the bank


@pytest.fixture(scope="module")
def filled():
    generator = make_generator(TINY["mobile"])
    big = torch.nn.Module()  # pictures of 64 px, as the bank describes, from the tiny generator's 32
    big.config, big.style, big.mapping = generator.config, generator.style, generator.mapping
    big.synthesis = lambda w, resolution: F.interpolate(generator.synthesis(w), size=resolution)
    torch.manual_seed(0)
    distance = LPIPS("alexnet").requires_grad_(False)
    *counts, made = bank.build_bank(big, distance, list(range(40)), truncation_psi=0.8, count=39, batch_size=16)
    return big, distance, counts, made


def test_nearest_is_what_brute_force_finds(filled):
    generator, distance, counts, made = filled
    assert counts == [16, 32, 40]
    w = bank.codes(range(40), 0.8, generator, latents.w_statistics(generator).mean)
    pictures = generator.synthesis(latents.to_w_plus(w, generator.config.num_ws), 64)
    described = bank.describe(pictures, distance)
    query = bank.describe(pictures[7:8] * 0.9 + 0.05, distance)
    brute = (described - query).square().sum(dim=1).argsort()[:8].tolist()
    found = made.nearest(pictures[7:8] * 0.9 + 0.05, distance, 8)
    assert found[0] == brute[0]
    assert len(set(found) & set(brute)) >= 7
    assert made.nearest(pictures[13:14], distance, 1) == [13]


def test_description_distance_follows_lpips(filled):
    _, distance, _, _ = filled
    a, b = torch.rand(6, 3, 64, 64) * 2 - 1, torch.rand(6, 3, 64, 64) * 2 - 1
    a, b = F.avg_pool2d(a, 8, 1, 4)[..., :64, :64], F.avg_pool2d(b, 8, 1, 4)[..., :64, :64]
    short = (bank.describe(a, distance) - bank.describe(b, distance)).square().sum(dim=1)
    full = distance(a, b)
    assert bool((short <= full * 1.001).all())  # pooling can only lose differences
    assert np.corrcoef(short, full)[0, 1] > 0.5


def test_bank_file(filled, tmp_path):
    made = filled[3]
    tensors, header = made.to_tensors()
    path = tmp_path / "bank.safetensors"
    native.write(path, tensors, header)
    again = LatentBank.from_file(native.read(path, "bank"))
    assert torch.equal(again.features, made.features)
    assert again.truncation_psi == 0.8
    native.write(path, {**tensors, "seeds": tensors["seeds"][:5]}, header)
    with pytest.raises(CheckpointError):
        LatentBank.from_file(native.read(path, "bank"))
