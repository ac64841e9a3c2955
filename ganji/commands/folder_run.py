"""`emojify --photos`: a folder of photos to a folder of emoji, so that it can be stopped at any moment and run again.

Results are written to results.jsonl in the output folder, a line per photo, after the photo's picture. Another run with the
same choices and weights skips every photo that has a line already, good or bad, unless the photo has changed. Knows no model:
`emojify` is given.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ganji.commands.common import ProgressBar
from ganji.errors import GanjiError, InputError

try:
    import fcntl
except ImportError:  # Windows: there two runs at once are not told apart
    fcntl = None  # type: ignore[assignment]

RESULTS = "results.jsonl"
SUFFIXES = frozenset(
    (
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".mpo",
        ".png",
        ".webp",
        ".gif",
        ".avif",
        ".heic",
        ".heif",
        ".bmp",
        ".tif",
        ".tiff",
        ".jxl",
        ".svg",
    )
)
MAX_JOBS = 64
BUG = "Something went wrong that is our mistake; the log says what."
logger = logging.getLogger(__name__)
Emojify = Callable[[Path, Path, threading.Event], dict[str, Any]]


class Stopped(Exception):
    """A photo was left in the middle because the run ends."""


@dataclass(frozen=True)
class Photo:
    """One photo to do: where it lies, the sha256 of its content, and the name of its emoji."""

    path: Path
    digest: str
    out: str


@dataclass(frozen=True)
class Summary:
    """How a run ended: photos made now, failed now, done by earlier runs (`failed_before` of them failed), other files."""

    made: int
    failed: int
    before: int
    failed_before: int
    others: int
    seconds: float

    def sentence(self) -> str:
        """For people."""
        parts = [f"{self.made} made", f"{self.failed} failed"]
        if self.before:
            parts.append(f"{self.before} were done before ({self.failed_before} of them failed)")
        if self.others:
            parts.append(f"{self.others} other files left alone")
        return f"{', '.join(parts)}; {self.seconds:.1f} s"


def run_folder(photos: Path, out: Path, choices: dict[str, Any], emojify: Emojify, *, jobs: int = 1) -> Summary:
    """Do every photo of a folder that has no result yet.

    Args:
        choices: what the results depend on besides the photo; results of other choices do not count, and are replaced.
        emojify: (photo, picture to write, event) -> what results.jsonl says of it. Raises Stopped soon after the event.
        jobs: photos done at one time.
    Raises:
        InputError: a folder that is none, that holds no photos, or that cannot be written; another run is writing there.
    """
    start = time.monotonic()
    paths, others = list_photos(photos)
    out = _output_folder(photos, out)
    with _only_run(out) as stream:
        results = _Results(stream, choices)
        todo = list(_plan(paths, results))
        known = results.used
        bar = ProgressBar(len(paths), "photos")
        made = failed = 0
        for record in _work(todo, out, emojify, jobs):
            results.add(record)
            made += record["status"] == "done"
            failed += record["status"] != "done"
            bar.update(len(known) + made + failed, f"{failed} failed" if failed else "")
        failed_before = sum(record["status"] != "done" for record in known)
    return Summary(made, failed, len(known), failed_before, others, time.monotonic() - start)


def list_photos(folder: Path) -> tuple[list[Path], int]:
    """(the photos of a folder by name, the number of other files). Hidden files and folders below it do not count.

    Raises:
        InputError: no such folder, or no photo in it.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as exc:
        raise InputError(f"{folder.name or 'The folder of photos'} is no folder that can be read.") from exc
    photos = [path for path in files if path.suffix.lower() in SUFFIXES]
    if not photos:
        raise InputError(f"There are no photos in {folder.resolve().name or 'this folder'}.")
    return photos, len(files) - len(photos)


