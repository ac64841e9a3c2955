"""RGBA frames as an endless GIF, APNG or WebP, from the best quality to the smallest."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from PIL import Image

from ganji.palettes import TRANSPARENT, with_palette
from ganji.sticker_files import METHOD

SUFFIXES = {"gif": ".gif", "apng": ".png", "webp": ".webp"}
KINDS = tuple(SUFFIXES)

GIF_TICK = 0.01  # seconds
GROUPS = (1, 2, 3, 4, 6)  # one of so many frames is kept
LOSSES: dict[str, tuple] = {  # a GIF's and APNG's colours (None: all); a WebP's quality, of colours and of alpha
    "gif": (256, 128, 64),
    "apng": (None, 256, 128, 64),
    "webp": ((90, 100), (75, 70), (60, 50), (45, 50)),
}


def attempts(frames: Sequence[Image.Image], kind: str, stays: Sequence[float]) -> Iterator[Callable[[], bytes]]:
    """Ways to write an animation, from the best to the smallest.

    Args:
        frames: RGBA, of one size, at least two.
        kind: a name of `KINDS`.
        stays: seconds, of each frame. Where frames are left out, the longest of each group stays for all of it.
    """
    for group in GROUPS:
        starts = range(0, len(frames), group)
        if len(starts) < 2:
            return
        some = [frames[max(range(k, min(k + group, len(frames))), key=stays.__getitem__)] for k in starts]
        longer = [sum(stays[k : k + group]) for k in starts]
        for loss in LOSSES[kind]:
            yield partial(_WRITERS[kind], some, longer, loss)


def _gif(frames: list[Image.Image], stays: list[float], colours: int) -> bytes:
    """Hard edges: a pixel is shown or not, in the drawing's own colour."""
    indexed = with_palette(frames, colours, soft=False)
    for one in indexed:
        one.putpalette(one.getpalette("RGB") or [])
    ticks = [max(2, round(stay / GIF_TICK)) * 10 for stay in stays]
    return _save(indexed, "GIF", ticks, transparency=TRANSPARENT, background=TRANSPARENT, disposal=2, optimize=False)


def _apng(frames: list[Image.Image], stays: list[float], colours: int | None) -> bytes:
    if colours is not None:
        frames = with_palette(frames, colours)
    return _save(frames, "PNG", _milliseconds(stays), disposal=0, blend=0, default_image=False)


def _webp(frames: list[Image.Image], stays: list[float], quality: tuple[int, int]) -> bytes:
    return _save(frames, "WEBP", _milliseconds(stays), quality=quality[0], alpha_quality=quality[1], method=METHOD)


_WRITERS: dict[str, Callable[..., bytes]] = {"gif": _gif, "apng": _apng, "webp": _webp}


def _milliseconds(stays: list[float]) -> list[int]:
    return [max(1, round(1000 * stay)) for stay in stays]


def _save(frames: list[Image.Image], kind: str, milliseconds: list[int], **options: object) -> bytes:
    stream = io.BytesIO()
    frames[0].save(stream, kind, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0, **options)
    return stream.getvalue()
