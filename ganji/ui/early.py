"""Who will get no place hears it before Gradio works for him: no file is moved, no thread and no place in its queue is taken."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import Any

import gradio as gr
from gradio.server_messages import ProcessCompletedMessage
from gradio.utils import error_payload

from ganji.errors import BusyError
from ganji.ui.handlers import told


def install(blocks: gr.Blocks, names: Collection[str], check: Callable[[int], None]) -> None:
    """Have calls of some endpoints refused when they come in; to be called after `blocks.queue`.

    Args:
        names: of the endpoints.
        check: given how many calls of these endpoints Gradio has let in and not begun, raises BusyError if one more will
            get no place.
    """
    queue = blocks._queue
    plain = queue.push

    @functools.wraps(plain)
    async def push(*args: Any, **kwargs: Any) -> Any:
        answer = await plain(*args, **kwargs)  # no other coroutine runs between its end and ours
        is_in, identity = answer[0], str(answer[1])
        event = queue.event_ids_to_events.get(identity) if is_in else None
        name = event.fn.api_name if event else None
        if event is None or name is None or name not in names:
            return answer
        waiting = [other for line in queue.event_queue_per_concurrency_id.values() for other in line.queue]
        if event not in waiting:
            return answer
        try:
            check(sum(other.fn.api_name in names for other in waiting) - 1)
        except BusyError as busy:
            queue.event_queue_per_concurrency_id[event.concurrency_id].queue.remove(event)
            queue.event_ids_to_events.pop(identity, None)
            queue.event_analytics.pop(identity, None)
            said = error_payload(_as_told(name, busy), False)
            queue.send_message(event, ProcessCompletedMessage(output=said, title=str(said["title"]), success=False))
        return answer

    queue.push = push  # type: ignore[method-assign]


def _as_told(name: str, busy: BusyError) -> gr.Error:
    """The refusal as the endpoint itself would say it, counted as one of its calls."""
    try:
        with told(name, with_code=True):
            raise busy
    except gr.Error as error:
        return error
