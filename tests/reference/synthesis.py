"""Both synthesis networks written the slow, obvious way, from their papers: loops over pictures, weights modulated first.

They read a generator's state dict and share no code with ganji.networks.
"""

import math

import torch
import torch.nn.functional as F


def mobile(state, config, w_plus, resolution):
    """MobileStyleGAN, one picture at a time; the Haar transform pixel by pixel of every 2 x 2 cell."""
    pictures = []
    for w in w_plus:
        x = state["input"][0]
        x = _mobile_layer(state, "conv", x, w[0])
        row, level = 1, 0
        while x.shape[-1] * 2 < resolution:
            name = f"blocks.{level}"
            x = _haar(x * _affine(state, f"{name}.up", w[row])[:, None, None])
            x = _mobile_layer(state, f"{name}.conv1", x, w[row + 1])
            x = _mobile_layer(state, f"{name}.conv2", x, w[row + 2])
            row, level = row + 3, level + 1
        head = f"to_rgbs.{resolution}"
        x = x * _affine(state, f"{head}.affine", w[row])[:, None, None]
        bands = (
            torch.einsum("oi,ihw->ohw", state[f"{head}.weight"][:, :, 0, 0], x) + state[f"{head}.bias"][:, None, None]
        )
        pictures.append(_haar(bands))
    return torch.stack(pictures)


def _affine(state, name, w):
    return state[f"{name}.weight"] @ w + state[f"{name}.bias"]


def _mobile_layer(state, name, x, w):
    x = x * _affine(state, f"{name}.affine", w)[:, None, None]
    if f"{name}.depthwise" in state:
        kernels = state[f"{name}.depthwise"]
        x = torch.stack([F.conv2d(c[None, None], k[None], padding=1)[0, 0] for c, k in zip(x, kernels)])
        x = torch.einsum("oi,ihw->ohw", state[f"{name}.weight"][:, :, 0, 0], x)
    else:
        x = F.conv2d(x[None], state[f"{name}.weight"], padding=1)[0]
    x = x + state[f"{name}.noise"][0] + state[f"{name}.bias"][:, None, None]
    return torch.maximum(x, 0.2 * x)


def _haar(x):
    """[4C, H, W] -> [C, 2H, 2W]."""
    c, h, w = x.shape[0] // 4, x.shape[1], x.shape[2]
    low, vertical, horizontal, diagonal = x[:c], x[c : 2 * c], x[2 * c : 3 * c], x[3 * c :]
    rows = []
    for i in (1, -1):
        columns = [(low + i * vertical + j * horizontal + i * j * diagonal) / 2 for j in (1, -1)]
        rows.append(torch.stack(columns, dim=-1).reshape(c, h, 2 * w))
    return torch.stack(rows, dim=-2).reshape(c, 2 * h, 2 * w)


def stylegan2(state, config, w_plus, resolution):
    """StyleGAN2 with grouped convolutions over modulated, demodulated weights (equations 1 and 3 of the paper)."""
    b = len(w_plus)
    limit = math.inf if config.conv_clamp is None else config.conv_clamp

    def cut(x):
        return torch.where(x > limit, limit, torch.where(x < -limit, -limit, x))

    x = state["input.input"].repeat(b, 1, 1, 1)
    x = cut(_styled(state, "conv1", x, w_plus[:, 0], state["noises.noise_0"]))
    rgb = cut(_to_rgb(state, "to_rgb1", x, w_plus[:, 1]))
    n = 0
    while x.shape[-1] < resolution:
        x = cut(_styled(state, f"convs.{n}", x, w_plus[:, n + 1], state[f"noises.noise_{n + 1}"], up=True))
        x = cut(_styled(state, f"convs.{n + 1}", x, w_plus[:, n + 2], state[f"noises.noise_{n + 2}"]))
        rgb = _enlarge(rgb) + cut(_to_rgb(state, f"to_rgbs.{n // 2}", x, w_plus[:, n + 3]))
        n += 2
    return rgb


def _weights(state, name, w, demodulate):
    weight = state[f"{name}.conv.weight"][0]
    weight = weight / math.sqrt(weight[0].numel())
    matrix = state[f"{name}.conv.modulation.weight"] / math.sqrt(w.shape[1])
    styles = w @ matrix.t() + state[f"{name}.conv.modulation.bias"]
    weight = weight[None] * styles[:, None, :, None, None]
    if demodulate:
        weight = weight / torch.sqrt(weight.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8)
    return weight


def _styled(state, name, x, w, noise, up=False):
    b, _, h, side = x.shape
    weight = _weights(state, name, w, True)
    o, i, k = weight.shape[1], weight.shape[2], weight.shape[3]
    if up:
        stacked = weight.transpose(1, 2).reshape(b * i, o, k, k)
        x = F.conv_transpose2d(x.reshape(1, b * i, h, side), stacked, stride=2, groups=b)
        x = x.reshape(b, o, 2 * h + 1, 2 * side + 1)
        x = _filter(F.pad(x, (1, 1, 1, 1)), 4.0)
    else:
        x = F.conv2d(x.reshape(1, b * i, h, side), weight.reshape(b * o, i, k, k), padding=1, groups=b)
        x = x.reshape(b, o, h, side)
    x = x + state[f"{name}.noise.weight"] * noise + state[f"{name}.activate.bias"][:, None, None]
    return torch.maximum(x, 0.2 * x) * math.sqrt(2)


def _to_rgb(state, name, x, w):
    weight = _weights(state, name, w, False)[:, :, :, 0, 0]
    return torch.einsum("boi,bihw->bohw", weight, x) + state[f"{name}.bias"]


def _filter(x, gain):
    """The [1, 3, 3, 1] filter, as sixteen shifted sums."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8 * math.sqrt(gain)
    h, w = x.shape[2] - 3, x.shape[3] - 3
    return sum(taps[i] * taps[j] * x[:, :, i : i + h, j : j + w] for i in range(4) for j in range(4))


def _enlarge(rgb):
    """Zeros between pixels, then the filter with gain 4."""
    b, c, h, w = rgb.shape
    spread = torch.zeros(b, c, 2 * h, 2 * w, dtype=rgb.dtype)
    spread[:, :, ::2, ::2] = rgb
    return _filter(F.pad(spread, (2, 1, 2, 1)), 4.0)


def modulated_conv_loop(x, weight, styles, demodulate):
    """One picture and one output channel at a time."""
    pictures = []
    for picture, style in zip(x, styles):
        channels = []
        for kernel in weight:
            k = kernel * style[:, None, None]
            if demodulate:
                k = k / torch.sqrt(k.square().sum() + 1e-8)
            channels.append(F.conv2d(picture[None], k[None], padding=k.shape[-1] // 2)[0, 0])
        pictures.append(torch.stack(channels))
    return torch.stack(pictures)
