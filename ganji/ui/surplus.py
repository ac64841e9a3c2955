"""Gradio's routes that this page has no use for, closed: what is not there needs no limits of its own.

Among them are one that runs ffmpeg on whatever anybody sends (screen recordings), one that polls twenty times a second for
each caller (development), one that fetches from other Spaces, and one that writes a session's components to disk (deep links).
"""

from __future__ import annotations

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

CLOSED = (  # beginnings of paths
    "/openapi.json", "/monitoring", "/gradio_api/deep_link", "/gradio_api/dev/", "/gradio_api/process_recording",
    "/gradio_api/proxy=", "/gradio_api/run-history/", "/gradio_api/runs", "/gradio_api/stream/", "/gradio_api/undo-vibe-edit",
    "/gradio_api/vibe-",
)  # fmt: skip


class ClosedRoutes:
    """A middleware that answers them with 404, as any path that never was, without reading what was sent."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if path.startswith(CLOSED):
            await JSONResponse({"detail": "Not Found"}, 404)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
