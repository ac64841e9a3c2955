"""Calls that are refused when they come in, small sessions and closed routes, in a Gradio app of a few lines."""

import json
import re
import threading
import time
import urllib.request
from datetime import datetime, timedelta

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from ganji.admission import Admission, Limits
from ganji.errors import BusyError
from ganji.ui import early, server, sessions, surplus


@pytest.fixture
def page(monkeypatch, tmp_path):
    """(address, blocks, the admission that decides, a list of the calls that ran, an event that ends them)."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    admission, ran, over = Admission(Limits(long_running=1, long_waiting=1)), [], threading.Event()

    def search(number: int) -> int:
        ran.append(number)
        over.wait(20)
        return number

    def other(number: int) -> int:
        return number

    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.api(search, api_name="search")
        gr.api(other, api_name="other")
        counted = gr.State(0)
        button = gr.Button()
        button.click(lambda n: (n + 1, str(n + 1)), counted, [counted, button], api_name="count")
        button.click(search, gr.Number(1), button, api_name="ui_search_3")
    blocks.queue(max_size=50, default_concurrency_limit=None)
    early.install(blocks, ("search",), admission.check_room)
    _, url, _ = blocks.launch(prevent_thread_lock=True, quiet=True, inbrowser=False)
    sessions.install(blocks)
    yield url, blocks, admission, ran, over
    over.set()
    blocks.close()


def post(url, name, value):
    """The id of a call."""
    body = json.dumps({"data": [value]}).encode()
    request = urllib.request.Request(f"{url}gradio_api/call/{name}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)["event_id"]


def answer_of(url, name, event):
    """(kind, data) of its last event."""
    with urllib.request.urlopen(f"{url}gradio_api/call/{name}/{event}", timeout=20) as answer:
        kind, data = re.findall(r"event: (\w+)\ndata: (.*)", answer.read().decode())[-1]
    return kind, json.loads(data)


def page_event(url, session, number, values, headers=()):
    """How an event of an open page ends."""
    body = json.dumps({"data": values, "fn_index": number, "session_hash": session}).encode()
    headers = {"Content-Type": "application/json", **dict(headers)}
    urllib.request.urlopen(urllib.request.Request(f"{url}gradio_api/queue/join", body, headers), timeout=20).read()
    with urllib.request.urlopen(f"{url}gradio_api/queue/data?session_hash={session}", timeout=20) as answer:
        return json.loads(re.findall(r'data: (\{"msg":"process_completed".*)', answer.read().decode())[-1])


def test_who_gets_no_place_hears_it_and_nothing_runs(page):
    url, blocks, admission, ran, over = page
    with admission.reserved_place(), admission.reserved_place():
        events = [post(url, "search", k) for k in range(5)]
        for event in events:
            kind, said = answer_of(url, "search", event)
            assert kind == "error"
            assert re.fullmatch(r"Many photos .* try again in about \d+ seconds\. \[busy\]", said["error"])
        assert answer_of(url, "other", post(url, "other", 7)) == ("complete", [7])
    assert ran == []
    assert len(blocks._queue) == 0
    assert not blocks._queue.event_ids_to_events.keys() & set(events)
    over.set()
    assert answer_of(url, "search", post(url, "search", 3)) == ("complete", [3])
    assert ran == [3]


def test_calls_that_gradio_has_not_begun_count(page):
    url, blocks, _, ran, over = page
    blocks._queue.active_jobs = [[]] * len(blocks._queue.active_jobs)  # every thread of Gradio's has work
    events = [post(url, "search", k) for k in range(4)]
    said = [answer_of(url, "search", event) for event in events[2:]]
    assert all(kind == "error" and "[busy]" in data["error"] for kind, data in said)
    over.set()
    blocks._queue.active_jobs = [None] * len(blocks._queue.active_jobs)
    assert [answer_of(url, "search", event) for event in events[:2]] == [("complete", [0]), ("complete", [1])]
    assert sorted(ran) == [0, 1]


def test_the_page_hears_it_in_its_language(page):
    """And as its own event would say it: without the code that programs get."""
    url, _, admission, ran, _ = page
    with admission.reserved_place(), admission.reserved_place():
        for lang, sentence in (("en-US", r"Many photos .* in about \d+ seconds\."), ("ko-KR", "[^a-z]*[가-힣][^a-z]*")):
            said = page_event(url, lang, 3, [1], {"Accept-Language": lang})
            assert said["success"] is False
            assert re.fullmatch(sentence, said["output"]["error"])
    assert ran == []


def test_the_app_names_what_is_refused_early_and_what_makes_files():
    """Names that nothing has would let everybody in; file jobs beside this group would take Gradio's threads from all."""
    app, _ = server.build()
    jobs = {}
    for function in app.blocks.fns.values():
        jobs.setdefault(re.sub(r"^ui_(\w+)_\d+$", r"\1", str(function.api_name)), []).append(function)
    assert {*server.SEARCHES, *server.FILE_JOBS} <= set(jobs)
    for name in server.FILE_JOBS:
        assert {(one.concurrency_id, one.concurrency_limit) for one in jobs[name]} == {("files", 2)}, name
    for name in set(jobs) - set(server.FILE_JOBS):
        assert all(one.concurrency_limit in (None, "default") for one in jobs[name]), name


