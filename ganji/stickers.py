"""Finished emoji as files for chat platforms. Their sizes and limits stand in `PLATFORMS` and nowhere else.

A sticker holds pixels only: no text, no EXIF, no colour profile, so neither the recipe nor anything about its maker.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from PIL import Image

from ganji import animation, sticker_files, validate
from ganji.errors import InputError
from ganji.matte import cut_out, cut_out_all
from ganji.sticker_frame import MARGIN, common_box, frame

KB = 1000  # the stricter of the two readings of every platform's "KB"
FPS = validate.Range(1, 50, 12)
MAX_FRAMES = 120
MAX_NAME = 40


@dataclass(frozen=True)
class Platform:
    """What a platform takes.

    Attributes:
        name: ours, also in file names. title: the platform's.
        size: px a side; None leaves the picture as large as it is, and not centred anew.
        kind: of a still, "png" or "webp".
        max_bytes: of a still, which must be smaller; None where no limit is known that we could reach.
        animated: kind of an animation, a name of `animation.KINDS`, or None.
        max_animated_bytes, max_seconds: of an animation.
    """

    name: str
    title: str
    size: int | None
    kind: str
    max_bytes: int | None = None
    animated: str | None = None
    max_animated_bytes: int | None = None
    max_seconds: float | None = None

    @property
    def suffix(self) -> str:
        """Of a file name, with its dot; an APNG is a .png."""
        return f".{self.kind}"


PLATFORMS = {
    platform.name: platform
    for platform in (
        Platform("png", "PNG, full size", None, "png"),
        Platform("slack", "Slack emoji", 128, "png", 128 * KB, "gif", 128 * KB),
        Platform("discord", "Discord emoji", 128, "png", 256 * KB, "gif", 256 * KB),
        Platform("discord-sticker", "Discord sticker", 320, "png", 512 * KB, "apng", 512 * KB, 5),
        Platform("telegram", "Telegram sticker", 512, "webp", 512 * KB),
        Platform("whatsapp", "WhatsApp sticker", 512, "webp", 100 * KB, "webp", 500 * KB, 10),
        Platform("kakaotalk", "KakaoTalk emoticon", 360, "png", 150 * KB),
    )
}


def get_platform(name: str) -> Platform:
    """The platform of that name.

    Raises:
        InputError: there is none.
    """
    return PLATFORMS[validate.choice("platform", name, tuple(PLATFORMS))]


def export(picture: Image.Image, platform: str | Platform) -> bytes:
    """A still for a platform: centred, of its size and below its limit.

    Args:
        picture: RGB, on white or whatever else; or RGBA, already cut out.
        platform: a name of `PLATFORMS`, or one's own.
    Raises:
        InputError: no such platform, an empty picture, or one that stays too large at the lowest quality.
    """
    target = get_platform(platform) if isinstance(platform, str) else platform
    sticker = picture if picture.mode == "RGBA" else cut_out(picture)
    if target.size is not None:
        sticker = frame(sticker, target.size, MARGIN)
    return _smallest_loss(sticker_files.still_attempts(sticker, target.kind), target.max_bytes, target.title)


def export_all(picture: Image.Image, stem: str = "ganji") -> dict[str, bytes]:
    """The picture for every platform: file name -> bytes, in the order of `PLATFORMS`."""
    sticker = picture if picture.mode == "RGBA" else cut_out(picture)
    return {file_name(stem, platform): export(sticker, platform) for platform in PLATFORMS.values()}


def animate(
    frames: Sequence[Image.Image],
    kind: str,
    *,
    fps: float = FPS.default,
    holds: Sequence[int] | None = None,
    size: int = 256,
    max_bytes: int | None = None,
    max_seconds: float | None = None,
) -> bytes:
    """An endless animation with a transparent background; all frames share one place and one scale.

    To stay below a limit, quality goes down first and then frames are left out, which keeps the speed.

    Args:
        frames: of one size, as in `export`; 2 to 120.
        kind: "gif" (edges are hard), "apng" or "webp" (edges are soft).
        fps: frames a second, 1 to 50.
        holds: for how many frames' time each one stays, at least 1; None for 1.
        size: px a side.
        max_bytes: what the file must be smaller than.
        max_seconds: a longer animation plays faster.
    Raises:
        InputError: values out of range, frames of several sizes or all alike, or no quality is small enough.
    """
    validate.choice("kind", kind, animation.KINDS)
    seconds = 1 / validate.number("fps", fps, FPS)
    framed = _framed(frames, size)
    times = [1] * len(frames) if holds is None else list(holds)
    if len(times) != len(frames) or min(times) < 1:
        raise InputError(f"holds must have a number from 1 on for each of the {len(frames)} frames.")
    if max_seconds is not None:
        seconds = min(seconds, max_seconds / sum(times))
    attempts = animation.attempts(framed, kind, [seconds * time for time in times])
    return _smallest_loss(attempts, max_bytes, f"animated {kind.upper()}")


def export_animated(
    frames: Sequence[Image.Image],
    platform: str | Platform,
    *,
    fps: float = FPS.default,
    holds: Sequence[int] | None = None,
) -> bytes:
    """An animation for a platform.

    Raises:
        InputError: as in `animate`, or the platform takes no animation of ours.
    """
    target = check_animated(get_platform(platform) if isinstance(platform, str) else platform)
    assert target.animated is not None
    assert target.size is not None
    return animate(
        frames,
        target.animated,
        fps=fps,
        holds=holds,
        size=target.size,
        max_bytes=target.max_animated_bytes,
        max_seconds=target.max_seconds,
    )


def check_animated(platform: Platform) -> Platform:
    """The platform itself.

    Raises:
        InputError: it takes no animation of ours.
    """
    if platform.animated is None or platform.size is None:
        able = ", ".join(name for name, one in PLATFORMS.items() if one.animated)
        raise InputError(f"{platform.title} takes no animation; {able} do.")
    return platform


def file_name(stem: str, platform: str | Platform, animated: bool = False) -> str:
    """The file's name: always the same for the same stem, and safe on every system."""
    target = get_platform(platform) if isinstance(platform, str) else platform
    if not animated:
        return f"{safe_name(stem)}-{target.name}{target.suffix}"
    return f"{safe_name(stem)}-{target.name}-animated{animation.SUFFIXES[target.animated or 'gif']}"


