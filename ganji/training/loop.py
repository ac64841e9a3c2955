"""The training loop: one step at a time, so that the caller decides about progress, stopping and time."""

from __future__ import annotations

import copy
import fnmatch
import hashlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ganji import latents
from ganji.errors import TrainingError
from ganji.networks.discriminator import Discriminator
from ganji.networks.generator import Generator
from ganji.perceptual import LPIPS
from ganji.precision import prefers_bfloat16
from ganji.training import checkpoint, losses
from ganji.training.learning_rate import schedule, tensor_scale
from ganji.training.options import Stage, TrainOptions
from ganji.training.pictures import PictureFolder
from ganji.training.precision import Twin

ADAM_BETAS = (0.9, 0.99)  # of the reconstruction targets
ADAM_BETAS_ADVERSARIAL = (0.0, 0.99)


@dataclass(frozen=True)
class TrainingStep:
    """What one step did: its index, pictures seen so far, loss terms by name, seconds, picture side."""

    index: int
    images: int
    terms: dict[str, float]
    seconds: float
    resolution: int


class StepRandom:
    """The random numbers of one step, from the run's seed and the step's index alone."""

    def __init__(self, seed: int, step: int):
        digest = hashlib.sha256(f"{seed}:{step}".encode()).digest()
        self.numpy = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        self.torch = torch.Generator().manual_seed(int.from_bytes(digest[8:15], "little"))


