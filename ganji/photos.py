"""Photos from anybody: decoded once, by us, from the header up. Gives an upright 8-bit sRGB picture, or one message.

Nothing of a photo but its pixels goes on: no EXIF, no profile, no text chunks. Formats are an allow-list; dimensions are
read from the header and checked before a decoder sees the file; truncated files are refused, never half shown. Nothing is
fetched: a web address is refused. The limits stand in validate.py.
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import re
import stat
import struct
import threading
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np
from PIL import Image, ImageCms, ImageFile

from ganji.errors import BusyError, UnreadableImageError
from ganji.photo_headers import Damaged, mistaken_for, read_header
from ganji.validate import MAX_PHOTO_BYTES as MAX_BYTES
from ganji.validate import MAX_PHOTO_FRAMES as MAX_FRAMES
from ganji.validate import MAX_PHOTO_PIXELS as MAX_PIXELS
from ganji.validate import MAX_PHOTO_SIDE as MAX_SIDE
from ganji.validate import MIN_PHOTO_SIDE as MIN_SIDE

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
ACCEPTED = "JPEG, PNG, WebP, GIF or AVIF"
MAX_PROFILE_BYTES = 4 << 20
DECODERS = 2  # photos decoded at once; while it lasts each takes about 20 bytes a pixel
LARGE_PIXELS = MAX_PIXELS // 2  # of those that are larger only one is decoded at a time: it may take 1 GB
DECODER_WAIT = 20.0  # s

_decoding = threading.BoundedSemaphore(DECODERS)
_decoding_large = threading.BoundedSemaphore(1)
_TURNS = {  # EXIF orientation -> what makes it upright
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_ORIENTATION = 0x0112
_DAMAGED = "This photo is damaged or incomplete. Save it again as JPEG or PNG and retry."
_DATA_URL = re.compile(r"data:([\w.+/;=\-]{0,200}),", re.IGNORECASE)
_SCHEME = re.compile(r"\s*([a-z][a-z0-9+.\-]+:|//|\\\\)", re.IGNORECASE)


def open_upload(source: Any, folder: Path | None = None) -> Image.Image:
    """Decode what a page or an API caller sent as a photo.

    Args:
        source: a `data:` URL, the path of an uploaded file, or bytes.
        folder: the only folder that a path may lead into; None: anywhere.
    Returns:
        As `open_photo`.
    Raises:
        UnreadableImageError: as `open_photo`; nothing sent, a web address, a path elsewhere.
        BusyError: as `open_photo`.
    """
    if isinstance(source, str) and source[:5].lower() == "data:":
        return open_photo(_from_data_url(source))
    if isinstance(source, str) and _SCHEME.match(source):
        raise UnreadableImageError("Photos are not fetched from addresses. Save the photo and upload the file itself.")
    if isinstance(source, (str, Path)) and str(source):
        return open_photo(_inside(str(source), folder))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return open_photo(bytes(source) if len(source) <= MAX_BYTES else _refuse_size())
    raise UnreadableImageError(f"No photo was sent. Upload a {ACCEPTED} file.")


def open_photo(source: bytes | Path) -> Image.Image:
    """Decode a photo.

    Args:
        source: the file's bytes, or its path.
    Returns:
        RGB, 8 bits, sRGB, upright, alpha on white; the first frame of an animation; without any metadata.
    Raises:
        UnreadableImageError: not one of `FORMATS`, damaged, truncated, empty, too large, too small.
        BusyError: too many photos are being decoded.
    """
    data = source if isinstance(source, bytes) else _read(source)
    if len(data) > MAX_BYTES:
        _refuse_size()
    if not data:
        raise UnreadableImageError("This photo is an empty file. Upload it again.")
    try:
        header = read_header(data)
    except Damaged as exc:
        raise UnreadableImageError(f"This photo is damaged: {exc}. Save it again as JPEG or PNG and retry.") from None
    if header is None:
        raise UnreadableImageError(_unknown(data))
    _check_size(header.width, header.height)
    if header.frames > MAX_FRAMES:
        raise UnreadableImageError(f"This animation has {header.frames} frames; save one of them as JPEG or PNG.")
    with ExitStack() as turns:
        for turn in (_decoding_large, _decoding) if header.width * header.height > LARGE_PIXELS else (_decoding,):
            if not turn.acquire(timeout=DECODER_WAIT):
                raise BusyError("Many photos are being read just now; try again in 10 seconds.", 10)
            turns.callback(turn.release)
        return _decode(header.data, header.format)


def _decode(data: bytes, name: str) -> Image.Image:
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # some libraries switch this on for the whole process
    try:
        with Image.open(io.BytesIO(data), formats=(name,)) as picture:
            _check_size(*picture.size)
            profile = picture.info.get("icc_profile")
            picture.load()
            turn = _TURNS.get(_orientation(picture))
            fresh = _to_srgb(picture, profile)
        return fresh if turn is None else fresh.transpose(turn)
    except UnreadableImageError:
        raise
    except MemoryError:
        raise UnreadableImageError("This photo is too large to read. Make it smaller and retry.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnreadableImageError(_too_many_pixels("too many")) from None
    except (OSError, ValueError, SyntaxError, struct.error, zlib.error, EOFError, IndexError, KeyError, TypeError, AttributeError,
            ArithmeticError, RuntimeError, AssertionError) as exc:  # fmt: skip  # decoders raise all of these on damaged files
        raise UnreadableImageError(_DAMAGED) from exc


def _inside(path: str, folder: Path | None) -> Path:
    """The path, if it leads into the folder; a path elsewhere gets the message of a file that is not there."""
    missing = UnreadableImageError("This photo is no longer here. Upload it again.")
    try:
        real = Path(path).resolve()
        if folder is not None and not real.is_relative_to(folder.resolve()):
            raise missing
    except (OSError, ValueError, RuntimeError):
        raise missing from None
    return real


def _read(path: Path) -> bytes:
    """A regular file's bytes; one byte more than allowed at most."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UnreadableImageError(f"This is no photo. Upload a {ACCEPTED} file.")
            return stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as exc:
        raise UnreadableImageError("This photo is no longer here. Upload it again.") from exc