def safe_name(text: str) -> str:
    """Lower-case letters a to z, digits and hyphens, at most 40; what has none gets a name from its checksum."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_NAME].rstrip("-")
    return name or f"emoji-{zlib.crc32(text.encode('utf-8', 'replace')):08x}"


def _framed(frames: Sequence[Image.Image], size: int) -> list[Image.Image]:
    if not 2 <= len(frames) <= MAX_FRAMES:
        raise InputError(f"An animation has 2 to {MAX_FRAMES} frames, not {len(frames)}.")
    if len({picture.size for picture in frames}) > 1:
        raise InputError("The frames of an animation must all have the same size.")
    stickers = list(frames) if all(picture.mode == "RGBA" for picture in frames) else cut_out_all(frames)
    if all(sticker.tobytes() == stickers[0].tobytes() for sticker in stickers):
        raise InputError("The frames of this animation are all alike.")
    box = common_box(stickers)
    return [frame(sticker, size, MARGIN, box) for sticker in stickers]


def _smallest_loss(attempts: Iterable[Callable[[], bytes]], max_bytes: int | None, title: str) -> bytes:
    """The first file that is small enough; attempts go from the best to the smallest."""
    size = 0
    for attempt in attempts:
        data = attempt()
        size = len(data)
        if max_bytes is None or size < max_bytes:
            return data
    raise InputError(f"This picture has {size} bytes as {title} at the lowest quality; the limit is {max_bytes}.")