class Trainer:
    """A run in progress.

    Attributes:
        generator: the float32 master; `ema`: its running average, the one to keep.
        step: index of the next step.
    """

    def __init__(
        self,
        generator: Generator,
        pictures: PictureFolder,
        distance: LPIPS | None,
        options: TrainOptions,
        *,
        discriminator: Discriminator | None = None,
    ):
        self.options, self.pictures = options, pictures
        self.device = next(generator.parameters()).device
        self.step = 0
        self._codes = None if options.target == "adversarial" else pictures.codes()
        low = options.precision == "bfloat16" or (options.precision == "auto" and prefers_bfloat16(self.device))
        dtype = torch.bfloat16 if low else torch.float32
        self.generator = generator.train()
        self.names = _choose_trained(generator, options.train)
        self.ema = copy.deepcopy(generator).eval().requires_grad_(False)
        self._twin = Twin(generator, dtype)
        self._paint = (
            torch.compile(self._twin.twin.pictures, dynamic=False) if options.compile else self._twin.twin.pictures
        )
        self.distance = None if distance is None else distance.to(self.device, dtype).requires_grad_(False)
        adversarial = options.adversarial_weight > 0
        betas = ADAM_BETAS_ADVERSARIAL if adversarial else ADAM_BETAS
        parameters = dict(generator.named_parameters())
        family = generator.config.family
        groups = [{"params": [parameters[n]], "scale": tensor_scale(family, n, parameters[n])} for n in self.names]
        self._adam_g = torch.optim.Adam(groups, lr=options.learning_rate, betas=betas, fused=True)
        self.discriminator = discriminator
        if adversarial:
            if discriminator is None:
                raise TrainingError("An adversarial term needs a discriminator.")
            _freeze_blocks(discriminator, options.freeze_d)
            self._d_names = [n for n, p in discriminator.named_parameters() if p.requires_grad]
            trained = [p for p in discriminator.parameters() if p.requires_grad]
            self._twin_d = Twin(discriminator, dtype)
            rate = options.discriminator_learning_rate
            self._adam_d = torch.optim.Adam(trained, lr=rate, betas=betas, fused=True)

    def steps(self) -> Iterator[TrainingStep]:
        """Train to the end, yielding after every step.

        Raises:
            TrainingError: a loss became non-finite; the weights before that step are in the last checkpoint.
        """
        while self.step < self.options.total_steps:
            start = time.perf_counter()
            stage, seen = self.options.at(self.step)
            random = StepRandom(self.options.seed, self.step)
            self._set_learning_rates()
            terms, fake, real = self._generator_step(stage, random)
            if self.options.adversarial_weight > 0:
                terms |= self._discriminator_step(fake.detach(), real)
            bad = [name for name, value in terms.items() if not math.isfinite(value)]
            if bad:
                raise TrainingError(
                    f"The {bad[0]} loss is not finite at step {self.step}. The last good checkpoint stays; lower the learning rate."
                )
            self._average(stage.batch_size)
            self.step += 1
            seconds = time.perf_counter() - start
            yield TrainingStep(self.step - 1, seen + stage.batch_size, terms, seconds, stage.resolution)

    def _generator_step(self, stage: Stage, random: StepRandom) -> tuple[dict[str, float], torch.Tensor, torch.Tensor]:
        """One optimiser step of the generator. Returns its loss terms, the fake and the (other) real pictures."""
        options = self.options
        w_plus, wanted = self._batch(stage, random)
        smaller = [p for p in self.generator.config.preview_resolutions if p < stage.resolution]
        self._twin.refresh()
        painted = self._paint(w_plus, (*smaller, stage.resolution))
        fake = painted[stage.resolution]
        terms: dict[str, torch.Tensor] = {}
        loss = torch.zeros((), device=self.device)
        if wanted is not None and self.distance is not None:
            for side, picture in painted.items():
                real = wanted if side == stage.resolution else self.pictures.batch(self._rows, side).to(self.device)
                pixel, perceptual = losses.reconstruction(picture, real, self.distance, random.torch)
                weight = 1.0 if side == stage.resolution else options.preview_weight
                loss = loss + weight * (options.pixel_weight * pixel + options.perceptual_weight * perceptual)
                if side == stage.resolution:
                    terms |= {"l1": pixel, "lpips": perceptual}
        others = torch.empty(0)
        if options.adversarial_weight > 0:
            self._twin_d.refresh()
            others = self._reals(stage, random)
            self._twin_d.twin.requires_grad_(False)
            terms["adversarial"] = losses.generator_loss(self._twin_d.twin(fake))
            loss = loss + options.adversarial_weight * terms["adversarial"]
            for name, parameter in self._twin_d.twin.named_parameters():
                parameter.requires_grad_(name in self._d_names)
        loss.backward()
        self._twin.collect_gradients()
        self._adam_g.step()
        self._adam_g.zero_grad(set_to_none=True)
        return {name: float(value.detach()) for name, value in terms.items()}, fake, others

    def _discriminator_step(self, fake: torch.Tensor, real: torch.Tensor) -> dict[str, float]:
        """One optimiser step of the discriminator, with lazy R1 every `r1_interval` steps."""
        options, twin = self.options, self._twin_d.twin
        real = real.to(fake.dtype)
        loss = losses.discriminator_loss(twin(real), twin(fake))
        terms = {"discriminator": float(loss.detach())}
        if self.step % options.r1_interval == 0:
            penalty = losses.r1_penalty(twin, real)
            loss = loss + penalty * (options.r1_gamma / 2 * options.r1_interval)
            terms["r1"] = float(penalty.detach())
        loss.backward()
        self._twin_d.collect_gradients()
        self._adam_d.step()
        self._adam_d.zero_grad(set_to_none=True)
        return terms

    def _batch(self, stage: Stage, random: StepRandom) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(w_plus, wanted pictures or None) of this step."""
        config = self.generator.config
        if self._codes is None:
            z = torch.randn(2, stage.batch_size, config.z_dim, generator=random.torch).to(self.device)
            with torch.no_grad():
                first, second = (latents.to_w_plus(self.generator.mapping(part), config.num_ws) for part in z)
            row = config.num_ws
            if random.numpy.random() < self.options.style_mixing:
                row = int(random.numpy.integers(1, config.num_ws))
            return latents.mix(first, second, row), None
        self._rows = np.sort(random.numpy.choice(len(self.pictures), stage.batch_size, replace=False))
        w_plus = self._codes.w_plus(self._rows, config.num_ws, config.style_row)
        return w_plus.to(self.device), self.pictures.batch(self._rows, stage.resolution).to(self.device)

    def _reals(self, stage: Stage, random: StepRandom) -> torch.Tensor:
        """Real pictures for the discriminator, not the ones that the generator was asked for."""
        rows = np.sort(random.numpy.choice(len(self.pictures), stage.batch_size, replace=False))
        reals = self.pictures.batch(rows, stage.resolution)
        if self.options.mirror and self.options.target == "adversarial":
            flip = torch.from_numpy(random.numpy.random(len(reals)) < 0.5)
            reals = torch.where(flip[:, None, None, None], reals.flip(3), reals)
        return reals.to(self.device).contiguous(memory_format=torch.channels_last)

    def _set_learning_rates(self) -> None:
        factor = schedule(self.options, self.step)
        for group in self._adam_g.param_groups:
            group["lr"] = self.options.learning_rate * factor * group["scale"]
        if self.options.adversarial_weight > 0:
            for group in self._adam_d.param_groups:
                group["lr"] = self.options.discriminator_learning_rate * factor

    @torch.no_grad()
    def _average(self, batch_size: int) -> None:
        """Move the averaged weights; at the start they follow faster, so that early samples mean something."""
        beta = min(0.5 ** (batch_size / self.options.ema_images), 1 - 1 / (self.step + 2))
        average = dict(self.ema.named_parameters())
        current = dict(self.generator.named_parameters())
        for name in self.names:
            average[name].lerp_(current[name], 1 - beta)

    @torch.no_grad()
    def evaluate(self, pictures: PictureFolder, resolution: int, count: int = 64) -> dict[str, float]:
        """Mean L1 and LPIPS of the averaged generator to the first `count` pictures of a held-out folder."""
        assert self.distance is not None
        codes, config = pictures.codes(), self.generator.config
        totals = np.zeros(2)
        rows = np.arange(min(count, len(pictures)))
        for chunk in np.array_split(rows, max(1, len(rows) // 8)):
            w_plus = codes.w_plus(chunk, config.num_ws, config.style_row).to(self.device)
            fake = self.ema.synthesis(w_plus, resolution=resolution)
            real = pictures.batch(chunk, resolution).to(self.device)
            totals += [float((fake - real).abs().mean()) * len(chunk), float(self.distance(fake, real).sum())]
        return {"l1": totals[0] / len(rows), "lpips": totals[1] / len(rows)}

    def save(self, folder: Path) -> Path:
        """Write a checkpoint of everything (checkpoint.py)."""
        tensors = checkpoint.module_tensors("g", self.generator) | checkpoint.module_tensors("ema", self.ema)
        tensors |= checkpoint.optimizer_tensors("adam_g", self.names, self._adam_g)
        if self.options.adversarial_weight > 0 and self.discriminator is not None:
            tensors |= checkpoint.module_tensors("d", self.discriminator)
            tensors |= checkpoint.optimizer_tensors("adam_d", self._d_names, self._adam_d)
        images = self.options.at(self.step - 1)[1] + self.options.at(self.step - 1)[0].batch_size if self.step else 0
        header = {"step": self.step, "options": self.options.to_dict(), "config": self.generator.config.to_dict()}
        return checkpoint.save(folder, images, tensors, header)

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint of the same run.

        Raises:
            TrainingError: a checkpoint of another architecture.
        """
        tensors, header = checkpoint.load(path)
        try:
            checkpoint.load_module("g", self.generator, tensors)
            checkpoint.load_module("ema", self.ema, tensors)
            if self.options.adversarial_weight > 0 and self.discriminator is not None:
                checkpoint.load_module("d", self.discriminator, tensors)
                checkpoint.load_optimizer("adam_d", self._d_names, self._adam_d, tensors)
        except RuntimeError as exc:
            raise TrainingError(f"{path.name} is a checkpoint of another architecture.") from exc
        checkpoint.load_optimizer("adam_g", self.names, self._adam_g, tensors)
        self.step = int(header["step"])


def _choose_trained(generator: Generator, patterns: tuple[str, ...]) -> list[str]:
    """Names of the trained parameters, in order; sets requires_grad. The mapping network is always frozen.

    Raises:
        TrainingError: no parameter matches.
    """
    names = []
    for name, parameter in generator.named_parameters():
        trained = not name.startswith("style.") and any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
        parameter.requires_grad_(trained)
        if trained:
            names.append(name)
    if not names:
        raise TrainingError(f"No parameter of this generator matches {', '.join(patterns)}.")
    return names


def _freeze_blocks(discriminator: nn.Module, count: int) -> None:
    """FreezeD: the first `count` entries of `convs` keep their weights."""
    for name, parameter in discriminator.named_parameters():
        parts = name.split(".")
        parameter.requires_grad_(not (parts[0] == "convs" and int(parts[1]) < count))
