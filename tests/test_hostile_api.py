"""Hostile photos, files and values sent over HTTP to a real process: one sentence each, no traceback, and the app goes on.

What is refused, and why, is tested piece by piece in test_photos.py and test_validate.py; here it is what a caller sees.
"""

import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from ganji import validate
from tests import bad_photos
from tests.good_photos import jpeg

FILE = {"_type": "gradio.FileData"}
NOT_JSON = {"NaN": "NaN", "infinity": "Infinity", "minus infinity": "-Infinity", "1e400": "1e400"}
ODD = {
    "null": None, "true": True, "text": "7", "empty": "", "path": "/etc/passwd", "address": "http://127.0.0.1:9/",
    "script": "<script>alert(1)</script>", "half": 0.5, "minus": -1, "2^64": 2**64, "1e308": 1e308, "4300 digits": 10**4299,
    "list": [1], "object": {"value": 1}, "nested": [[[[[[[[1]]]]]]]], "long": "a" * 100_000, "surrogate": "\ud800",
    "million": 10**6, "file": {"path": "/etc/passwd", "meta": FILE}, "null byte": "\0",
}  # fmt: skip
TAKEN = {  # of these, the harmless ones: a number where a number is wanted, a text that is a name
    ("truncation_psi", "half"), ("strength", "half"), ("seed", "million"),
}  # fmt: skip
GENERATE = {"seed": 0, "count": 1, "truncation_psi": 0.7}
EMOJIFY = {"seed": 0, "cut": 0, "strength": 1.0, "style": "default"}


