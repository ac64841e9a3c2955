"""Which expression the face of a code has, and the nearest code that has it beyond doubt.

emoji-blend draws one of a few mouths and eyes, chosen by measures of the face (how far the lips are apart, how far the
corners are lifted, ...). The measures are a smooth function of w; the choice is not: on the border between two drawings a
network, which is smooth, paints a mixture of both. So a code *settles* before it is drawn: where a measure lies too close to
a border, the code steps back from it, to the side that it is on, by the shortest way that leaves all other measures alone.
It is the same thought as truncation towards the nearest of many means (Mokady et al. 2022), which codebook.py uses.

The map is a small perceptron, fitted by `python -m ganji data expression-map`; the rules come with it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from ganji.errors import CheckpointError
from ganji.formats.native import NativeFile
from ganji.latents import WStatistics

SLOPE = 0.2
ROUNDS = 3  # a step back from one border may come near another one
NEWTON_STEPS = 4
DAMPING = 1e-4
LARGEST_STEP = 6.0  # standard deviations; a longer way is not gone
CHUNK = 256  # codes that are settled at one time
EYE = "eye"  # in rules: the mean of left_eye and right_eye
BOTH_EYES = ("left_eye", "right_eye")

Condition = Mapping[str, Sequence[float | None]]  # measure -> [least, most), null where open


@dataclass(frozen=True)
class Rule:
    """A class of expressions: the first whose conditions all hold is a face's."""

    name: str
    when: Condition

    def holds(self, measures: Mapping[str, float]) -> bool:
        """Whether a face with these measures (and `eye`) meets all conditions."""
        return all(
            (least is None or measures[of] >= least) and (most is None or measures[of] < most)
            for of, (least, most) in self.when.items()
        )


def class_of(rules: Sequence[Rule], measures: Mapping[str, float]) -> str:
    """The name of the first rule that holds; the last rule of a table has no conditions."""
    return next(rule.name for rule in rules if rule.holds(measures))


def with_mean_eye(measures: Mapping[str, float]) -> dict[str, float]:
    """The measures and `eye`, the mean of both eyes' openings."""
    return {**measures, EYE: (measures[BOTH_EYES[0]] + measures[BOTH_EYES[1]]) / 2}


