"""The baseline of benchmarks/projection.py: projection as StyleGAN2's paper describes it (Karras et al. 2020, appendix D)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from ganji import latents
from ganji.perceptual import LPIPS
from ganji.studio import Studio


def public_recipe(studio: Studio, target: torch.Tensor, vgg: LPIPS, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """W projection as StyleGAN2's paper describes it. Returns w [1, w_dim] and its picture, with its own noise maps."""
    generator, rng = studio.face, torch.Generator().manual_seed(0)
    samples = latents.w_from_seeds(generator, range(10_000))
    deviation = float((samples - samples.mean(dim=0)).square().sum(dim=1).mean().sqrt())
    w = samples.mean(dim=0, keepdim=True).clone().requires_grad_(True)
    noises = [p for name, p in generator.named_parameters() if name.endswith(".noise")]
    before = [noise.detach().clone() for noise in noises]
    for noise in noises:
        noise.data = torch.randn(noise.shape, generator=rng)
        noise.requires_grad_(True)
    optimizer = torch.optim.Adam([w, *noises], betas=(0.9, 0.999), lr=0.1)
    with torch.no_grad():
        wanted = vgg.embed(target)
    for step in range(steps):
        t = step / steps
        ramp = min(1.0, (1 - t) / 0.25)
        ramp = (0.5 - 0.5 * math.cos(ramp * math.pi)) * min(1.0, t / 0.05)
        optimizer.param_groups[0]["lr"] = 0.1 * ramp
        jitter = deviation * 0.05 * max(0.0, 1 - t / 0.75) ** 2 / math.sqrt(w.shape[1])
        noisy = w + jitter * torch.randn(w.shape, generator=rng)
        picture = generator.synthesis(latents.to_w_plus(noisy, generator.config.num_ws))
        loss = vgg.compare(vgg.embed(picture), wanted).sum() + 1e5 * sum(map(autocorrelation, noises))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for noise in noises:
                noise.sub_(noise.mean()).mul_(noise.square().mean().rsqrt())
    with torch.no_grad():
        picture = generator.synthesis(latents.to_w_plus(w, generator.config.num_ws))
    for noise, value in zip(noises, before):
        noise.requires_grad_(False)
        noise.data = value
    return w.detach(), picture


def autocorrelation(noise: torch.Tensor) -> torch.Tensor:
    """The paper's regulariser: squared correlation of a noise map with itself shifted by one pixel, on all its scales."""
    total = torch.zeros(())
    while True:
        total = total + (noise * noise.roll(1, 3)).mean().square() + (noise * noise.roll(1, 2)).mean().square()
        if noise.shape[-1] <= 8:
            return total
        noise = F.avg_pool2d(noise, 2) * 2
