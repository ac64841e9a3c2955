"""What Gradio keeps of each session, made small: an API call is a session of its own, and Gradio remembers 10,000 of them.

By itself it describes every component of the page anew for each session, for links that bring a page's state back: with
this page 9 ms of the event loop, which everybody waits for, and 220 KB a call. We have no such links. Sessions share the
page's components here until they change one.
"""

from __future__ import annotations

from collections import ChainMap
from copy import copy
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder


def install(blocks: gr.Blocks) -> None:
    """Have a launched page use small sessions; to be called before there are any."""
    blocks.app.state_holder = SmallSessions(blocks)


class SmallSessions(StateHolder):
    """Gradio's sessions by their id, without descriptions of components."""

    def __init__(self, blocks: gr.Blocks):
        super().__init__()
        self.set_blocks(blocks)
        self._pattern = SessionState(blocks)

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = self._fresh()
        return super().__getitem__(session_id)

    def _fresh(self) -> SessionState:
        state, page = copy(self._pattern), self.blocks.default_config
        state.blocks_config = copy(page)
        state.blocks_config.blocks = ChainMap({}, page.blocks)  # type: ignore[assignment]
        state.blocks_config.fns = ChainMap({}, page.fns)  # type: ignore[assignment]
        state.config_values, state.state_data, state._state_ttl = _Nothing(), {}, {}
        return state


class _Nothing(dict[Any, Any]):
    """Has an empty value for every key, and keeps none."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: object) -> dict[Any, Any]:
        return {}

    def __setitem__(self, key: object, value: object) -> None:
        pass
