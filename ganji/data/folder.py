"""The `data folder` pictures: a user's own images, checked, centred and resized, with their `index.json`.

What the images may be used for is the user's own affair; nothing is fetched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ganji.data.compose import check_size
from ganji.data.framing import SIDE, Framing, get_framing
from ganji.data.picture_writer import Progress, new_folder, png_bytes
from ganji.data.upscale import METHODS, Doubler, get_doubler
from ganji.errors import InputError
from ganji.training.pictures import MIN_PICTURES, write_index

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MIN_SIDE = 16  # px: smaller drawings are no use
MAX_PIXELS = 64_000_000
INK = 40  # alpha, of 255, from which a pixel belongs to the drawing
WHITE_BORDER = 236  # a border whose darkest pixels (5 %) are at least this is background
DRAWN = 20  # levels below white from which a pixel of an opaque picture belongs to the drawing
NEARLY_WHITE = 252  # what enlarging leaves of white; made white again
MARGIN = 8  # px of background that a drawing keeps around it while it is made larger
NAMED_SKIPS = 3  # how many skipped files a refusal names


@dataclass(frozen=True)
class FolderOptions:
    """
    Attributes:
        size: side of the finished pictures in pixels, 16 to 1024.
        framing: where the drawing goes: its box fills the framing's disc. Pictures without a plain background are
            cropped to a square instead.
        upscale: how small drawings are enlarged, "waifu2x" or "lanczos".
        licence: what the index says about the pictures.
    """

    size: int = 256
    framing: str = "ffhq"
    upscale: str = "waifu2x"
    licence: str = "the user's own"

    def __post_init__(self) -> None:
        check_size(self.size)
        get_framing(self.framing)
        if self.upscale not in METHODS:
            raise InputError(f"upscale must be one of {', '.join(METHODS)}, not {self.upscale!r}.")


class _Unusable(Exception):
    """Why one file is skipped."""


def prepare_folder(source: Path, folder: Path, options: FolderOptions) -> Iterator[Progress]:
    """Write the usable images of `source` (and the folders in it) as training pictures; yields after every file.

    A skipped file is named in the progress note and, with its reason, in the index.

    Args:
        source: a folder; its files are only read.
        folder: new or empty; it appears when everything is done.
    Raises:
        InputError: no such folder, fewer than 50 usable images, no waifu2x where one is needed, or no room on the disk.
    """
    files = _files_of(source)
    enlarger = _Enlarger(options.upscale)
    entries: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    seen: dict[str, str] = {}
    with new_folder(folder, len(files) * options.size**2) as unfinished:
        for done, path in enumerate(files, start=1):
            name, note = path.relative_to(source).as_posix(), ""
            try:
                picture, how = _prepare(path, options, enlarger)
                twin = seen.setdefault(hashlib.sha256(picture.tobytes()).hexdigest(), name)
                if twin != name:
                    raise _Unusable(f"the same picture as {twin}")
                entry = {"file": f"{len(entries):06d}.png", "source": name, "licence": options.licence, **how}
                (unfinished / entry["file"]).write_bytes(png_bytes(picture))
                entries.append(entry)
            except _Unusable as reason:
                skipped.append({"file": name, "reason": str(reason)})
                note = f"skipped {name}: {reason}"
            yield Progress(done, len(files), note)
        _check_enough(entries, skipped)
        write_index(unfinished, options.size, entries, kind="folder", options=asdict(options), skipped=skipped)


class _Enlarger:
    """Doubles pictures until they are large enough; loads what it needs at the first small one."""

    def __init__(self, method: str):
        self.method = method
        self._double: Doubler | None = None

    def __call__(self, picture: Image.Image, times: float) -> Image.Image:
        """`picture`, at least `times` as large by doublings."""
        while times > 1:
            self._double = self._double or get_doubler(self.method)
            picture, times = self._double(picture), times / 2
        return picture


def _files_of(source: Path) -> list[Path]:
    """Every file that is not hidden, sorted by name."""
    try:
        found = sorted(path for path in source.rglob("*") if path.is_file() and not path.name.startswith("."))
    except OSError as exc:
        raise InputError(f"{source} cannot be read: {exc.strerror}.") from exc
    if not source.is_dir():
        raise InputError(f"{source} is no folder.")
    if len(found) < MIN_PICTURES:
        raise InputError(f"{source} holds {len(found)} files; training needs at least {MIN_PICTURES} images.")
    return found


def _check_enough(entries: list[dict[str, Any]], skipped: list[dict[str, str]]) -> None:
    if len(entries) >= MIN_PICTURES:
        return
    named = ", ".join(f"{one['file']} ({one['reason']})" for one in skipped[:NAMED_SKIPS])
    more = f" and {len(skipped) - NAMED_SKIPS} more" if len(skipped) > NAMED_SKIPS else ""
    raise InputError(
        f"Only {len(entries)} of {len(entries) + len(skipped)} files are usable images and training needs at least "
        f"{MIN_PICTURES}; skipped: {named}{more}."
    )


def _prepare(path: Path, options: FolderOptions, enlarger: _Enlarger) -> tuple[Image.Image, dict[str, Any]]:
    """The finished RGB picture, and how it was made."""
    decoded = _decode(path)
    box = _drawing_box(decoded)
    picture = Image.new("RGB", decoded.size, "white")
    picture.paste(decoded, mask=decoded.getchannel("A"))
    if box is None:
        scale = options.size / min(picture.size)
        larger = enlarger(picture, scale)
        finished = ImageOps.fit(larger, (options.size, options.size), Image.Resampling.LANCZOS)
    else:
        if max(box[2] - box[0], box[3] - box[1]) < MIN_SIDE:
            raise _Unusable(f"the drawing is smaller than {MIN_SIDE} px")
        finished, scale = _centred(picture, box, get_framing(options.framing), options.size, enlarger)
    how = {
        "fit": "drawing" if box else "whole",
        "scale": round(scale, 4),
        "upscale": options.upscale if scale > 1 else None,
    }
    return finished, how


def _decode(path: Path) -> Image.Image:
    """RGBA, upright, first frame."""
    try:
        with Image.open(path, formats=FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise _Unusable(f"more than {MAX_PIXELS // 1_000_000} million pixels")
            upright = ImageOps.exif_transpose(opened).convert("RGBA")
    except Image.UnidentifiedImageError:
        raise _Unusable("no PNG, JPEG, WebP or GIF image") from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as exc:
        raise _Unusable(f"cannot be decoded ({exc})") from None
    if min(upright.size) < MIN_SIDE:
        raise _Unusable(f"smaller than {MIN_SIDE} px")
    return upright


def _drawing_box(picture: Image.Image) -> tuple[int, int, int, int] | None:
    """x0, y0, x1, y1 of what is drawn; None where the picture has no plain background.

    Args:
        picture: RGBA. Its background is what is transparent, or white around an opaque drawing.
    """
    pixels = np.asarray(picture)
    drawn = pixels[..., 3] > INK
    if not drawn.any():
        raise _Unusable("an empty picture")
    if drawn.all():
        darkest = pixels[..., :3].min(axis=2)
        border = np.concatenate((darkest[0], darkest[-1], darkest[:, 0], darkest[:, -1]))
        if np.percentile(border, 5) < WHITE_BORDER:
            return None
        drawn = darkest < 255 - DRAWN
        if not drawn.any():
            raise _Unusable("an empty picture")
    rows, columns = np.nonzero(drawn.any(axis=1))[0], np.nonzero(drawn.any(axis=0))[0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _centred(
    picture: Image.Image, box: tuple[int, int, int, int], framing: Framing, size: int, enlarger: _Enlarger
) -> tuple[Image.Image, float]:
    """The drawing in `box` on white, its box centred on the framing's disc and as large as it; and the scale."""
    width, height = box[2] - box[0], box[3] - box[1]
    scale = 2 * framing.radius * size / SIDE / max(width, height)
    left, top = max(0, box[0] - MARGIN), max(0, box[1] - MARGIN)
    cut = picture.crop((left, top, min(picture.width, box[2] + MARGIN), min(picture.height, box[3] + MARGIN)))
    larger = enlarger(cut, scale)
    factor = larger.width / cut.width
    inner = ((box[0] - left) * factor, (box[1] - top) * factor, (box[2] - left) * factor, (box[3] - top) * factor)
    target = max(1, round(width * scale)), max(1, round(height * scale))
    drawing = larger.resize(target, Image.Resampling.LANCZOS, box=inner)
    drawing = drawing.point([255 if value >= NEARLY_WHITE else value for value in range(256)] * 3)
    finished = Image.new("RGB", (size, size), "white")
    x, y = (round(centre * size / SIDE - side / 2) for centre, side in zip(framing.centre, target))
    finished.paste(drawing, (x, y))
    return finished, scale
