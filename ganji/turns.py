"""Turns on one device: short jobs before the steps of long ones, each kind by age, and nobody starves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ganji.errors import BusyError


class _Turn:
    """One wish for the device."""

    def __init__(self, is_long: bool, since: float):
        self.is_long, self.since, self.granted = is_long, since, threading.Event()


class Device:
    """What only a few threads may use at a time.

    Args:
        slots: how many. With two or more, one of them is kept for short jobs.
        most_waiting: short jobs that may wait.
        patience: seconds that a step of a long job waits behind short jobs before it goes first.
        clock: seconds.
    """

    def __init__(self, slots: int, most_waiting: int, patience: float, clock: Callable[[], float] = time.monotonic):
        self._slots, self._most_waiting, self._patience, self._clock = slots, most_waiting, patience, clock
        self._lock = threading.Lock()
        self._waiting: list[_Turn] = []  # oldest first
        self._active = {True: 0, False: 0}  # by is_long
        self._here = threading.local()

    def resize(self, slots: int, most_waiting: int, patience: float) -> None:
        """Other limits, from now on; whoever waits for a slot that is new gets it."""
        with self._lock:
            self._slots, self._most_waiting, self._patience = slots, most_waiting, patience
            self._grant()

    @property
    def short_running(self) -> int:
        """Short jobs on the device."""
        return self._active[False]

    @property
    def short_waiting(self) -> int:
        """Short jobs that wait for it."""
        return sum(not turn.is_long for turn in list(self._waiting))

    @property
    def is_busy(self) -> bool:
        """Whether anybody uses it."""
        return any(self._active.values())

    @contextmanager
    def turn(self, *, is_long: bool, seconds: float | None = None) -> Iterator[None]:
        """The device until the block ends. Inside another turn of the same thread it is passed through.

        Args:
            is_long: a step of a long job. seconds: how long to wait at most.
        Raises:
            BusyError: too many short jobs wait, or the wait was too long.
        """
        if getattr(self._here, "inside", False):
            yield
            return
        self._take(is_long, seconds)
        self._here.inside = True
        try:
            yield
        finally:
            self._here.inside = False
            with self._lock:
                self._active[is_long] -= 1
                self._grant()

    def _take(self, is_long: bool, seconds: float | None) -> None:
        turn = _Turn(is_long, self._clock())
        with self._lock:
            if not is_long and self.short_waiting >= self._most_waiting:
                raise BusyError("Many people are using this just now; try again in 5 seconds.", 5)
            self._waiting.append(turn)
            self._grant()
        try:
            if not turn.granted.wait(seconds):
                raise BusyError("This is taking too long just now; try again in 10 seconds.", 10)
        except BaseException:
            with self._lock:
                if turn.granted.is_set():  # in the last moment
                    self._active[is_long] -= 1
                else:
                    self._waiting.remove(turn)
                self._grant()
            raise

    def _grant(self) -> None:
        """Give free slots to whoever is next. The lock is held."""
        while turn := self._next():
            self._waiting.remove(turn)
            self._active[turn.is_long] += 1
            turn.granted.set()

    def _next(self) -> _Turn | None:
        """Short jobs first; a step that has waited for long enough goes before all."""
        if sum(self._active.values()) >= self._slots:
            return None
        short = next((turn for turn in self._waiting if not turn.is_long), None)
        step = next((turn for turn in self._waiting if turn.is_long), None)
        if self._active[True] >= max(1, self._slots - 1):
            step = None
        if short and step and self._clock() - step.since >= self._patience:
            return step
        return short or step
