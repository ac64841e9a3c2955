"""When memory runs out, on a GPU or off it: noticed, given back, tried once smaller, then said. Imports no torch."""

from __future__ import annotations

import functools
import gc
import inspect
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Any, ParamSpec, TypeVar

from ganji.errors import BusyError

P = ParamSpec("P")
T = TypeVar("T")
_END: Any = object()


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


def needs_memory(function: Callable[P, T]) -> Callable[P, T]:
    """The same function, or generator function; when memory runs out in it, it gives back what it held and says so.

    Raises:
        BusyError: then.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return with_less_memory(lambda: function(*args, **kwargs))

    @functools.wraps(function)
    def generate(*args: P.args, **kwargs: P.kwargs) -> Any:
        items: Any = function(*args, **kwargs)
        with closing(items):
            while (item := with_less_memory(lambda: next(items, _END))) is not _END:
                yield item

    return generate if inspect.isgeneratorfunction(function) else run


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