def _from_data_url(url: str) -> bytes:
    """The bytes of a base64 `data:` URL."""
    head = _DATA_URL.match(url[:300])
    if head is None or not head[1].lower().endswith(";base64"):
        raise UnreadableImageError("This data: URL is no photo. Send a file, or a data: URL with base64.")
    if len(url) > 2 * MAX_BYTES:  # base64 takes 4/3; line ends and percent signs are allowed for
        _refuse_size()
    try:
        body = url[head.end() :].encode("ascii")
        body = b"".join((unquote_to_bytes(body) if b"%" in body else body).split()).rstrip(b"=")
        return base64.b64decode(body + b"=" * (-len(body) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        raise UnreadableImageError("This data: URL is damaged. Send the photo as a file.") from None


def _refuse_size() -> bytes:
    raise UnreadableImageError(f"This photo is larger than {MAX_BYTES >> 20} MB. Save it smaller and retry.")


def _too_many_pixels(seen: str) -> str:
    return f"This photo has {seen} pixels; at most {MAX_PIXELS // 1_000_000} megapixels are read. Make it smaller and retry."


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise UnreadableImageError(_too_many_pixels(f"{width} x {height}"))
    if min(width, height) < MIN_SIDE:
        raise UnreadableImageError(f"This photo has only {width} x {height} pixels. Use a larger one.")


def _unknown(data: bytes) -> str:
    kind = mistaken_for(data)
    if kind == "HEIC":
        return "HEIC photos cannot be read here. Save the photo as JPEG or PNG and try again."
    if kind:
        return f"This is no photo but a file of another kind ({kind}). Use {ACCEPTED}."
    return f"This file is no photo that can be read. Use {ACCEPTED}."


def _orientation(picture: Image.Image) -> int:
    """How the EXIF says that it lies; 1 if that cannot be read."""
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
        return value if isinstance(value, int) else 1
    except Exception:  # a damaged EXIF block raises anything, and is no reason to refuse the photo
        return 1


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """8-bit sRGB on white, as a fresh picture without metadata."""
    colours, alpha = _split_alpha(picture)
    if profile and len(profile) <= MAX_PROFILE_BYTES:
        colours = _apply_profile(colours, profile)
    fresh = Image.new("RGB", picture.size, "white")
    fresh.paste(colours.convert("RGB"), mask=alpha)
    return fresh


def _split_alpha(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """(colours as L, RGB or CMYK; alpha as L, or None)."""
    if picture.mode.startswith("I") or picture.mode == "F":
        return _from_high_depth(picture), None
    if picture.mode in ("LA", "La"):
        return picture.convert("LA").getchannel("L"), picture.getchannel("A")
    if picture.mode in ("RGBA", "PA", "RGBa") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        return rgba.convert("RGB"), rgba.getchannel("A")
    if picture.mode == "1":
        return picture.convert("L"), None
    return picture if picture.mode in ("L", "RGB", "CMYK") else picture.convert("RGB"), None


def _from_high_depth(picture: Image.Image) -> Image.Image:
    """16-bit grey scaled to 8 bits; values of other deep modes are taken as 16 bits if one of them is over 255."""
    values = np.asarray(picture)
    if picture.mode.startswith("I;16") or values.max() > 255:
        values = (values.clip(0, 65535).astype(np.uint32) + 128) // 257
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def _apply_profile(picture: Image.Image, profile: bytes) -> Image.Image:
    """To sRGB by the embedded colour profile; a broken one, or one of another colour space, is ignored."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return picture
    return picture if converted is None else converted
