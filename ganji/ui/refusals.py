"""What Gradio refuses before a function of ours is asked, said in a sentence: wrong files, numbers of values, choices.

By itself it would answer `{"error": null}` and log a traceback, as if it were our fault. Addresses are refused here too,
before Gradio would fetch them; one of this app's own uploads is read as the file that it is. Knows no endpoint; `install` rebinds one method of Blocks, which Gradio's queue, its plain
routes and its MCP server all go through.
"""

from __future__ import annotations

import functools
import logging
import re
from typing import Any
from urllib.parse import unquote

import gradio as gr

from ganji.errors import UnreadableImageError

logger = logging.getLogger(__name__)

BAD_VALUES = "These values do not fit this endpoint, or a file was not uploaded first. [input]"
NO_ADDRESSES = "Photos are not fetched from addresses. Save the photo and upload the file itself."
_ADDRESS = re.compile(r"\s*([a-z][a-z0-9+.\-]*:[\\/]|[\\/]{2})", re.IGNORECASE)
_SERVED = re.compile(r"https?://[^/?#]+(?:/[^?#]*)?/gradio_api/file=(/[^?#]+)", re.IGNORECASE)
_WINDOWS_DRIVE = re.compile(r"[a-z]:[\\/]", re.IGNORECASE)


def install(blocks: gr.Blocks) -> None:
    """Have `blocks` say why it refuses values."""
    plain = blocks.preprocess_data

    @functools.wraps(plain)
    async def preprocess(block_fn: Any, inputs: list[Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return await plain(block_fn, _without_addresses(inputs), *args, **kwargs)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception as error:
            logger.warning("values refused before %s: %s", block_fn.api_name or "an event", type(error).__name__)
            raise gr.Error(BAD_VALUES, print_exception=False) from error

    blocks.preprocess_data = preprocess  # type: ignore[method-assign]


def _without_addresses(value: Any) -> Any:
    """A JSON value whose files are files here: an address under which Gradio serves a file of ours becomes its path.

    Raises:
        gr.Error: another address.
    """
    if isinstance(value, (list, tuple)):
        return [_without_addresses(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {name: _without_addresses(item) for name, item in value.items()}
    path = found.get("path")
    if isinstance(path, str) and _ADDRESS.match(path) and not _WINDOWS_DRIVE.match(path):
        ours = _SERVED.match(path)  # the path is checked as any other, and nothing is fetched
        if ours is None:
            raise gr.Error(f"{NO_ADDRESSES} [{UnreadableImageError.code}]", print_exception=False)
        found["path"] = unquote(ours[1])
    return found
