"""Expressions of codes that were never painted, read off a regression on measured faces: `data codes`.

A face mesh misjudges some pictures, and a network that paints from such labels blurs wherever two faces with nearly the
same code were given different drawings. Labels that are a smooth function of w do not disagree with each other, and there
are as many of them as wanted. Only training data is made of them; what they are worth is measured on held-out faces.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ganji import latents
from ganji.data.direction_measures import EXPRESSIONS
from ganji.data.expressions import Expressions
from ganji.data.faces import truncation_of
from ganji.data.picture_writer import Progress
from ganji.errors import InputError
from ganji.networks.generator import Generator
from ganji.training.pictures import write_codes, write_index

MEASURES = tuple(field.name for field in fields(Expressions))
MIN_FACES = 100
WIDTHS = (768, 384)  # of the two hidden layers
BATCH = 256


@dataclass(frozen=True)
class RegressionOptions:
    """
    Attributes:
        members: networks whose outputs are averaged.
        steps: of Adam with decoupled weight decay, for each of them; the rate falls linearly to 0.
        learning_rate: at the start.
        weight_decay: per unit of the rate.
        seed: of everything random.
    """

    members: int = 4
    steps: int = 4000
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    seed: int = 0


class ExpressionRegression:
    """w -> measures: small perceptrons, fitted to the absolute error (so to the median, which mistakes do not pull)."""

    def __init__(self, networks: list[nn.Module], w_scale: Scale, measure_scale: Scale):
        self._networks = networks
        self._w_scale = w_scale
        self._measure_scale = measure_scale

    def measures(self, w: torch.Tensor) -> Expressions:
        """Expressions of codes.

        Args:
            w: [N, w_dim].
        """
        with torch.no_grad():
            inputs = self._w_scale.reduced(w.float())
            mean = torch.stack([network(inputs) for network in self._networks]).mean(dim=0)
            values = self._measure_scale.restored(mean).double().numpy()
        return Expressions(**{name: values[:, k] for k, name in enumerate(MEASURES)})


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of each column."""

    mean: torch.Tensor
    std: torch.Tensor

    @classmethod
    def of(cls, values: torch.Tensor) -> Scale:
        """That of a table [N, C]; a constant column keeps its size."""
        std = values.std(dim=0)
        return cls(values.mean(dim=0), torch.where(std > 0, std, torch.ones_like(std)))

    def reduced(self, values: torch.Tensor) -> torch.Tensor:
        """Columns of mean 0 and deviation 1."""
        return (values - self.mean) / self.std

    def restored(self, values: torch.Tensor) -> torch.Tensor:
        """What `reduced` was given."""
        return values * self.std + self.mean


def fit(
    w: torch.Tensor, expressions: Expressions, options: RegressionOptions
) -> Iterator[Progress | ExpressionRegression]:
    """Fit the regression; yields progress and at last the regression.

    Args:
        w: [N, w_dim]: codes of the measured faces.
        expressions: of N faces; those without a face are left out.
    Raises:
        InputError: fewer than 100 measured faces.
    """
    table = torch.from_numpy(np.stack([getattr(expressions, name) for name in MEASURES], axis=1)).float()
    found = torch.isfinite(table).all(dim=1)
    if int(found.sum()) < MIN_FACES:
        raise InputError(f"{int(found.sum())} measured faces are too few; at least {MIN_FACES} are needed.")
    w_scale, measure_scale = Scale.of(w[found].float()), Scale.of(table[found])
    inputs, targets = w_scale.reduced(w[found].float()), measure_scale.reduced(table[found])
    networks: list[nn.Module] = []
    total = options.members * options.steps
    for member in range(options.members):
        generator = torch.Generator().manual_seed(options.seed * 1000 + member)
        network = _perceptron(w.shape[1], len(MEASURES), generator)
        optimizer = torch.optim.AdamW(network.parameters(), options.learning_rate, weight_decay=options.weight_decay)
        for step in range(options.steps):
            for group in optimizer.param_groups:
                group["lr"] = options.learning_rate * (1 - step / options.steps)
            rows = torch.randint(len(inputs), (BATCH,), generator=generator)
            loss = (network(inputs[rows]) - targets[rows]).abs().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % 100 == 99:
                yield Progress(member * options.steps + step + 1, total)
        networks.append(copy.deepcopy(network).eval().requires_grad_(False))
    yield ExpressionRegression(networks, w_scale, measure_scale)


def explained(expressions: Expressions, predicted: Expressions) -> dict[str, float]:
    """R2 of every measure: the share of its variance that the prediction explains."""
    found = expressions.found
    result = {}
    for name in MEASURES:
        truth, guess = getattr(expressions, name)[found], getattr(predicted, name)[found]
        result[name] = float(1 - np.square(truth - guess).mean() / max(truth.var(), 1e-12))
    return result


def make_codes(
    generator: Generator, regression: ExpressionRegression, out: Path, seeds: Sequence[int], psi: tuple[float, float]
) -> Expressions:
    """Write a folder of codes with expressions, as `data faces` and `data expressions` do, without pictures.

    Args:
        generator: whose mapping network turns seeds into codes.
        psi: (low, high): each code is truncated by its own factor, uniform in this range and fixed by its seed.
    Raises:
        InputError: the folder cannot be written.
    """
    w_avg = latents.w_statistics(generator).mean
    factors = torch.tensor([truncation_of(seed, psi) for seed in seeds])[:, None]
    w = w_avg + factors * (latents.w_from_seeds(generator, seeds) - w_avg)
    expressions = regression.measures(w)
    try:
        out.mkdir(parents=True, exist_ok=True)
        entries = [
            {"seed": int(seed), "truncation_psi": round(float(f), 4)} for seed, f in zip(seeds, factors.flatten())
        ]
        write_codes(out, w)
        expressions.save(out / EXPRESSIONS)
        write_index(out, generator.config.img_resolution, entries, kind="codes")
    except OSError as exc:
        raise InputError(f"{out.name}/ cannot be written: {exc.strerror or 'input/output error'}.") from exc
    return expressions


def _perceptron(inputs: int, outputs: int, generator: torch.Generator) -> nn.Sequential:
    """Two hidden layers; weights drawn from `generator` alone, so that a fit can be repeated."""
    layers: list[nn.Module] = []
    for width, following in zip((inputs, *WIDTHS), (*WIDTHS, outputs)):
        layer = nn.Linear(width, following)
        nn.init.kaiming_uniform_(layer.weight, a=5**0.5, generator=generator)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1])
