"""One process of the app: loads the models while the page is open already, and ends in good order."""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial

from starlette.middleware import Middleware

from ganji import hub, validate
from ganji.errors import BusyError, GanjiError
from ganji.loading import BackgroundLoad
from ganji.privacy import TempFolder
from ganji.service import Service
from ganji.studio import Studio
from ganji.ui import api_use, early, health, mcp_tools, refusals, sessions, surplus, texts, theme, zero_gpu
from ganji.ui.components import ASSETS
from ganji.ui.page import App
from ganji.ui.showcase import Showcase
from ganji.weights import open_store

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 6.0
LOOK_UP_SECONDS = 0.5  # a signal that the system gives to another thread is handled here, and does not end a wait
QUEUE_SIZE = 200  # events of all kinds; photos have their own limit in ganji.admission
GPU_SLOTS = 2
STATUS_EVERY = 2.0  # s; by itself Gradio tells everybody who waits his position whenever anybody's turn has come
SEARCHES = ("emojify_photo", "project_photo", "open_photo", "open_example")
FILE_JOBS = (*api_use.NAMES, "save_sticker", "save_everything", "show_motion", "save_motion", "make_pack")
FILE_JOBS_WAITING = 16


def build() -> tuple[App, BackgroundLoad[Studio]]:
    """The page and the load that it waits for; the load is not started."""
    load: BackgroundLoad[Studio] = BackgroundLoad(lambda: zero_gpu.open_studio(partial(hub.fetch, log=load.note)))
    service = Service(lambda: load.value)
    return App(service, load, Showcase(service)), load


def serve(folder: TempFolder) -> None:
    """Serve until a signal comes. Call it in the main thread.

    Args:
        folder: where Gradio keeps its files.
    Raises:
        SystemExit: the manifest, the bundle's name or the folder for weights is wrong; a line says what.
    """
    _check_settings()
    app, load = build()
    service = app.service
    for purge in (service.purge, app.page.desk.purge):
        folder.purge_with(purge)
    folder.start_sweeping()
    if zero_gpu.is_there():  # which wants all models before the page, and lends its GPU to visitors only
        load.start()
        load.wait()
    on_space = bool(os.environ.get("SPACE_ID"))
    with_metrics = os.environ.get("GANJI_METRICS", "") == "1"
    refusals.install(app.blocks)
    app.blocks.queue(
        status_update_rate=STATUS_EVERY, max_size=QUEUE_SIZE, default_concurrency_limit=None, api_open=False
    )
    early.install(app.blocks, SEARCHES, service.admission.check_room)
    early.install(app.blocks, FILE_JOBS, _check_files)
    app.blocks.launch(
        server_name=os.environ.get("GRADIO_SERVER_NAME") or ("0.0.0.0" if on_space else "127.0.0.1"),
        server_port=int(os.environ.get("GRADIO_SERVER_PORT") or 7860),
        prevent_thread_lock=True,
        show_error=False,
        enable_monitoring=False,
        run_history=False,  # by itself Gradio keeps what a visitor made, photos too, in his browser for good
        quiet=True,
        pwa=False,
        mcp_server=importlib.util.find_spec("mcp") is not None,  # the endpoints as tools at /gradio_api/mcp/
        max_file_size=validate.MAX_PHOTO_BYTES,
        footer_links=["api"],
        favicon_path=str(ASSETS / "icon.png"),
        theme=theme.theme(),
        css=theme.css(),
        i18n=texts.I18N,
        app_kwargs={
            "routes": health.routes(service, lambda: load.state, with_metrics=with_metrics),
            "middleware": [Middleware(surplus.ClosedRoutes)],
        },
    )
    if not zero_gpu.is_there():
        load.start()  # not before: Gradio gives the page three seconds to answer, or ends the process
    threading.Thread(target=_when_loaded, args=(app, load), name="ganji-warm-up", daemon=True).start()
    sessions.install(app.blocks)
    mcp_tools.show_pictures(app.blocks.mcp_server_obj)
    folder.keep_present()
    folder.wipe_at_exit(before=lambda: service.drain(DRAIN_SECONDS))
    print(f"GAN-ji is on {app.blocks.local_url}", flush=True)
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(LOOK_UP_SECONDS)


def _check_settings() -> None:
    """End the process where waiting would not help: only whoever started it can mend its settings."""
    try:
        open_store()
    except GanjiError as error:
        raise SystemExit(f"ganji: {error}") from None


def _check_files(ahead: int) -> None:
    """Say that a job that makes files would wait for too long.

    Raises:
        BusyError: so many wait already.
    """
    if ahead >= FILE_JOBS_WAITING:
        raise BusyError("Many files are being made just now; try again in 60 seconds.", 60)


def _when_loaded(app: App, load: BackgroundLoad[Studio]) -> None:
    """Fit the limits to the device, and make what every visitor sees first."""
    if not load.wait().ready:
        return
    if load.value.device.type == "cuda":
        app.service.admission.limits = replace(app.service.admission.limits, slots=GPU_SLOTS)
    logger.info("models loaded")
    if not zero_gpu.is_there():
        app.showcase.warm_up()
