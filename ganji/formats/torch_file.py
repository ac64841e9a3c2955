"""What `torch.save` wrote, both containers, read without torch's own unpickler: a zip archive, or before torch 1.6 a
row of pickles followed by the numbers. Knows no architecture.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ganji.checksums import short_name
from ganji.formats.pickles import Refused, Storage, Unpickler, _Dtype, reading

ZIP_START = b"PK\x03\x04"
LEGACY_START = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the pickled magic number of torch.save before 1.6
MAX_PICKLE_BYTES = 16 << 20  # a training checkpoint with two networks and two optimisers has 0.2 MB
MAX_DIRECTORY_BYTES = 8 << 20  # of a zip archive: about 100 000 members
_LEGACY_PROTOCOL = 1001


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The object that was saved, its tensors as LazyTensor; they can be read while the context lasts.

    Raises:
        CheckpointError: no such file, damaged, or it asks for more than data.
    """
    with reading(short_name(path)), path.open("rb") as stream:
        start = stream.read(len(LEGACY_START))
        stream.seek(0)
        if start.startswith(ZIP_START):
            with _open_zip(stream) as archive:
                yield _read_zip(archive)
        elif start == LEGACY_START:
            yield read_legacy(stream)
        else:
            raise Refused("is no file of torch.save")


def _open_zip(stream: IO[bytes]) -> zipfile.ZipFile:
    """An archive whose members together are no larger than the file, none of them packed: no bomb."""
    size = stream.seek(0, io.SEEK_END)
    if _directory_bytes(stream, size) > MAX_DIRECTORY_BYTES:
        raise Refused("lists more members than any checkpoint has")
    archive = zipfile.ZipFile(stream)
    members = archive.infolist()
    if any(m.compress_type != zipfile.ZIP_STORED or m.file_size != m.compress_size or m.flag_bits & 1 for m in members):
        raise Refused("holds compressed members, which torch.save never writes")
    if sum(m.file_size for m in members) > size:
        raise Refused("holds members that overlap")
    return archive


def _directory_bytes(stream: IO[bytes], size: int) -> int:
    """Length of the archive's central directory, from its end record."""
    stream.seek(max(0, size - 66_000))
    tail = stream.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0:
        raise Refused("is cut short")
    length = struct.unpack_from("<I", tail, end + 12)[0]
    if length == 0xFFFFFFFF:
        wide = tail.rfind(b"PK\x06\x06")
        length = struct.unpack_from("<Q", tail, wide + 40)[0] if wide >= 0 else length
    return length


def _read_zip(archive: zipfile.ZipFile) -> Any:
    names = {m.filename: m for m in archive.infolist()}
    pickles = [name for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1:
        raise Refused("is a zip archive, but not of torch.save")
    folder = pickles[0].split("/")[0]
    if f"{folder}/constants.pkl" in names:
        raise Refused("is a TorchScript program, not a checkpoint")
    order = f"{folder}/byteorder"
    if order in names and archive.read(order) != b"little":
        raise Refused("was written on a big-endian computer")
    if names[pickles[0]].file_size > MAX_PICKLE_BYTES:
        raise Refused("holds more objects than any checkpoint has")

    def storage(pid: Any) -> Storage:
        dtype, key, numel = _storage_id(pid)
        member = names.get(f"{folder}/data/{key}")
        if member is None or member.file_size != numel * dtype.itemsize:
            raise Refused("misses numbers that it refers to")
        return Storage(dtype, numel, lambda: archive.read(member))

    return Unpickler(io.BytesIO(archive.read(pickles[0])), storage).load()


def _storage_id(pid: Any) -> tuple[Any, str, int]:
    """(dtype, key, numel) of a persistent id; where the numbers once lay ("cuda:0") is of no interest."""
    if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage" or not isinstance(pid[1], _Dtype):
        raise Refused("refers to numbers in a way that we do not know")
    if len(pid) == 6 and pid[5] is not None:
        raise Refused("was written by a torch older than 1.0")
    key, numel = pid[2], pid[4]
    if not isinstance(key, str) or not isinstance(numel, int) or numel < 0:
        raise Refused("is damaged")
    return pid[1].dtype, key, numel


class _Limited(io.RawIOBase):
    """A stream that ends in a refusal after `limit` bytes, so that no pickle swallows a whole file of numbers."""

    def __init__(self, stream: IO[bytes], limit: int):
        self.stream, self.left = stream, limit

    def _spend(self, data: bytes) -> bytes:
        self.left -= len(data)
        if self.left < 0:
            raise Refused("holds more objects than any checkpoint has")
        return data

    def read(self, size: int = -1) -> bytes:
        return self._spend(self.stream.read(min(size, self.left + 1)))

    def readline(self, size: int | None = -1) -> bytes:
        return self._spend(self.stream.readline(self.left + 1))


def read_legacy(stream: IO[bytes]) -> Any:
    """The object in a file of torch.save before 1.6; the stream must stay open while its tensors are read."""
    limited: Any = _Limited(stream, MAX_PICKLE_BYTES)
    if not stream.read(len(LEGACY_START)) == LEGACY_START or Unpickler(limited).load() != _LEGACY_PROTOCOL:
        raise Refused("is no file of torch.save")
    system = Unpickler(limited).load()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise Refused("was written on a big-endian computer")
    places: dict[str, int] = {}
    found: dict[str, Storage] = {}

    def storage(pid: Any) -> Storage:
        dtype, key, numel = _storage_id(pid)

        def read() -> bytes:
            stream.seek(places[key])
            return stream.read(numel * dtype.itemsize)

        return found.setdefault(key, Storage(dtype, numel, read))

    value = Unpickler(limited, storage).load()
    keys = Unpickler(limited).load()
    place = stream.tell()
    for key in keys:
        stream.seek(place)
        (numel,) = struct.unpack("<q", stream.read(8))
        if key not in found or found[key].numel != numel:
            raise Refused("is damaged")
        places[key] = place + 8
        place += 8 + numel * found[key].dtype.itemsize
    return value


def storage_from_bytes(data: Any) -> Storage:
    """A storage that was pickled on its own, as tensors inside a plain pickle are."""
    if not isinstance(data, bytes):
        raise Refused("is damaged")
    value = read_legacy(io.BytesIO(data))
    if not isinstance(value, Storage):
        raise Refused("is damaged")
    return value
