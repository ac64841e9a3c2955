"""How large the pictures in an AVIF file really are, read from their AV1 sequence headers.

The size that the container states is only a claim: libavif decodes the stream at the stream's own size first and then
scales, so a file that says 100 x 100 can take gigabytes. Pure byte reading.
Source: ISO/IEC 14496-12 (boxes), 23008-12 (items), AV1 bitstream specification 5.3 and 5.5.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

AVIF_BRANDS = frozenset({b"avif", b"avis"})
HEIC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
MAX_ITEMS = 1000
MAX_FREE_SIZE = 1 << 28  # pixels; a stream may later change its size within the bits that its header sets aside
MAX_TOTAL_PIXELS = 200_000_000  # of all streams: tiles, transparency, gain map, preview


class Damaged(ValueError):
    """A photo that is incomplete or contradicts itself; the text goes on after "because"."""


def brands(data: bytes) -> set[bytes]:
    """The brands that a file of boxes claims."""
    length = min(int.from_bytes(data[:4], "big"), 256)
    return {data[8:12]} | {data[k : k + 4] for k in range(16, min(length, len(data) - 3), 4)}


def is_avif(data: bytes) -> bool:
    """Whether the file claims to be AVIF."""
    return data[4:8] == b"ftyp" and bool(brands(data) & AVIF_BRANDS)


def as_still(data: bytes) -> bytes:
    """The file, marked so that decoders show its still picture and leave an animation alone."""
    return data[:8] + b"avif" + data[12:]


def read_size(data: bytes) -> tuple[int, int]:
    """The largest width and height among the file's AV1 streams.

    Raises:
        Damaged: incomplete, no AV1 stream, or stored in a way that still pictures are not.
    """
    parts = _unique(_boxes(_unique(_boxes(data), b"meta").get(b"meta", b"")[4:]), b"iloc", b"iinf", b"idat")
    if b"iloc" not in parts or b"iinf" not in parts:
        raise Damaged("it has no picture")
    kinds = _item_kinds(parts[b"iinf"])
    extents = _item_extents(parts[b"iloc"])
    sources = {0: data, 1: parts.get(b"idat", b"")}
    if sum(length for pieces in extents.values() for _, _, length in pieces) > 2 * len(data):
        raise Damaged("its pieces overlap")
    sizes = [_stream_size(_payload(sources, extents.get(item, []))) for item, kind in kinds.items() if kind == b"av01"]
    if not sizes:
        raise Damaged("it has no picture")
    if sum(w * h for w, h in sizes) > MAX_TOTAL_PIXELS:
        raise Damaged("its pieces are too large")
    return max(w for w, _ in sizes), max(h for _, h in sizes)


def _payload(sources: dict[int, bytes], extents: list[tuple[int, int, int]]) -> bytes:
    """An item's bytes; length 0 means: to the end."""
    pieces = []
    for method, start, length in extents:
        source = sources.get(method, b"")
        piece = source[start : start + length] if length else source[start:]
        if not piece or len(piece) < length:
            raise Damaged("it stops early")
        pieces.append(piece)
    if len(pieces) > 1 and not all(length for _, _, length in extents):
        raise Damaged("its pieces overlap")
    return b"".join(pieces)


