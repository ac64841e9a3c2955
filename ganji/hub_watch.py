"""Watches one download of the Hub's client: its requests, bytes and time. Knows HTTP; knows neither the Hub nor files.

The client retries some faults by itself, others not at all, sleeps as long as a server says, and notices neither a
trickle nor a body without end. With a watch on its requests there is one policy: a refused, lost, stalled or endless
request leaves the client as `Interrupted`, and hub.py decides what comes next. Only one retry stays with the client:
going on with a body of which it has a part.
"""

from __future__ import annotations

import email.utils
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

RETRY_STATUSES = (408, 429, 500, 502, 503, 504)
HEAD_BYTES = 256
SLACK = 64 << 10  # bytes more than the manifest says before a download is given up: error pages stay recognisable


@dataclass(frozen=True)
class Patience:
    """How long a fetch goes on trying. All times in seconds.

    Attributes:
        total: without a single new byte, over all tries and waits.
        read: without an answer or a byte, until a request counts as lost.
        stall: of a body that brings fewer than `slowest` bytes a second, until it counts as stalled.
        tries: in a row without a new byte.
        first_wait, longest_wait: between tries; doubled each time.
        log_every: between two lines of progress.
    """

    total: float = 120.0
    read: float = 10.0
    stall: float = 30.0
    slowest: float = 1024.0
    tries: int = 5
    first_wait: float = 1.0
    longest_wait: float = 16.0
    log_every: float = 10.0


class Interrupted(Exception):
    """A request was given up.

    Attributes:
        kind: "refused", "lost", "stalled" or "endless".
        status: HTTP status of a refusal. wait: how long the server asks to wait, or None.
    """

    def __init__(self, kind: str, status: int = 0, wait: float | None = None):
        super().__init__(kind)
        self.kind, self.status, self.wait = kind, status, wait


class Watch:
    """What is known of one download.

    Attributes:
        best: most bytes of the file that any try had. last_news: when that last grew.
        head: the first bytes of the last body. html: whether a web page was sent in place of the file.
    """

    def __init__(self, expected_bytes: int, patience: Patience, clock: Callable[[], float] = time.monotonic):
        self.expected_bytes, self.patience, self.clock = expected_bytes, patience, clock
        self.best, self.last_news = 0, clock()
        self.head, self.html = b"", False
        self.new_try()

    def new_try(self) -> None:
        """Forget the requests of the try before."""
        self.unanswered = self.unfinished = False

    @property
    def time_left(self) -> float:
        """Seconds until patience ends, if no new byte comes."""
        return self.patience.total - (self.clock() - self.last_news)

    def before_request(self, request: httpx2.Request) -> None:
        """Client hook: bound its times, and stop the client's own retries."""
        read = self.patience.read
        request.extensions["timeout"] = {"connect": read, "read": read, "write": read, "pool": read}
        resumes = self.unfinished and "Range" in request.headers
        if (self.unanswered or self.unfinished) and not resumes:
            raise Interrupted("lost")
        if self.clock() - self.last_news > self.patience.stall and resumes:
            raise Interrupted("stalled")
        self.unanswered, self.unfinished = True, False

    def after_response(self, response: httpx2.Response) -> None:
        """Client hook: judge the answer, and count the bytes of a body."""
        self.unanswered = False
        if response.status_code in RETRY_STATUSES:
            raise Interrupted("refused", response.status_code, _wait_asked(response.headers))
        # The client would hand over to a native downloader, whose stalls nobody here could see.
        response.headers.pop("X-Xet-Hash", None)
        if response.status_code == 200 and response.headers.get("Content-Type", "").startswith("text/html"):
            self.html = True
        length = response.headers.get("X-Linked-Size") or ""  # of the file, also in a redirect
        if not length and response.is_success:
            length = response.headers.get("Content-Length") or ""
        if length.isdigit() and int(length) > self.expected_bytes + SLACK:
            raise Interrupted("endless")
        if response.request.method == "GET" and response.status_code in (200, 206):
            response.stream = self._Counted(self, response.stream, _range_start(response))

    class _Counted(httpx2.SyncByteStream):
        """A response body that reports to its watch."""

        def __init__(self, watch: Watch, stream: Any, start: int):
            self.watch, self.stream, self.position = watch, stream, start

        def __iter__(self) -> Iterator[bytes]:
            watch = self.watch
            watch.unfinished = True
            since, mark = watch.clock(), self.position
            if self.position == 0:
                watch.head = b""
            for chunk in self.stream:
                self.position += len(chunk)
                watch.news(self.position, chunk)
                if watch.clock() - since > watch.patience.stall:
                    if self.position - mark < watch.patience.slowest * watch.patience.stall:
                        raise Interrupted("stalled")
                    since, mark = watch.clock(), self.position
                yield chunk
            watch.unfinished = False

        def close(self) -> None:
            self.stream.close()

    def news(self, position: int, chunk: bytes) -> None:
        """Take note of bytes up to `position`."""
        if len(self.head) < HEAD_BYTES:
            self.head = (self.head + chunk)[:HEAD_BYTES]
        if position > self.expected_bytes + SLACK:
            raise Interrupted("endless")
        if position > self.best:
            self.best, self.last_news = position, self.clock()


def _range_start(response: httpx2.Response) -> int:
    """Where in the file a body starts."""
    match = re.match(r"bytes=(\d+)-", response.request.headers.get("Range", ""))
    return int(match[1]) if match and response.status_code == 206 else 0


def _wait_asked(headers: Any) -> float | None:
    """Seconds that a server asks to wait: Retry-After (seconds or a date), or the `t` of a used-up `ratelimit`."""
    value = headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    if value:
        try:
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
        except ValueError:
            return None
    match = re.search(r"r\s*=\s*0\s*;\s*t\s*=\s*(\d+)", headers.get("ratelimit", ""))
    return float(match[1]) if match else None


@contextmanager
def progress(name: str, watch: Watch, log: Callable[[str], None]) -> Iterator[None]:
    """Log how far a download is: at once, every `patience.log_every` seconds while the context lasts, and when it is done."""
    done = threading.Event()

    def tell() -> None:
        share = 100 * watch.best // watch.expected_bytes
        log(f"{name}: {watch.best / 1e6:.1f} of {watch.expected_bytes / 1e6:.1f} MB ({share} %)")

    def tell_often() -> None:
        while not done.wait(watch.patience.log_every):
            tell()

    tell()
    thread = threading.Thread(target=tell_often, name="ganji-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    tell()


@contextmanager
def no_queries_in_logs() -> Iterator[None]:
    """Keep signed addresses out of the client's log lines: what follows a "?" lets its finder download."""

    def hide(record: logging.LogRecord) -> bool:
        record.msg, record.args = re.sub(r"\?[^\s'\"]+", "?…", record.getMessage()), ()
        return True

    loggers = [logging.getLogger(n) for n in ("httpx2", "huggingface_hub.file_download", "huggingface_hub.utils._http")]
    for each in loggers:
        each.addFilter(hide)
    try:
        yield
    finally:
        for each in loggers:
            each.removeFilter(hide)
