"""When memory runs out, on a GPU or off it: noticed, given back, tried once smaller, then said. Imports no torch."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import TypeVar

from ganji.errors import BusyError

T = TypeVar("T")


def with_less_memory(work: Callable[[], T], smaller: Callable[[], T] | None = None) -> T:
    """What `work` returns, or, if memory runs out, what `smaller` does.

    Raises:
        BusyError: memory runs out again, or there is no `smaller`.
    """
    for attempt in (work, smaller):
        if attempt is None:
            break
        try:
            return attempt()
        except Exception as exc:
            if not is_out_of_memory(exc):
                raise
        free_memory()  # here the exception is gone, and with it the frames that hold what filled the memory
    raise no_memory()


def is_out_of_memory(exc: BaseException) -> bool:
    """Whether an exception is torch's or Python's way to say that memory ran out."""
    if isinstance(exc, MemoryError) or type(exc).__name__ == "OutOfMemoryError":
        return True
    words = ("out of memory", "can't allocate memory", "ALLOC_FAILED", "not enough memory")
    return isinstance(exc, RuntimeError) and any(word in str(exc) for word in words)


def free_memory() -> None:
    """Give back what nobody uses any more, on the device too."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def no_memory() -> BusyError:
    """What to say when there is no memory even for the smaller way."""
    return BusyError("There is not enough memory for this just now; try again in 30 seconds.", 30)
