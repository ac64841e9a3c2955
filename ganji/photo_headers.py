"""What the bytes of a photo say before anything is decoded: format, size, frames, whether all of it is there.

Pure byte reading: no decoder, no memory of the picture's size. Decoders believe the file; this module is why they may: it
refuses files whose header asks for too much (photos.py holds the limits), that stop early, or that take for ever.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ganji import avif_header
from ganji.avif_header import Damaged

MAX_SCANS = 50  # of a progressive JPEG; ten are usual, and each costs a pass over all pixels
MAX_BLOCKS = 200_000  # pieces of a PNG or GIF; more are only there to keep us busy
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_FRAMES = {0xC0: False, 0xC1: False, 0xC2: True, 0xC9: False, 0xCA: True}  # SOF marker -> progressive?
_JPEG_STUFFING = b"\xff\x00" * 8  # eight bytes of ones: no Huffman code, so nothing can be decoded from them

_MISTAKEN = (  # (offset, bytes, name) of what people upload by mistake, and attackers on purpose
    (0, b"%PDF", "PDF"), (0, b"PK\x03\x04", "ZIP"), (0, b"PK\x05\x06", "ZIP"), (0, b"Rar!", "RAR"), (0, b"7z\xbc\xaf", "7z"),
    (0, b"\x1f\x8b", "gzip"), (0, b"8BPS", "Photoshop"), (0, b"%!PS", "PostScript"), (0, b"\xc5\xd0\xd3\xc6", "PostScript"),
    (0, b"<svg", "SVG"), (0, b"<?xml", "SVG or XML"), (0, b"<!doctype svg", "SVG"), (0, b"<!--", "HTML or SVG"),
    (0, b"<!doctype", "HTML"), (0, b"<html", "HTML"), (0, b"<script", "HTML"), (0, b"II*\x00", "TIFF or raw"),
    (0, b"MM\x00*", "TIFF or raw"), (0, b"II+\x00", "TIFF"), (0, b"MM\x00+", "TIFF"), (0, b"BM", "BMP"), (0, b"\x00\x00\x01\x00", "icon"),
    (0, b"\xff\x0a", "JPEG XL"), (4, b"JXL ", "JPEG XL"), (4, b"jP  ", "JPEG 2000"), (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\x80\x02", "Python pickle"), (0, b"\x80\x03", "Python pickle"), (0, b"\x80\x04", "Python pickle"),
    (0, b"\x80\x05", "Python pickle"), (0, b"\x7fELF", "program"), (0, b"MZ", "program"), (0, b"\x1a\x45\xdf\xa3", "video"),
    (0, b"P6", "PPM"), (0, b"P5", "PPM"), (0, b"qoif", "QOI"), (0, b"DDS ", "DDS"),
)  # fmt: skip


@dataclass(frozen=True)
class Header:
    """What a photo claims to be.

    Attributes:
        format: Pillow's name of it. width, height: in pixels, before it is turned upright.
        frames: of an animation; 1 for a still. data: the bytes to decode; what follows the picture is cut off.
    """

    format: str
    width: int
    height: int
    frames: int
    data: bytes


def read_header(data: bytes) -> Header | None:
    """The header of a photo, or None for any other file.

    Raises:
        Damaged: a photo that is incomplete or contradicts itself.
    """
    reader = next((reader for accepts, reader in _READERS if accepts(data)), None)
    if reader is None:
        return None
    try:
        return reader(data)
    except (IndexError, struct.error, ValueError) as exc:
        raise exc if isinstance(exc, Damaged) else Damaged("it stops early") from exc


def mistaken_for(data: bytes) -> str:
    """What the file is instead of a photo that we read, such as "HEIC" or "PDF"; empty if that is not known."""
    if data[4:8] == b"ftyp":
        return "HEIC" if avif_header.brands(data) & avif_header.HEIC_BRANDS else "video"
    head = data[:256].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for offset, magic, name in _MISTAKEN:
        if head[offset : offset + len(magic)] == magic.lower() or data[offset : offset + len(magic)] == magic:
            return name
    return ""


def _read_jpeg(data: bytes) -> Header:
    size, progressive, arithmetic = (0, 0), False, False
    scans: list[bytes] = []
    components = b""
    end = len(data)
    for marker, start, stop in _jpeg_segments(data):
        body = data[start:stop]
        if marker in _JPEG_FRAMES:
            if components:
                raise Damaged("it has two frames")
            size = (struct.unpack(">H", body[3:5])[0], struct.unpack(">H", body[1:3])[0])
            progressive, arithmetic, components = _JPEG_FRAMES[marker], marker >= 0xC9, body[6::3][: body[5]]
        elif marker == 0xDA:
            scans.append(body)
            if len(scans) > MAX_SCANS:
                raise Damaged("it has too many scans")
        elif marker == 0xD9:
            end = start
    if not scans or not components:
        raise Damaged("it has no picture")
    if not _is_covered(scans, components, progressive):
        raise Damaged("some of its scans are missing")
    if len(scans) == 1 and not arithmetic:
        # libjpeg paints grey where data end before the end marker, and only warns. Without that marker it has to ask for
        # more, which Pillow reports; the stuffing is what its look-ahead needs after the last pixel of a whole picture.
        return Header("JPEG", *size, 1, data[: end - 2] + _JPEG_STUFFING)
    return Header("JPEG", *size, 1, data[:end])


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, stop of its body) up to and including the end marker, whose start is its stop.

    Raises:
        Damaged: there is no end marker.
    """
    position = 2
    while match := _JPEG_MARKER.search(data, position):
        marker, start = data[match.end() - 1], match.end()
        if marker == 0xD9:
            yield marker, start, start
            return
        if marker == 0x01:
            position = start
            continue
        position = start + struct.unpack(">H", data[start : start + 2])[0]
        if position > len(data):
            break
        yield marker, start + 2, position
    raise Damaged("it stops early")


