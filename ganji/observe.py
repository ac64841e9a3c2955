"""Logs and figures that show how the app fares and nothing about who uses it.

Logs are lines of JSON with a request id. An event's fields are numbers, flags and, in a few fields, short lower-case words;
anything else is dropped, so that no file name, text, picture, address or session can get in. Other libraries' messages and our own
tracebacks pass through `scrub`. Figures are counters, gauges and histograms in Prometheus' text form.
"""

from __future__ import annotations

import contextvars
import json
import logging
import math
import os
import re
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from ganji.errors import GanjiError

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
MAX_SERIES = 200  # of one metric; label values beyond it are counted as "other"
MAX_MESSAGE = 500
MAX_FRAMES = 20
OTHER = "other"
WORD_FIELDS = frozenset({"action", "bundle", "device", "family", "kind", "mode", "outcome", "reason", "state"})

_request_id: contextvars.ContextVar[str] = contextvars.ContextVar("ganji_request_id", default="")
_WORD = re.compile(r"[a-z0-9][a-z0-9_.\-]{0,39}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_SECRETS = (  # the lookbehinds let a match begin at one place of a run only: otherwise the time is quadratic
    (re.compile(r"data:[\w.+/;=\-]*,\S*", re.IGNORECASE), "<data>"),
    (re.compile(r"[A-Za-z0-9+/_\-]{80,}={0,2}"), "<data>"),
    (re.compile(r"\b(?:https?|file|ftp)://\S+", re.IGNORECASE), "<address>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<address>"),
    (re.compile(r"(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", re.IGNORECASE), "<address>"),
    (re.compile(r"(session_hash|session|token|authorization|cookie)(['\"]?\s*[=:]\s*['\"]?)[^\s'\",}]+", re.IGNORECASE), r"\1\2<hidden>"),
    (re.compile(r"\bhf_[A-Za-z0-9]{8,}"), "<hidden>"),
    (re.compile(r"(['\"])(?=[^'\"]*[\\/])[^'\"]{1,500}\1"), "<path>"),
    (re.compile(r"(?:[A-Za-z]:)?(?<![\\/])(?:[\\/]+[^\s\\/'\":,;]+){2,}"), "<path>"),
    (re.compile(r"['\"]?(?<![^\s'\"/\\])[^\s'\"/\\]+\.(?:jpe?g|png|gif|webp|avif|hei[cf]|tiff?|bmp|svg|pdf|json)\b['\"]?", re.IGNORECASE), "<file>"),
)  # fmt: skip


def scrub(message: str) -> str:
    """A message without pictures, addresses, paths, file names and secrets, on one line."""
    message = message[: 20 * MAX_MESSAGE]
    for pattern, replacement in _SECRETS:
        message = pattern.sub(replacement, message)
    message = " ".join(message.split())
    return message if len(message) <= MAX_MESSAGE else message[:MAX_MESSAGE] + "…"


# requests


@contextmanager
def request(identity: str = "") -> Iterator[str]:
    """A request with a fresh random id; inside another one, that one.

    Args:
        identity: go on with an earlier request. A generator needs this: each of its steps may run in another context.
    """
    identity = identity or _request_id.get() or secrets.token_hex(6)
    token = _request_id.set(identity)
    try:
        yield identity
    finally:
        with suppress(ValueError):  # a generator may end in another context than it began in: there it was never set
            _request_id.reset(token)


