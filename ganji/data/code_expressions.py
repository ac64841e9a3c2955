"""Expressions of codes that were never painted, read off a regression on measured faces: `data expression-map`, `data codes`.

A face mesh misjudges some pictures, and a network that paints from such labels blurs wherever two faces with nearly the
same code were given different drawings. Labels that are a smooth function of w do not disagree with each other, and there
are as many of them as wanted. What they are worth is measured on held-out faces. A small perceptron that says the same is
shipped, for settling codes before they are drawn (ganji/expression_map.py), so training codes are settled too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from ganji import latents
from ganji.data.direction_measures import EXPRESSIONS
from ganji.data.expressions import Expressions
from ganji.data.faces import truncation_of
from ganji.data.matching import Rules
from ganji.data.picture_writer import Progress
from ganji.errors import InputError
from ganji.expression_map import ExpressionMap, Perceptron
from ganji.networks.generator import Generator
from ganji.training.pictures import write_codes, write_index

MEASURES = tuple(field.name for field in fields(Expressions))
MIN_FACES = 100
WIDTHS = (768, 384)  # of the regression's two hidden layers
MAP_WIDTHS = (320, 160)  # of the map that is shipped
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
    """w -> measures: the mean of several perceptrons."""

    def __init__(self, networks: list[Perceptron]):
        self._networks = networks

    def table(self, w: torch.Tensor) -> torch.Tensor:
        """Measures of codes [N, w_dim], one column each: [N, M]."""
        with torch.no_grad():
            chunks = [
                torch.stack([net(part) for net in self._networks]).mean(dim=0) for part in w.float().split(10_000)
            ]
        return torch.cat(chunks)

    def measures(self, w: torch.Tensor) -> Expressions:
        """Expressions of codes [N, w_dim]."""
        return from_table(self.table(w))


def from_table(table: torch.Tensor) -> Expressions:
    """Expressions from one column per measure, [N, M]."""
    values = table.double().numpy()
    return Expressions(**{name: values[:, k] for k, name in enumerate(MEASURES)})


def fit(
    w: torch.Tensor, expressions: Expressions, options: RegressionOptions
) -> Iterator[Progress | ExpressionRegression]:
    """Fit the regression to the absolute error (so to the median, which mistakes do not pull).

    Yields progress and at last the regression.

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
    networks: list[Perceptron] = []
    total = options.members * options.steps
    for member in range(options.members):
        generator = torch.Generator().manual_seed(options.seed * 1000 + member)
        for step in _fitted(w[found].float(), table[found], WIDTHS, options, generator):
            if isinstance(step, Perceptron):
                networks.append(step)
            else:
                yield Progress(member * options.steps + step, total)
    yield ExpressionRegression(networks)


def distil(
    regression: ExpressionRegression, w: torch.Tensor, rules: Rules, options: RegressionOptions
) -> Iterator[Progress | ExpressionMap]:
    """One small perceptron that says what the regression says of codes w [N, w_dim]. Yields progress, at last the map."""
    generator = torch.Generator().manual_seed(options.seed)
    for step in _fitted(w.float(), regression.table(w), MAP_WIDTHS, options, generator):
        if isinstance(step, Perceptron):
            yield ExpressionMap(MEASURES, step, rules.classes, rules.margins)
        else:
            yield Progress(step, options.steps)


def _fitted(
    w: torch.Tensor, table: torch.Tensor, widths: Sequence[int], options: RegressionOptions, generator: torch.Generator
) -> Iterator[int | Perceptron]:
    """Fit one perceptron; yields the number of steps done and at last the perceptron."""
    network = Perceptron((w.shape[1], *widths, table.shape[1]), generator)
    network.standardise(w, table)
    optimizer = torch.optim.AdamW(network.parameters(), options.learning_rate, weight_decay=options.weight_decay)
    for step in range(options.steps):
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * (1 - step / options.steps)
        rows = torch.randint(len(w), (BATCH,), generator=generator)
        loss = ((network(w[rows]) - table[rows]) / network.output_std).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 99:
            yield step + 1
    yield network.eval().requires_grad_(False)


def explained(expressions: Expressions, predicted: Expressions) -> dict[str, float]:
    """R2 of every measure: the share of its variance that the prediction explains."""
    found = expressions.found
    result = {}
    for name in MEASURES:
        truth, guess = getattr(expressions, name)[found], getattr(predicted, name)[found]
        result[name] = float(1 - np.square(truth - guess).mean() / max(truth.var(), 1e-12))
    return result


def codes_of(generator: Generator, seeds: Sequence[int], psi: tuple[float, float]) -> tuple[torch.Tensor, list[float]]:
    """(w [N, w_dim], truncation of each): every code is truncated by its own factor, uniform in psi and fixed by its seed."""
    w_avg = latents.w_statistics(generator).mean
    factors = [truncation_of(seed, psi) for seed in seeds]
    return w_avg + torch.tensor(factors)[:, None] * (latents.w_from_seeds(generator, seeds) - w_avg), factors


def make_codes(
    generator: Generator,
    expression_map: ExpressionMap,
    out: Path,
    seeds: Sequence[int],
    psi: tuple[float, float],
    share: float,
) -> Expressions:
    """Write a folder of codes with expressions, as `data faces` and `data expressions` do, without pictures.

    Args:
        generator: whose mapping network turns seeds into codes.
        psi: (low, high) truncation, as `codes_of`.
        share: of the margins to which codes are settled, as they are before they are drawn; 0: as they come.
    Raises:
        InputError: the folder cannot be written.
    """
    w, factors = codes_of(generator, seeds, psi)
    if share > 0:
        w = expression_map.settle(w, latents.w_statistics(generator), share=share)
    table = torch.cat([expression_map.network(part) for part in w.split(10_000)])
    expressions = from_table(table)
    try:
        out.mkdir(parents=True, exist_ok=True)
        entries = [{"seed": int(seed), "truncation_psi": round(factor, 4)} for seed, factor in zip(seeds, factors)]
        write_codes(out, w)
        expressions.save(out / EXPRESSIONS)
        write_index(out, generator.config.img_resolution, entries, kind="codes")
    except OSError as exc:
        raise InputError(f"{out.name}/ cannot be written: {exc.strerror or 'input/output error'}.") from exc
    return expressions
