"""Where photos may lie, and how soon they are gone.

A folder of our own, told to Gradio before it is imported. Each process has a part of it, with a marker file: nothing
without that marker is ever wiped. What is nearly ten minutes old goes every half minute; all of it goes at the end, also at
SIGTERM, and what a killed process left goes at the next start. Results of photos are kept in memory only, as long.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import shutil
import signal
import stat
import sys
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Generic, TypeVar

from PIL import Image

try:
    import fcntl
except ImportError:  # Windows: there parts of dead processes are told by their age alone
    fcntl = None  # type: ignore[assignment]

V = TypeVar("V")
MARKER, PART = ".ganji-temporary", "run-"
MARKER_TEXT = "GAN-ji made this folder and deletes everything in it.\n"
MAX_AGE = 540.0  # s; with a sweep every half minute nothing lives for longer than ten minutes, even if one is slow
SWEEP_EVERY = 30.0  # s
SPARED_AGE = 6 * 3600.0  # s: emoji, which a page left open still links to
MAX_BYTES = 2 << 30  # of one process's files; over it the oldest go early
MAX_TRIES = 1000
ABANDONED_AGE = 24 * 3600.0  # s without a change after which a part counts as abandoned where there are no locks

_log = logging.getLogger(__name__)


class TempFolder:
    """This process's part of our temporary folder.

    Args:
        base: our folder; made if missing. By default GANJI_TEMP_DIR, or `ganji-<user>` in the system's temporary folder.
        spare: files that may stay for hours, since they show nobody: our emoji.
        clock: seconds since 1970, as files have them.
    Raises:
        ValueError: `base` exists and is not ours.
    """

    def __init__(
        self,
        base: Path | None = None,
        *,
        spare: Callable[[Path], bool] = lambda path: False,
        clock: Callable[[], float] = time.time,
    ):
        self.base = _own_folder(base or _default_base())
        self._spare, self._clock = spare, clock
        self._kept: frozenset[Path] = frozenset()
        self._spared: set[Path] = set()  # files that have been found to be spared: thousands, so each is read once only
        self._stopped = threading.Event()
        self._purged: list[Callable[[], object]] = []
        self.path = Path(tempfile.mkdtemp(prefix=PART, dir=self.base))
        self._lock_file = _mark(self.path)
        self.wipe_abandoned()

    def use_for_gradio(self) -> None:
        """Have Gradio put its files here.

        Raises:
            RuntimeError: Gradio is imported already and may have chosen a folder.
        """
        if "gradio" in sys.modules:
            raise RuntimeError("The temporary folder must be set before gradio is imported.")
        os.environ["GRADIO_TEMP_DIR"] = str(self.path)

    def keep_present(self) -> None:
        """Keep the files that lie here now: the examples and pictures of the page itself."""
        self._kept = frozenset(_files(self.path))

    def purge_with(self, purge: Callable[[], object]) -> None:
        """Call this at every sweep: caches in memory that forget by age."""
        self._purged.append(purge)

    def sweep(self) -> int:
        """Delete what is too old, and the oldest if there is too much. Returns how many files went."""
        now, left, gone = self._clock(), [], 0
        spared, self._spared = self._spared, set()
        for path in _files(self.path):
            if path in self._kept or path.name == MARKER:
                continue
            try:
                status = path.lstat()
                age = now - max(status.st_mtime, status.st_ctime)
                too_old = age >= MAX_AGE
                if too_old and age < SPARED_AGE and (path in spared or self._spare(path)):
                    self._spared.add(path)
                    too_old = False
            except OSError:
                continue
            if too_old:
                gone += _delete(path)
            else:
                left.append((age, status.st_size, path))
        excess = sum(size for _, size, _ in left) - MAX_BYTES
        for _, size, path in sorted(left, key=lambda item: item[0], reverse=True):
            if excess <= 0:
                break
            excess -= size
            gone += _delete(path)
        _delete_empty_folders(self.path, now)
        return gone

    def wipe(self) -> None:
        """Delete every file of this process, for good: an empty file takes the folder's place, so nothing can be written
        there after us. The next start deletes that one."""
        if not _is_ours(self.base) or not self.path.is_dir():
            return
        taken: list[Path] = []
        while True:
            with suppress(OSError):
                taken.append(self.path.rename(self.path.with_suffix(f".{len(taken)}")))
            try:
                self.path.touch(mode=0o600, exist_ok=False)
                break
            except OSError:  # somebody made the folder again in between
                if len(taken) > MAX_TRIES:
                    break
        for part in taken:
            _wipe(part, self.base)

    def wipe_abandoned(self) -> int:
        """Delete the parts of processes that are gone. Returns how many."""
        parts = [
            part for part in self.base.glob(f"{PART}*") if part != self.path and _is_abandoned(part, self._clock())
        ]
        return sum(_wipe(part, self.base) for part in parts)

    def start_sweeping(self, every: float = SWEEP_EVERY) -> threading.Thread:
        """Sweep in the background until `stop`."""

        def run() -> None:
            while not self._stopped.wait(every):
                try:
                    self.sweep()
                    self.wipe_abandoned()
                    for purge in self._purged:
                        purge()
                except Exception:
                    _log.exception("sweep failed")

        thread = threading.Thread(target=run, name="ganji-sweep", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """End the sweeping and delete everything."""
        self._stopped.set()
        self.wipe()

    def wipe_at_exit(self, before: Callable[[], object] | None = None) -> None:
        """Wipe at the end of the process, at SIGTERM and at SIGINT, then go on as without us. For the main thread.

        Args:
            before: called first at a signal: to refuse new jobs and let running ones end. It should return in seconds.
        """
        atexit.register(self.stop)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handler(signal.getsignal(number), before))

    def _handler(self, previous: Any, before: Callable[[], object] | None) -> Callable[[int, FrameType | None], None]:
        def handle(number: int, frame: FrameType | None) -> None:
            try:
                if before is not None:
                    before()
            finally:
                self.wipe()
                if callable(previous):
                    previous(number, frame)
                elif previous != signal.SIG_IGN:
                    signal.signal(number, signal.SIG_DFL)
                    os.kill(os.getpid(), number)

        return handle


def _default_base() -> Path:
    chosen = os.environ.get("GANJI_TEMP_DIR")
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(chosen) if chosen else Path(tempfile.gettempdir()) / f"ganji-{user}"


def _own_folder(folder: Path) -> Path:
    """A folder with our marker that only we can read.

    Raises:
        ValueError: it is a link, someone else's, or holds files and no marker of ours.
    """
    if folder.is_symlink():
        raise ValueError(f"The temporary folder {folder.name} is a link; choose a folder of its own.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
        raise ValueError(f"The temporary folder {folder.name} is another user's; choose another one.")
    if not _is_ours(folder):
        if any(folder.iterdir()):
            raise ValueError(f"The temporary folder {folder.name} holds files that are not ours; choose an empty one.")
        (folder / MARKER).write_text(MARKER_TEXT)
    folder.chmod(0o700)
    return folder.resolve()


def _is_ours(folder: Path) -> bool:
    marker = folder / MARKER
    try:
        return not marker.is_symlink() and marker.read_text() == MARKER_TEXT
    except (OSError, UnicodeDecodeError):
        return False


def _mark(part: Path) -> Any:
    """Write the marker and hold a lock on it for as long as this process lives."""
    stream = (part / MARKER).open("w")
    if fcntl is not None:
        fcntl.flock(stream, fcntl.LOCK_EX)
    stream.write(MARKER_TEXT)
    stream.flush()
    return stream


def _is_abandoned(part: Path, now: float) -> bool:
    """Whether the process that made this part is gone."""
    try:
        if part.is_symlink():
            return False
        if not (part / MARKER).exists():  # a wiped one, one whose end was interrupted, or one just being made
            return now - part.stat().st_mtime > SWEEP_EVERY
        if fcntl is None:
            return now - part.stat().st_mtime > ABANDONED_AGE
        with (part / MARKER).open() as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except OSError:
        return False


def _wipe(part: Path, base: Path) -> bool:
    """Delete a part of our folder, the marker last. Anything but a part of a folder with our marker is left alone."""
    if part.is_symlink() or part.parent != base or not part.name.startswith(PART) or not _is_ours(base):
        return False
    if part.is_dir():
        for entry in part.iterdir():
            if entry.name != MARKER:
                _delete(entry)
    return _delete(part)


def _delete(path: Path) -> bool:
    """Delete a file, a link (never what it points to) or a folder, whatever its permissions."""
    try:
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    except OSError:
        return False
    return True


def _files(folder: Path) -> Iterator[Path]:
    """Every file and link below a folder; links are not followed."""
    for root, _, names in os.walk(folder):
        for name in names:
            yield Path(root, name)


def _delete_empty_folders(folder: Path, now: float) -> None:
    """Delete folders that have been empty for long; in a young one somebody may be about to write."""
    for root, _, _ in os.walk(folder, topdown=False):
        try:
            if Path(root) != folder and now - os.stat(root).st_mtime >= MAX_AGE:
                os.rmdir(root)
        except OSError:
            continue


class TransientCache(Generic[V]):
    """What was found out about photos, in memory and for ten minutes. Safe to use from several threads.

    Args:
        max_entries: over it the one used longest ago goes. max_age: seconds after which an entry goes, used or not.
    """

    def __init__(self, max_entries: int, max_age: float, clock: Callable[[], float] = time.monotonic):
        self._max_entries, self._max_age, self._clock = max_entries, max_age, clock
        self._entries: OrderedDict[str, tuple[float, V]] = OrderedDict()
        self._lock = threading.Lock()

    @staticmethod
    def key(picture: Image.Image, *choices: object) -> str:
        """A key that only the same pixels and choices have."""
        digest = hashlib.sha256(repr((picture.mode, picture.size, choices)).encode())
        digest.update(picture.tobytes())
        return digest.hexdigest()

    def get(self, key: str) -> V | None:
        """The entry, if it is there and young."""
        with self._lock:
            self._purge()
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key][1]

    def put(self, key: str, value: V) -> None:
        """Keep a value."""
        with self._lock:
            self._purge()
            self._entries[key] = (self._clock(), value)
            self._entries.move_to_end(key)
            while len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)

    def purge(self) -> None:
        """Forget what is too old; `get` and `put` do so as well."""
        with self._lock:
            self._purge()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        with self._lock:
            self._purge()
            return len(self._entries)

    def _purge(self) -> None:
        now = self._clock()
        for key in [key for key, (since, _) in self._entries.items() if now - since >= self._max_age]:
            del self._entries[key]
