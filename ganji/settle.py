"""Codes settle before they are drawn: from between two drawings onto the one that they are nearest to.

An emoji generator draws one of a few eyes and mouths; which one, a code decides. Such a choice has borders, and a network,
which is smooth, paints a mixture of both drawings there. Two rules say where the borders lie: the codebook (random emoji;
drawing sets) and the expression map (emoji that follow a face).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ganji.codebook import FEATURE_GROUPS, Codebook
from ganji.expression_map import ExpressionMap
from ganji.latents import WStatistics


@dataclass(frozen=True)
class Settler:
    """What is known about the borders of one bundle's emoji generators.

    Attributes:
        codebook: of random emoji and of styles; None: their codes stay as they are.
        expression_map: of the faces' codes; None likewise.
        statistics: of the w that codes are drawn from (not `activated`).
    """

    codebook: Codebook | None
    expression_map: ExpressionMap | None
    statistics: WStatistics

    def settle(self, kind: str, w_plus: torch.Tensor, style_row: int | None) -> torch.Tensor:
        """The code [1, num_ws, w_dim] that is drawn for a picture of a kind ("emoji", "emojified", "face").

        Args:
            style_row: the first row that reads the style; None: no row does, and the code stays as it is.
        """
        if style_row is None or kind == "face":
            return w_plus
        return self._random(w_plus, style_row) if kind == "emoji" else self._face(w_plus, style_row)

    def _random(self, w_plus: torch.Tensor, style_row: int) -> torch.Tensor:
        """The code of a random emoji, [1, num_ws, w_dim]: on its eyes, its mouth and its drawing set. Colours mix well."""
        book = self.codebook
        if book is None:
            return w_plus
        fine = _shifted(w_plus[:, style_row:], lambda w: book.settled(w, ("set",)))
        if not book.names_features:
            return torch.cat([w_plus[:, :style_row], fine], dim=1)
        sets = book.choose(fine.mean(dim=1))["set"]
        coarse = _shifted(w_plus[:, :style_row], lambda w: book.settled(w, FEATURE_GROUPS, sets=sets))
        return torch.cat([coarse, fine], dim=1)

    def _face(self, w_plus: torch.Tensor, style_row: int) -> torch.Tensor:
        """The code of a face's emoji, [1, num_ws, w_dim]: clear about its expression, on one drawing set."""
        book, known = self.codebook, self.expression_map
        coarse, fine = w_plus[:, :style_row], w_plus[:, style_row:]
        if known is not None:
            coarse = _shifted(coarse, lambda w: known.settle(w, self.statistics))
        if book is not None:
            fine = _shifted(fine, lambda w: book.settled(w, ("set",)))
        return torch.cat([coarse, fine], dim=1)


def _shifted(rows: torch.Tensor, settle: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """All rows [1, n, w_dim] moved by what their mean moves when it settles."""
    mean = rows.mean(dim=1)
    return rows + (settle(mean) - mean)[:, None]
