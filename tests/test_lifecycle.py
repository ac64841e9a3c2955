"""The life of a real process: SIGTERM in the middle of a projection, and the start after it."""

import ctypes
import io
import json
import signal
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from tests.app_process import running_app
from tests.test_hostile_api import FILE, photo_body, upload

EXIT_SECONDS = 10
MOMENTS, SEARCH_SECONDS = 20, 10  # a search takes 19 s and more


def photo():
    stream = io.BytesIO()
    Image.fromarray(data.astronaut()).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def start_search(url, content):
    """Begin a long projection; returns when it takes steps. The list that is returned grows by what the stream says."""
    body = photo_body(upload(url, content), meta=FILE).replace(b'"fast"', b'"portrait"')
    request = urllib.request.Request(f"{url}gradio_api/call/project_photo", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        event = json.load(answer)["event_id"]
    lines = []

    def read():
        try:
            with urllib.request.urlopen(f"{url}gradio_api/call/project_photo/{event}", timeout=120) as answer:
                for line in answer:
                    lines.append(line.decode())
        except (OSError, urllib.error.URLError):
            lines.append("cut off")

    threading.Thread(target=read, daemon=True).start()
    until = time.monotonic() + 120
    while not any('"running"' in line for line in lines):
        assert time.monotonic() < until, lines
        assert not any(line.startswith("event: error") for line in lines), lines
        time.sleep(0.05)
    return lines


def pictures_in(folder):
    """Files below a folder that hold something."""
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix and path.stat().st_size]


def end_in_a_search(folder, delay=0.0):
    """Start the app, look for a face's code, and send SIGTERM `delay` seconds after the first step: seconds until its end."""
    with running_app(folder) as app:
        lines = start_search(app.url, photo())
        assert [*(folder / "temp").rglob("me.jpg")], "the uploaded photo is there while it is worked on"
        time.sleep(delay)
        start = time.monotonic()
    seconds = time.monotonic() - start
    assert seconds < EXIT_SECONDS, f"{seconds:.1f} s"
    assert not pictures_in(folder / "temp")
    text = app.log.read_text(errors="replace")
    assert "Traceback" not in text
    assert "me.jpg" not in text
    assert not any("event: complete" in line for line in lines), "it was in the middle"
    return seconds


def assert_starts_clean(folder):
    """The start after it."""
    with running_app(folder) as app, urllib.request.urlopen(f"{app.url}health", timeout=20) as answer:
        assert json.load(answer) == {"live": True, "ready": True, "busy": False, "phase": "ready"}
    assert not pictures_in(folder / "temp")


def test_sigterm_in_a_projection(tmp_path):
    end_in_a_search(tmp_path)
    assert_starts_clean(tmp_path)


def test_sigterm_that_another_thread_gets(tmp_path):
    """As it happens below strace and in some sandboxes: Python's handler runs in the main thread, which nothing wakes then."""
    with running_app(tmp_path) as app:
        process = Path(f"/proc/{app.pid}")
        other = next(int(task.name) for task in (process / "task").iterdir() if int(task.name) != app.pid)
        assert ctypes.CDLL(None).tgkill(app.pid, other, signal.SIGTERM) == 0
        until = time.monotonic() + EXIT_SECONDS
        while (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
            assert time.monotonic() < until, f"it lives on after {EXIT_SECONDS} s"
            time.sleep(0.05)
    assert not pictures_in(tmp_path / "temp")


@pytest.mark.slow
def test_sigterm_at_random_moments(tmp_path):
    """Each start finds what the one before has left."""
    delays = np.random.default_rng(17).uniform(0, SEARCH_SECONDS, MOMENTS)
    seconds = []
    for delay in delays:
        seconds.append(end_in_a_search(tmp_path, delay))
        print(f"SIGTERM after {delay:.1f} s of the search: ended in {seconds[-1]:.2f} s", flush=True)
    assert_starts_clean(tmp_path)
    print(f"{len(seconds)} of {MOMENTS} ended; the slowest in {max(seconds):.2f} s")