def call(url, endpoint, body):
    """(what is said in an error, or None if the call succeeded; seconds)."""
    start = time.monotonic()
    request = urllib.request.Request(f"{url}gradio_api/call/{endpoint}", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            event = json.load(answer)["event_id"]
        with urllib.request.urlopen(f"{url}gradio_api/call/{endpoint}/{event}", timeout=120) as answer:
            text = answer.read().decode()
    except urllib.error.HTTPError as error:
        if error.code not in (400, 413, 422):
            raise
        return json.load(error)["detail"], time.monotonic() - start
    kind, data = re.findall(r"event: (\w+)\ndata: (.*)", text)[-1]
    return (json.loads(data)["error"] if kind == "error" else None), time.monotonic() - start


def upload(url, content, name="me.jpg"):
    """The path under which the app keeps an upload; None if it was refused as too large."""
    limit = uuid.uuid4().hex
    head = f'--{limit}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
    body = head + content + f"\r\n--{limit}--\r\n".encode()
    request = urllib.request.Request(
        f"{url}gradio_api/upload", body, {"Content-Type": f"multipart/form-data; boundary={limit}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)[0]
    except urllib.error.HTTPError as error:
        if error.code != 413:
            raise
        return None
    except OSError as error:  # told so, and cut off while still sending
        if not isinstance(getattr(error, "reason", error), ConnectionError):
            raise
        return None


def photo_body(path, **more):
    return json.dumps({"data": [{"path": path, **more}, "fast", 0, 1.0, "default"]}).encode()


def check_sentence(said, case):
    """That a refusal may be shown: one short sentence with a code, without paths, markup or internals."""
    assert isinstance(said, str), f"{case}: {said!r}"
    sentence, code = re.fullmatch(r"(.*) \[([a-z_.]+)\]", said, re.DOTALL).groups()
    assert 10 < len(sentence) <= validate.MAX_SENTENCE, case
    assert sentence.endswith("."), said
    assert sentence.isprintable(), case
    assert code != "bug", f"{case}: {said}"
    assert not re.search(r"Traceback|Error\b|site-packages|object at|[\\/<>]", sentence), said


def check_log(app):
    """That nothing a caller sent has become a traceback, or got into the log."""
    text = app.log.read_text(errors="replace")
    for word in ("Traceback", '"exception"', "/etc/passwd", "base64", "me.jpg", "alert(1)"):
        assert word not in text, word


def value_cases():
    """(endpoint, parameter, what, JSON text of all parameters)."""
    for endpoint, usual in (("generate", GENERATE), ("emojify", EMOJIFY)):
        for parameter in usual:
            for what, value in ODD.items():
                if (parameter, what) not in TAKEN:
                    yield endpoint, parameter, what, json.dumps([*{**usual, parameter: value}.values()])
            if parameter != "style":
                for what, text in NOT_JSON.items():
                    values = [json.dumps(value) if name != parameter else text for name, value in usual.items()]
                    yield endpoint, parameter, what, f"[{', '.join(values)}]"
    for what, value in ODD.items():
        yield "customize", "strengths", what, json.dumps([0, value])
        yield "customize", "one strength", what, json.dumps([0, [value]])
        yield "stickers", "recipe", what, json.dumps([value, "all", ""])


def test_values_are_refused_with_a_sentence(app):
    taken, cases = [], list(value_cases())
    for endpoint, parameter, what, values in cases:
        said, seconds = call(app.url, endpoint, b'{"data": ' + values.encode() + b"}")
        case = f"{endpoint}: {parameter} = {what}"
        if said is None:
            taken.append(case)
        else:
            check_sentence(said, case)
            assert seconds < 10, case
    assert len(cases) > 180
    assert len(taken) <= 4, taken
    for case in taken:  # numbers from -10 to 10, and none at all
        assert re.fullmatch(r"customize: (one strength = (half|minus)|strengths = (list|null))", case), case
    check_log(app)


@pytest.mark.parametrize("body", [
    b'{"data": [' + b"9" * 5001 + b"]}", b'{"data": null}', b"[1]", b"{", b"", b'{"data": {"seed": 0}}', b"\xff\xfe",
    b'{"data": ' + b"[" * 5000 + b"]" * 5000 + b"}",
])  # fmt: skip
def test_bodies_that_are_no_request(app, body):
    said, seconds = call(app.url, "generate", body)
    assert said
    assert "Traceback" not in json.dumps(said)
    assert seconds < 5


def test_missing_values_are_said(app):
    said, _ = call(app.url, "generate", b'{"data": [0, 1]}')
    check_sentence(said, "too few values")


def test_photos_are_refused_with_a_sentence(app):
    photos = bad_photos.bad()
    assert len(photos) > 100
    for name, (content, _) in photos.items():
        path = upload(app.url, content)
        if path is None:
            assert len(content) > validate.MAX_PHOTO_BYTES, name
            continue
        for meta in ({"meta": FILE}, {}):
            said, seconds = call(app.url, "emojify_photo", photo_body(path, **meta))
            check_sentence(said, name)
            assert said.endswith("[photo.unreadable]"), f"{name}: {said}"
            assert seconds < 10, name
    check_log(app)


def test_bombs_five_at_once(app):
    """All of them, three times, from five threads, while somebody else goes on asking for emoji."""
    said, seconds, over = [], [], threading.Event()

    def send(name):
        path = upload(app.url, bombs[name][0])
        said.append((name, call(app.url, "emojify_photo", photo_body(path, meta=FILE))[0]))

    def ask_on():
        while not over.is_set():
            error, took = call(app.url, "generate", json.dumps({"data": [*GENERATE.values()]}).encode())
            assert error is None
            seconds.append(took)

    bombs, process = bad_photos.bombs(), Path(f"/proc/{app.pid}")
    (process / "clear_refs").write_text("5")  # the peak is counted from here
    before = peak_mb(process)
    with ThreadPoolExecutor(6) as pool:
        control = pool.submit(ask_on)
        sending = [pool.submit(send, name) for name in [*bombs] * 3]
        wait(sending)
        over.set()
    for job in (*sending, control):
        job.result()
    rise = peak_mb(process) - before
    print(
        f"{len(said)} bombs, five at once: +{rise:.0f} MB; {len(seconds)} emoji meanwhile, the slowest in {max(seconds):.2f} s"
    )
    for name, sentence in said:
        check_sentence(sentence, name)
        assert sentence.endswith("[photo.unreadable]"), f"{name}: {sentence}"
    assert rise < 1500
    assert max(seconds) < 10
    check_log(app)


def peak_mb(process):
    """Most memory that a process has had at a time."""
    return int((process / "status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def test_files_that_were_not_uploaded(app, tmp_path):
    """Neither is a photo elsewhere on the server read, nor told from a file that does not exist."""
    elsewhere = tmp_path / "private.jpg"
    elsewhere.write_bytes(jpeg())
    said = set()
    for path in (str(elsewhere), str(tmp_path / "absent.jpg"), "/etc/passwd", "app.py", "../app.py", "/proc/self/environ",
                 "/dev/zero", "/", "", "a\0b.png", "//host/share/a.png", "a" * 5000):  # fmt: skip
        for meta in ({"meta": FILE}, {}):
            answer, seconds = call(app.url, "emojify_photo", photo_body(path, **meta))
            check_sentence(answer, path[:40])
            assert seconds < 2
            said.add((bool(meta), answer))
    assert len({answer for has_meta, answer in said if has_meta}) <= 3
    for value in (None, 5, True, [], [1], "x", {}, {"path": [1]}, {"path": {}}, {"url": "http://127.0.0.1/"}):
        answer, _ = call(app.url, "emojify_photo", json.dumps({"data": [value, "fast", 0, 1.0, "default"]}).encode())
        check_sentence(answer, repr(value))
    check_log(app)


def test_a_file_elsewhere_is_no_different_from_an_absent_one(app, tmp_path):
    elsewhere = tmp_path / "private.jpg"
    elsewhere.write_bytes(jpeg())
    for meta in ({"meta": FILE}, {}):
        there, _ = call(app.url, "emojify_photo", photo_body(str(elsewhere), **meta))
        absent, _ = call(app.url, "emojify_photo", photo_body(str(tmp_path / "absent.jpg"), **meta))
        assert there == absent


def test_nothing_is_fetched(app):
    hits = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        over = threading.Event()

        def listen():
            while not over.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                hits.append(connection.recv(100))
                connection.close()

        thread = threading.Thread(target=listen)
        thread.start()
        port = server.getsockname()[1]
        hosts = ("127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "[::ffff:127.0.0.1]", "user@127.0.0.1")
        addresses = [
            f"{scheme}://{host}:{port}/a.png" for scheme in ("http", "HTTPS", "ftp", "gopher") for host in hosts
        ]
        addresses += [
            f" http://127.0.0.1:{port}/",
            f"http:\\\\127.0.0.1:{port}/",
            "file:///etc/passwd",
            f"//127.0.0.1:{port}/a",
        ]
        for address in addresses:
            for value in (
                {"path": address, "meta": FILE},
                {"path": address},
                {"path": "", "url": address, "meta": FILE},
            ):
                body = json.dumps({"data": [value, "fast", 0, 1.0, "default"]}).encode()
                said, seconds = call(app.url, "emojify_photo", body)
                check_sentence(said, address)
                assert seconds < 2, address
        over.set()
        thread.join()
    assert not hits


def test_an_address_of_our_own_upload_is_the_upload(app):
    path = upload(app.url, bad_photos.bad()["text"][0])
    own = f"https://somewhere.example/gradio_api/file={path}"
    said, _ = call(app.url, "emojify_photo", photo_body(own, meta=FILE))
    assert said.startswith("This file is no photo")  # read, not fetched: the host does not exist
    said, _ = call(app.url, "emojify_photo", photo_body("http://127.0.0.1:9/gradio_api/file=/etc/passwd", meta=FILE))
    check_sentence(said, "own address, foreign path")
    assert "no photo that" not in said


@pytest.mark.parametrize(("path", "body"), [
    ("docs", None), ("redoc", None), ("openapi.json", None), ("monitoring", None), ("monitoring/summary", None), ("metrics", None),
    ("gradio_api/dev/reload", None), ("gradio_api/runs", None), ("gradio_api/run-history/buckets", None),
    ("gradio_api/deep_link?session_hash=a", None), ("gradio_api/proxy=https://a-b.hf.space/", None), ("gradio_api/vibe-code", None),
    ("gradio_api/process_recording", b""), ("gradio_api/vibe-edit", b"{}"), ("gradio_api/run-history/connect", b"{}"),
])  # fmt: skip
def test_doors_that_the_page_does_not_need_are_closed(app, path, body):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(f"{app.url}{path}", body), timeout=20)
    assert caught.value.code in (404, 405)


def test_nothing_is_kept_in_the_browser(app):
    """Gradio's history of runs: all values and results of a visitor, photos included, in the browser's own database."""
    with urllib.request.urlopen(f"{app.url}config", timeout=20) as answer:
        assert json.load(answer)["run_history"] is False


def test_too_large_uploads_are_cut_off(app):
    assert upload(app.url, b"\xff" * (validate.MAX_PHOTO_BYTES + (11 << 20))) is None


def test_the_app_goes_on(app):
    with urllib.request.urlopen(f"{app.url}health", timeout=20) as answer:
        assert json.load(answer)["ready"]
    said, _ = call(app.url, "generate", b'{"data": [7, 1, 0.7]}')
    assert said is None
