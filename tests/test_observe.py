"""Logs and figures: what is needed is there, what shows somebody is not, whatever one tries to log."""

import contextvars
import io
import json
import logging
import re
import threading
import time
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganji import observe
from ganji.errors import BusyError, NoFaceError
from ganji.observe import Metric, log, prometheus, request, scrub, track

PRIVATE = (
    "/tmp/gradio/3f2a9c/IMG_1234.jpg", "C:\\Users\\alice\\holiday photo.png", "me_and_bob.heic", "203.0.113.7", "203.0.113.7:51234", "2001:db8::1", "::1",
    "fe80::1ff:fe23:4567:890a", "data:image/png;base64,iVBORw0KGgo=", "iVBORw0KGgoAAAANSUhEUgAA" * 9, "https://example.org/?photo=me", "session_hash='k3j4h5g6f7a'",
    '"session_hash": "k3j4h5g6f7a"', "token=hf_abcdefghijklmnop", "hf_abcdefghijklmnop", "Authorization: Bearer123",
)  # fmt: skip


@pytest.fixture
def lines():
    """What is logged meanwhile, as parsed lines; the root logger is put back afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    observe.configure(stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.captureWarnings(False)
    root.handlers[:] = before
    root.setLevel(level)


def test_events_are_lines_of_json(lines):
    with request() as identity:
        log("projection_done", seconds=1.25, steps=40, mode="fast", cached=True)
    (line,) = lines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "info",
        "logger": "ganji",
        "request": identity,
        "event": "projection_done",
        "seconds": 1.25,
        "steps": 40,
        "mode": "fast",
        "cached": True,
    }


def test_unsafe_fields_are_dropped(lines):
    for value in (
        *PRIVATE,
        "Alice",
        "alice smith",
        "k3j4h5g6f7a",
        "a" * 41,
        "",
        "한국어",
        b"bytes",
        ["list"],
        {"a": 1},
        float("nan"),
        float("inf"),
        10**20,
        None,
        object(),
    ):
        log("event", mode=value, anything=value)
    log("event", name="alice", user="bob", file="holiday", session="k3j4h5g6f7a")
    log("event", **{"Bad Name": 1, "x" * 61: 1})
    seen = [{k: v for k, v in line.items() if k not in ("time", "level", "logger", "event")} for line in lines()]
    assert all(set(line) <= {"mode"} for line in seen)
    assert [line for line in seen if line] == [
        {"mode": "k3j4h5g6f7a"}
    ]  # only where code, not a visitor, chooses the word
    log("An event with words of /tmp/me.jpg")
    assert lines()[-1]["event"] == "other"


@pytest.mark.parametrize("private", PRIVATE)
def test_other_peoples_messages_are_scrubbed(lines, private):
    logging.getLogger("gradio").warning("Could not move %s to cache", private)
    try:
        raise FileNotFoundError(2, "No such file or directory", private)
    except FileNotFoundError:
        logging.getLogger("ganji.ui").exception("upload %s failed", private)
    warnings.warn(f"odd photo {private}", UserWarning)
    text = json.dumps(lines(), ensure_ascii=False)
    for part in re.findall(r"[\w.:\-]{6,}", private):
        if part.lower() not in ("session_hash", "authorization:", "gradio"):
            assert part not in text, part
    assert len(lines()) == 3


def test_bugs_are_logged_with_their_place(lines):
    def inner(secret):
        raise RuntimeError("boom")

    try:
        try:
            inner("hunter2")
        except RuntimeError as error:
            raise KeyError("outer") from error
    except KeyError:
        logging.getLogger("ganji").exception("bug")
    (line,) = lines()
    assert line["exception"]["type"] == "KeyError"
    assert line["exception"]["cause"] == "RuntimeError: boom"
    assert any(
        frame.startswith("test_observe.py:") and frame.endswith("test_bugs_are_logged_with_their_place")
        for frame in line["exception"]["frames"]
    )
    assert "hunter2" not in json.dumps(line)
    assert "/" not in json.dumps(line["exception"])


def test_access_logs_are_silent(lines):
    logging.getLogger("uvicorn.access").info('%s - "GET / HTTP/1.1" 200', "203.0.113.7")
    logging.getLogger("httpx").info("HTTP Request: GET https://huggingface.co")
    assert lines() == []


def test_lines_stay_lines(lines):
    logging.getLogger("x").info("one\ntwo\r\n\x00three \u2028 " + "word " * 10_000)
    (line,) = lines()
    assert line["message"].startswith("one two")
    assert len(line["message"]) <= observe.MAX_MESSAGE + 1


@settings(max_examples=200, deadline=None)
@given(st.ip_addresses(), st.text(max_size=20), st.text(max_size=20))
def test_addresses_never_pass(address, before, after):
    assert str(address) not in scrub(f"{before} {address} {after}")


def test_scrubbing_is_quick():
    start = time.thread_time()  # the processor's time: a busy machine changes little
    for text in (
        "a" * 10**6,
        "/" * 10**6,
        "1." * 10**6,
        ":" * 10**6,
        "a/" * 10**6,
        "data:" * 10**6,
        "'" * 10**6,
        "\\x" * 10**6,
        "session=" * 10**5,
        "." * 10**6,
        ("a" * 70 + ".") * 10**4,
        "/a" + "/" * 10**6,
        "'/" * 10**6,
        "f:" * 10**6,
        "a.jpe" * 10**6,
    ):
        scrub(text)
    assert time.thread_time() - start < 1.5


def test_ordinary_words_stay():
    for text in ("Loaded 3 models in 1.2 s", "torch 2.13.0 on cpu", "step 5/40", "429 Too Many Requests"):
        assert scrub(text) == text


# requests


def test_request_ids():
    with request() as a:
        assert re.fullmatch("[0-9a-f]{12}", a)
        for _ in range(2):
            with request() as inner:
                assert inner == a
    with request() as b:
        assert b != a
    with request("given") as c, request() as inner:
        assert c == inner == "given"


def test_threads_have_their_own_requests():
    found = []

    def work():
        with request() as identity:
            time.sleep(0.01)
            with request() as inner:
                found.append((identity, inner))

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({a for a, _ in found}) == 20
    assert all(a == b for a, b in found)


def test_generators_that_wander_between_contexts(lines):
    """Gradio runs each step of a generator in a copy of the context, in another thread."""

    def job():
        with track("project"):
            yield 1
            yield 2

    generator = job()
    for _ in range(2):
        contextvars.copy_context().run(next, generator)
    contextvars.copy_context().run(generator.close)
    (line,) = lines()
    assert line["outcome"] == "left"
    assert re.fullmatch("[0-9a-f]{12}", line["request"])
    with request() as after:
        assert after != line["request"]


# figures


def parse(text):
    """{name{labels}: value} of Prometheus' text form, every line checked."""
    values = {}
    for line in text.splitlines():
        if line.startswith("# "):
            assert re.fullmatch(r"# (HELP [a-z_]+ .+|TYPE [a-z_]+ (counter|gauge|histogram))", line)
            continue
        match = re.fullmatch(
            r'([a-z_]+(?:\{[a-z_]+="[^"\\\n]*"(?:,[a-z_]+="[^"\\\n]*")*\})?) (\+Inf|[0-9.e+\-]+)', line
        )
        assert match, line
        assert match[1] not in values
        values[match[1]] = float(match[2])
    return values