def test_file_jobs_are_refused_once_many_wait():
    server._check_files(server.FILE_JOBS_WAITING - 1)
    with pytest.raises(BusyError, match=r"^Many files .* try again in 60 seconds\.$"):
        server._check_files(server.FILE_JOBS_WAITING)


def test_room_is_checked_without_taking_it():
    admission = Admission(Limits(long_running=1, long_waiting=1))
    for _ in range(5):
        admission.check_room()
    admission.check_room(ahead=1)
    with pytest.raises(BusyError, match="try again in about"):
        admission.check_room(ahead=2)
    admission.drain(0)
    with pytest.raises(BusyError, match="restarted"):
        admission.check_room()


# sessions


def test_sessions_are_small_and_their_own(page):
    _, blocks, *_ = page
    holder = blocks.app.state_holder
    assert isinstance(holder, sessions.SmallSessions)
    one, two = holder["one"], holder["two"]
    assert holder["one"] is one
    number = next(iter(blocks.default_config.blocks))
    one.blocks_config.blocks[number] = changed = gr.Button("changed", render=False)
    assert one.blocks_config.blocks[number] is changed
    assert two.blocks_config.blocks[number] is blocks.default_config.blocks[number]
    assert holder["three"].blocks_config.blocks[number] is blocks.default_config.blocks[number]
    one.state_data[number] = "mine"
    assert not two.state_data
    one._update_value_in_config(number, "/a/photo.jpg")
    assert "photo" not in repr(one.config_values)
    assert list(one.components) == []


def test_gradio_has_no_other_fields_of_a_session(page):
    """A new container would be shared between visitors: `SmallSessions._fresh` must know it."""
    _, blocks, *_ = page
    known = {"blocks_config", "config_values", "state_data", "_state_ttl", "is_closed", "STATE_TTL_WHEN_CLOSED"}
    assert set(vars(SessionState(blocks))) == known
    config = {"_id", "root_block", "blocks", "fns", "fn_id", "renderables"}
    assert set(vars(blocks.default_config)) == config


def test_state_lives_with_its_session(page):
    url, *_ = page

    def count(session):
        return page_event(url, session, 2, [None])["output"]["data"][1]

    assert [count("a"), count("a"), count("b"), count("a")] == ["1", "2", "1", "3"]


class Clock:
    """A time that the test sets."""

    now = datetime(2026, 1, 1)

    def __call__(self):
        return self.now

    def go(self, **much):
        self.now += timedelta(**much)


@pytest.fixture
def visits(page):
    """(sessions of the page with a clock of ours, the clock)."""
    clock = Clock()
    return sessions.SmallSessions(page[1], clock), clock


def test_who_has_left_is_forgotten(visits):
    """Changed in place, as the page's own state is: nothing ever tells Gradio that it was written."""
    holder, clock = visits
    for name in ("left", "here"):
        holder[name].state_data[1] = f"the code of {name}"
    _ = holder["a program's call"]
    holder["left"].is_closed = True
    clock.go(minutes=9)
    holder.delete_all_expired_state()
    assert "left" in holder
    clock.go(minutes=2)
    holder.delete_all_expired_state()
    assert set(holder.session_data) == set(holder.time_last_used) == {"here"}
    assert holder["left"].state_data == {}
    assert holder["here"].state_data == {1: "the code of here"}


