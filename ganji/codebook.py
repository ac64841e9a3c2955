"""What a code of our emoji generators draws: groups of named choices (drawing set, colour, eyes, mouth), each a fixed
function of w.

Every group owns a few directions of the whitened w space and one point per choice in them; a code draws the choice whose
point is nearest. The emoji generators were trained to follow exactly this rule, so it also names what they draw, gives a
code for a wish ("twemoji, blue"), and gives truncation a centre better than the mean of all codes, where every choice
borders on every other (multi-modal truncation, Mokady et al. 2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from ganji.errors import CheckpointError, InputError
from ganji.formats.native import NativeFile

STYLE_GROUPS = ("set", "colour")
"""Read by the rows of w+ from the generator's `style_row` on."""
FEATURE_GROUPS = ("eyes", "mouth")
"""Read by the rows before; emoji that follow a face have none."""


@dataclass(frozen=True)
class CodeGroup:
    """One kind of choice.

    Attributes:
        name: "set", "colour", "eyes" or "mouth".
        labels: the n choices; the first is the default.
        axes: [w_dim, d]; u = (w - mean) @ axes has unit variance in every coordinate.
        lift: [d, w_dim]; mean + u @ lift has the coordinates u in this group and 0 in all others.
        points: [n, d].
    """

    name: str
    labels: tuple[str, ...]
    axes: torch.Tensor
    lift: torch.Tensor
    points: torch.Tensor

    def distances(self, offsets: torch.Tensor) -> torch.Tensor:
        """offsets = w - mean, [B, w_dim] -> squared distance to every point, [B, n]."""
        return torch.cdist(offsets @ self.axes, self.points).square()

    def index(self, label: str) -> int:
        """Position of a label.

        Raises:
            InputError: unknown; the sentence lists the labels.
        """
        if label not in self.labels:
            raise InputError(f"There is no {self.name} called {label[:40]!r}; choose one of {', '.join(self.labels)}.")
        return self.labels.index(label)


