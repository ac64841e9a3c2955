"""ZeroGPU, with a stand-in for its decorator that does what the real one does: fork, pickle, send back."""

import inspect
import multiprocessing
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from ganji.studio import open_studio
from ganji.ui import zero_gpu
from tests.app_process import ROOT
from tests.tiny_weights import write_tiny_bundle

FORK = multiprocessing.get_context("fork")
calls = []


def gpu(duration):
    """spaces.GPU as far as it matters: the function runs in a forked process, arguments and results are pickled."""

    def decorate(function):
        def lend(*args, **kwargs):
            calls.append((duration(*args, **kwargs) if callable(duration) else duration, os.getpid()))
            sent, answers = pickle.dumps((args, kwargs)), FORK.SimpleQueue()

            def work():
                try:
                    given, named = pickle.loads(sent)
                    result = function(*given, **named)
                    for item in result if inspect.isgeneratorfunction(function) else [result]:
                        answers.put(pickle.dumps((os.getpid(), item)))
                finally:
                    answers.put(None)

            process = FORK.Process(target=work)
            process.start()
            while (answer := answers.get()) is not None:
                pid, item = pickle.loads(answer)
                assert pid != os.getpid()
                yield item
            process.join(30)

        return lend if inspect.isgeneratorfunction(function) else lambda *a, **k: next(iter(list(lend(*a, **k))))

    return decorate


@pytest.fixture
def studios(tmp_path, monkeypatch):
    monkeypatch.setenv("GANJI_MANIFEST", str(write_tiny_bundle(tmp_path)))
    torch.set_num_threads(1)
    calls.clear()
    return open_studio("cpu"), zero_gpu.lend(open_studio("cpu"), gpu)


def test_what_is_lent_out_gives_the_same(studios):
    plain, lent = studios
    recipe = plain.emojified(seed=3)
    assert np.array_equal(np.asarray(plain.render(recipe).picture), np.asarray(lent.render(recipe).picture))
    assert [p.recipe for p in plain.generate(1, 2)] == [p.recipe for p in lent.generate(1, 2)]
    aligned = Image.fromarray(np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8))
    ends = []
    for studio in studios:
        *_, step = studio.project(aligned, "fast")
        ends.append(studio.finish(aligned, step, "fast"))
        assert studio.preview(step).size == (256, 256)
    assert ends[0].steps == ends[1].steps
    assert abs(ends[0].distance - ends[1].distance) < 1e-4
    assert [seconds for seconds, _ in calls] == [10, 10, 10, 30, 10]


def test_elsewhere_nothing_is_imported_or_changed():
    script = "import sys; from ganji.ui import zero_gpu; zero_gpu.prepare(); print('torch' in sys.modules, 'spaces' in sys.modules)"
    environment = {k: v for k, v in os.environ.items() if k != "SPACES_ZERO_GPU"}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"], done.stderr
