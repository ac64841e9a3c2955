"""The terms of the training objective. Each is a flat function of tensors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ganji.perceptual import LPIPS

MAX_SHIFT = 4  # px; AlexNet's first layer has stride 4
MIN_SIDE, MIN_SIDE_SHIFTED = 32, 40  # px; AlexNet's pools leave nothing of smaller pictures


def reconstruction(
    fake: torch.Tensor, real: torch.Tensor, distance: LPIPS, rng: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """(L1, LPIPS), both means over the batch.

    LPIPS sees both pictures through one random shift of 0 to 3 px: its first layer samples every fourth pixel, and a
    fixed phase of that grid prints itself into flat areas of what is trained against it. Below 32 px it is 0.
    """
    pixel = (fake.float() - real).abs().mean()
    side = fake.shape[-1]
    dx, dy = torch.randint(0, MAX_SHIFT, (2,), generator=rng).tolist() if side >= MIN_SIDE_SHIFTED else (0, 0)
    if side < MIN_SIDE:
        return pixel, torch.zeros_like(pixel)
    shown, wanted = fake[:, :, dy:, dx:], real[:, :, dy:, dx:]
    with torch.no_grad():
        embedded = distance.embed(wanted)
    return pixel, distance.compare(distance.embed(shown), embedded).mean()


def generator_loss(scores: torch.Tensor) -> torch.Tensor:
    """Non-saturating logistic loss of the generator (Goodfellow et al. 2014)."""
    return F.softplus(-scores.float()).mean()


def discriminator_loss(real_scores: torch.Tensor, fake_scores: torch.Tensor) -> torch.Tensor:
    """Logistic loss of the discriminator."""
    return F.softplus(-real_scores.float()).mean() + F.softplus(fake_scores.float()).mean()


def r1_penalty(discriminator: nn.Module, reals: torch.Tensor) -> torch.Tensor:
    """Mean squared gradient norm of the scores of real pictures (Mescheder et al. 2018)."""
    reals = reals.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(reals).float().sum(), reals, create_graph=True)
    return gradient.float().square().sum(dim=(1, 2, 3)).mean()
