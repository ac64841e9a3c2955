"""Does anybody get what is another's? 20 visitors at once, four of them with a face of their own.

    python benchmarks/crosstalk.py

Sixteen visitors have a seed of their own and ask 25 times for its emoji, plain or with sliders; every file carries its recipe.
Four have a photo of another face each, and another one in the second round: crop, reconstruction and emoji must be, byte
for byte, what a second process of the app gives to each of them alone.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.client import Refused, call, fetch, file, marked_photo, together, upload
from ganji.png_recipe import extract
from tests.app_process import running_app

SEEDED, CALLS = 16, 25
FACES = {
    "astronaut": "noto-yellow",
    "face-103": "twemoji-blue",
    "face-114": "default",
    "face-117": "face",
}  # and styles
ROUNDS = 2
Found = dict[tuple[str, int], tuple[str, ...]]  # digests of crop, reconstruction and emoji by face and round


def main() -> int:
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before the start", flush=True)
    together_, foreign, errors = Found(), list[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as folder, running_app(folder) as app:
        url, lock = app.url, threading.Lock()

        def seeded(number: int) -> None:
            for k in range(CALLS):
                try:
                    foreign.extend(wrong_emoji(url, 10_000 + number, k))
                except Refused as error:
                    errors[str(error)] += 1

        def faced(face: str, style: str) -> None:
            for turn in range(ROUNDS):
                found = digests(url, face, turn, style)
                with lock:
                    together_[face, turn] = found

        jobs = [lambda n=n: seeded(n) for n in range(SEEDED)]
        together([*jobs, *(lambda face=face, style=style: faced(face, style) for face, style in FACES.items())])
    with tempfile.TemporaryDirectory() as folder, running_app(folder) as app:
        alone = {(face, turn): digests(app.url, face, turn, FACES[face]) for face, turn in together_}
    for key, found in together_.items():
        if found != alone[key]:
            others = [other for other, theirs in alone.items() if other != key and set(found) & set(theirs)]
            foreign.append(f"{key} got something else than alone" + (f": that of {others}" if others else ""))
    distinct = len({digest for found in alone.values() for digest in found})
    print(f"{SEEDED} visitors x {CALLS} emoji and {len(FACES)} faces x {ROUNDS} rounds: {len(foreign)} leaks")
    print(
        f"  refusals {dict(errors)}; {len(together_)} of {len(FACES) * ROUNDS} faces answered; {distinct} different files"
    )
    for line in foreign[:10]:
        print(f"  {line}")
    return bool(foreign)


def wrong_emoji(url: str, seed: int, k: int) -> list[str]:
    """What is wrong with a visitor's k-th emoji: nothing, or one line."""
    strengths = (k / 4 - 2.5,) if k % 2 else ()
    answer = call(url, "customize", [seed, list(strengths)]) if strengths else call(url, "generate", [seed, 1, 0.7])
    recipe = extract(fetch(url, answer))
    is_own = recipe.seed == seed and tuple(recipe.strengths) == strengths
    return [] if is_own else [f"the visitor of {seed} got {recipe}"]


def digests(url: str, face: str, turn: int, style: str) -> tuple[str, ...]:
    """Of the three pictures that a face in its noise gives."""
    answer: Any = call(url, "emojify_photo", [file(upload(url, marked_photo(turn, face))), "fast", 0, 1.0, style])
    return tuple(hashlib.sha256(fetch(url, picture)).hexdigest() for picture in answer[:3])


if __name__ == "__main__":
    raise SystemExit(main())
