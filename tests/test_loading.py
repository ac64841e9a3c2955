"""The background load: what a page can say while its weights are not there."""

import threading
import time

import pytest

from ganji.errors import CheckpointError, DownloadError, WeightsError
from ganji.hub_cache import UnavailableError
from ganji.loading import BackgroundLoad


class Source:
    """A load function that fails as told, then succeeds."""

    def __init__(self, *failures):
        self.failures, self.times = list(failures), []

    def __call__(self):
        self.times.append(time.monotonic())
        if self.failures:
            raise self.failures.pop(0)
        return "the models"


def wait_until(condition, seconds=5.0):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.005)
    assert condition()


def test_success_at_once():
    load = BackgroundLoad(Source())
    assert load.state.phase == "loading"
    assert load.start().wait(5).ready
    assert (load.value, load.state.sentence, load.state.attempts) == ("the models", "", 1)


def test_the_page_is_told_while_loading():
    go = threading.Event()
    load = BackgroundLoad(lambda: go.wait(5) and "the models").start()
    assert (load.state.phase, load.state.ready) == ("loading", False)
    with pytest.raises(WeightsError, match="are being loaded"):
        _ = load.value
    go.set()
    assert load.wait(5).ready


def test_what_goes_on_is_told_while_it_loads_and_not_later(caplog):
    caplog.set_level("INFO")
    told, go = threading.Event(), threading.Event()

    def source():
        load.note("face.safetensors: 1.0 of 3.0 MB (33 %)")
        told.set()
        return go.wait(5) and "the models"

    load = BackgroundLoad(source)
    load.start()
    assert told.wait(5)
    assert (load.state.phase, load.state.detail) == ("loading", "face.safetensors: 1.0 of 3.0 MB (33 %)")
    assert "face.safetensors: 1.0 of 3.0 MB (33 %)" in caplog.text
    go.set()
    assert load.wait(5).detail == ""
    load.note("too late")
    assert load.state.detail == ""


def test_failed_downloads_are_tried_again_with_growing_waits():
    source = Source(*[DownloadError("The Hub is gone.")] * 4)
    load = BackgroundLoad(source, first_wait=0.02, longest_wait=0.08).start()
    assert load.wait(5).ready
    waits = [b - a for a, b in zip(source.times, source.times[1:])]
    assert len(waits) == 4
    for wait, least in zip(waits, (0.02, 0.04, 0.08, 0.08)):
        assert least <= wait < least + 0.5


def test_the_sentence_says_that_it_goes_on():
    load = BackgroundLoad(Source(DownloadError("The Hub is gone.")), first_wait=2).start()
    wait_until(lambda: load.state.phase == "waiting")
    assert load.state.sentence == "Weights unavailable, retrying: The Hub is gone."
    assert load.state.detail == "The Hub is gone."
    with pytest.raises(WeightsError, match="Weights unavailable, retrying"):
        _ = load.value
    assert load.wait(10).ready
    assert load.state.attempts == 2


def test_the_servers_wish_is_kept():
    source = Source(UnavailableError("Too many requests.", retry_after=0.3))
    assert BackgroundLoad(source, first_wait=0.01).start().wait(5).ready
    assert source.times[1] - source.times[0] >= 0.3


@pytest.mark.parametrize("error", [CheckpointError("Not a generator."), ZeroDivisionError("secret /root/path")])
def test_other_errors_are_final(error, caplog):
    source = Source(error)
    state = BackgroundLoad(source, first_wait=0.01).start().wait(5)
    assert state.phase == "failed"
    assert len(source.times) == 1
    assert "/root" not in state.sentence
    if isinstance(error, ZeroDivisionError):
        assert "the log has the details" in state.sentence
        assert "ZeroDivisionError" in caplog.text
    else:
        assert state.sentence == "Not a generator."