@dataclass(frozen=True)
class Codebook:
    """All groups of one emoji model.

    Attributes:
        mean: [w_dim], the mean w.
        pairs: [sets, eyes, mouths] uint8: which eyes and mouths go together in which set: 0 they do not, 1 seen in training,
            2 held out from it. None for models without these groups.
    """

    mean: torch.Tensor
    groups: tuple[CodeGroup, ...]
    pairs: torch.Tensor | None = None

    def group(self, name: str) -> CodeGroup:
        """A group by name.

        Raises:
            InputError: this model has no such group.
        """
        for group in self.groups:
            if group.name == name:
                return group
        raise InputError(f"These emoji have no choice of {name}.")

    def choose(
        self, w: torch.Tensor, *, trained_only: bool = False, sets: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """What each code of w [B, w_dim] draws: {group: index of the choice, [B] int64}.

        Eyes and mouth are the nearest pair that goes together in the set.

        Args:
            trained_only: leave out pairs that were held out from training, as the training pictures do.
            sets: indices of the drawing sets, [B]; None: those that the codes themselves draw.
        """
        distances = {group.name: group.distances(w - self.mean) for group in self.groups}
        chosen = {name: distance.argmin(dim=1) for name, distance in distances.items()}
        if self.pairs is not None:
            joint = distances["eyes"][:, :, None] + distances["mouth"][:, None, :]
            state = self.pairs[chosen["set"] if sets is None else sets]
            allowed = state == 1 if trained_only else state > 0
            best = joint.masked_fill(~allowed, float("inf")).flatten(1).argmin(dim=1)
            mouths = joint.shape[2]
            chosen |= {"eyes": best // mouths, "mouth": best % mouths}
        return chosen

    def read(self, w: torch.Tensor) -> list[dict[str, str]]:
        """`choose` in words: one {group: label} per code."""
        chosen = {name: index.tolist() for name, index in self.choose(w).items()}
        return [{g.name: g.labels[chosen[g.name][k]] for g in self.groups} for k in range(len(w))]

    def centres(self, w: torch.Tensor, groups: tuple[str, ...] | None = None) -> torch.Tensor:
        """The code in the middle of each code's choices: [B, w_dim] -> [B, w_dim].

        Args:
            groups: keep only these groups' choices and the mean elsewhere; None: all.
        """
        return self.centres_of(self.choose(w), groups)

    def centres_of(self, chosen: Mapping[str, torch.Tensor], groups: tuple[str, ...] | None = None) -> torch.Tensor:
        """The codes in the middle of given choices, {group: [B] indices}: [B, w_dim]."""
        offsets = [
            group.points[chosen[group.name]] @ group.lift
            for group in self.groups
            if group.name in chosen and (groups is None or group.name in groups)
        ]
        return self.mean + sum(offsets, torch.zeros_like(self.mean))

    def settled(self, w: torch.Tensor, groups: tuple[str, ...], *, sets: torch.Tensor | None = None) -> torch.Tensor:
        """Each code exactly on the points of its own choices in these groups, and elsewhere as it was.

        Between two points a network, which is smooth, draws a mixture of both.

        Args:
            w: [B, w_dim]. sets: indices [B] of the drawing sets that decide which eyes and mouths go together; None: w's own.
        """
        chosen = self.choose(w, sets=sets)
        offsets = w - self.mean
        steps = [
            (group.points[chosen[group.name]] - offsets @ group.axes) @ group.lift
            for group in self.groups
            if group.name in groups
        ]
        return w + sum(steps, torch.zeros_like(w))

    @property
    def names_features(self) -> bool:
        """Whether codes choose eyes and mouth too, and not only a style."""
        return any(group.name in FEATURE_GROUPS for group in self.groups)

    def code(self, choices: Mapping[str, str]) -> torch.Tensor:
        """The code that draws these choices: [1, w_dim]; groups that are not named stay at the mean.

        Raises:
            InputError: an unknown group or label.
        """
        w = self.mean[None]
        for name, label in choices.items():
            group = self.group(name)
            w = w + group.points[group.index(label)] @ group.lift
        return w

    def to(self, device: torch.device | str) -> Codebook:
        """The same codebook on a device, where the codes are."""
        groups = tuple(
            replace(group, **{part: getattr(group, part).to(device) for part in ("axes", "lift", "points")})
            for group in self.groups
        )
        return Codebook(self.mean.to(device), groups, None if self.pairs is None else self.pairs.to(device))

    def to_tensors(self) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
        """(tensors, header) for formats/native.py."""
        tensors = {"mean": self.mean}
        for group in self.groups:
            tensors |= {f"{group.name}.{part}": getattr(group, part) for part in ("axes", "lift", "points")}
        if self.pairs is not None:
            tensors["pairs"] = self.pairs
        labels = {group.name: list(group.labels) for group in self.groups}
        return tensors, {"kind": "codebook", "labels": labels, "order": [group.name for group in self.groups]}

    @classmethod
    def from_file(cls, stored: NativeFile) -> Codebook:
        """Read what `to_tensors` wrote.

        Raises:
            CheckpointError: something is missing or misshapen.
        """
        try:
            tensors = {name: tensor.float() for name, tensor in stored.tensors.items() if name != "pairs"}
            mean = tensors["mean"]
            groups = []
            for name in stored.header["order"]:
                parts = {part: tensors[f"{name}.{part}"] for part in ("axes", "lift", "points")}
                group = CodeGroup(str(name), tuple(map(str, stored.header["labels"][name])), **parts)
                count, dims = group.points.shape
                if (
                    group.axes.shape != (len(mean), dims)
                    or group.lift.shape != (dims, len(mean))
                    or len(group.labels) != count
                ):
                    raise ValueError(name)
                groups.append(group)
            book = cls(mean, tuple(groups), stored.tensors.get("pairs"))
            if book.pairs is not None and book.pairs.shape != tuple(
                len(book.group(name).labels) for name in ("set", "eyes", "mouth")
            ):
                raise ValueError("pairs")
            return book
        except (KeyError, TypeError, ValueError, AttributeError, InputError) as exc:
            raise CheckpointError("The codebook file is incomplete or misshapen.") from exc
