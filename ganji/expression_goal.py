"""How far are pictures and codes from the expression that a photo's face has?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ganji.expression_map import ExpressionMap
from ganji.expression_reader import SIDE, ExpressionReader
from ganji.perceptual import LPIPS


@dataclass(frozen=True)
class ExpressionGoal:
    """What a photo's face shows, in numbers, and two ways to see whether a code shows it as well.

    Differences are counted in standard deviations of a measure over all faces, and large ones in proportion (Huber), so
    that a photo which is misread does not pull a code anywhere.

    Attributes:
        measures: [M] what the reader says of the photo.
        reader: of pictures. known: reads the same measures, by name, of codes; None: codes are not looked at.
    """

    measures: torch.Tensor
    reader: ExpressionReader
    known: ExpressionMap | None

    @classmethod
    def of(
        cls, target: torch.Tensor, reader: ExpressionReader, known: ExpressionMap | None, distance: LPIPS
    ) -> ExpressionGoal:
        """The goal that an aligned photo [1, 3, S, S] in [-1, 1] sets."""
        with torch.no_grad():
            return cls(reader(reader.see(target, distance))[0], reader, known)

    def can_read(self, pictures: torch.Tensor) -> bool:
        """Whether pictures [B, 3, S, S] are large enough to be read."""
        return pictures.shape[-1] >= SIDE

    def of_taps(self, taps: list[torch.Tensor]) -> torch.Tensor:
        """How far what B pictures show (`reader.see`) is from the goal: [B], differentiable."""
        return self._difference(self.reader(taps))

    def of_codes(self, w: torch.Tensor) -> torch.Tensor:
        """How far what codes [B, w_dim] stand for, so what would be drawn for them, is from the goal: [B], differentiable."""
        if self.known is None:
            return torch.zeros(len(w), device=w.device)
        columns = [self.known.names.index(name) for name in self.reader.names]
        return self._difference(self.known.network(w)[:, columns])

    def _difference(self, found: torch.Tensor) -> torch.Tensor:
        wanted = self.measures.expand_as(found)
        return F.smooth_l1_loss(found / self.reader.std, wanted / self.reader.std, reduction="none").mean(dim=1)
