"""Directions in w that change a picture most, read off a generator's weights (closed-form factorization).

Shen and Zhou 2021 ("SeFa"): the eigenvectors of A^T A, where A stacks the affine maps from w to the styles. The sign of
an eigenvector is arbitrary; here its largest entry is positive.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ganji import latents
from ganji.errors import DirectionsError, InputError
from ganji.formats.native import NativeFile
from ganji.networks.generator import Generator, StyleLayer

MAX_STRENGTH = 10.0
MAX_ROWS = 18  # of w_plus in StyleGAN2 at 1024 px
MAX_UNIT, MAX_CALIBRATION_STEPS = 1e4, 16
MAX_RESIDUAL = 1e-2  # about 1e-5 for the right generator, 0.4 for another


@dataclass(frozen=True)
class Direction:
    """One slider.

    Attributes:
        name: what people read.
        vector: [w_dim] float32, unit length.
        rows: (first, last + 1): the rows of w_plus that it moves.
        unit: how far strength 1 goes.
        value: the singular value, or the held-out R2 of a named direction.
        effect: mean distance between pictures at strength 0 and 1, as `calibrate` measured it; 0: not measured.
    """

    name: str
    vector: torch.Tensor
    rows: tuple[int, int]
    unit: float = 1.0
    value: float = 0.0
    effect: float = 0.0


@dataclass(frozen=True)
class Directions:
    """The sliders of one generator.

    Attributes:
        affine_sha256: digest of the affine weights that they were made from (`affine_digest`); empty for foreign files.
        method: "rosinality", "sefa" or "named".
    """

    items: tuple[Direction, ...]
    affine_sha256: str = ""
    method: str = "sefa"

    def __len__(self) -> int:
        return len(self.items)

    def to_tensors(self) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
        """(tensors, header) for formats/native.py."""
        header: dict[str, object] = {
            "kind": "directions",
            "method": self.method,
            "affine_sha256": self.affine_sha256,
            "items": [
                {"name": d.name, "rows": list(d.rows), "unit": d.unit, "value": d.value, "effect": d.effect}
                for d in self.items
            ],
        }
        return {"vectors": torch.stack([d.vector for d in self.items], dim=1)}, header

    @classmethod
    def from_file(cls, stored: NativeFile) -> Directions:
        """Read what `to_tensors` wrote.

        Raises:
            DirectionsError: something is missing or misshapen.
        """
        try:
            vectors, header = stored.tensors["vectors"].float(), stored.header
            items = tuple(
                Direction(
                    str(d["name"]),
                    vectors[:, k],
                    (int(d["rows"][0]), int(d["rows"][1])),
                    float(d["unit"]),
                    float(d["value"]),
                    float(d.get("effect", 0.0)),
                )
                for k, d in enumerate(header["items"])
            )
            if vectors.ndim != 2 or vectors.shape[1] != len(items) or not all(map(_is_sound, items)):
                raise ValueError(vectors.shape)
            return cls(items, str(header["affine_sha256"]), str(header["method"]))
        except (KeyError, TypeError, ValueError, IndexError) as exc:
            raise DirectionsError("The directions file is incomplete or misshapen.") from exc

    @classmethod
    def from_factor(cls, vectors: torch.Tensor) -> Directions:
        """Eigenvectors of rosinality's script, [w_dim, k]: every slider moves all rows by unit vectors, as in 2022."""
        items = tuple(
            Direction(f"factor {k}", vectors[:, k].contiguous(), (0, MAX_ROWS)) for k in range(vectors.shape[1])
        )
        return cls(items, method="rosinality")

    def check(self, generator: Generator) -> None:
        """Make sure that these directions were made for this generator.

        Raises:
            DirectionsError: they were not: other affine weights, or vectors that are no eigenvectors of its own.
        """
        if self.affine_sha256:
            if self.affine_sha256 != affine_digest(generator):
                raise DirectionsError(
                    "These directions were made from another generator's weights, so the sliders stay off."
                )
        elif not eigen_residual(generator, torch.stack([d.vector for d in self.items], dim=1)) <= MAX_RESIDUAL:
            raise DirectionsError("These directions belong to another generator, so the sliders stay off.")


