"""Which expression a picture's face has: a few measures, read off what LPIPS sees of eyes and mouth.

It says nothing about the code of the face, which is still looked for without an encoder; it says what the code's picture has
to show. LPIPS hardly minds whether lips are a finger's breadth apart, people do; so a search is told to agree with the photo
on these measures too (expression_goal.py). Measures and their units are those of data/expressions.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import nn

from ganji.errors import CheckpointError
from ganji.face_regions import close_up
from ganji.formats.native import NativeFile
from ganji.perceptual import LPIPS

SIDE = 128  # of the pictures that are read, px
TAPS, CHANNELS = (1, 2), (192, 384)  # of LPIPS on AlexNet
CELLS = (8 * 9, 7 * 8)  # of their maps, [15, 17] and [7, 8], the first after a stride of 2
SLOPE = 0.2
GAIN = 10.0  # unit length over hundreds of channels leaves small numbers


class ExpressionReader(nn.Module):
    """Taps of LPIPS (AlexNet) of a close-up -> measures.

    Args:
        names: of the M measures.
        width: channels that each tap is reduced to. hidden: width of the layer before the last.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, names: Sequence[str], width: int = 24, hidden: int = 64):
        super().__init__()
        self.names = tuple(names)
        self.fine = nn.Conv2d(CHANNELS[0], width, 1)
        self.wide = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.coarse = nn.Conv2d(CHANNELS[1], width, 1)
        self.hidden = nn.Linear(width * sum(CELLS), hidden)
        self.last = nn.Linear(hidden, len(self.names))
        self.drop = nn.Dropout(0.2)
        self.register_buffer("mean", torch.zeros(len(self.names)))
        self.register_buffer("std", torch.ones(len(self.names)))

    def forward(self, taps: Sequence[torch.Tensor] | Mapping[int, torch.Tensor]) -> torch.Tensor:
        """All taps of the close-ups of B pictures of 128 px (`see`) -> measures [B, M], float32."""
        fine, coarse = (taps[k].float() * GAIN for k in TAPS)
        a = _active(self.wide(_active(self.fine(fine))))
        b = _active(self.coarse(coarse))
        x = self.drop(torch.cat([a.flatten(1), b.flatten(1)], dim=1))
        return self.last(_active(self.hidden(x))) * self.std + self.mean

    @staticmethod
    def see(pictures: torch.Tensor, distance: LPIPS) -> list[torch.Tensor]:
        """LPIPS' taps of close-ups of FFHQ-aligned pictures [B, 3, S, S] in [-1, 1], S a multiple of 128; differentiable."""
        factor = pictures.shape[-1] // SIDE
        return distance.embed(close_up(F.avg_pool2d(pictures, factor) if factor > 1 else pictures))

    # its file

    def to_tensors(self) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
        """(tensors, header) for formats/native.py."""
        return dict(self.state_dict()), {"kind": "expression-reader", "measures": list(self.names)}

    @classmethod
    def from_file(cls, stored: NativeFile) -> ExpressionReader:
        """Read what `to_tensors` wrote.

        Raises:
            CheckpointError: something is missing or misshapen.
        """
        try:
            tensors = {name: tensor.float() for name, tensor in stored.tensors.items()}
            names = [str(name) for name in stored.header["measures"]]
            found = cls(names, tensors["coarse.bias"].numel(), tensors["hidden.bias"].numel())
            found.load_state_dict(tensors)
            return found.eval().requires_grad_(False)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as exc:
            raise CheckpointError("The expression reader is incomplete or misshapen.") from exc


def _active(x: torch.Tensor) -> torch.Tensor:
    return F.leaky_relu(x, SLOPE)
