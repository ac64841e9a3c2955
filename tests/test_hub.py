"""Downloads through the real client of the Hub, against a loopback stand-in that fails in every way it can."""

import errno
import hashlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ganji import hub
from ganji.checksums import sha256_file
from ganji.errors import ChecksumError, DownloadError, GanjiError
from ganji.hub_cache import UnavailableError, alone
from ganji.hub_watch import Patience, Watch, _wait_asked
from ganji.manifest import WeightSpec
from tests.fake_hub import FakeHub, Repo

REPO, FILE = "me/ganji-weights", "models/face.safetensors"
BYTES = bytes(range(251)) * 400  # 100 kB
HASTY = Patience(total=4, read=0.4, stall=0.5, slowest=4000, tries=3, first_wait=0.01, longest_wait=0.02, log_every=0.1)
ROOT = Path(__file__).resolve().parent.parent


def spec_of(repo, name=FILE, body=BYTES):
    digest = hashlib.sha256(body).hexdigest()
    return WeightSpec("face", "generator", "Face", REPO, repo.sha, name, len(body), digest, "safetensors", None, "MIT",
                      "test", None)  # fmt: skip


@pytest.fixture
def online(monkeypatch, tmp_path):
    """The client, allowed to reach loopback, with nothing of this computer's own settings."""
    from huggingface_hub import constants

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    (tmp_path / "harnesses.json").write_text('{"standardEnvVars": [], "harnesses": {}}')  # else it asks the real Hub
    monkeypatch.setattr(constants, "AGENT_HARNESSES_PATH", str(tmp_path / "harnesses.json"))


@pytest.fixture
def server(online):
    with FakeHub({REPO: {FILE: BYTES}}) as running:
        yield running


@pytest.fixture
def fetch(server, tmp_path):
    """fetch(spec=..., **changes) from the stand-in into an empty cache."""

    def call(spec=None, patience=HASTY, **kwargs):
        spec = spec or spec_of(server.repos[REPO])
        return hub.fetch(spec, cache_dir=tmp_path / "cache", endpoint=server.url, patience=patience, **kwargs)

    return call


def blobs(tmp_path):
    return [p for p in (tmp_path / "cache").rglob("blobs/*") if p.is_file()]


def assert_sentence(error, *hidden):
    text = str(error)
    assert len(text) <= 200
    assert text.endswith((".", "…"))
    assert "\n" not in text
    for secret in ("/tmp", "/root", "hf_", "127.0.0.1", "http://", "Traceback", *hidden):
        assert secret not in text


def test_cold_then_warm(fetch, server, tmp_path):
    path = fetch()
    assert path.read_bytes() == BYTES
    assert [r[0] for r in server.requests()] == ["HEAD", "GET"]
    assert fetch() == path
    assert len(server.requests()) == 2  # a warm cache makes no request


def test_warm_cache_without_any_network(fetch, server, tmp_path):
    path, spec = fetch(), spec_of(server.repos[REPO])
    server.__exit__()
    start = time.monotonic()
    assert fetch(spec) == path
    assert time.monotonic() - start < 0.5


def test_files_behind_a_redirect_to_another_host(fetch, server, caplog):
    caplog.set_level(logging.INFO)
    server.fault(FILE, redirect="cdn", method="HEAD", times=-1)
    server.fault(f"cdn:{FILE}", cut_at=5000)  # the client logs the address of what it lost
    assert fetch().read_bytes() == BYTES
    assert any(r[1].startswith("/cdn/") for r in server.requests("GET"))
    assert "hushhush" not in caplog.text


