"""What happens when many come at once? Starts the app as a process of its own and prints the figures of docs/reliability.md.

    python benchmarks/load.py [--part idle visitors projections pages packs disconnects] [--url http://127.0.0.1:7860/]

50 clients with 4 calls each; 200 projections at once while somebody moves a slider; the same from 200 open pages; 60 emoji
packs at once; 50 visitors who leave in the middle of a
projection. Whether anybody gets what is another's is asked by benchmarks/crosstalk.py. With --url an app that runs already is asked (start it with GANJI_METRICS=1);
only ever ask an app of your own. Everything is bounded: it ends by itself after some minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.client import (
    PATIENCE,
    Refused,
    call,
    fetch,
    figures,
    file,
    marked_photo,
    memory,
    p,
    stream,
    timed,
    together,
    upload,
)
from benchmarks.rush import Answer, event_number, plain_gradio, rush
from tests.app_process import running_app

PARTS = ("idle", "visitors", "projections", "pages", "packs", "disconnects")
CLIENTS, CALLS, PROJECTIONS, PACKS, LEAVING = 50, 4, 200, 60, 50
SEEDS = 20
OVERLOAD_SECONDS = 20.0  # for how long sliders are moved beside the projections


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
    """200 projections at once, and one visitor who moves a slider all the while; before it, what else 200 at once cost."""
    show_rush("the health page", rush(url, [("/health", [])] * PROJECTIONS))
    with plain_gradio() as plain:
        show_rush("a Gradio app that does nothing", rush(plain, [("nothing", [])] * PROJECTIONS))
    calls = [
        ("project_photo", [file(upload(url, marked_photo(k))), "portrait", 0, 1.0, "default"])
        for k in range(PROJECTIONS)
    ]
    before, over, sliders = memory(url), threading.Event(), list[float]()

    def slide_on() -> None:
        begin_of_all = time.perf_counter()
        while time.perf_counter() - begin_of_all < OVERLOAD_SECONDS or not sliders:
            sliders.append(timed(lambda: slide(url, len(sliders) % SEEDS)))
        over.set()

    slider = threading.Thread(target=slide_on)
    slider.start()
    answers = rush(url, calls, stay=lambda: not over.is_set())
    slider.join()
    wait_until_free(url)
    kinds = Counter("refused" if "[busy]" in answer.said else answer.kind for answer in answers)
    print(f"{PROJECTIONS} projections at once: {dict(kinds)}")
    show_rush("refusals (bar: p99 1 s)", [answer for answer in answers if "[busy]" in answer.said])
    print(
        f"  {len(sliders)} slider moves meanwhile: p50 {p(sliders, 50):.2f} s, p95 {p(sliders, 95):.2f} s; idle p95 {p(IDLE['slider'], 95):.2f} s"
    )
    print(f"  memory {before >> 20} MB before, {memory(url) >> 20} MB after")


def pages(url: str) -> None:
    """A photo put on each of 200 open pages at once; who gets a place leaves as soon as he hears of it."""
    paths = [upload(url, marked_photo(k)) for k in range(PROJECTIONS)]
    event = event_number(url, "open_photo")
    answers = rush(url, [(event, [None, file(path), "portrait"]) for path in paths])
    wait_until_free(url)
    refused = [answer for answer in answers if "try again in about" in answer.said]
    print(f"{PROJECTIONS} photos on pages at once: {dict(Counter(answer.kind for answer in answers))}")
    show_rush("refusals (bar: p99 1 s)", refused)


def packs(url: str) -> None:
    """60 packs at once, more than Gradio has threads, and one visitor who moves a slider until they are done."""
    sliders, over = list[float](), threading.Event()

    def slide_on() -> None:
        while not over.is_set():
            sliders.append(timed(lambda: slide(url, len(sliders) % SEEDS)))

    slider = threading.Thread(target=slide_on)
    slider.start()
    answers = rush(url, [("pack", [f"kind=emojified&seed={seed}&psi=0.7"]) for seed in range(PACKS)])
    over.set()
    slider.join()
    refused = [answer for answer in answers if "[busy]" in answer.said]
    made = [answer.seconds for answer in answers if answer.kind == "complete"]
    print(f"{PACKS} packs at once: {len(made)} made in at most {max(made):.0f} s, {len(refused)} refused")
    show_rush("refusals (bar: p99 1 s)", refused)
    print(f"  {len(sliders)} slider moves meanwhile: p50 {p(sliders, 50):.2f} s, p95 {p(sliders, 95):.2f} s")


def show_rush(what: str, answers: list[Answer]) -> None:
    """How long many who asked at once have waited."""
    seconds = [answer.seconds for answer in answers]
    print(f"  {len(answers)} answers of {what}: p50 {p(seconds, 50):.2f} s, p99 {p(seconds, 99):.2f} s")


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


IDLE: dict[str, list[float]] = {"generate": [], "slider": []}
SLIDERS: list[int] = []  # how many there are, once it is known


def picture_of(url: str, seed: int) -> str:
    """Digest of the file of one random emoji."""
    return hashlib.sha256(fetch(url, call(url, "generate", [seed, 1, 0.7]))).hexdigest()


def slide(url: str, k: int, seed: int = 7) -> tuple[Any, tuple[float, ...]]:
    """One move of a slider, if these weights have any: (the answer, the strengths)."""
    if not SLIDERS:
        SLIDERS.append(len(call(url, "directions", [])[0]["emoji"]))
    strengths = [k / 4 - 2.5][: SLIDERS[0]]
    return call(url, "customize", [seed, strengths]), tuple(strengths)


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


if __name__ == "__main__":
    raise SystemExit(main())
