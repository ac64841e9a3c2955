"""Does the app stay well for long? Visitors of all kinds ask it for half an hour, by hand, and the figures are printed.

    python benchmarks/soak.py [--minutes 30]

Random emoji, sliders, photos of different faces, programs that hang up, broken photos and values, all at once. Every answer
is compared with the first one to the same question, and every file's recipe with what was asked. Meanwhile memory, open files,
threads and the age of photos on disk are watched, and at the end the log is read.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.client import Refused, call, fetch, figures, file, marked_photo, stream, upload
from ganji.png_recipe import extract, is_emoji_file
from tests import bad_photos
from tests.app_process import running_app

OLD = 600.0  # s; no photo may be older
EVERY = 10.0  # s between two looks at the process
WARM_UP = 0.2  # of the time, which the slope of memory leaves out
PAUSE = 0.3  # s between two calls of a visitor
FACES = ("astronaut", "face-103", "face-109", "face-114", "face-117")
BAD_VALUES: tuple[tuple[str, list[Any]], ...] = (
    ("generate", [-1, 1, 0.7]), ("generate", [0, 10**6, 0.7]), ("generate", ["x", 1, 0.7]), ("customize", [0, [99]]),
    ("customize", [0, "/etc/passwd"]), ("emojify", [0, 0, 1.0, "<script>"]), ("emojify", [0, 99, 1.0, "default"]),
    ("emojify_photo", [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, "fast", 0, 1.0, "default"]),
)  # fmt: skip
SECRETS = (
    "Traceback",
    '"exception"',
    "/etc/passwd",
    "photo.jpg",
    "base64",
    "<script>",
    "/temp/run-",
    '"level": "error"',
)


@dataclass
class Notes:
    """What the visitors saw.

    Attributes:
        calls: by visitor and how they ended. wrong: answers that were another's, or not the same as before.
        known: the digest of every question's first answer.
    """

    calls: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    known: dict[Any, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def same(self, question: Any, content: bytes) -> None:
        """Note an answer; it must be what this question got before."""
        digest = hashlib.sha256(content).hexdigest()
        with self.lock:
            if self.known.setdefault(question, digest) != digest:
                self.wrong.append(f"{question} got another answer than before")


@dataclass
class Watch:
    """Figures of the process, one a look: (seconds, bytes, open files, threads, calls so far, photos that are too old)."""

    rows: list[tuple[float, float, float, float, int, int]] = field(default_factory=list)

    def look(self, url: str, temp: Path, kept: set[Path], since: float, calls: int) -> None:
        """Add a row."""
        now = figures(url)
        old = sum(is_old_photo(path) for path in files_in(temp) - kept)
        row = (now["ganji_memory_bytes"], now["ganji_open_files"], now["ganji_threads"])
        self.rows.append((time.monotonic() - since, *row, calls, old))


def files_in(folder: Path) -> set[Path]:
    """All files below; folders that go meanwhile are no error."""
    return {Path(at) / name for at, _, names in os.walk(folder) for name in names}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before the start", flush=True)
    notes, watch, over = Notes(), Watch(), threading.Event()
    with tempfile.TemporaryDirectory() as folder, running_app(folder, variables={"GANJI_METRICS": "1"}) as app:
        temp = Path(folder) / "temp"
        kept = files_in(temp)
        jobs: list[Callable[[str, Notes, int], None]] = [
            generates,
            generates,
            customizes,
            emojifies,
            leaves,
            sends_nonsense,
        ]
        visitors = [(f"{job.__name__} {n}", job, n) for n, job in enumerate(jobs)]
        visitors += [(f"photographs {n}", photographs, n) for n in range(len(FACES))]
        threads = [threading.Thread(target=visit, args=(app.url, notes, over, *each)) for each in visitors]
        for thread in threads:
            thread.start()
        since = time.monotonic()
        while time.monotonic() - since < 60 * args.minutes:
            watch.look(app.url, temp, kept, since, notes.calls.total())
            over.wait(EVERY)
            if len(watch.rows) % 30 == 0:
                print(f"  {watch.rows[-1]}", flush=True)
        over.set()
        for thread in threads:
            thread.join()
        watch.look(app.url, temp, kept, since, notes.calls.total())
        failed = report(
            notes, watch, app.log.read_text(errors="replace")
        )  # before the app's end, which may fail as well
    return failed


def visit(url: str, notes: Notes, over: threading.Event, name: str, job: Callable[..., None], number: int) -> None:
    """One visitor, again and again."""
    turn = 0
    while not over.wait(PAUSE):
        try:
            job(url, notes, number * 100_000 + turn)
            outcome = "done"
        except Refused as error:
            outcome = re.sub(r".*\[([a-z_.]+)\]$", r"\1", str(error))
        except Exception as error:  # whatever it is, the figures show it
            outcome = f"failed: {type(error).__name__} {error}"[:100]
        with notes.lock:
            notes.calls[f"{name.split()[0]}: {outcome}"] += 1
        turn += 1


def generates(url: str, notes: Notes, turn: int) -> None:
    """One to three random emoji of a few seeds."""
    seed, count = turn % 40, 1 + turn % 3
    pictures = call(url, "generate", [seed, count, 0.7])[0]
    for k, picture in enumerate(pictures):
        content = fetch(url, picture)
        notes.same(("emoji", seed + k), content)
        check(notes, extract(content).seed == seed + k, f"seed {seed + k} got another")


def customizes(url: str, notes: Notes, turn: int) -> None:
    """Sliders."""
    seed, strength = turn % 7, turn % 21 / 2 - 5
    content = fetch(url, call(url, "customize", [seed, [strength, -strength]]))
    notes.same(("customize", seed, strength), content)
    recipe = extract(content)
    wanted = (strength,) if strength else ()  # a recipe does not write down sliders that stand still
    check(notes, (recipe.seed, recipe.strengths[:1]) == (seed, wanted), f"sliders of {seed} got another")


def emojifies(url: str, notes: Notes, turn: int) -> None:
    """A random face and its emoji."""
    for k, picture in enumerate(call(url, "emojify", [turn % 30, 0, 1.0, "default"])):
        notes.same(("face", turn % 30, k), fetch(url, picture))


def photographs(url: str, notes: Notes, turn: int) -> None:
    """A face in one of four noises: crop, and what was found if the search came to its own end."""
    face, mark = FACES[turn // 100_000], turn % 4
    answer = call(url, "emojify_photo", [file(upload(url, marked_photo(mark, face))), "fast", 0, 1.0, "default"])
    crop, *found = (fetch(url, picture) for picture in answer[:3])
    notes.same(("crop", face, mark), crop)
    for k, content in enumerate(found):
        notes.same(("found", face, mark, answer[3]["steps"], k), content)


def leaves(url: str, notes: Notes, turn: int) -> None:
    """Hangs up: before any news, while waiting, or in the middle."""
    with stream(url, upload(url, marked_photo(turn))) as news:
        for seen, (kind, item) in enumerate(news):
            if kind == "error":
                raise Refused(item["error"])
            if seen >= turn % 4:
                return


def sends_nonsense(url: str, notes: Notes, turn: int) -> None:
    """A broken photo or a bad value, which must be refused with a sentence."""
    photos = list(BAD.values())
    try:
        if turn % 3:
            call(url, "emojify_photo", [file(upload(url, photos[turn % len(photos)])), "fast", 0, 1.0, "default"])
        else:
            call(url, *BAD_VALUES[turn // 3 % len(BAD_VALUES)])
        check(notes, False, f"nonsense {turn} was taken")
    except Refused as error:
        check(notes, bool(re.fullmatch(r".{10,200}\. \[(?!bug)[a-z_.]+\]", str(error))), f"nonsense {turn} got {error}")
        raise


BAD = {name: content for name, (content, _) in bad_photos.bad().items() if len(content) < 1 << 20}


def check(notes: Notes, is_right: bool, line: str) -> None:
    """Note what is wrong."""
    if not is_right:
        with notes.lock:
            notes.wrong.append(line)


def is_old_photo(path: Path) -> bool:
    """Whether a file is older than photos may be, and no emoji."""
    with suppress(OSError):
        status = path.stat()
        age = time.time() - max(status.st_mtime, status.st_ctime)
        return age > OLD and status.st_size > 0 and not path.name.startswith(".") and not is_emoji_file(path)
    return False


def raised(log: str) -> list[str]:
    """The last line of every traceback in a log: what was raised."""
    ends = re.findall(r"Traceback \(most recent call last\):\n(?:[ \t]+.*\n|\n)*(\S.*)", log)
    return [line[:160] for line in ends] or [line[:300] for line in log.splitlines() if "Traceback" in line]


def report(notes: Notes, watch: Watch, log: str) -> int:
    """Print the figures; 1 if any of them is bad."""
    rows = np.array(watch.rows)
    late = rows[rows[:, 0] > WARM_UP * rows[-1, 0]]
    per_call, per_minute = (
        np.polyfit(late[:, k] / scale, late[:, 1] / 2**20, 1)[0] for k, scale in ((4, 100), (0, 60))
    )
    print(f"{rows[-1, 0] / 60:.1f} minutes, {notes.calls.total()} calls:")
    for what, count in sorted(notes.calls.items()):
        print(f"  {what}: {count}")
    print(f"{len(notes.known)} different questions; wrong or another's answers: {len(notes.wrong)}")
    for line in notes.wrong[:10]:
        print(f"  {line}")
    print(f"memory {late[0, 1] / 2**20:.0f} MB after the warm-up, {rows[-1, 1] / 2**20:.0f} MB at the end, at most {rows[:, 1].max() / 2**20:.0f} MB; "
          f"slope {per_call:+.2f} MB per 100 calls, {per_minute:+.2f} MB a minute (bar: +1 MB per 100 calls)")  # fmt: skip
    for name, column in (("open files", 2), ("threads", 3)):
        print(
            f"{name}: {late[0, column]:.0f} after the warm-up, {rows[-1, column]:.0f} at the end, at most {rows[:, column].max():.0f}"
        )
    print(f"photos on disk older than {OLD / 60:.0f} minutes: at most {rows[:, 5].max():.0f}")
    found = {word: log.count(word) for word in SECRETS if word in log}
    lines = [line for line in log.splitlines() if line.startswith("{")]
    print(f"log: {len(lines)} lines; of what must not be there: {json.dumps(found)}")
    for line, count in Counter(raised(log)).most_common(5):
        print(f"  {count} x {line}")
    failed = [what for what in notes.calls if "failed" in what or ": bug" in what]
    return bool(notes.wrong or found or failed or per_call >= 1 or rows[:, 5].max())


if __name__ == "__main__":
    raise SystemExit(main())
