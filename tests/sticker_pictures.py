"""Pictures whose matte is known: drawings rendered twice, and discs as a network paints them. For the sticker tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from ganji.data import part_builder, svg_split
from ganji.data.compose import compose_svg, render
from tests.helpers import DATA

SIDE = 256
CENTRE, RADIUS = (128.0, 137.0), 104.0  # of a disc in FFHQ framing
COLOURS = ("yellow", "cream", "silver", "red", "blue", "purple", "green")
HUES = {
    "yellow": (255, 205, 50),
    "cream": (255, 238, 205),
    "silver": (222, 228, 237),
    "blue": (70, 120, 240),
    "dark": (60, 45, 40),
}


@dataclass(frozen=True)
class Drawing:
    """A picture on white, and its alpha [256, 256] from 0 to 1 as the renderer has it."""

    name: str
    picture: Image.Image
    alpha: np.ndarray


def drawings(cache: Path) -> list[Drawing]:
    """27 faces of two sets: every eyes and mouth that lies in tests/data, in seven colours, the palest included."""
    result = []
    for name in ("noto", "twemoji"):
        parts = part_builder.load_part_set(cache, name)
        for k, (eyes, mouth) in enumerate(parts.clean_pairs):
            svg = compose_svg(parts, eyes, mouth, COLOURS[k % len(COLOURS)])
            alpha = np.asarray(svg_split.rasterise(svg, SIDE))[..., 3] / 255
            result.append(Drawing(f"{name}-{eyes}-{mouth}-{COLOURS[k % len(COLOURS)]}", render(svg, SIDE), alpha))
    return result


def emoji_cache(folder: Path) -> Path:
    """A writable copy of the drawings in tests/data."""
    import shutil

    return shutil.copytree(DATA / "emoji", folder / "cache")


def coverage(centre=CENTRE, radius=RADIUS, wobble=0.0, softness=0.0, seed=0, fine=8) -> np.ndarray:
    """[256, 256] from 0 to 1: how much of each pixel a disc covers, from `fine` x `fine` points a pixel.

    Args:
        wobble: px, how far the rim swings.
        softness: px, standard deviation of the rim's blur.
    """
    rng = np.random.default_rng(seed)
    y, x = (np.mgrid[: SIDE * fine, : SIDE * fine].astype(np.float32) + 0.5) / fine
    dy, dx = y - centre[1], x - centre[0]
    rim = radius
    if wobble:
        angle = np.arctan2(dy, dx)
        rim = radius + sum(wobble / k * np.cos(k * angle + rng.uniform(0, 6.3)) for k in (3, 5, 8))
    covered = (np.hypot(dy, dx) < rim).reshape(SIDE, fine, SIDE, fine).mean(axis=(1, 3))
    if softness:
        covered = (
            np.asarray(
                Image.fromarray(covered.astype(np.float32) * 255)
                .convert("L")
                .filter(ImageFilter.GaussianBlur(softness))
            )
            / 255
        )
    return covered


def plain_disc(colour, covered: np.ndarray) -> Image.Image:
    """A disc of one colour on white."""
    pixels = np.asarray(colour) * covered[..., None] + 255 * (1 - covered[..., None])
    return Image.fromarray(np.round(pixels).astype(np.uint8))


def disc(colour, covered: np.ndarray) -> Image.Image:
    """A disc on white with dark eyes that have a white dot, and teeth."""
    face = Image.new("RGB", (SIDE, SIDE), tuple(round(level) for level in colour))
    draw = ImageDraw.Draw(face)
    for x in (88, 168):
        draw.ellipse((x - 14, 98, x + 14, 140), fill=(50, 30, 10))
        draw.ellipse((x - 6, 104, x + 4, 114), fill="white")
    draw.rectangle((84, 176, 172, 196), fill=(50, 30, 10))
    draw.rectangle((88, 180, 168, 192), fill="white")
    pixels = np.asarray(face) * covered[..., None] + 255 * (1 - covered[..., None])
    return Image.fromarray(np.round(pixels).astype(np.uint8))


def painted(colour, seed: int, noise: float = 2.0, haze: float = 5.0) -> Image.Image:
    """The same as a network paints it: a wobbly, soft rim, a coloured fringe, an uneven background, and grain."""
    rng = np.random.default_rng(seed)
    covered = coverage(wobble=1.2, softness=1.0, seed=seed, fine=4)
    pixels = np.asarray(disc(colour, covered)).astype(np.float64)
    near = (
        np.asarray(Image.fromarray(np.round(covered * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(4))) / 255
    )
    tint = rng.uniform(0, 1, 3)
    pixels -= haze * (near * (1 - covered))[..., None] * 2 * tint
    pixels -= rng.uniform(0, 5, 3)
    pixels += rng.normal(0, noise, pixels.shape) + (np.indices((SIDE, SIDE)).sum(axis=0) % 2 * 4 - 2)[..., None]
    return Image.fromarray(np.round(pixels.clip(0, 255)).astype(np.uint8))


def photo_like(seed: int = 0) -> Image.Image:
    """Smooth colours up to every edge."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(20, 220, (9, 9, 3)).astype(np.uint8))
    return small.resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def on(background, sticker: Image.Image) -> np.ndarray:
    """[H, W, 3] float: a sticker as a chat shows it on a colour."""
    pixels = np.asarray(sticker.convert("RGBA")).astype(np.float64)
    alpha = pixels[..., 3:] / 255
    return pixels[..., :3] * alpha + np.asarray(background, np.float64) * (1 - alpha)


def luminance(pixels: np.ndarray) -> np.ndarray:
    return pixels @ (0.2126, 0.7152, 0.0722)
