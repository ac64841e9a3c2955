"""A good start for the mobile family's output heads: least squares from features to the wavelet bands of the pictures."""

from __future__ import annotations

from typing import cast

import torch

from ganji.networks.mobile import MobileGenerator, ToRGB
from ganji.networks.ops.haar import haar_down
from ganji.training.pictures import PictureFolder

RIDGE = 1e-5  # of the mean diagonal


@torch.no_grad()
def fit_heads(generator: MobileGenerator, pictures: PictureFolder, count: int = 64, stride: int = 3) -> None:
    """Set every head's weight and bias to the unmodulated least-squares solution, and its styles to 1.

    Args:
        count: pictures used; stride: every `stride`-th position of the features is used.
    """
    codes, config = pictures.codes(), generator.config
    device = generator.input.device
    sums: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    for start in range(0, min(count, len(pictures)), 8):
        rows = range(start, min(start + 8, len(pictures)))
        w = codes.w_plus(rows, config.num_ws, config.style_row).to(device)
        for side, x, _ in generator.features(w, config.feature_resolutions[-1]):
            if 2 * side not in generator.picture_resolutions:
                continue
            bands = haar_down(pictures.batch(rows, 2 * side).to(device))
            features, wanted = (_positions(t, stride) for t in (x, bands))
            features = torch.cat((features, torch.ones_like(features[:, :1])), dim=1)
            gram, moment = features.t() @ features, features.t() @ wanted
            if 2 * side in sums:
                gram, moment = gram + sums[2 * side][0], moment + sums[2 * side][1]
            sums[2 * side] = gram, moment
    for side, (gram, moment) in sums.items():
        ridge = torch.eye(len(gram), dtype=gram.dtype, device=device) * gram.diagonal().mean() * RIDGE
        solution = torch.linalg.solve(gram + ridge, moment).float()
        head = cast("ToRGB", generator.to_rgbs[str(side)])
        head.weight.copy_(solution[:-1].t()[:, :, None, None])
        head.bias.copy_(solution[-1])
        head.affine.weight.zero_()
        head.affine.bias.fill_(1)


def _positions(x: torch.Tensor, stride: int) -> torch.Tensor:
    """[B, C, H, W] -> [positions, C] in float64."""
    return x[:, :, ::stride, ::stride].permute(0, 2, 3, 1).flatten(0, 2).double()
