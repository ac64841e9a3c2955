"""Whether a file holds the bytes that the manifest names. Reads files; knows neither tensors nor the Hub."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePath

from ganji.errors import ChecksumError, WeightsError
from ganji.manifest import WeightSpec

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
HEAD_BYTES = 256
_CHUNK = 1 << 20


def sha256_file(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def is_html(head: bytes) -> bool:
    """Whether a file that starts like this is a web page."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:15].lower().startswith((b"<!doctype html", b"<html"))


def short_name(path: PurePath | str) -> str:
    """A file's name as sentences show it: without folders, printable, at most 60 characters."""
    return "".join(c for c in PurePath(path).name if c.isprintable())[:60]


def verify(path: Path, spec: WeightSpec) -> None:
    """Compare a file with its manifest entry.

    Raises:
        ChecksumError: other bytes; Git-LFS pointers and HTML pages are recognised.
        WeightsError: it cannot be read.
    """
    name = short_name(spec.filename)
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
        digest = sha256_file(path) if size == spec.bytes else None
    except OSError as exc:
        raise WeightsError(f"{name} cannot be read.") from exc
    if digest == spec.sha256:
        return
    if head.startswith(LFS_POINTER):
        raise ChecksumError(f"{name} is a Git-LFS pointer of {size} bytes, not the weights; run `git lfs pull`.")
    if is_html(head):
        raise ChecksumError(f"{name} is an HTML page, not weights; the download was intercepted.")
    if size < spec.bytes:
        raise ChecksumError(f"{name} is cut short: {size} bytes; the manifest says {spec.bytes}.")
    if size > spec.bytes:
        raise ChecksumError(f"{name} has {size} bytes; the manifest says {spec.bytes}.")
    raise ChecksumError(f"{name} has sha256 {str(digest)[:12]}…; the manifest says {spec.sha256[:12]}….")