def _is_covered(scans: list[bytes], components: bytes, progressive: bool) -> bool:
    """Whether the scans bring every component, and a progressive one's every coefficient to the last bit."""
    left = {(c, k) for c in components for k in (range(64) if progressive else (0,))}
    for scan in scans:
        count = scan[0]
        first, last, precision = scan[1 + 2 * count : 4 + 2 * count]
        if not progressive:
            left -= {(c, 0) for c in scan[1 : 1 + 2 * count : 2]}
        elif precision & 15 == 0:
            left -= {(c, k) for c in scan[1 : 1 + 2 * count : 2] for k in range(first, last + 1)}
    return not left


def _read_png(data: bytes) -> Header:
    size: tuple[int, int] | None = None
    frames = 1
    has_pixels = False
    for kind, start, stop in png_chunks(data):
        if kind[0] < 0x60 and zlib.crc32(data[start - 4 : stop]) != struct.unpack(">I", data[stop : stop + 4])[0]:
            raise Damaged("its check sums are wrong")  # capital letter: a chunk that the picture needs
        if kind == b"IHDR":
            if size is not None:
                raise Damaged("it has two headers")
            size = struct.unpack(">II", data[start : start + 8])
        elif kind == b"acTL":
            frames = max(frames, struct.unpack(">I", data[start : start + 4])[0])
        elif kind == b"IDAT":
            has_pixels = True
        elif kind == b"IEND":
            if size is None or not has_pixels:
                raise Damaged("it has no picture")
            return Header("PNG", *size, frames, data[: stop + 4])
    raise Damaged("it stops early")


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, stop of its content) of each whole chunk; four bytes of check sum follow it.

    Raises:
        Damaged: a chunk is cut short, or there are too many.
    """
    position = len(PNG_SIGNATURE)
    for _ in range(MAX_BLOCKS):
        if position >= len(data):
            return
        if len(data) - position < 12:
            raise Damaged("it stops early")
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        start, stop = position + 8, position + 8 + length
        if stop + 4 > len(data):
            raise Damaged("it stops early")
        yield kind, start, stop
        position = stop + 4
    raise Damaged("it has too many pieces")


def _read_gif(data: bytes) -> Header:
    width, height, flags = struct.unpack("<HHB", data[6:11])
    position = 13 + _gif_palette(flags)
    frames = 0
    for _ in range(MAX_BLOCKS):
        if position >= len(data) or data[position] == 0x3B:
            break
        if data[position] == 0x21:
            position = _gif_blocks(data, position + 2)
        elif data[position] == 0x2C:
            x, y, w, h, flags = struct.unpack("<HHHHB", data[position + 1 : position + 10])
            if not frames:  # a first frame larger than the screen enlarges it
                width, height = max(width, x + w), max(height, y + h)
            frames += 1
            position = _gif_blocks(data, position + 11 + _gif_palette(flags))
        else:
            raise Damaged("it contains what no GIF does")
    if not frames:
        raise Damaged("it has no picture")
    return Header("GIF", width, height, frames, data)


def _gif_palette(flags: int) -> int:
    """Bytes of the palette that follows."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_blocks(data: bytes, position: int) -> int:
    """Where a chain of blocks ends."""
    for _ in range(MAX_BLOCKS):
        length = data[position]
        position += 1 + length
        if not length:
            return position
    raise Damaged("it has too many pieces")


def _read_webp(data: bytes) -> Header:
    total = struct.unpack("<I", data[4:8])[0] + 8
    if total > len(data):
        raise Damaged("it stops early")
    size: tuple[int, int] | None = None
    position, frames = 12, 0
    while position + 8 <= total:
        kind, length = struct.unpack("<4sI", data[position : position + 8])
        body = data[position + 8 : position + 8 + min(length, 32)]
        if size is None:
            size = _webp_size(kind, body)
        frames += kind == b"ANMF"
        position += 8 + length + (length & 1)
    if size is None:
        raise Damaged("it has no picture")
    return Header("WEBP", *size, max(1, frames), data[:total])


def _webp_size(kind: bytes, body: bytes) -> tuple[int, int] | None:
    """Size by the first chunk that tells it."""
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", body[6:10])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        bits = struct.unpack("<I", body[1:5])[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None


def _read_avif(data: bytes) -> Header:
    still = avif_header.as_still(data)
    width, height = avif_header.read_size(still)
    return Header("AVIF", width, height, 1, still)


_READERS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], Header]], ...] = (
    (lambda data: data.startswith(b"\xff\xd8\xff"), _read_jpeg),
    (lambda data: data.startswith(PNG_SIGNATURE), _read_png),
    (lambda data: data[:6] in (b"GIF87a", b"GIF89a"), _read_gif),
    (lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP", _read_webp),
    (avif_header.is_avif, _read_avif),
)
