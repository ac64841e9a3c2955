"""What MCP clients get: Gradio makes a tool of every endpoint; this makes its results pictures rather than texts.

Gradio shows a picture only where an output is one file. A list of files, or several outputs without a progress token, would
come as text with a path of the server.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

_FILE = "gradio.FileData"


def show_pictures(server: Any) -> None:
    """Have Gradio's MCP server (Blocks.mcp_server_obj; None without one) send every picture as a picture."""
    if server is None:
        return
    logging.getLogger("mcp").setLevel(logging.WARNING)  # it logs several lines a call
    plain = server.postprocess_output_data

    @functools.wraps(plain)
    def postprocess(data: Any, root_url: str) -> Any:
        return plain(list(_flat(_with_urls(data, root_url))), root_url)

    server.postprocess_output_data = postprocess


def _is_file(value: Any) -> bool:
    return isinstance(value, dict) and (value.get("meta") or {}).get("_type") == _FILE


def _flat(value: Any) -> Iterator[Any]:
    """Outputs one by one; the files of a list or an object, then what else it says."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _flat(item)
    elif isinstance(value, dict) and not _is_file(value):
        files = {name for name, item in value.items() if _is_file(item)}
        yield from (value[name] for name in value if name in files)
        yield {name: item for name, item in value.items() if name not in files} if files else value
    else:
        yield value


def _with_urls(value: Any, root_url: str) -> Any:
    """The same, each file with an address under which a client can have it."""
    if _is_file(value):
        return {**value, "url": value.get("url") or f"{root_url}/gradio_api/file={quote(value['path'])}"}
    if isinstance(value, dict):
        return {name: _with_urls(item, root_url) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_urls(item, root_url) for item in value]
    return value