def _is_sound(direction: Direction) -> bool:
    """Whether a direction's numbers can be used as they are."""
    first, stop = direction.rows
    return 0 <= first < stop and bool(np.isfinite([direction.unit, direction.value, direction.effect]).all())


def factorize(
    generator: Generator, *, rows: tuple[int, int] | None = None, count: int | None = None, rule: str = "sefa"
) -> Directions:
    """Closed-form directions.

    Args:
        rows: use only layers that read these rows of w_plus (first, last + 1), and let sliders move only them; None: all.
        count: how many, strongest first; None: all w_dim.
        rule: "sefa" (the paper's: rows of A have unit length; convolution layers only) or "rosinality" (its public
            script: not normalised, convolution layers and the first to_rgb).
    Raises:
        InputError: no such rule, or no layer in those rows.
    """
    first, stop = rows or (0, generator.config.num_ws)
    layers = [layer for layer in _layers(generator, rule) if first <= layer.spec.row < stop]
    if not layers:
        raise InputError(f"This generator has no layer that reads rows {first} to {stop - 1} of w_plus.")
    stored = rule == "rosinality"
    stack = torch.cat([layer.stored_weight if stored else layer.weight for layer in layers]).double()
    if rule == "sefa":
        stack = stack / stack.norm(dim=1, keepdim=True).clamp_min(1e-12)
    values, vectors = torch.linalg.eigh(stack.t() @ stack)
    values, vectors = values.flip(0).clamp_min(0).sqrt(), vectors.flip(1)
    vectors = vectors * _signs(vectors)
    items = tuple(
        Direction(f"{rule} {k}", vectors[:, k].float().cpu(), (first, stop), value=float(values[k]))
        for k in range(vectors.shape[1] if count is None else count)
    )
    return Directions(items, affine_digest(generator), rule)


def _layers(generator: Generator, rule: str) -> list[StyleLayer]:
    if rule not in ("sefa", "rosinality"):
        raise InputError(f"The rule must be sefa or rosinality, not {rule!r}.")
    kept = []
    first_to_rgb = True
    for layer in generator.style_layers:
        is_to_rgb = layer.spec.kind == "to_rgb"
        if not is_to_rgb or (rule == "rosinality" and first_to_rgb):
            kept.append(layer)
        first_to_rgb = first_to_rgb and not is_to_rgb
    return kept


def _signs(vectors: torch.Tensor) -> torch.Tensor:
    """[k] of +1 and -1 that make each column's largest entry positive."""
    largest = vectors.abs().argmax(dim=0)
    return torch.sign(vectors[largest, torch.arange(vectors.shape[1])])


def affine_digest(generator: Generator) -> str:
    """sha256 over the affine weights in layer order, rounded to float16 as they are stored."""
    digest = hashlib.sha256()
    for layer in generator.style_layers:
        digest.update(layer.spec.name.encode() + b"\0")
        digest.update(layer.stored_weight.detach().cpu().half().contiguous().numpy().tobytes())
    return digest.hexdigest()


def eigen_residual(generator: Generator, vectors: torch.Tensor, rule: str = "rosinality") -> float:
    """How far columns are from being eigenvectors of this generator: |A^T A V - V diag| / |A^T A V|.

    About 1e-5 for the generator that they came from, 0.4 for another one of the same shape.

    Args:
        vectors: [w_dim, k].
    """
    layers = _layers(generator, rule)
    stack = torch.cat([layer.stored_weight for layer in layers]).double().cpu()
    v = vectors.double().cpu()
    if v.shape[0] != stack.shape[1]:
        raise DirectionsError(f"These directions have {v.shape[0]} entries; this generator's w has {stack.shape[1]}.")
    product = stack.t() @ (stack @ v)
    diagonal = (v * product).sum(dim=0) / v.square().sum(dim=0).clamp_min(1e-30)
    return float((product - v * diagonal).norm() / product.norm().clamp_min(1e-30))