# fault -> class of the error, part of its sentence. All times: the fault stays.
LASTING = {
    "no such file": ({"status": 404, "error_code": "EntryNotFound"}, DownloadError, "has no file face.safetensors"),
    "no such commit": ({"status": 404, "error_code": "RevisionNotFound"}, DownloadError, "the manifest's revision is wr"),
    "no such repository": ({"status": 404, "error_code": "RepoNotFound"}, DownloadError, "has no repository me/ganji-we"),
    "bare 404": ({"status": 404}, DownloadError, "has no file"),
    "gated": ({"status": 403, "error_code": "GatedRepo"}, DownloadError, "is gated: accept its terms.*HF_TOKEN"),
    "unauthorised": ({"status": 401}, DownloadError, "may be read only with a token; set HF_TOKEN"),
    "forbidden": ({"status": 403}, DownloadError, "forbids to read"),
    "rate limited": ({"status": 429, "retry_after": "0"}, UnavailableError, r"limits our requests for 0 s \(429\)"),
    "rate limited for an hour": ({"status": 429, "retry_after": "3600"}, UnavailableError, "requests for 3600 s"),
    "rate limited on GET": ({"status": 429, "method": "GET", "retry_after": "3600"}, UnavailableError, "for 3600 s"),
    "500 on HEAD": ({"status": 500}, UnavailableError, r"out of order \(error 500\)"),
    "503 on GET": ({"status": 503, "method": "GET"}, UnavailableError, r"out of order \(error 503\)"),
    "418": ({"status": 418}, DownloadError, "answered with error 418"),
    "reset on HEAD": ({"reset": True}, UnavailableError, "connection to the Hub was lost"),
    "reset on GET": ({"reset": True, "method": "GET"}, UnavailableError, "cannot be reached"),
    "cut": ({"cut_at": 50_000, "method": "GET"}, UnavailableError, "lost the connection"),
    "short": ({"body": BYTES[:60_000], "method": "GET"}, UnavailableError, "cut short"),
    "short, without a size": (
        {"body": BYTES[:60_000], "drop": ("content-length", "x-linked-size")}, ChecksumError, "cut short: 60000 bytes"
    ),
    "tampered": ({"corrupt": True, "method": "GET"}, ChecksumError, "has sha256 .*; the manifest says"),
    "stalled": ({"stall_at": 30_000, "method": "GET"}, UnavailableError, "lost the connection|stalled"),
    "a trickle": ({"chunk": 50, "delay": 0.05, "method": "GET"}, UnavailableError, "stalled"),
    "a web page": ({"body": b"<!DOCTYPE html><p>Log in", "method": "GET"}, UnavailableError, "A web page came in place"),
    "a web page for all": (
        {"body": b"<html>", "content_type": "text/html", "drop": ("x-repo-commit", "etag", "x-linked-etag")},
        UnavailableError, "A web page came in place",
    ),
    "a web page of the right size": (
        {"body": (b"<html>" + BYTES)[: len(BYTES)], "method": "GET"}, ChecksumError, "is an HTML page"
    ),
    "a pointer": (
        {"body": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "drop": ("content-length", "x-linked-size")},
        ChecksumError, "Git-LFS pointer of 56 bytes",
    ),
    "no ETag": ({"drop": ("etag", "x-linked-etag")}, DownloadError, "did not come from a Hub"),
    "no commit": ({"drop": ("x-repo-commit",)}, DownloadError, "did not come from a Hub"),
    "redirect loop": ({"redirect": "loop"}, DownloadError, "round in circles"),
    "endless by its header": (
        {"headers": {"Content-Length": str(10**15), "X-Linked-Size": str(10**15)}}, (ChecksumError, DownloadError),
        "larger than the manifest says",
    ),
    "endless by its redirect": (
        {"redirect": "cdn", "headers": {"X-Linked-Size": str(10**15)}}, ChecksumError, "larger than the manifest says"
    ),
    "endless in fact": (
        {"body": BYTES * 10, "drop": ("content-length", "x-linked-size")}, ChecksumError, "larger than the manifest says"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LASTING)
def test_lasting_fault_is_one_sentence(name, fetch, server, tmp_path):
    fault, kind, sentence = LASTING[name]
    server.fault(FILE, times=-1, **fault)
    start = time.monotonic()
    with pytest.raises(kind, match=sentence) as caught:
        fetch(patience=replace(HASTY, tries=2))
    assert time.monotonic() - start < 9
    assert_sentence(caught.value)
    assert blobs(tmp_path) == []  # nothing wrong, and nothing half, stays
    assert len(server.requests()) <= (20 if name == "redirect loop" else 3 * HASTY.tries)


PASSING = {
    "500 on HEAD": ({"status": 500}, 1),
    "503 on GET": ({"status": 503, "method": "GET"}, 2),
    "429 with a wait": ({"status": 429, "retry_after": "0"}, 2),
    "reset": ({"reset": True}, 1),
    "cut": ({"cut_at": 70_000, "method": "GET"}, 1),
    "short": ({"body": BYTES[:5], "method": "GET"}, 1),
    "tampered": ({"corrupt": True, "method": "GET"}, 1),
    "a web page": ({"body": b"<html>hello", "method": "GET"}, 1),
    "stalled": ({"stall_at": 10, "method": "GET"}, 1),
}


@pytest.mark.parametrize("name", PASSING)
def test_passing_fault_is_survived(name, fetch, server, tmp_path):
    fault, times = PASSING[name]
    server.fault(FILE, times=times, **fault)
    lines = []
    assert fetch(log=lines.append).read_bytes() == BYTES
    assert [p.name for p in blobs(tmp_path)] == [hashlib.sha256(BYTES).hexdigest()]
    assert any("gain" in line for line in lines)  # "Trying again", "downloading again"
    for line in lines:
        assert_sentence(line if line.endswith(".") else f"{line}.")


def test_the_native_downloader_is_not_used(fetch, server):
    """Its stalls and refusals could not be seen; a real Hub offers it for every large file."""
    server.fault(FILE, headers={"X-Xet-Hash": "0" * 64, "X-Xet-Refresh-Route": "/api/xet"}, times=-1)
    assert fetch().read_bytes() == BYTES
    assert [r[0] for r in server.requests()] == ["HEAD", "GET"]


def test_a_wait_that_is_asked_for_is_kept(fetch, server):
    server.fault(FILE, status=429, retry_after="1")
    start = time.monotonic()
    fetch()
    assert 1 <= time.monotonic() - start < 3


def test_waits_are_read_from_every_header():
    assert _wait_asked({"Retry-After": "7"}) == 7
    assert _wait_asked({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    later = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 30))
    assert 28 <= _wait_asked({"Retry-After": later}) <= 30
    assert _wait_asked({"Retry-After": "soon"}) is None
    assert _wait_asked({"ratelimit": '"api";r=0;t=55'}) == 55
    assert _wait_asked({"ratelimit": '"api";r=3;t=55'}) is None


def test_nobody_listens(online, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        spec = spec_of(Repo({FILE: BYTES}))
        with pytest.raises(UnavailableError, match="cannot be reached") as caught:
            hub.fetch(spec, cache_dir=tmp_path / "cache", endpoint=endpoint, patience=HASTY)
    assert_sentence(caught.value)


def test_repositories_that_need_a_token(fetch, server, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    server.repos[REPO].gated = True
    with pytest.raises(DownloadError, match="is gated"):
        fetch()
    server.repos[REPO].gated, server.repos[REPO].private = False, True
    with pytest.raises(DownloadError, match="private: then set HF_TOKEN"):
        fetch()
    monkeypatch.setenv("HF_TOKEN", "hf_expired")
    server.fault(FILE, status=401, message="Invalid credentials in Authorization header")
    with pytest.raises(DownloadError, match="did not accept the token for me/ganji-weights") as caught:
        fetch()
    assert_sentence(caught.value)
    monkeypatch.setenv("HF_TOKEN", server.token)
    assert fetch().read_bytes() == BYTES
    assert server.token not in caplog.text
    assert "hf_expired" not in caplog.text


def test_offline_by_choice(fetch, server, monkeypatch):
    from huggingface_hub import constants

    path = fetch()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch() == path
    shutil.rmtree(path.parent)
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE forbids") as caught:
        fetch()
    assert_sentence(caught.value)


def test_a_blob_damaged_on_disk_is_replaced_and_nothing_else(fetch, server, tmp_path):
    server.repos[REPO].files["other.bin"] = b"other"
    other = fetch(spec_of(server.repos[REPO], "other.bin", b"other"))
    path = fetch()
    os.truncate(path, 1000)
    assert fetch().read_bytes() == BYTES
    assert other.read_bytes() == b"other"
    assert len(server.requests("GET")) == 3


def test_a_blob_damaged_on_disk_without_a_network(fetch, server):
    path, spec = fetch(), spec_of(server.repos[REPO])
    os.truncate(path, 1000)
    server.__exit__()
    with pytest.raises(UnavailableError):
        fetch(spec)
    assert not path.exists()  # wrong bytes are never used


def test_range_is_resumed_and_its_refusal_survived(fetch, server):
    body = BYTES * 250  # 25 MB: the client keeps what it has in pieces of 10 MiB
    server.repos[REPO].files["big.bin"] = body
    spec = spec_of(server.repos[REPO], "big.bin", body)
    server.fault("big.bin", cut_at=15_000_000, method="GET")
    patience = replace(HASTY, read=5, stall=5)  # the client itself waits a second before it goes on
    assert sha256_file(fetch(spec, patience)) == spec.sha256
    assert [r[2] for r in server.requests("GET")] == ["", "bytes=10485760-"]
    shutil.rmtree(fetch(spec).parents[3])
    server.fault("big.bin", cut_at=15_000_000, method="GET")
    server.fault("big.bin", no_range=True, method="GET")
    assert sha256_file(fetch(spec, patience)) == spec.sha256


def test_progress_is_told(fetch, server):
    server.fault(FILE, chunk=20_000, delay=0.2, method="GET")
    lines = []
    fetch(log=lines.append)
    assert len(lines) >= 5
    assert all(line.startswith("face.safetensors: 0.") and line.endswith("%)") for line in lines)


def test_beginning_and_end_of_a_download_are_told(fetch):
    lines = []
    fetch(log=lines.append, patience=replace(HASTY, log_every=60))
    assert lines == ["face.safetensors: 0.0 of 0.1 MB (0 %)", "face.safetensors: 0.1 of 0.1 MB (100 %)"]


def test_a_slow_download_that_goes_on_is_not_given_up(fetch, server):
    server.fault(FILE, chunk=10_000, delay=0.15, method="GET")
    patience = replace(HASTY, total=0.6, stall=0.4)
    start = time.monotonic()
    assert fetch(patience=patience).read_bytes() == BYTES
    assert time.monotonic() - start > 2 * patience.total


def test_total_patience_ends_retries():
    now = [0.0]
    watch = Watch(100, Patience(total=120), clock=lambda: now[0])
    now[0] = 100.0
    assert watch.time_left == 20
    watch.news(50, b"x")
    assert watch.time_left == 120
    now[0] = 200.0
    watch.news(40, b"x")  # bytes that another try already had are no news
    assert watch.time_left == 20


def test_defaults_keep_the_promised_bounds():
    patience = Patience()
    waits = [min(patience.first_wait * 2**k, patience.longest_wait) for k in range(patience.tries - 1)]
    assert patience.tries <= 5
    assert sum(waits) <= patience.total == 120
    assert patience.log_every <= 10
    assert patience.stall + patience.read <= 60


@pytest.mark.filterwarnings("ignore:Not enough free disk space")
def test_full_disk_is_one_sentence_and_leaves_nothing(fetch, server, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", cache], check=False, capture_output=True
    ).returncode:
        pytest.skip("mounting a small disk needs more rights")
    try:
        for part in (0.1, 0.5, 0.9):
            filler = cache / "filler"
            filler.write_bytes(b"x" * (shutil.disk_usage(cache).free - int(len(BYTES) * part)))
            with pytest.raises(
                DownloadError, match=r"The disk is full: face.safetensors needs 100400 bytes, \d+ are"
            ) as caught:
                fetch()
            assert_sentence(caught.value)
            assert blobs(tmp_path) == []
            filler.unlink()
        assert fetch().read_bytes() == BYTES
    finally:
        subprocess.run(["umount", cache], check=True)


def test_a_cache_that_cannot_be_written(fetch, server, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(DownloadError, match="cache folder cannot be written") as caught:
        fetch()
    assert_sentence(caught.value)
    refused = hub._judge(PermissionError(errno.EACCES, "no"), spec_of(server.repos[REPO]), Watch(1, HASTY), tmp_path)[0]
    assert "cannot be written" in str(refused)


def test_a_read_only_cache_that_is_complete_works(fetch, server, tmp_path):
    path = fetch()
    for folder in [tmp_path / "cache", *(p for p in (tmp_path / "cache").rglob("*") if p.is_dir())]:
        folder.chmod(0o555)
    assert fetch() == path


def test_files_of_other_folders_are_never_deleted(fetch, server, tmp_path):
    """A cache entry that is a link to somewhere else: the link may go, what it shows stays."""
    mine = tmp_path / "mine.bin"
    mine.write_bytes(b"my own file")
    path = fetch()
    path.unlink()
    path.symlink_to(mine)
    assert fetch().read_bytes() == BYTES
    assert mine.read_bytes() == b"my own file"


def test_errors_that_are_no_fault_of_the_hub_are_not_hidden(fetch, monkeypatch):
    def broken(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr("huggingface_hub.hf_hub_download", broken)
    with pytest.raises(ZeroDivisionError):
        fetch()


def test_a_file_that_is_nowhere(tmp_path):
    spec = replace(spec_of(Repo({})), repo_id=None, revision=None)
    with pytest.raises(GanjiError, match="is not on the Hub"):
        hub.fetch(spec, cache_dir=tmp_path)


# --- several processes -------------------------------------------------------------------------------------------------

CHILD = """
import json, sys
from pathlib import Path
from ganji import hub
from ganji.manifest import WeightSpec
spec = WeightSpec(**json.loads(sys.argv[1]))
path = hub.fetch(spec, cache_dir=Path(sys.argv[2]), endpoint=sys.argv[3])
print(path)
"""


def start_child(server, tmp_path, spec):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    environment |= {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, "-c", CHILD, json.dumps(spec.__dict__), str(tmp_path / "cache"), server.url]
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_four_processes_and_one_download(server, tmp_path):
    server.fault(FILE, chunk=20_000, delay=0.2, method="GET", times=-1)
    spec = spec_of(server.repos[REPO])
    children = [start_child(server, tmp_path, spec) for _ in range(4)]
    paths = set()
    for child in children:
        out, error = child.communicate(timeout=60)
        assert child.returncode == 0, error
        paths.add(out.strip())
    assert len(paths) == 1
    assert Path(paths.pop()).read_bytes() == BYTES
    assert len(server.requests("GET")) == 1


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_downloads_leave_nothing_behind(kills, fetch, server, tmp_path):
    server.fault(FILE, chunk=1000, delay=0.3, method="GET", times=kills)
    spec = spec_of(server.repos[REPO])
    for _ in range(kills):
        before = len(server.requests("GET"))
        child = start_child(server, tmp_path, spec)
        until = time.monotonic() + 30
        while len(server.requests("GET")) == before and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert any(p.name.endswith(".incomplete") for p in blobs(tmp_path))
    assert len(blobs(tmp_path)) == 1  # each start removed what the one before had left
    assert fetch(spec).read_bytes() == BYTES
    assert [p.name for p in blobs(tmp_path)] == [spec.sha256]


def test_a_download_that_runs_is_no_leftover(fetch, server, tmp_path):
    server.repos[REPO].files["other.bin"] = b"other"
    face, other = spec_of(server.repos[REPO]), spec_of(server.repos[REPO], "other.bin", b"other")
    server.fault(FILE, chunk=10_000, delay=0.1, method="GET")
    results = []
    thread = threading.Thread(target=lambda: results.append(fetch(face)))
    thread.start()
    while not any(p.name.endswith(".incomplete") for p in blobs(tmp_path)):
        time.sleep(0.01)
    fetch(other)  # cleans up in the same repository while the first one is being written
    thread.join()
    assert results[0].read_bytes() == BYTES
    assert len(server.requests("GET")) == 2


def test_waiting_for_another_process_ends(fetch, server, tmp_path):
    spec, lines = spec_of(server.repos[REPO]), []
    with (
        alone(spec, tmp_path / "cache", 5, print, 1),
        pytest.raises(UnavailableError, match="Another process is still downloading"),
    ):
        fetch(spec, patience=replace(HASTY, total=0.3), log=lines.append)
    assert lines
    assert fetch(spec).read_bytes() == BYTES


def test_importing_the_package_does_not_import_the_client():
    code = "import sys, ganji, ganji.hub, ganji.loading, ganji.manifest; print('huggingface_hub' in sys.modules, 'httpx2' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False"]