def _output_folder(photos: Path, out: Path) -> Path:
    """
    Raises:
        InputError: it is the folder of photos, or it cannot be made.
    """
    if out.resolve() == photos.resolve():
        raise InputError("--out must be another folder than --photos: emoji would be taken for photos.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise InputError(f"The folder {out.name} cannot be made.") from exc
    return out


@contextmanager
def _only_run(out: Path) -> Iterator[IO[bytes]]:
    """results.jsonl, open and locked.

    Raises:
        InputError: another run has it, or it cannot be written.
    """
    try:
        stream = (out / RESULTS).open("a+b")
    except OSError as exc:
        raise InputError(f"{RESULTS} cannot be written in {out.resolve().name}.") from exc
    with stream:
        if fcntl is not None:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                raise InputError(f"Another run is writing to {out.resolve().name} already.") from exc
        for left in out.glob(".*.part"):  # of a killed run
            left.unlink(missing_ok=True)
        yield stream


class _Results:
    """results.jsonl: what earlier runs did, and what this one adds.

    Attributes:
        done: (name, digest) of a photo -> its line, of these choices only. used: lines of photos that this run met.
        names: of pictures -> of their photos.
    """

    def __init__(self, stream: IO[bytes], choices: dict[str, Any]):
        self._stream, self._choices, self._folder = stream, choices, Path(stream.name).parent
        self.done: dict[tuple[str, str], dict[str, Any]] = {}
        self.used: list[dict[str, Any]] = []
        self.names: dict[str, str] = {}
        stream.seek(0)
        content = stream.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):  # a line that a killed run did not finish
            stream.truncate(whole)
        for line in content[:whole].splitlines():
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            record = json.loads(line)
            photo, digest, name = (str(record[field]) for field in ("photo", "sha256", "out"))
        except (ValueError, TypeError, KeyError):
            return
        if record.get("choices") != self._choices:
            return
        if record.get("status") == "done" and not (self._folder / name).is_file():
            return  # its picture was deleted, so it is wanted again
        self.done[photo, digest] = record
        self.names[name] = photo

    def add(self, record: dict[str, Any]) -> None:
        """Write a line, for good."""
        data = json.dumps({**record, "choices": self._choices}, ensure_ascii=False).encode() + b"\n"
        try:
            self._stream.write(data)
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as exc:
            raise InputError(f"{RESULTS} cannot be written: {exc.strerror or 'input/output error'}.") from exc


def _plan(paths: Sequence[Path], results: _Results) -> Iterator[Photo]:
    """The photos that have no result yet."""
    stems = [path.stem for path in paths]
    for path in paths:
        digest = _digest(path)
        if record := results.done.get((path.name, digest)):
            results.used.append(record)
            continue
        name = f"{path.stem}.png"
        if stems.count(path.stem) > 1 or results.names.get(name, path.name) != path.name:
            name = f"{path.name}.png"
        yield Photo(path, digest, name)


def _digest(path: Path) -> str:
    """sha256 of a file; of its name, if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                digest.update(block)
    except OSError:
        return hashlib.sha256(os.fsencode(path.name)).hexdigest()
    return digest.hexdigest()


def _work(todo: Sequence[Photo], out: Path, emojify: Emojify, jobs: int) -> Iterator[dict[str, Any]]:
    """The records of photos as they are done. When the caller stops asking, photos under way are left at their next step."""
    stop = threading.Event()
    queue = iter(todo)
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="ganji-photo")
    under_way: set[Future[dict[str, Any]]] = set()
    try:
        while True:
            for photo in queue:
                under_way.add(pool.submit(_one, photo, out, emojify, stop))
                if len(under_way) >= jobs:
                    break
            if not under_way:
                return
            ended, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for future in ended:
                yield future.result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _one(photo: Photo, out: Path, emojify: Emojify, stop: threading.Event) -> dict[str, Any]:
    """Do a photo; whatever goes wrong with it is its result.

    Raises:
        Stopped: the run ends. InputError: the output folder cannot be written, which no other photo would survive.
    """
    start = time.monotonic()
    record: dict[str, Any] = {"photo": photo.path.name, "sha256": photo.digest, "out": photo.out}
    target = out / photo.out
    try:
        record |= {"status": "done", **emojify(photo.path, target, stop)}
    except InputError:
        raise
    except GanjiError as error:
        record |= {"status": "failed", "code": error.code, "error": str(error)}
    except Stopped:
        raise
    except Exception:
        logger.exception("%s failed", photo.path.name)
        record |= {"status": "failed", "code": "bug", "error": BUG}
    if record["status"] == "failed":
        with suppress(OSError):
            target.unlink(missing_ok=True)
    record["seconds"] = round(time.monotonic() - start, 2)
    return record
