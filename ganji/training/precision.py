"""Training in bfloat16 with float32 master weights."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

from ganji.networks.generator import use_channels_last

M = TypeVar("M", bound=nn.Module)


class Twin(Generic[M]):
    """A module in working precision beside its float32 master.

    Forward and backward run on `twin`; the optimiser moves the master. In float32 the two are one.
    """

    def __init__(self, master: M, dtype: torch.dtype):
        self.master = master
        self.same = dtype == torch.float32
        self.twin: M = master if self.same else copy.deepcopy(master).to(dtype)
        use_channels_last(self.twin)
        self._pairs = [
            (p, q) for p, q in zip(master.parameters(), self.twin.parameters(), strict=True) if p.requires_grad
        ]

    @torch.no_grad()
    def refresh(self) -> None:
        """Copy the master's weights into the twin."""
        if not self.same:
            for p, q in self._pairs:
                q.copy_(p)

    @torch.no_grad()
    def collect_gradients(self) -> None:
        """Move the twin's gradients to the master."""
        if not self.same:
            for p, q in self._pairs:
                p.grad = None if q.grad is None else q.grad.float()
                q.grad = None