# logs


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, request, event or message, fields, and where an exception came from."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if identity := getattr(record, "request", "") or _request_id.get():
            line["request"] = identity
        fields = getattr(record, "ganji_fields", None)
        if fields is None:
            line["message"] = scrub(record.getMessage())
        else:
            line["event"] = record.msg
            line.update(fields)
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _exception(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def _exception(exc: BaseException) -> dict[str, object]:
    """An exception's kind, scrubbed text and frames (file name, line, function), without values or source lines."""
    frames = traceback.extract_tb(exc.__traceback__)[-MAX_FRAMES:]
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    data: dict[str, object] = {"type": type(exc).__name__, "text": scrub(str(exc)), "frames": places}
    if exc.__cause__ is not None:
        data["cause"] = f"{type(exc.__cause__).__name__}: {scrub(str(exc.__cause__))}"
    return data


def configure(level: int = logging.INFO, stream: TextIO | None = None) -> logging.Handler:
    """Send all logs as JSON lines to a stream, by default stderr, and silence the servers' access logs, which name addresses."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(True)  # decoders warn about odd photos; those too become lines
    for name in ("uvicorn.access", "httpx", "httpcore", "multipart", "python_multipart"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return handler


def log(event: str, *, level: int = logging.INFO, **fields: float | int | bool | str | None) -> None:
    """Write an event. Fields may be numbers and flags, those of `WORD_FIELDS` short lower-case words; others are dropped.

    Args:
        event: a word such as "projection_done".
    """
    kept = {name: value for name, value in fields.items() if _NAME.fullmatch(name) and _is_harmless(name, value)}
    word = event if _WORD.fullmatch(event) else OTHER
    logging.getLogger("ganji").log(level, word, extra={"ganji_fields": kept, "request": _request_id.get()})


def _is_harmless(name: str, value: object) -> bool:
    if isinstance(value, str):
        return name in WORD_FIELDS and bool(_WORD.fullmatch(value)) and scrub(value) == value
    return isinstance(value, (bool, int, float)) and (isinstance(value, bool) or abs(value) < 1e15)


# figures


class Metric:
    """A counter, a gauge or a histogram, one series for each combination of label values. Safe to use from any thread.

    Args:
        kind: "counter", "gauge" or "histogram".
        labels: their names.
        buckets: upper bounds, for a histogram.
    """

    def __init__(self, name: str, kind: str, text: str, labels: Sequence[str] = (), buckets: Sequence[float] = BUCKETS):
        if not _NAME.fullmatch(name) or not all(_NAME.fullmatch(label) for label in labels):
            raise ValueError(f"bad metric name {name!r}")
        self.name, self.kind, self.text, self.labels, self.buckets = name, kind, text, tuple(labels), tuple(buckets)
        self._lock = threading.Lock()
        self._series: dict[tuple[str, ...], list[float]] = {}

    def add(self, amount: float = 1.0, **labels: str) -> None:
        """Count up; a gauge may also count down."""
        if self.kind == "counter" and amount < 0:
            raise ValueError("a counter only goes up")
        with self._lock:
            self._values(labels)[0] += amount

    def set(self, value: float, **labels: str) -> None:
        """Set a gauge."""
        with self._lock:
            self._values(labels)[0] = value

    def observe(self, value: float, **labels: str) -> None:
        """Put a value into a histogram."""
        with self._lock:
            values = self._values(labels)
            values[0] += value
            values[1] += 1
            for k, bound in enumerate(self.buckets):
                values[2 + k] += value <= bound

    def _values(self, labels: dict[str, str]) -> list[float]:
        """A series' numbers: its value, or sum, count and buckets. The lock is held."""
        if set(labels) != set(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, not {tuple(labels)}")
        key = tuple(labels[name] if _WORD.fullmatch(labels[name]) else OTHER for name in self.labels)
        if key not in self._series and len(self._series) >= MAX_SERIES:
            key = (OTHER,) * len(self.labels)
        size = 2 + len(self.buckets) if self.kind == "histogram" else 1
        return self._series.setdefault(key, [0.0] * size)

    def lines(self) -> Iterator[str]:
        """Prometheus' text form."""
        yield f"# HELP {self.name} {self.text}"
        yield f"# TYPE {self.name} {self.kind}"
        with self._lock:
            series = {key: list(values) for key, values in self._series.items()}
        for key, values in sorted(series.items()):
            pairs = list(zip(self.labels, key))
            if self.kind != "histogram":
                yield f"{self.name}{_labels(pairs)} {_number(values[0])}"
                continue
            for bound, count in zip((*self.buckets, float("inf")), (*values[2:], values[1])):
                yield f"{self.name}_bucket{_labels([*pairs, ('le', _number(bound))])} {_number(count)}"
            yield f"{self.name}_sum{_labels(pairs)} {_number(values[0])}"
            yield f"{self.name}_count{_labels(pairs)} {_number(values[1])}"


def _labels(pairs: Sequence[tuple[str, str]]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in pairs) + "}" if pairs else ""


def _number(value: float) -> str:
    if not math.isfinite(value):
        return {float("inf"): "+Inf", -float("inf"): "-Inf"}.get(value, "NaN")
    return str(int(value)) if value == int(value) else repr(value)


REQUESTS = Metric("ganji_requests_total", "counter", "Requests by action and outcome (done, left, bug, or a refusal's code).",
                  ("action", "outcome"))  # fmt: skip
SECONDS = Metric("ganji_seconds", "histogram", "How long requests took, by action.", ("action",))
JOBS = Metric("ganji_jobs", "gauge", "Jobs now, by kind (short, long) and state (running, waiting).", ("kind", "state"))
READY = Metric("ganji_ready", "gauge", "1 when the models are loaded.")
MEMORY = Metric("ganji_memory_bytes", "gauge", "Resident memory of the process.")
FILES = Metric("ganji_open_files", "gauge", "Open file descriptors.")
THREADS = Metric("ganji_threads", "gauge", "Threads.")
METRICS = [REQUESTS, SECONDS, JOBS, READY, MEMORY, FILES, THREADS]


@contextmanager
def track(action: str, clock: Callable[[], float] = time.monotonic) -> Iterator[str]:
    """Count and time an action as a request; log how it ended. Exceptions pass through.

    Args:
        action: a word such as "generate".
    """
    with request() as identity:
        start, outcome = clock(), "done"
        try:
            yield identity
        except GanjiError as error:
            outcome = error.code
            raise
        except GeneratorExit:
            outcome = "left"
            raise
        except BaseException:
            outcome = "bug"
            raise
        finally:
            seconds = clock() - start
            REQUESTS.add(action=action, outcome=outcome)
            SECONDS.observe(seconds, action=action)
            with request(identity):
                log("request", action=action, outcome=outcome, seconds=round(seconds, 3))


def prometheus() -> str:
    """All figures, for a /metrics page."""
    MEMORY.set(resident_bytes())
    THREADS.set(threading.active_count())
    if os.path.isdir("/proc/self/fd"):
        FILES.set(len(os.listdir("/proc/self/fd")))
    return "\n".join(line for metric in METRICS for line in metric.lines()) + "\n"


def resident_bytes() -> int:
    """Resident memory of this process; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
