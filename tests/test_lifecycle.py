"""The life of a real process: SIGTERM in the middle of a projection, and the start after it."""

import io
import json
import threading
import time
import urllib.error
import urllib.request

from PIL import Image
from skimage import data

from tests.app_process import running_app
from tests.test_hostile_api import FILE, photo_body, upload

EXIT_SECONDS = 10


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


def test_sigterm_in_a_projection(tmp_path):
    with running_app(tmp_path) as app:
        lines = start_search(app.url, photo())
        assert pictures_in(tmp_path / "temp"), "the uploaded photo is there while it is worked on"
        start = time.monotonic()
    seconds = time.monotonic() - start
    assert seconds < EXIT_SECONDS, f"{seconds:.1f} s"
    assert not pictures_in(tmp_path / "temp")
    text = app.log.read_text(errors="replace")
    assert "Traceback" not in text
    assert "me.jpg" not in text
    assert not any("event: complete" in line for line in lines), "it was in the middle"

    (tmp_path / "again").mkdir()
    (tmp_path / "temp").rename(tmp_path / "again" / "temp")  # what the first process left
    with running_app(tmp_path / "again") as app, urllib.request.urlopen(f"{app.url}health", timeout=20) as answer:
        assert json.load(answer) == {"live": True, "ready": True, "busy": False, "phase": "ready"}
    assert not pictures_in(tmp_path / "again" / "temp")
