"""What happens around every event of the page: counting it, and saying in the visitor's language what went wrong."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from ganji import observe
from ganji.errors import GanjiError
from ganji.ui import texts

logger = logging.getLogger(__name__)

# How events that make files are declared. They take many seconds, and a thread each of the 40 that Gradio has for everybody.
FILE_JOB: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "files"}


@contextmanager
def told(action: str, lang: str = "en", *, with_code: bool = False) -> Iterator[None]:
    """Count an action; turn our errors into gr.Error with their sentence, and any other into a neutral one, logged.

    Args:
        action: a word such as "generate".
        with_code: put the error's code at the sentence's end, for programs.
    """
    try:
        with observe.track(action):
            yield
    except GanjiError as error:
        code = f" [{error.code}]" if with_code else ""
        raise gr.Error(texts.sentence(lang, error) + code, print_exception=False) from error
    except gr.Error:
        raise
    except Exception as error:
        logger.exception("%s failed", action)
        code = " [bug]" if with_code else ""
        raise gr.Error(texts.say(lang, "error_bug") + code, print_exception=False) from error


def guarded(action: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """An event's function, or generator function, that runs under `told`. The request among its arguments gives the language."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generate(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with told(action, _language(args)):
                yield from function(*args, **kwargs)

        return generate

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with told(action, _language(args)):
            return function(*args, **kwargs)

    return run


def _language(args: tuple[Any, ...]) -> str:
    return texts.language(next((arg for arg in args if isinstance(arg, gr.Request)), None))
