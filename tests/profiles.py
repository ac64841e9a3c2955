"""Colour profiles made from numbers, and the same colours computed by hand, to test that photos.py applies them."""

import struct

import numpy as np

D50 = np.array([0.9642, 1.0, 0.8249])
SRGB_TO_XYZ = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)
P3_TO_XYZ = np.array(
    [[0.5151187, 0.2919778, 0.1571035], [0.2411892, 0.6922441, 0.0665668], [-0.0010505, 0.0418791, 0.7840713]]
)
P3_GAMMA = 1.8  # not the real P3's: far enough from sRGB's that ignoring the profile is seen
INK_GAMMA = 0.6


def linear(srgb):
    """[..., 3] in 0..1, without sRGB's curve."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def to_p3(srgb):
    """8-bit sRGB pictures -> the 8-bit numbers that the profile of `p3` gives the same colours."""
    xyz = linear(srgb / 255.0) @ SRGB_TO_XYZ.T
    return ((xyz @ np.linalg.inv(P3_TO_XYZ).T).clip(0, 1) ** (1 / P3_GAMMA) * 255).round().astype(np.uint8)


def to_cmyk(srgb):
    """8-bit sRGB pictures -> the 8-bit inks, without black, that the profile of `cmyk` gives the same colours."""
    ink = 1 - (srgb / 255.0) ** (1 / INK_GAMMA)
    return np.concatenate([ink * 255, np.zeros_like(ink[..., :1])], axis=-1).round().astype(np.uint8)


def to_linear_grey(grey):
    """8-bit sRGB greys -> the 8-bit numbers of the profile of `grey`."""
    return (linear(grey / 255.0) * 255).round().astype(np.uint8)


def p3():
    """An RGB profile: wide primaries and a pure power curve."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(P3_GAMMA * 256)) + bytes(2)
    columns = {name: _xyz(P3_TO_XYZ[:, k]) for k, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
    return _profile(b"mntr", b"RGB ", b"XYZ ", columns | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


def grey():
    """A grey profile whose numbers are linear light."""
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": b"curv" + bytes(4) + struct.pack(">I", 0)})


def cmyk(grid=13):
    """A CMYK profile: each of red, green, blue is ((1 - ink) (1 - black)) ** 0.6."""
    axis = np.linspace(0, 1, grid)
    c, m, y, k = np.meshgrid(axis, axis, axis, axis, indexing="ij")
    srgb = (np.stack([1 - c, 1 - m, 1 - y], axis=-1) * (1 - k)[..., None]) ** INK_GAMMA
    lab = _lab(linear(srgb) @ SRGB_TO_XYZ.T)
    numbers = np.stack([lab[..., 0] * 652.8, (lab[..., 1] + 128) * 256, (lab[..., 2] + 128) * 256], axis=-1)
    ramp = struct.pack(">HH", 0, 65535)
    matrix = struct.pack(">9i", *(65536 * np.eye(3, dtype=int)).ravel().tolist())
    table = b"mft2" + bytes(4) + bytes([4, 3, grid, 0]) + matrix + struct.pack(">HH", 2, 2) + ramp * 4
    return _profile(
        b"prtr", b"CMYK", b"Lab ", {b"A2B0": table + numbers.round().clip(0, 65535).astype(">u2").tobytes() + ramp * 3}
    )


def _lab(xyz):
    ratio = xyz / D50
    f = np.where(ratio > 216 / 24389, np.cbrt(ratio.clip(0)), (24389 / 27 * ratio + 16) / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def _xyz(values):
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in values))


def _profile(kind, space, connection, tags):
    """An ICC version 2 profile."""
    text = b"SECRET-PROFILE"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text) + 1) + text + bytes(79),
        b"cprt": b"text" + bytes(4) + text + b"\0",
        b"wtpt": _xyz(D50),
    } | tags
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"test", 0x02400000, kind, space, connection)
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", *(round(v * 65536) for v in D50))
    return head + bytes(128 - len(head)) + table + body