def move(w_plus: torch.Tensor, directions: Directions, strengths: Sequence[float]) -> torch.Tensor:
    """Move codes along directions; strengths add up, and 0 everywhere changes nothing.

    Args:
        w_plus: [B, num_ws, w_dim].
        strengths: one per direction, -10..10; missing ones are 0.
    Raises:
        InputError: more strengths than directions, or one out of range.
    """
    if len(strengths) > len(directions):
        raise InputError(f"This generator has {len(directions)} sliders; {len(strengths)} values were given.")
    moved = w_plus.clone()
    for direction, strength in zip(directions.items, strengths):
        if not np.isfinite(strength) or abs(strength) > MAX_STRENGTH:
            raise InputError(f"A slider goes from -{MAX_STRENGTH:g} to {MAX_STRENGTH:g}, not {strength!r}.")
        if strength:
            first, stop = direction.rows
            moved[:, first:stop] += (strength * direction.unit) * direction.vector.to(moved)
    return moved


@torch.no_grad()
def calibrate(
    generator: Generator,
    directions: Directions,
    distance: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    seeds: Sequence[int] = range(64),
    target: float = 0.05,
    tolerance: float = 0.05,
    resolution: int | None = None,
    batch_size: int = 8,
) -> Directions:
    """The same directions with `unit` such that strength 1 changes pictures equally much along each of them.

    Args:
        distance: (a, b) -> [B], both [B, 3, S, S] in [-1, 1]; LPIPS, say.
        seeds: of the codes whose pictures are compared, not truncated.
        target: mean distance between strength 0 and strength 1.
        tolerance: how far the mean may miss the target, as a part of it.
        resolution: side of the pictures to compare; None: the full one.
    Raises:
        DirectionsError: a direction does not reach the target, however far one goes.
    """
    device = next(generator.parameters()).device
    codes = latents.to_w_plus(latents.w_from_seeds(generator, list(seeds)), generator.config.num_ws).split(batch_size)

    def paint(w_plus: torch.Tensor) -> torch.Tensor:
        return generator.synthesis(w_plus.to(device), resolution=resolution).clamp(-1, 1)

    still = [paint(chunk) for chunk in codes]

    def effect(direction: Direction) -> float:
        one = replace(directions, items=(direction,))
        changes = [distance(before, paint(move(chunk, one, [1.0]))) for before, chunk in zip(still, codes)]
        return float(torch.cat(changes).mean())

    items = tuple(_calibrated(direction, effect, target, tolerance) for direction in directions.items)
    return replace(directions, items=items)


def _calibrated(
    direction: Direction, effect: Callable[[Direction], float], target: float, tolerance: float
) -> Direction:
    """The direction with the unit whose effect is `target`: a secant search on logarithms, kept within its bracket."""
    low, high = 0.0, float("inf")
    unit, exponent = abs(direction.unit) or 1.0, 1.5  # effects grow about as unit^1.5 where they are small
    last: tuple[float, float] | None = None
    for _ in range(MAX_CALIBRATION_STEPS):
        found = effect(replace(direction, unit=unit))
        if abs(found / target - 1) <= tolerance:
            return replace(direction, unit=unit, effect=found)
        low, high = (max(low, unit), high) if found < target else (low, min(high, unit))
        if last is not None and found > 0 and last[1] > 0 and found != last[1] and unit != last[0]:
            exponent = float(np.clip(np.log(found / last[1]) / np.log(unit / last[0]), 0.3, 4.0))
        last = (unit, found)
        step = float(np.clip((target / max(found, 1e-9)) ** (1 / exponent), 1 / 8, 8))
        unit = unit * step if low < unit * step < high else (low + high) / 2
        if unit > MAX_UNIT:
            break
    raise DirectionsError(f"Moving along {direction.name!r} never changes pictures by {target:g}; leave it out.")
