"""What Gradio keeps of each session, made small: an API call is a session of its own, and Gradio remembers 10,000 of them.

By itself it describes every component of the page anew for each session, for links that bring a page's state back: with
this page 9 ms of the event loop, which everybody waits for, and 220 KB a call. We have no such links. Sessions share the
page's components here until they change one.

And when they go: Gradio deletes the state of a page that was closed only where an event has that state among its outputs.
Ours change it in place, so it would stay until 10,000 others have come.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable
from copy import copy
from datetime import datetime, timedelta
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder
from gradio.utils import LRUCache

# A session goes so long after its last call, if its page was closed (a telephone may drop the line for a moment) or if it is
LEFT = timedelta(minutes=10)  # a program's, for which nothing is kept; any other, as its emoji do on disk, after
UNUSED = timedelta(hours=6)
SESSIONS_WITH_MESSAGES = 500  # at most; each may hold a preview
BACK = timedelta(seconds=30)  # a call of a closed session so long after its last one: the page is back


def install(blocks: gr.Blocks) -> None:
    """Have a launched page use small sessions; to be called before there are any."""
    blocks.app.state_holder = SmallSessions(blocks)
    blocks._queue.pending_messages_per_session = UnreadMessages(blocks._queue)


class SmallSessions(StateHolder):
    """Gradio's sessions by their id, without descriptions of components.

    Args:
        clock: the time.
    """

    def __init__(self, blocks: gr.Blocks, clock: Callable[[], datetime] = datetime.now):
        super().__init__()
        self.set_blocks(blocks)
        self._pattern = SessionState(blocks)
        self._clock = clock

    def __getitem__(self, session_id: str) -> SessionState:
        state = self.session_data.get(session_id)
        if state is None:
            self.session_data[session_id] = self._fresh()
        elif state.is_closed and self._idle(session_id) > BACK:
            state.is_closed = False
        found = super().__getitem__(session_id)
        self.time_last_used[session_id] = self._clock()
        return found

    def delete_all_expired_state(self) -> None:
        """Forget who has left, with all that was kept for him, and calls of programs, for which nothing was kept. Gradio asks
        for this every second.
        """
        for session_id, state in list(self.session_data.items()):
            if self._idle(session_id) > (UNUSED if state.state_data and not state.is_closed else LEFT):
                self.session_data.pop(session_id, None)
                self.time_last_used.pop(session_id, None)

    def _idle(self, session_id: str) -> timedelta:
        """Since the session's last call."""
        now = self._clock()
        return now - self.time_last_used.setdefault(session_id, now)

    def _fresh(self) -> SessionState:
        state, page = copy(self._pattern), self.blocks.default_config
        state.blocks_config = copy(page)
        state.blocks_config.blocks = ChainMap({}, page.blocks)  # type: ignore[assignment]
        state.blocks_config.fns = ChainMap({}, page.fns)  # type: ignore[assignment]
        state.config_values, state.state_data, state._state_ttl = _Nothing(), {}, {}
        return state


class UnreadMessages(LRUCache[str, Any]):
    """Gradio's messages that nobody has fetched yet, by session; a new session takes the place of one that has come to its end.

    By itself the place of the one that was made longest ago is taken, whether somebody still waits for a photo there or not.

    Args:
        queue: Gradio's; knows which sessions' events are not at their end.
    """

    def __init__(self, queue: Any, max_size: int = SESSIONS_WITH_MESSAGES):
        super().__init__(max_size)
        self._queue = queue

    def __setitem__(self, session_id: str, messages: Any) -> None:
        if session_id not in self and len(self) >= self.max_size:
            unfinished = self._queue.pending_event_ids_session
            ended = next((old for old in self if not unfinished.get(old)), None)
            if ended is not None:
                del self[ended]
        super().__setitem__(session_id, messages)


class _Nothing(dict[Any, Any]):
    """Has an empty value for every key, and keeps none."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: object) -> dict[Any, Any]:
        return {}

    def __setitem__(self, key: object, value: object) -> None:
        pass
