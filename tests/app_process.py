"""The app as visitors meet it: `python app.py` in a process of its own, on a free port of the loopback."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS, STOP_SECONDS = 300, 20


@dataclass(frozen=True)
class App:
    """A running app: its address, the file that its output goes to, and its process."""

    url: str
    log: Path
    pid: int


@contextmanager
def running_app(folder, root=ROOT, variables=None, *, wait_for="ready"):
    """Start the app with everything it writes below `folder`; wait until its models are loaded; end it by SIGTERM.

    Args:
        root: the folder that holds app.py. variables: of the environment, to add.
        wait_for: "live": only until its page can be opened.
    """
    port = _free_port()
    log = Path(folder) / "app.log"
    environment = (
        {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING_FACE_"))}
        | {
            "GRADIO_SERVER_NAME": "127.0.0.1",
            "GRADIO_SERVER_PORT": str(port),
            "GANJI_TEMP_DIR": str(Path(folder) / "temp"),
            "HF_HUB_OFFLINE": "1",
            "PYTHONUNBUFFERED": "1",
        }
        | (variables or {})
    )
    environment.pop("SPACE_ID", None)
    with log.open("wb") as stream:
        process = subprocess.Popen([sys.executable, "app.py"], cwd=root, env=environment, stdout=stream, stderr=stream)
    try:
        app = App(f"http://127.0.0.1:{port}/", log, process.pid)
        _wait_until(wait_for, app, process)
        yield app
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the app did not end within {STOP_SECONDS} s of SIGTERM") from None


def _free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _wait_until(state, app, process):
    address = f"{app.url}health?live"
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise AssertionError(f"the app ended with {process.returncode}:\n{app.log.read_text()[-3000:]}")
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if json.load(answer)[state]:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.3)
    raise AssertionError(f"the app was not {state} within {START_SECONDS} s:\n{app.log.read_text()[-3000:]}")
