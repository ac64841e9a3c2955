"""Loads in the background and goes on trying, so that a page can open before its weights are there.

Knows nothing of weights: it runs a function, and tells people what became of it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from ganji.errors import DownloadError, GanjiError, WeightsError

logger = logging.getLogger(__name__)
T = TypeVar("T")
FIRST_WAIT, LONGEST_WAIT = 10.0, 300.0
BUG = "The weights could not be loaded because of a bug; the log has the details."


@dataclass(frozen=True)
class LoadState:
    """Where a background load stands.

    Attributes:
        phase: "loading", "waiting" (it failed, and will be tried again), "ready" or "failed" (it will not).
        sentence: for people; empty when ready.
        attempts: how many were started.
        detail: of the sentence, what is going on or went wrong; may be empty.
    """

    phase: str
    sentence: str
    attempts: int
    detail: str = ""

    @property
    def ready(self) -> bool:
        """Whether it can be used."""
        return self.phase == "ready"


class BackgroundLoad(Generic[T]):
    """Runs `load` in a thread of its own until it succeeds or fails for good.

    Failed downloads are tried again for ever, after 10 s, 20 s, ... 5 min or what the server asked for; any other error is
    final, because nothing but a person can mend it. The thread ends with the process.

    Args:
        load: returns what is to be had; raises GanjiError with a sentence.
        first_wait, longest_wait: seconds between tries.
    """

    def __init__(self, load: Callable[[], T], *, first_wait: float = FIRST_WAIT, longest_wait: float = LONGEST_WAIT):
        self._load, self._first_wait, self._longest_wait = load, first_wait, longest_wait
        self._state = LoadState("loading", "The weights are being loaded.", 0)
        self._value: T | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="ganji-load", daemon=True)

    def start(self) -> BackgroundLoad[T]:
        """Begin; returns itself."""
        self._thread.start()
        return self

    @property
    def state(self) -> LoadState:
        """Where it stands now."""
        with self._changed:
            return self._state

    @property
    def value(self) -> T:
        """What was loaded.

        Raises:
            WeightsError: it is not there yet; the sentence says why.
        """
        with self._changed:
            if not self._state.ready:
                raise WeightsError(self._state.sentence)
            return self._value  # type: ignore[return-value]

    def wait(self, seconds: float | None = None) -> LoadState:
        """Wait until it is ready or has failed for good, at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._state.phase in ("ready", "failed"), seconds)
            return self._state

    def note(self, text: str) -> None:
        """Tell those who wait, and the log, what is going on. To be called by `load`."""
        logger.info("%s", text)
        with self._changed:
            if self._state.phase == "loading":
                self._state = replace(self._state, detail=text)

    def _set(self, phase: str, sentence: str, attempts: int, detail: str = "", value: T | None = None) -> None:
        with self._changed:
            self._state, self._value = LoadState(phase, sentence, attempts, detail), value
            self._changed.notify_all()

    def _run(self) -> None:
        wait, attempt = self._first_wait, 0
        while True:
            attempt += 1
            self._set("loading", "The weights are being loaded.", attempt)
            try:
                self._set("ready", "", attempt, value=self._load())
                return
            except DownloadError as exc:
                pause = max(wait, float(getattr(exc, "retry_after", 0.0)))
                logger.warning("Weights unavailable, trying again in %.0f s: %s", pause, exc)
                self._set("waiting", f"Weights unavailable, retrying: {exc}", attempt, str(exc))
            except GanjiError as exc:
                logger.error("The weights cannot be used: %s", exc)
                self._set("failed", str(exc), attempt, str(exc))
                return
            except Exception:
                logger.exception("Loading the weights failed")
                self._set("failed", BUG, attempt, BUG)
                return
            time.sleep(pause)
            wait = min(2 * wait, self._longest_wait)
