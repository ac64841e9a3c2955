"""What machines ask: whether the process lives, can work, is busy; and its figures, where they are switched on."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ganji import observe
from ganji.loading import LoadState
from ganji.service import Service


def routes(service: Service, state: Callable[[], LoadState], *, with_metrics: bool) -> list[Route]:
    """/health, and /metrics if wanted.

    /health answers 200 once the models can be used and 503 before; its JSON says live, ready, busy (every place for a photo
    is taken) and phase. /health?live answers 200 as long as the process does.
    """

    async def health(request: Request) -> Response:
        phase, load, limits = state().phase, service.admission.load, service.admission.limits
        is_busy = load.long_running + load.long_waiting >= limits.long_running + limits.long_waiting
        is_ready = phase == "ready" and not service.is_draining
        body = {"live": True, "ready": is_ready, "busy": is_busy, "phase": "draining" if service.is_draining else phase}
        status = 200 if is_ready or "live" in request.query_params else 503
        return JSONResponse(body, status, headers={"Cache-Control": "no-store"})

    async def metrics(request: Request) -> Response:
        load = service.admission.load
        observe.READY.set(float(state().ready))
        for kind in ("short", "long"):
            for what in ("running", "waiting"):
                observe.JOBS.set(getattr(load, f"{kind}_{what}"), kind=kind, state=what)
        return PlainTextResponse(observe.prometheus(), headers={"Cache-Control": "no-store"})

    found = [Route("/health", health)]
    return [*found, Route("/metrics", metrics)] if with_metrics else found
