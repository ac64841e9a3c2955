"""What happens when many come at once? Starts the app as a process of its own and prints the figures of docs/reliability.md.

    python benchmarks/load.py [--part idle visitors projections disconnects leaks] [--url http://127.0.0.1:7860/]

50 clients with 4 calls each; 200 projections at once while somebody moves a slider; 50 visitors who leave in the middle of a
projection; 20 marked visitors with 500 calls. With --url an app that runs already is asked (start it with GANJI_METRICS=1);
only ever ask an app of your own. Everything is bounded: it ends by itself after some minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import io
import json
import os
import re
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ganji.png_recipe import extract
from tests.app_process import running_app

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("idle", "visitors", "projections", "disconnects", "leaks")
CLIENTS, CALLS, PROJECTIONS, LEAVING, MARKED, MARKED_CALLS = 50, 4, 200, 50, 20, 25
SEEDS = 20
OVERLOAD_SECONDS = 20.0  # for how long sliders are moved beside the projections
PATIENCE = 300.0  # s for one answer


class Refused(Exception):
    """The app's own sentence."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--url", help="an app that runs already, with /metrics; by default one is started")
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before the start", flush=True)
    with app_to_ask(args.url) as url:
        for part in args.part:
            globals()[part](url)
            print(flush=True)
    return 0


@contextmanager
def app_to_ask(url: str | None) -> Iterator[str]:
    """The address of an app, ending in a slash."""
    if url:
        yield url
        return
    with tempfile.TemporaryDirectory() as folder, running_app(folder, variables={"GANJI_METRICS": "1"}) as app:
        yield app.url


def idle(url: str) -> None:
    """One client alone: what the others are measured by."""
    call(url, "generate", [0, 1, 0.7])
    IDLE["generate"] = [timed(lambda k=k: call(url, "generate", [k, 1, 0.7])) for k in range(SEEDS)]
    IDLE["slider"] = [timed(lambda k=k: slide(url, k)) for k in range(SEEDS)]
    for name, seconds in IDLE.items():
        print(f"idle {name}: p50 {p(seconds, 50):.3f} s, p95 {p(seconds, 95):.3f} s")


def visitors(url: str) -> None:
    """50 clients, 4 pictures each; every picture must be that of its seed."""
    expected = {seed: picture_of(url, seed) for seed in range(SEEDS)}
    alone = p(IDLE["generate"], 50) if IDLE["generate"] else float("nan")
    seconds, wrong, errors = [], [], Counter[str]()

    def client(number: int) -> None:
        for k in range(CALLS):
            seed = (number * CALLS + k) % SEEDS
            start = time.perf_counter()
            try:
                if picture_of(url, seed) != expected[seed]:
                    wrong.append(seed)
            except (Refused, OSError) as error:
                errors[str(error)[:60]] += 1
            seconds.append(time.perf_counter() - start)

    together([lambda n=n: client(n) for n in range(CLIENTS)])
    print(
        f"{CLIENTS} clients x {CALLS} pictures: {len(seconds) - errors.total()} answered, errors {dict(errors)}, wrong {len(wrong)}"
    )
    print(
        f"  p50 {p(seconds, 50):.2f} s, p95 {p(seconds, 95):.2f} s; the bar is 3 x {alone:.3f} x {CLIENTS} = {3 * alone * CLIENTS:.1f} s"
    )


def projections(url: str) -> None:
    """200 projections at once, and one visitor who moves a slider all the while."""
    paths = [upload(url, marked_photo(k)) for k in range(PROJECTIONS)]
    before, over = memory(url), threading.Event()
    refused: list[float] = []
    kinds, sliders = Counter[str](), []
    begin = threading.Barrier(PROJECTIONS)

    def ask(path: str) -> None:
        begin.wait(60)
        start = time.perf_counter()
        with stream(url, path) as news:
            for kind, item in news:
                if kind == "error":
                    kinds["refused" if "[busy]" in str(item) else f"error: {item}"] += 1
                    refused.append(time.perf_counter() - start)
                    return
                if over.is_set():
                    break
        kinds["admitted"] += 1

    def slide_on() -> None:
        begin_of_all = time.perf_counter()
        while time.perf_counter() - begin_of_all < OVERLOAD_SECONDS or not sliders:
            sliders.append(timed(lambda: slide(url, len(sliders) % SEEDS)))
        over.set()

    together([*(lambda path=path: ask(path) for path in paths), slide_on])
    wait_until_free(url)
    print(f"{PROJECTIONS} projections at once: {dict(kinds)}")
    print(f"  refused after p50 {p(refused, 50):.2f} s, p99 {p(refused, 99):.2f} s (bar 1 s)")
    print(
        f"  {len(sliders)} slider moves meanwhile: p50 {p(sliders, 50):.2f} s, p95 {p(sliders, 95):.2f} s; idle p95 {p(IDLE['slider'], 95):.2f} s"
    )
    print(f"  memory {before >> 20} MB before, {memory(url) >> 20} MB after")


