"""What a visitor's program does, in plain HTTP: upload a photo, call an endpoint, follow a stream, fetch a picture.

Shared by the benchmarks that ask an app from outside; knows nothing of how it works.
"""

from __future__ import annotations

import http.client
import io
import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "ganji" / "ui" / "examples"
PATIENCE = 300.0  # s for one answer


class Refused(Exception):
    """The app's own sentence."""


def call(url: str, endpoint: str, values: list[Any]) -> Any:
    """An endpoint's answer.

    Raises:
        Refused: with the app's sentence.
    """
    event = post(url, endpoint, values)
    with urllib.request.urlopen(f"{url}gradio_api/call/{endpoint}/{event}", timeout=PATIENCE) as answer:
        kind, data = re.findall(r"event: (\w+)\ndata: (.*)", answer.read().decode())[-1]
    if kind == "error":
        raise Refused((json.loads(data) or {}).get("error"))
    return json.loads(data)


def post(url: str, endpoint: str, values: list[Any]) -> str:
    """The id of a call that has begun.

    Raises:
        Refused: the queue is full.
    """
    body = json.dumps({"data": values}).encode()
    request = urllib.request.Request(f"{url}gradio_api/call/{endpoint}", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)["event_id"]
    except urllib.error.HTTPError as error:
        raise Refused(f"HTTP {error.code} [busy]") from None


@contextmanager
def stream(url: str, path: str) -> Iterator[Iterator[tuple[str, Any]]]:
    """(event, data) of a projection, as they come; leaving the context hangs up."""
    host = url.split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=PATIENCE)

    def news() -> Iterator[tuple[str, Any]]:
        try:
            event = post(url, "project_photo", [file(path), "portrait", 0, 1.0, "default"])
        except Refused as error:
            yield "error", str(error)
            return
        connection.request("GET", f"/gradio_api/call/project_photo/{event}")
        kind = ""
        for line in connection.getresponse():
            name, _, data = line.decode().strip().partition(": ")
            if name == "event":
                kind = data
            elif name == "data" and kind != "heartbeat":
                value = json.loads(data)
                yield kind, value[0] if isinstance(value, list) else value

    try:
        yield news()
    finally:
        connection.close()


def upload(url: str, content: bytes) -> str:
    """Where the app keeps a photo."""
    head = b'--limit\r\nContent-Disposition: form-data; name="files"; filename="photo.jpg"\r\n\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=limit"}
    request = urllib.request.Request(f"{url}gradio_api/upload", head + content + b"\r\n--limit--\r\n", headers)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)[0]


def file(path: str) -> dict[str, Any]:
    """An upload as a value."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def fetch(url: str, answer: Any) -> bytes:
    """The first file of an answer."""
    while isinstance(answer, list):
        answer = answer[0]
    with urllib.request.urlopen(f"{url}gradio_api/file={answer['path']}", timeout=PATIENCE) as stream:
        return stream.read()


def figures(url: str) -> dict[str, float]:
    """/metrics."""
    with urllib.request.urlopen(f"{url}metrics", timeout=PATIENCE) as answer:
        lines = [line for line in answer.read().decode().splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def memory(url: str) -> int:
    """Resident bytes of the app."""
    return int(figures(url)["ganji_memory_bytes"])


def marked_photo(number: int, example: str = "astronaut") -> bytes:
    """A photo of a face, one of the page's examples, in noise that no other visitor has."""
    pixels = np.asarray(Image.open(EXAMPLES / f"{example}.jpg").convert("RGB")).astype(int)
    noise = np.random.default_rng(number).integers(-3, 4, pixels.shape)
    return jpeg((pixels + noise).clip(0, 255))


def jpeg(pixels: np.ndarray) -> bytes:
    """[H, W, 3], 0 to 255, as a file."""
    data = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(data, "JPEG", quality=90)
    return data.getvalue()


def together(jobs: list[Callable[[], None]]) -> None:
    """Run all at the same time, to the end."""
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def timed(job: Callable[[], Any]) -> float:
    """Seconds."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def p(values: list[float], percent: int) -> float:
    """A percentile; NaN of nothing."""
    return float(np.percentile(values, percent)) if values else float("nan")
