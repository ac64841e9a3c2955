"""Who may use the device now, who waits, and who is told to come back.

Two kinds of jobs. Short ones (generate, customize) take the device for one call. Long ones (projections) take it for one
step at a time; between steps whoever is short goes first, so that sliders stay quick while faces are searched for. Long
ones have a limit of their own: so many run, so many wait, the rest is refused at once with a time to come back.

    with admission.short_job():
        picture = studio.render(recipe)
    for step in admission.long_job(studio.project(...)):
        if isinstance(step, Waiting): ...  # not started yet; here too one may stop
        else: ...                          # a step; the device is free again

A job that ends in any way (done, raised, closed, dropped, silent for too long) gives its place back. Knows no model and
imports no torch.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from ganji.errors import BusyError
from ganji.memory import free_memory, is_out_of_memory, no_memory
from ganji.turns import Device

T = TypeVar("T")
_END: Any = object()
HEARTBEAT = 1.0  # s between two signs of life of a waiting job: no wait is longer, so that leaving is noticed
GRACE = 2.0  # s for which a waiting job that is not here, since its caller is busy, keeps its turn


@dataclass(frozen=True)
class Limits:
    """How much is admitted.

    Attributes:
        slots: jobs on the device at one time. 1 on a CPU; 2 on a GPU, where one is kept for short jobs.
        short_waiting: short jobs that may wait. short_seconds: how long each of them waits at most.
        long_running: long jobs in progress, taking turns step by step. long_waiting: how many more may wait.
        long_seconds: after which a long job ends with what it has; None: never.
        waiting_seconds: after which a waiting long job is sent away.
        idle_seconds: after which a job whose caller asks for nothing loses its place.
        patience: seconds that a step waits behind short jobs before it goes first.
    """

    slots: int = 1
    short_waiting: int = 64
    short_seconds: float = 30.0
    long_running: int = 1
    long_waiting: int = 4
    long_seconds: float | None = 300.0
    waiting_seconds: float = 600.0
    idle_seconds: float = 30.0
    patience: float = 2.0


@dataclass(frozen=True)
class Waiting:
    """A long job's turn has not come.

    Attributes:
        position: 1 is next. seconds: until then, estimated.
    """

    position: int
    seconds: float


@dataclass(frozen=True)
class Load:
    """How many jobs there are."""

    short_running: int
    short_waiting: int
    long_running: int
    long_waiting: int


class _Place:
    """One long job, from its first question to its end.

    Attributes:
        asked: when its caller last came or went. present: whether its caller is here.
        called: wakes this job alone, so that hundreds may wait at no cost.
    """

    def __init__(self, now: float, lock: threading.Lock):
        self.asked, self.present, self.running, self.gone = now, True, False, False
        self.started, self.called = now, threading.Condition(lock)


class Admission:
    """The scheduler of one device. Safe to use from any thread; a job may go on in another thread at every step.

    Args:
        clock: seconds; only durations are taken from it.
    """

    def __init__(self, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic):
        self._limits = limits or Limits()
        self._clock = clock
        self._device = Device(self._limits.slots, self._limits.short_waiting, self._limits.patience, clock)
        self._lock = threading.Lock()
        self._places: list[_Place] = []  # long jobs, oldest first
        self._reserved = 0  # places of long jobs that are being prepared
        self._mean_seconds = 20.0  # a long job's, as seen lately
        self._draining = False

    @property
    def limits(self) -> Limits:
        """How much is admitted. May be set at any time, as when it becomes known what the device is."""
        return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._limits = limits
        self._device.resize(limits.slots, limits.short_waiting, limits.patience)

    @property
    def load(self) -> Load:
        """How many jobs there are now."""
        with self._lock:
            self._drop_silent()
            running = sum(place.running for place in self._places)
            return Load(self._device.short_running, self._device.short_waiting, running, len(self._places) - running)

    def drain(self, seconds: float = 8.0) -> bool:
        """Refuse new long jobs, end running ones after their step, and wait until nothing runs. For SIGTERM.

        Takes no lock, so that a signal handler may call it whatever it interrupted.

        Returns:
            Whether all ended in time.
        """
        self._draining = True
        end = time.monotonic() + seconds
        while (self._places or self._device.is_busy) and time.monotonic() < end:
            time.sleep(0.02)
        return not (self._places or self._device.is_busy)

    @contextmanager
    def short_job(self, seconds: float | None = None) -> Iterator[None]:
        """The device for one call, ahead of every long job's next step. Inside another job it is passed through.

        Do not yield inside: the device would stay taken.

        Args:
            seconds: how long to wait at most; by default Limits.short_seconds.
        Raises:
            BusyError: too many wait, or the wait was too long.
        """
        with self._device.turn(is_long=False, seconds=self.limits.short_seconds if seconds is None else seconds):
            yield

    def long_job(
        self,
        steps: Iterable[T],
        *,
        seconds: float | None = None,
        smaller: Callable[[], Iterable[T]] | None = None,
    ) -> Generator[T | Waiting, None, None]:
        """A job that takes the device step by step; nothing before the first item is asked for.

        Args:
            steps: its steps; the work is done when one is asked for. Closed at the end.
            seconds: after which no further step is taken; by default Limits.long_seconds.
            smaller: the job with a smaller setting, tried once if memory runs out.
        Yields:
            Waiting, about once a second while others are ahead; then every step.
        Raises:
            BusyError: too many wait; it waited or was away for too long; no memory even when smaller; the process ends.
        """
        iterator = iter(steps)
        place = self._enter()
        try:
            yield from self._wait_for_place(place)
            limit = self.limits.long_seconds if seconds is None else seconds
            until, is_first = math.inf if limit is None else place.started + limit, True
            while is_first or (self._clock() < until and not self._draining):
                item, is_full = self._step(iterator)
                if is_full:  # outside of the exception, whose frames hold what filled the memory
                    iterator = _shrunk(iterator, smaller)
                    smaller = None
                    continue
                if item is _END:
                    break
                is_first = False
                yield from self._away(place, item)
                self._check_kept(place)
        finally:
            try:
                _close(iterator)
            finally:
                self._leave(place)

    # the places of long jobs

    @contextmanager
    def reserved_place(self) -> Iterator[None]:
        """Keep a place while a long job is prepared, so that who will not get one hears it before the work and not after.

        The job begins after the end of this context.

        Raises:
            BusyError: too many wait; the process ends.
        """
        with self._lock:
            self._check_room()
            self._reserved += 1
        try:
            yield
        finally:
            with self._lock:
                self._reserved -= 1

    def check_room(self, ahead: int = 0) -> None:
        """Say that a long job will get no place, before any work is done for it.

        Args:
            ahead: others that were let in and have not asked for their place yet.
        Raises:
            BusyError: too many wait; the process ends.
        """
        with self._lock:
            self._check_room(ahead)

    def _enter(self) -> _Place:
        with self._lock:
            self._check_room()
            place = _Place(self._clock(), self._lock)
            self._places.append(place)
            return place

    def _check_room(self, ahead: int = 0) -> None:
        """
        Raises:
            BusyError: every place is taken; the process ends. The lock is held.
        """
        self._check_open()
        self._drop_silent()
        if len(self._places) + self._reserved + ahead >= self.limits.long_running + self.limits.long_waiting:
            wait = self._estimate(1 + self.limits.long_waiting // 2)
            raise BusyError(f"Many photos are being worked on just now; try again in about {wait:.0f} seconds.", wait)

    def _wait_for_place(self, place: _Place) -> Iterator[Waiting]:
        """Until the place may run; a sign of life every second."""
        since = self._clock()
        while True:
            with self._lock:
                self._check_kept(place)
                if self._next_place() is not place:
                    place.called.wait(HEARTBEAT)
                self._check_open()
                if self._next_place() is place:
                    place.running = True
                    place.started = self._clock()
                    self._call_next()
                    return
                ahead = sum(not other.running for other in self._places[: self._places.index(place)])
                estimate = self._estimate(ahead + 1)
                if self._clock() - since >= self.limits.waiting_seconds:
                    raise BusyError(
                        f"Your turn did not come in time; try again in about {estimate:.0f} seconds.", estimate
                    )
            yield from self._away(place, Waiting(ahead + 1, estimate))

    def _next_place(self) -> _Place | None:
        """The job that may run now: the first whose caller is here, or was a moment ago. The lock is held."""
        self._drop_silent()
        if sum(other.running for other in self._places) >= self.limits.long_running:
            return None
        now = self._clock()
        waiting = (p for p in self._places if not p.running and (p.present or now - p.asked < GRACE))
        return next(waiting, None)

    def _call_next(self) -> None:
        """Wake the job that may run now. The lock is held."""
        place = self._next_place()
        if place is not None:
            place.called.notify()

    def _step(self, iterator: Iterator[T]) -> tuple[Any, bool]:
        """(one step's item or `_END`, whether memory ran out), on the device."""
        with self._device.turn(is_long=True):
            try:
                return next(iterator, _END), False
            except Exception as exc:
                if not is_out_of_memory(exc):
                    raise
                return None, True

    def _away(self, place: _Place, item: T) -> Iterator[T]:
        """Yield something; meanwhile the caller is away."""
        with self._lock:
            place.present, place.asked = False, self._clock()
        yield item
        with self._lock:
            place.present, place.asked = True, self._clock()

    def _check_open(self) -> None:
        """Raise BusyError if the process is about to end."""
        if self._draining:
            raise BusyError("This page is being restarted; try again in 60 seconds.", 60)

    def _check_kept(self, place: _Place) -> None:
        """Raise BusyError if the place was given away."""
        if place.gone:
            raise BusyError("This photo was left alone for too long. Start again.", 1)

    def _drop_silent(self) -> None:
        """Take the places of callers who have asked for nothing for long. The lock is held."""
        now = self._clock()
        for place in [p for p in self._places if not p.present and now - p.asked >= self.limits.idle_seconds]:
            place.gone = True
            self._places.remove(place)

    def _leave(self, place: _Place) -> None:
        with self._lock:
            if place in self._places:
                self._places.remove(place)
            if place.running and not place.gone:
                self._mean_seconds += 0.2 * (self._clock() - place.started - self._mean_seconds)
            self._call_next()

    def _estimate(self, position: int) -> float:
        """Seconds until the job at this position may start: whole, from 5 to 600."""
        return float(min(600, max(5, math.ceil(position * self._mean_seconds / self.limits.long_running))))


def _shrunk(iterator: Iterator[T], smaller: Callable[[], Iterable[T]] | None) -> Iterator[T]:
    """The job's smaller self, after the memory was given back; BusyError if there is none."""
    _close(iterator)
    free_memory()
    if smaller is None:
        raise no_memory()
    return iter(smaller())


def _close(iterator: object) -> None:
    """Close a generator, so that what it holds is given back now."""
    close = getattr(iterator, "close", None)
    if close is not None:
        close()