def test_counters_and_gauges():
    counter = Metric("a_total", "counter", "What.", ("kind",))
    counter.add(kind="short")
    counter.add(2.5, kind="short")
    counter.add(kind="long")
    gauge = Metric("b", "gauge", "How much.")
    gauge.set(3)
    gauge.add(-1)
    assert parse("\n".join([*counter.lines(), *gauge.lines()])) == {
        'a_total{kind="short"}': 3.5,
        'a_total{kind="long"}': 1,
        "b": 2,
    }
    for value, text in ((float("nan"), "NaN"), (float("inf"), "+Inf"), (-float("inf"), "-Inf")):
        gauge.set(value)
        assert list(gauge.lines())[-1] == f"b {text}"
    with pytest.raises(ValueError, match="goes up"):
        counter.add(-1, kind="short")
    for labels in ({}, {"other": "x"}, {"kind": "a", "more": "b"}):
        with pytest.raises(ValueError, match="labels"):
            counter.add(**labels)
    for name in ("Bad", "a b", ""):
        with pytest.raises(ValueError, match="name"):
            Metric(name, "counter", "x")


def test_histograms():
    metric = Metric("seconds", "histogram", "How long.", ("action",), buckets=(0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        metric.observe(value, action="x")
    assert parse("\n".join(metric.lines())) == {
        'seconds_bucket{action="x",le="0.1"}': 2, 'seconds_bucket{action="x",le="1"}': 3, 'seconds_bucket{action="x",le="+Inf"}': 4,
        'seconds_sum{action="x"}': pytest.approx(7.65), 'seconds_count{action="x"}': 4,
    }  # fmt: skip


def test_labels_are_bounded_words():
    """Neither hostile label values nor many of them can break or flood the figures."""
    metric = Metric("c_total", "counter", "x", ("kind",))
    for value in ('a"} 1\nevil 2', "/tmp/me.jpg", "Alice", "", "a" * 100):
        metric.add(kind=value)
    for k in range(1000):
        metric.add(kind=f"kind{k}")
    values = parse("\n".join(metric.lines()))
    assert len(values) <= observe.MAX_SERIES + 1
    assert sum(values.values()) == 1005


def test_figures_from_many_threads():
    metric = Metric("d_total", "counter", "x", ("kind",))

    def work():
        for k in range(1000):
            metric.add(kind=f"k{k % 3}")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(parse("\n".join(metric.lines())).values()) == 8000


def test_track(lines):
    def value(outcome):
        return parse(prometheus()).get(f'ganji_requests_total{{action="test_action",outcome="{outcome}"}}', 0)

    times = iter([0.0, 0.3, 0, 0, 0, 0, 0, 0])
    with track("test_action", clock=lambda: next(times)) as identity, request() as inner:
        assert inner == identity
    for error in (NoFaceError("No face."), BusyError("Busy."), ZeroDivisionError()):
        with pytest.raises(type(error)), track("test_action", clock=lambda: next(times)):
            raise error
    assert [value(outcome) for outcome in ("done", "photo.no_face", "busy", "bug", "left")] == [1, 1, 1, 1, 0]
    values = parse(prometheus())
    assert values['ganji_seconds_count{action="test_action"}'] == 4
    assert values['ganji_seconds_sum{action="test_action"}'] == pytest.approx(0.3)
    assert values['ganji_seconds_bucket{action="test_action",le="0.5"}'] == 4
    assert values['ganji_seconds_bucket{action="test_action",le="0.25"}'] == 3
    assert [line["outcome"] for line in lines()] == ["done", "photo.no_face", "busy", "bug"]
    assert len({line["request"] for line in lines()}) == 4


def test_process_figures():
    values = parse(prometheus())
    assert values["ganji_memory_bytes"] > 10e6
    assert values["ganji_threads"] >= 1
    assert values["ganji_open_files"] >= 3
    grown = bytearray(200 << 20)
    grown[::4096] = b"x" * len(grown[::4096])
    assert parse(prometheus())["ganji_memory_bytes"] > values["ganji_memory_bytes"] + 150e6
