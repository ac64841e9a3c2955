"""The Hub's cache folder on disk: who may write, wrong blobs, leftovers of killed downloads. Makes no request.

Deletes nothing but files in the folder of the one repository that a WeightSpec names.
"""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from ganji.checksums import short_name
from ganji.errors import DownloadError
from ganji.manifest import WeightSpec

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class UnavailableError(DownloadError):
    """The file cannot be had now, and may be had later.

    Attributes:
        retry_after: seconds to wait at least.
    """

    def __init__(self, message: str, retry_after: float = 0.0):
        super().__init__(message)
        self.retry_after = retry_after


def repo_folder(spec: WeightSpec, cache: Path) -> Path:
    """Where the cache keeps the repository's blobs and snapshots."""
    return cache / "--".join(["models", *str(spec.repo_id).split("/")])


def discard(path: Path, spec: WeightSpec, cache: Path) -> None:
    """Delete a wrong file of the cache: the blob, and the link to it."""
    folder = repo_folder(spec, cache).resolve()
    for victim in {path.resolve(), path.absolute()}:
        if folder in victim.parent.resolve().parents:
            victim.unlink(missing_ok=True)


def remove_leftovers(spec: WeightSpec, cache: Path) -> None:
    """Delete what killed downloads of this repository left: the client neither resumes nor removes it.

    A leftover whose blob some process holds the client's lock for is being written, and stays.
    """
    folder = repo_folder(spec, cache)
    for part in (folder / "blobs").glob("*.incomplete"):
        lock = filelock.FileLock(cache / ".locks" / folder.name / f"{part.name.split('.')[0]}.lock", blocking=False)
        try:
            with lock:
                part.unlink(missing_ok=True)
        except (filelock.Timeout, OSError):
            continue


@contextmanager
def alone(spec: WeightSpec, cache: Path, seconds: float, log: Callable[[str], None], every: float) -> Iterator[None]:
    """Be the only process that checks and downloads this file; others wait, and then find it in the cache.

    Args:
        seconds: to wait for another process. every: seconds between two lines to `log` meanwhile.
    Raises:
        UnavailableError: the other one is not done.
        DownloadError: the folder cannot be written.
    """
    name, until = short_name(spec.filename), time.monotonic() + seconds
    folder = cache / ".locks" / repo_folder(spec, cache).name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / f"ganji-{spec.sha256[:16]}.lock")
        while not lock.is_locked:
            try:
                lock.acquire(timeout=max(0.05, min(every, until - time.monotonic())))
            except filelock.Timeout:
                if time.monotonic() >= until:
                    raise UnavailableError(f"Another process is still downloading {name}; try again later.") from None
                log(f"{name}: another process is downloading it")
    except OSError as exc:
        raise disk_fault(exc, spec, cache) from exc
    try:
        yield
    finally:
        lock.release()


def disk_fault(exc: OSError, spec: WeightSpec, cache: Path) -> DownloadError:
    """The sentence for a cache folder that is full or cannot be written."""
    name = short_name(spec.filename)
    if exc.errno in _FULL:
        free = shutil.disk_usage(next(p for p in (cache, *cache.absolute().parents) if p.exists())).free
        return DownloadError(
            f"The disk is full: {name} needs {spec.bytes} bytes, {free} are free; make room in the Hub's cache (HF_HOME)."
        )
    return DownloadError(f"The Hub's cache folder cannot be written, and {name} is not in it; set HF_HOME to another.")