def _unique(boxes: Iterator[tuple[bytes, bytes]], *kinds: bytes) -> dict[bytes, bytes]:
    """The boxes of these types; twice the same is refused, since readers differ in which of them they believe."""
    found: dict[bytes, bytes] = {}
    for kind, body in boxes:
        if kind in found:
            raise Damaged("it has two tables of contents")
        if kind in kinds:
            found[kind] = body
    return found


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, body) of each box."""
    position = 0
    while position + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        header = 8
        if length == 1:
            length, header = struct.unpack(">Q", data[position + 8 : position + 16])[0], 16
        elif length == 0:
            length = len(data) - position
        if length < header or position + length > len(data):
            raise Damaged("it stops early")
        yield kind, data[position + header : position + length]
        position += length


def _item_kinds(iinf: bytes) -> dict[int, bytes]:
    """Item number -> its type."""
    kinds: dict[int, bytes] = {}
    for kind, body in _boxes(iinf[8 if iinf[0] else 6 :]):
        if kind == b"infe" and body[0] in (2, 3):
            width = 2 if body[0] == 2 else 4
            item = int.from_bytes(body[4 : 4 + width], "big")
            if item in kinds or len(kinds) >= MAX_ITEMS:
                raise Damaged("it has too many pieces")
            kinds[item] = body[6 + width : 10 + width]
    return kinds


def _item_extents(iloc: bytes) -> dict[int, list[tuple[int, int, int]]]:
    """Item number -> [(construction method, start, length)]."""
    version = iloc[0]
    if version > 2:
        raise Damaged("it is of a newer kind")
    offset_size, length_size, base_size, index_size = iloc[4] >> 4, iloc[4] & 15, iloc[5] >> 4, iloc[5] & 15
    wide = 4 if version == 2 else 2
    fields = _Bytes(iloc, 6)
    items: dict[int, list[tuple[int, int, int]]] = {}
    for _ in range(_few(fields.take(wide))):
        item = fields.take(wide)
        method = fields.take(2) & 15 if version else 0
        fields.take(2)
        base = fields.take(base_size)
        if item in items:
            raise Damaged("it has two tables of contents")
        items[item] = []
        for _ in range(_few(fields.take(2))):
            if version:
                fields.take(index_size)
            start = base + fields.take(offset_size)
            items[item].append((method, start, fields.take(length_size)))
    return items


def _few(count: int) -> int:
    if count > MAX_ITEMS:
        raise Damaged("it has too many pieces")
    return count


class _Bytes:
    """Reads numbers of whole bytes, one after the other."""

    def __init__(self, data: bytes, position: int):
        self._data, self._position = data, position

    def take(self, count: int) -> int:
        piece = self._data[self._position : self._position + count]
        if len(piece) < count:
            raise Damaged("it stops early")
        self._position += count
        return int.from_bytes(piece, "big")


class _Bits:
    """Reads numbers of single bits, one after the other."""

    def __init__(self, data: bytes):
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise Damaged("it stops early")
        return (self._value >> self._left) & ((1 << count) - 1)


def _stream_size(payload: bytes) -> tuple[int, int]:
    """The largest (width, height) that a stream's sequence headers allow."""
    position, sizes = 0, []
    while position < len(payload):
        first = payload[position]
        position += 2 if first & 4 else 1  # with or without an extension byte
        if first & 2:
            length, position = _leb128(payload, position)
        else:
            length = len(payload) - position
        if position + length > len(payload):
            raise Damaged("it stops early")
        if first >> 3 & 15 == 1:
            sizes.append(_sequence_size(payload[position : position + min(length, 512)]))
        position += length
    if not sizes:
        raise Damaged("its picture has no header")
    return max(w for w, _ in sizes), max(h for _, h in sizes)


def _leb128(data: bytes, position: int) -> tuple[int, int]:
    """(number, where it ends) of a number of variable length."""
    value = 0
    for k in range(8):
        byte = data[position]
        position += 1
        value |= (byte & 127) << (7 * k)
        if not byte & 128:
            return value, position
    raise Damaged("a length has no end")


def _sequence_size(header: bytes) -> tuple[int, int]:
    """(width, height) of one sequence header."""
    bits = _Bits(header)
    bits.take(4)  # profile, still picture
    reduced = bits.take(1)
    if reduced:
        bits.take(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    if not reduced and 1 << (width_bits + height_bits) > MAX_FREE_SIZE:
        raise Damaged("its size may change")
    return bits.take(width_bits) + 1, bits.take(height_bits) + 1


def _skip_operating_points(bits: _Bits) -> None:
    """Read over timing and operating points."""
    model = delay_bits = 0
    if bits.take(1):  # timing
        bits.take(32 + 32)
        if bits.take(1):  # equal picture intervals: a number in Exp-Golomb code
            zeros = 0
            while zeros < 32 and not bits.take(1):
                zeros += 1
            bits.take(zeros)
        model = bits.take(1)
        if model:
            delay_bits = bits.take(5) + 1
            bits.take(32 + 5 + 5)
    display = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if model and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if display and bits.take(1):
            bits.take(4)