def disconnects(url: str) -> None:
    """50 visitors, one after the other, who leave as soon as their projection runs."""
    freed, before = [], 0
    for k in range(LEAVING):
        path = upload(url, marked_photo(1000 + k))
        with stream(url, path) as news:
            for kind, item in news:
                if kind == "error":
                    raise SystemExit(f"refused: {item}")
                if isinstance(item, dict) and item.get("state") == "running":
                    break
        freed.append(wait_until_free(url))
        if k == 4:
            before = memory(url)
    after = memory(url)
    print(
        f"{LEAVING} left in the middle: free after p50 {p(freed, 50):.2f} s, p95 {p(freed, 95):.2f} s, max {max(freed):.2f} s (bar 2 s)"
    )
    print(
        f"  memory {before >> 20} MB after the 5th, {after >> 20} MB after the last ({(after - before) / before:+.1%}; bar +5 %)"
    )


def leaks(url: str) -> None:
    """20 visitors with a seed and a photo of their own, 500 mixed calls: nobody may get anything of another."""
    foreign, errors = [], Counter[str]()

    def visitor(number: int) -> None:
        seed, own = 10_000 + number, upload(url, jpeg(np.full((160, 160, 3), 12 * number)))  # no face
        for k in range(MARKED_CALLS):
            try:
                if k % 5 == 4:
                    call(url, "emojify_photo", [file(own), "fast", 0, 1.0, "default"])
                    foreign.append(f"visitor {number} got a face")
                    continue
                answer, strengths = slide(url, k, seed) if k % 2 else (call(url, "generate", [seed, 1, 0.7]), ())
                recipe = extract(fetch(url, answer))
                if recipe.seed != seed or tuple(recipe.strengths) != strengths:
                    foreign.append(f"visitor {number} got {recipe}")
            except Refused as error:
                errors[re.sub(r".*\[(.*)\]$", r"\1", str(error))] += 1

    together([lambda n=n: visitor(n) for n in range(MARKED)])
    print(f"{MARKED} marked visitors x {MARKED_CALLS} calls: {len(foreign)} leaks; refusals {dict(errors)}")
    for line in foreign[:5]:
        print(f"  {line}")


IDLE: dict[str, list[float]] = {"generate": [], "slider": []}
SLIDERS: list[int] = []  # how many there are, once it is known


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


def picture_of(url: str, seed: int) -> str:
    """Digest of the file of one random emoji."""
    return hashlib.sha256(fetch(url, call(url, "generate", [seed, 1, 0.7]))).hexdigest()


def slide(url: str, k: int, seed: int = 7) -> tuple[Any, tuple[float, ...]]:
    """One move of a slider, if these weights have any: (the answer, the strengths)."""
    if not SLIDERS:
        SLIDERS.append(len(call(url, "directions", [])[0]["emoji"]))
    strengths = [k / 4 - 2.5][: SLIDERS[0]]
    return call(url, "customize", [seed, strengths]), tuple(strengths)


def figures(url: str) -> dict[str, float]:
    """/metrics."""
    with urllib.request.urlopen(f"{url}metrics", timeout=PATIENCE) as answer:
        lines = [line for line in answer.read().decode().splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def memory(url: str) -> int:
    """Resident bytes of the app."""
    return int(figures(url)["ganji_memory_bytes"])


def wait_until_free(url: str) -> float:
    """Seconds until no projection runs or waits."""
    start = time.perf_counter()
    while time.perf_counter() - start < PATIENCE:
        if not sum(
            value for name, value in figures(url).items() if name.startswith("ganji_jobs") and 'kind="long"' in name
        ):
            return time.perf_counter() - start
        time.sleep(0.02)
    raise SystemExit(f"a projection still runs after {PATIENCE:.0f} s")


def marked_photo(number: int) -> bytes:
    """A photo of a face that no other visitor has."""
    pixels = np.asarray(Image.open(ROOT / "ganji" / "ui" / "examples" / "astronaut.jpg").convert("RGB")).astype(int)
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


if __name__ == "__main__":
    raise SystemExit(main())
