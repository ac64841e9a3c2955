"""Who will get no place hears it before Gradio works for him: no file is moved, no thread and no place in its queue is taken."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection
from typing import Any

import gradio as gr
from gradio.server_messages import ProcessCompletedMessage
from gradio.utils import error_payload

from ganji.errors import BusyError
from ganji.ui import texts
from ganji.ui.handlers import told

_PAGE = re.compile(r"ui_(\w+)_\d+")  # how shell.py names the page's own events


def install(blocks: gr.Blocks, names: Collection[str], check: Callable[[int], None]) -> None:
    """Have calls of some endpoints refused when they come in; to be called after `blocks.queue`.

    Args:
        names: of the endpoints; for the page's events, of their functions.
        check: given how many of these calls Gradio has let in and not begun, raises BusyError if one more will
            get no place.
    """
    queue = blocks._queue
    plain = queue.push

    @functools.wraps(plain)
    async def push(*args: Any, **kwargs: Any) -> Any:
        answer = await plain(*args, **kwargs)  # no other coroutine runs between its end and ours
        is_in, identity = answer[0], str(answer[1])
        event = queue.event_ids_to_events.get(identity) if is_in else None
        if event is None or _action(event) not in names:
            return answer
        waiting = [other for line in queue.event_queue_per_concurrency_id.values() for other in line.queue]
        if event not in waiting:
            return answer
        try:
            check(sum(_action(other) in names for other in waiting) - 1)
        except BusyError as busy:
            queue.event_queue_per_concurrency_id[event.concurrency_id].queue.remove(event)
            queue.event_ids_to_events.pop(identity, None)
            queue.event_analytics.pop(identity, None)
            said = error_payload(_as_told(event, busy), False)
            queue.send_message(event, ProcessCompletedMessage(output=said, title=str(said["title"]), success=False))
        return answer

    queue.push = push  # type: ignore[method-assign]


def _action(event: Any) -> str:
    """What a call is counted as: its endpoint, or its function."""
    name = str(event.fn.api_name)
    page = _PAGE.fullmatch(name)
    return page[1] if page else name


def _as_told(event: Any, busy: BusyError) -> gr.Error:
    """The refusal as the function itself would say it, counted as one of its calls."""
    action = _action(event)
    is_page = action != event.fn.api_name
    try:
        with told(action, texts.language(event.request) if is_page else "en", with_code=not is_page):
            raise busy
    except gr.Error as error:
        return error