@dataclass(frozen=True)
class ExpressionMap:
    """w -> measures -> classes.

    Attributes:
        names: the M measures.
        network: [B, w_dim] -> [B, M], in float32 on the CPU.
        rules: {"eyes": ..., "mouth": ...}.
        margins: measure -> how far from a border a settled code is, in the measure's unit.
    """

    names: tuple[str, ...]
    network: Perceptron
    rules: Mapping[str, tuple[Rule, ...]]
    margins: Mapping[str, float]

    def on(self, device: torch.device) -> ExpressionMap:
        """The same with a copy of its network on a device, for codes that are there."""
        return replace(self, network=copy.deepcopy(self.network).to(device))

    def measures(self, w: torch.Tensor) -> list[dict[str, float]]:
        """Measures of codes [B, w_dim], by name."""
        with torch.no_grad():
            table = self.network(w.float().cpu()).double().numpy()
        return [dict(zip(self.names, row.tolist())) for row in table]

    def classify(self, measures: Mapping[str, float]) -> dict[str, str]:
        """{"eyes": class, "mouth": class}."""
        values = with_mean_eye(measures)
        return {slot: class_of(rules, values) for slot, rules in self.rules.items()}

    def settle(self, w: torch.Tensor, statistics: WStatistics, *, share: float = 1.0) -> torch.Tensor:
        """Codes that are clearly of their own classes; those that are already come back as they are.

        Args:
            w: [B, w_dim].
            statistics: of the w that codes are drawn from (not `activated`): what a short way is.
            share: of the margins.
        Returns:
            [B, w_dim], on the device of w.
        """
        codes = w.detach().float().cpu()
        targets = self._targets(codes, share)
        unclear = [k for k, target in enumerate(targets) if target is not None]
        settled = codes.clone()
        to_w = statistics.to_w.float().cpu()
        for start in range(0, len(unclear), CHUNK):
            rows = unclear[start : start + CHUNK]
            wanted = torch.tensor(
                [[target[name] for name in self.names] for target in map(targets.__getitem__, rows) if target]
            )
            settled[rows] = self._moved(codes[rows], wanted, to_w)
        return settled.to(w)

    def _targets(self, w: torch.Tensor, share: float) -> list[dict[str, float] | None]:
        """The measures that each code should have; None where they are its own."""
        found = []
        for measures in self.measures(w):
            target = self.target(measures, share)
            found.append(None if target == measures else target)
        return found

    def target(self, measures: Mapping[str, float], share: float = 1.0) -> dict[str, float]:
        """The nearest measures that keep a margin to every border of the face's classes."""
        own, wanted = self.classify(measures), with_mean_eye(measures)
        for _ in range(ROUNDS):
            for name, margin in self.margins.items():
                low, high = self._interval(wanted, name, own)
                low, high = low + share * margin, high - share * margin
                wanted[name] = (low + high) / 2 if low > high else min(max(wanted[name], low), high)
        if any(class_of(rules, wanted) != own[slot] for slot, rules in self.rules.items()):
            return dict(measures)
        shift = wanted.pop(EYE) - with_mean_eye(measures)[EYE]
        return {name: wanted[name] + (shift if name in BOTH_EYES else 0.0) for name in measures}

    def _interval(self, values: Mapping[str, float], name: str, own: Mapping[str, str]) -> tuple[float, float]:
        """Between which values of one measure the classes stay as they are, everything else being equal."""
        borders = {
            border
            for rules in self.rules.values()
            for rule in rules
            for border in rule.when.get(name, ())
            if border is not None
        }
        value, low, high = values[name], -np.inf, np.inf
        for border in sorted(borders):
            beyond = border if border > value else np.nextafter(border, -np.inf)
            if any(class_of(rules, {**values, name: beyond}) != own[slot] for slot, rules in self.rules.items()):
                low, high = (low, min(high, border)) if border > value else (border, high)
        return low, high

    def _moved(self, w: torch.Tensor, wanted: torch.Tensor, to_w: torch.Tensor) -> torch.Tensor:
        """Damped Gauss-Newton steps of least length in whitened space; codes whose way would be too long stay.

        Args:
            w: [B, w_dim]. wanted: [B, M]. to_w: [w_dim, w_dim], from whitened codes.
        """
        unit = self.network.output_std
        step = torch.zeros_like(w)  # whitened
        for _ in range(NEWTON_STEPS):
            value, jacobian = self._linearised(w + step @ to_w)
            rows = jacobian @ to_w.t() / unit[:, None]  # [B, M, w_dim]
            gram = rows @ rows.transpose(1, 2)
            damping = DAMPING * gram.diagonal(dim1=1, dim2=2).mean(dim=1)
            gram = gram + damping[:, None, None] * torch.eye(len(unit))
            step = step + (torch.linalg.solve(gram, (wanted - value) / unit)[:, None] @ rows)[:, 0]
        near = step.norm(dim=1, keepdim=True) <= LARGEST_STEP
        return torch.where(near, w + step @ to_w, w)

    def _linearised(self, w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(measures [B, M], their Jacobian [B, M, w_dim]) at codes [B, w_dim]."""
        count = len(self.names)
        inputs = w.repeat_interleave(count, dim=0).requires_grad_(True)
        with torch.enable_grad():
            outputs = self.network(inputs).view(len(w), count, count)
            (jacobian,) = torch.autograd.grad(outputs.diagonal(dim1=1, dim2=2).sum(), inputs)
        return outputs[:, 0].detach(), jacobian.view(len(w), count, -1)

    # its file

    def to_tensors(self) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
        """(tensors, header) for formats/native.py."""
        rules = {
            slot: [{"name": rule.name, "when": dict(rule.when)} for rule in rows] for slot, rows in self.rules.items()
        }
        header: dict[str, object] = {"kind": "expression-map", "measures": list(self.names), "rules": rules}
        header["margins"] = dict(self.margins)
        return dict(self.network.state_dict()), header

    @classmethod
    def from_file(cls, stored: NativeFile) -> ExpressionMap:
        """Read what `to_tensors` wrote.

        Raises:
            CheckpointError: something is missing or misshapen.
        """
        try:
            names = tuple(str(name) for name in stored.header["measures"])
            weights = [stored.tensors[name] for name in sorted(stored.tensors) if name.endswith(".weight")]
            network = Perceptron([weights[0].shape[1], *(weight.shape[0] for weight in weights)])
            network.load_state_dict({name: tensor.float() for name, tensor in stored.tensors.items()})
            rules = {
                str(slot): tuple(
                    Rule(str(row["name"]), {str(of): tuple(ends) for of, ends in row["when"].items()}) for row in rows
                )
                for slot, rows in stored.header["rules"].items()
            }
            found = cls(
                names,
                network.eval().requires_grad_(False),
                rules,
                {str(n): float(m) for n, m in stored.header["margins"].items()},
            )
            if weights[-1].shape[0] != len(names):
                raise ValueError("measures")
            found.target(found.measures(torch.zeros(1, weights[0].shape[1]))[0])
            return found
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, StopIteration, IndexError) as exc:
            raise CheckpointError("The expression map is incomplete or misshapen.") from exc


class Perceptron(nn.Module):
    """Inputs and outputs in their own units; between them, layers that see columns of mean 0 and deviation 1.

    Args:
        widths: of inputs, hidden layers, outputs.
        generator: draws the weights, so that a fit can be repeated.
    """

    input_mean: torch.Tensor
    input_std: torch.Tensor
    output_mean: torch.Tensor
    output_std: torch.Tensor

    def __init__(self, widths: Sequence[int], generator: torch.Generator | None = None):
        super().__init__()
        for end, width in (("input", widths[0]), ("output", widths[-1])):
            self.register_buffer(f"{end}_mean", torch.zeros(width))
            self.register_buffer(f"{end}_std", torch.ones(width))
        layers: list[nn.Module] = []
        for width, following in zip(widths, widths[1:]):
            layer = nn.Linear(width, following)
            nn.init.kaiming_uniform_(layer.weight, a=5**0.5, generator=generator)
            nn.init.zeros_(layer.bias)
            layers += [layer, nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers[:-1])

    def standardise(self, inputs: torch.Tensor, outputs: torch.Tensor) -> None:
        """Take means and deviations of tables [N, width]; a constant column keeps its size."""
        for end, table in (("input", inputs), ("output", outputs)):
            std = table.std(dim=0)
            getattr(self, f"{end}_mean").copy_(table.mean(dim=0))
            getattr(self, f"{end}_std").copy_(torch.where(std > 0, std, torch.ones_like(std)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, inputs] -> [B, outputs]."""
        return self.layers((x - self.input_mean) / self.input_std) * self.output_std + self.output_mean
