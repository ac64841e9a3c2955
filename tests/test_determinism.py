"""The same seed is the same picture, for every thread and after a restart: the default weights, 50 threads, 20 seeds."""

import hashlib
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from ganji.service import Service
from ganji.studio import open_studio
from tests.tiny_studio import tiny_studio

ROOT = Path(__file__).resolve().parent.parent
THREADS, SEEDS = 50, 20
PRINT_DIGESTS = """
import hashlib
from ganji.studio import open_studio
studio = open_studio("cpu")
for seed in range(3):
    print(hashlib.sha256(next(studio.generate(seed)).picture.tobytes()).hexdigest())
"""


def digest(painted):
    return hashlib.sha256(painted.picture.tobytes()).hexdigest()


def paint_all(studio, threads, seeds):
    """[(seed, digest)] of every thread, each with its own order, all through one Service."""
    service, found, start = Service(lambda: studio), [], threading.Barrier(threads)
    service.admission.limits = type(service.admission.limits)(short_waiting=threads, short_seconds=600)

    def work(number):
        start.wait(60)
        for seed in np.random.default_rng(number).permutation(seeds).tolist():
            found.append((seed, digest(next(service.generate(seed, 1)))))

    workers = [threading.Thread(target=work, args=(k,)) for k in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(1200)
    return found


def check(studio, threads, seeds):
    alone = [digest(next(studio.generate(seed))) for seed in range(seeds)]
    assert len(set(alone)) == seeds
    found = paint_all(studio, threads, seeds)
    assert len(found) == threads * seeds
    assert sum(alone[seed] == one for seed, one in found) == threads * seeds


@pytest.mark.parametrize("family", ["mobile", "stylegan2"])
def test_threads_see_the_same_pictures(tmp_path, family):
    check(tiny_studio(tmp_path / family, family), THREADS, SEEDS)


@pytest.mark.slow
def test_a_thousand_pictures_of_the_default_weights():
    check(open_studio("cpu"), THREADS, SEEDS)


@pytest.mark.slow
def test_three_starts_and_a_batch():
    runs = [
        subprocess.run(
            [sys.executable, "-c", PRINT_DIGESTS], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(3)
    ]
    assert len(set(runs)) == 1
    assert len(runs[0].split()) == 3
    studio = open_studio("cpu")
    from ganji import latents

    w = latents.to_w_plus(latents.w_from_seeds(studio.emoji, [0, 1, 2, 3]), studio.emoji.config.num_ws)
    with torch.no_grad():
        together = studio.emoji.synthesis(w)
        alone = torch.cat([studio.emoji.synthesis(one[None]) for one in w])
    steps = (together.clamp(-1, 1) - alone.clamp(-1, 1)).abs().max() * 127.5
    assert float(steps) <= 1  # of 255