def test_who_comes_back_is_kept(visits):
    """A telephone drops the line; the last news of a search, a second later, is nobody who comes back."""
    holder, clock = visits
    for name in ("back", "left"):
        holder[name].is_closed = True
        holder[name].state_data[1] = "a code"
    clock.go(seconds=1)
    _ = holder["left"]
    clock.go(minutes=5)
    _ = holder["back"]
    clock.go(minutes=20)
    holder.delete_all_expired_state()
    assert set(holder.session_data) == {"back"}
    clock.go(hours=6)
    holder.delete_all_expired_state()
    assert not holder.session_data


def test_a_closed_page_is_forgotten_by_gradio_itself(page, monkeypatch):
    """Its heartbeat ends, it is marked as closed, and Gradio's own clean-up takes its state away."""
    url, blocks, *_ = page
    monkeypatch.setattr(sessions, "LEFT", timedelta(seconds=1))
    holder = blocks.app.state_holder
    state = holder["mine"]
    state.state_data[1] = "a code"
    with urllib.request.urlopen(f"{url}gradio_api/heartbeat/mine", timeout=20) as heart:
        assert heart.readline() == b"data: ALIVE\n"
        time.sleep(2.5)
        assert "mine" in holder
    until = time.monotonic() + 30
    while "mine" in holder and time.monotonic() < until:
        time.sleep(0.1)
    assert state.is_closed
    assert "mine" not in holder


# routes

OPEN = """
/ /app_id /assets/{path} /call/v2/{api_name} /call/v2/{api_name}/{event_id} /call/{api_name} /call/{api_name}/{event_id}
/cancel /component_server /config /custom_component/{id}/{environment}/{type}/{file_name} /favicon.ico /file/{path}
/file={path_or_url} /heartbeat/{session_hash} /info /login /login_check /logout /manifest.json /api/{api_name}
/openapi.json /pwa_icon /pwa_icon/{size} /queue/data /queue/join /queue/status /reset /robots.txt /run/{api_name}
/startup-events /static/{path} /svelte/{path} /theme.css /token /upload /upload_progress /user
"""


def test_a_new_gradio_opens_no_new_doors_unseen(page):
    """Who moves to another Gradio looks at each route that is new: the page needs it, or surplus.py closes it."""
    _, blocks, *_ = page
    paths = [path for path in blocks.app.openapi()["paths"] if not path.startswith(surplus.CLOSED)]
    assert len(paths) > 30
    assert {path.removeprefix("/gradio_api").rstrip("/") or "/" for path in paths} <= set(OPEN.split())
    for closed in surplus.CLOSED[1:]:
        assert any(path.startswith(closed) for path in blocks.app.openapi()["paths"]), (
            f"{closed}: Gradio has none any more"
        )


def test_many_short_calls_do_not_end_the_answer_of_a_long_one(page):
    """Gradio keeps unread messages of so many sessions; those that are at their end make room for new ones."""
    url, blocks, _, _, over = page
    unread = blocks._queue.pending_messages_per_session
    assert isinstance(unread, sessions.UnreadMessages)
    unread.max_size = 10
    event, answers = post(url, "search", 7), []
    reader = threading.Thread(target=lambda: answers.append(answer_of(url, "search", event)))
    reader.start()
    for number in range(25):
        assert answer_of(url, "other", post(url, "other", number)) == ("complete", [number])
    assert len(unread) <= 10
    over.set()
    reader.join(20)
    assert answers == [("complete", [7])]


def test_places_of_sessions_that_nobody_ends_are_bounded(page):
    blocks = page[1]
    unread = sessions.UnreadMessages(blocks._queue, 3)
    blocks._queue.pending_event_ids_session |= {name: {"event"} for name in "abcde"}
    for name in "abcde":
        unread[name] = name
    assert list(unread) == ["c", "d", "e"]
    blocks._queue.pending_event_ids_session.pop("d")
    unread["f"] = "f"
    assert list(unread) == ["c", "e", "f"]
    for name in "abce":
        blocks._queue.pending_event_ids_session.pop(name)
