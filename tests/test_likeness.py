"""What a projection's loss sees: each term against its closed form, and the close-up against where a face has its features."""

import pytest
import torch
import torch.nn.functional as F

from ganji.face_regions import CLOSE_UP, close_up, face_mask
from ganji.likeness import Likeness
from ganji.perceptual import LPIPS


class Pixels(LPIPS):
    """Squared pixels in the shape of LPIPS, so that every term has a closed form."""

    def __init__(self):
        torch.nn.Module.__init__(self)
        self.lin0 = torch.nn.Module()
        self.lin0.weight = torch.nn.Parameter(torch.ones(3))

    def embed(self, x):
        return [x.float()]


@pytest.fixture
def pictures():
    torch.manual_seed(0)
    return torch.rand(1, 3, 64, 64) * 2 - 1, torch.rand(2, 3, 64, 64) * 2 - 1


@torch.no_grad()
def test_loss_is_the_sum_of_its_closed_forms(pictures):
    target, painted = pictures
    loss, perceptual = Likeness(target, Pixels(), colour_weight=0.5, close_up_weight=0.4).judge(painted)
    for k in range(2):
        whole = float((painted[k] - target[0]).square().sum(dim=0).mean())
        tiles = (painted[k] - target[0]).reshape(3, 16, 4, 16, 4).mean(dim=(2, 4)).abs().mean()
        enlarged = F.interpolate((painted[k : k + 1] - target)[:, :, 22:55, 14:50], scale_factor=2, mode="bilinear")
        features = float(enlarged.square().sum(dim=1).mean())
        assert float(perceptual[k]) == pytest.approx(whole, rel=1e-5)
        assert float(loss[k]) == pytest.approx(whole + 0.5 * float(tiles) + 0.4 * features, rel=1e-5)


def test_the_target_itself_loses_nothing_and_with_real_lpips_too(pictures):
    target, _ = pictures
    for distance in (Pixels(), LPIPS("alexnet").requires_grad_(False)):
        loss, perceptual = Likeness(target, distance, colour_weight=1, close_up_weight=1).judge(target)
        assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
        assert float(perceptual.detach()) == pytest.approx(0, abs=1e-6)


def test_another_mouth_counts_more_than_another_corner_only_with_a_close_up():
    target = torch.zeros(1, 3, 64, 64)
    mouth, corner = target.clone(), target.clone()
    mouth[..., 42:48, 26:38] = 1
    corner[..., 2:8, 2:14] = 1
    for weight, most in ((0.0, 1.0), (0.4, 1.5)):
        loss, _ = Likeness(target, Pixels(), close_up_weight=weight).judge(torch.cat([mouth, corner]))
        ratio = float((loss[0] / loss[1]).detach())
        assert ratio == pytest.approx(1, rel=1e-5) if weight == 0 else ratio > most


def test_mask_says_where_the_whole_picture_counts():
    target, painted = torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32)
    painted[..., 16:, :] = 1
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., :16, :] = 1
    loss, perceptual = Likeness(target, Pixels(), mask=mask, colour_weight=1).judge(painted)
    assert float(loss) == float(perceptual) == 0
    loss, _ = Likeness(target, Pixels(), mask=1 - mask, colour_weight=1).judge(painted)
    assert float(loss) == pytest.approx(3 + 1)  # three channels of squared difference 1, and the colours' mean 1


@pytest.mark.parametrize("side", [64, 128, 256])
def test_close_up_holds_ffhq_eyes_and_mouth_twice_as_large(side):
    """FFHQ's alignment puts the eyes near (0.38 and 0.62, 0.47) and the mouth near (0.5, 0.70)."""
    for x, y in ((0.38, 0.47), (0.62, 0.47), (0.5, 0.70)):
        assert CLOSE_UP[0] + 0.08 < x < CLOSE_UP[2] - 0.08
        assert CLOSE_UP[1] + 0.08 < y < CLOSE_UP[3] - 0.08
    near = close_up(torch.zeros(1, 3, side, side))
    assert near.shape[-1] == pytest.approx(2 * side * 0.56, abs=4)
    assert near.shape[-2] == pytest.approx(2 * side * 0.52, abs=4)


def test_face_mask_covers_the_face_and_not_the_corners():
    mask = face_mask(64)
    assert mask.shape == (1, 1, 64, 64)
    assert float(mask[0, 0, 32, 32]) == 1
    assert float(mask[0, 0, 0, 0]) == pytest.approx(0.15)
