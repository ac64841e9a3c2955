"""Many programs that call an endpoint in the same instant, and how soon each has its answer.

One thread plays them all, so that on a small machine the server is measured and not the asking. A time runs from the
moment before the request is written to the end of the last line of the answer, over a connection that is open already.
`plain_gradio` is what to compare with: a Gradio app with one component and a function that does nothing.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

PATIENCE = 300.0  # s
PLAIN = """
import os, sys
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
import gradio as gr
def nothing() -> int:
    return 1
with gr.Blocks() as blocks:
    gr.api(nothing, api_name="nothing")
blocks.queue(default_concurrency_limit=None).launch(server_port=int(sys.argv[1]), quiet=True)
"""


@dataclass(frozen=True)
class Answer:
    """What one program got.

    Attributes:
        kind: "complete", "error", "begun" (a stream whose first news came) or an HTTP status.
        seconds: until then. said: the data of the last event.
    """

    kind: str
    seconds: float
    said: str


def rush(url: str, calls: list[tuple[str | int, list[Any]]], stay: Callable[[], bool] = lambda: False) -> list[Answer]:
    """All calls at once, each from a program of its own; their answers, in no order.

    Args:
        calls: (endpoint, values) of each; an endpoint that begins with / is a plain page, a number an event of an open page.
        stay: programs whose stream has begun hang up as soon as this is false.
    """
    return asyncio.run(_all(url, calls, stay))


async def _all(url: str, calls: list[tuple[str | int, list[Any]]], stay: Callable[[], bool]) -> list[Answer]:
    begin, ready = asyncio.Event(), asyncio.Semaphore(0)
    tasks = [asyncio.create_task(_program(url, name, values, ready, begin, stay)) for name, values in calls]
    for _ in calls:
        await ready.acquire()
    begin.set()
    return list(await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE))


async def _program(
    url: str,
    name: str | int,
    values: list[Any],
    ready: asyncio.Semaphore,
    begin: asyncio.Event,
    stay: Callable[[], bool],
) -> Answer:
    host, _, port = url.split("/")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    ready.release()
    await begin.wait()
    start = time.perf_counter()
    try:
        if isinstance(name, int):
            return await _page(reader, writer, name, values, start)
        if name.startswith("/"):
            status, _ = await _ask(reader, writer, "GET", name)
            return Answer(status, time.perf_counter() - start, "")
        path = f"/gradio_api/call/{name}"
        status, body = await _ask(reader, writer, "POST", path, json.dumps({"data": values}).encode())
        if status != "200":
            return Answer(status, time.perf_counter() - start, body.decode())
        _send(writer, "GET", f"{path}/{json.loads(body)['event_id']}")
        kind, said = await _first_news(reader)
        answer = Answer(kind, time.perf_counter() - start, said)
        while kind == "begun" and stay():
            await asyncio.sleep(0.1)
        return answer
    finally:
        writer.close()


async def _page(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, event: int, values: list[Any], start: float
) -> Answer:
    """What an open page hears first of its event; "begun" if the event does something."""
    session = secrets.token_hex(6)
    body = json.dumps({"data": values, "fn_index": event, "session_hash": session}).encode()
    status, said = await _ask(reader, writer, "POST", "/gradio_api/queue/join", body)
    if status != "200":
        return Answer(status, time.perf_counter() - start, said.decode())
    _send(writer, "GET", f"/gradio_api/queue/data?session_hash={session}")
    while line := (await reader.readline()).decode():
        news = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
        if news.get("msg") == "process_completed" and not news["success"]:
            return Answer("error", time.perf_counter() - start, news["output"]["error"])
        if news.get("msg") in ("process_generating", "process_completed"):
            return Answer("begun", time.perf_counter() - start, line)
    return Answer("cut off", time.perf_counter() - start, "")


def event_number(url: str, function: str) -> int:
    """Of the page's event that runs this function."""
    with urllib.request.urlopen(f"{url}config", timeout=PATIENCE) as answer:
        events = json.load(answer)["dependencies"]
    return next(event["id"] for event in events if re.fullmatch(rf"ui_{function}_\d+", str(event["api_name"])))


def _send(writer: asyncio.StreamWriter, method: str, path: str, body: bytes = b"") -> None:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, path: str, body: bytes = b""
) -> tuple[str, bytes]:
    """(status, body) of one request."""
    _send(writer, method, path, body)
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
    return head.split()[1], await reader.readexactly(int(length[1])) if length else b""


async def _first_news(reader: asyncio.StreamReader) -> tuple[str, str]:
    """(kind, data) of the first event of a stream that says anything."""
    kind = ""
    while line := (await reader.readline()).decode():
        name, _, data = line.strip().partition(": ")
        if name == "event":
            kind = "begun" if data == "generating" else data
        elif name == "data" and kind != "heartbeat":
            return kind, data
    return "cut off", ""


@contextmanager
def plain_gradio(port: int = 7999) -> Iterator[str]:
    """The address of a Gradio app whose endpoint "nothing" does nothing."""
    process = subprocess.Popen([sys.executable, "-c", PLAIN, str(port)], stdout=subprocess.DEVNULL)
    url, until = f"http://127.0.0.1:{port}/", time.monotonic() + PATIENCE
    try:
        while time.monotonic() < until and process.poll() is None:
            try:
                urllib.request.urlopen(f"{url}gradio_api/info", timeout=5).close()
                yield url
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.3)
        raise SystemExit("the plain Gradio app did not start")
    finally:
        process.terminate()
        process.wait()
