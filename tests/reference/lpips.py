"""LPIPS written once more, layer by layer, from torchvision's layer lists and the paper's equation 1."""

import torch
import torch.nn.functional as F

SHIFT = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
SCALE = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)


def _alexnet(x, w):
    def conv(n, x, **options):
        return F.relu(F.conv2d(x, w[f"features.{n}.weight"], w[f"features.{n}.bias"], **options))

    a = conv(0, x, stride=4, padding=2)
    b = conv(3, F.max_pool2d(a, 3, 2), padding=2)
    c = conv(6, F.max_pool2d(b, 3, 2), padding=1)
    d = conv(8, c, padding=1)
    return [a, b, c, d, conv(10, d, padding=1)]


def _vgg16(x, w):
    taps = []
    for block in ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28)):
        if taps:
            x = F.max_pool2d(x, 2)
        for n in block:
            x = F.relu(F.conv2d(x, w[f"features.{n}.weight"], w[f"features.{n}.bias"], padding=1))
        taps.append(x)
    return taps


def distance(a, b, weights, backbone="alexnet"):
    """[B] of two batches in [-1, 1]."""
    network = {"alexnet": _alexnet, "vgg16": _vgg16}[backbone]
    total = 0
    for k, (x, y) in enumerate(zip(network((a - SHIFT) / SCALE, weights), network((b - SHIFT) / SCALE, weights))):
        x = x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + 1e-10)
        y = y / (torch.linalg.vector_norm(y, dim=1, keepdim=True) + 1e-10)
        head = weights[f"lin{k}.weight"].view(1, -1, 1, 1)
        total = total + (head * (x - y) ** 2).sum(1).mean((1, 2))
    return total
