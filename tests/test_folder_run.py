"""`emojify --photos`: a folder of good and bad photos, killed, resumed, and misused."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from ganji import cli
from ganji.commands import folder_run
from ganji.errors import InputError, NoFaceError
from ganji.png_recipe import extract
from tests.bad_photos import bad
from tests.tiny_weights import write_tiny_bundle

ROOT = Path(__file__).resolve().parent.parent
GOOD, BAD = 9, 11
BAD_KINDS = ["nothing", "jpeg, first 50%", "png without an end", "png of 169 megapixels", "gif of 20000 frames", "svg", "html",
             "pdf", "noise", "pickle 2"]  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """20 photos: nine of a face, each a little different, eleven that cannot be used; and a file that is none."""
    folder = tmp_path_factory.mktemp("photos")
    face = data.astronaut()[:280, 80:400]
    for k in range(GOOD):
        picture = Image.fromarray(np.ascontiguousarray(face[:, ::-1] if k % 2 else face))
        picture.crop((k, k, picture.width - k, picture.height)).save(
            folder / f"face-{k}.{('jpg', 'png', 'webp')[k % 3]}"
        )
    broken = bad()
    for k, kind in enumerate(BAD_KINDS):
        (folder / f"bad-{k}.jpg").write_bytes(broken[kind][0])
    Image.new("RGB", (200, 200), "teal").save(folder / "bad-wall.png")
    (folder / "notes.txt").write_text("not a photo")
    (folder / ".hidden.jpg").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    return {
        **os.environ,
        "GANJI_MANIFEST": str(write_tiny_bundle(tmp_path_factory.mktemp("weights"))),
        "HF_HUB_OFFLINE": "1",
    }


def command(photos, out, *options):
    return [sys.executable, "-m", "ganji", "emojify", "--photos", str(photos), "--out", str(out), *options]


def run(photos, out, environment, *options):
    return subprocess.run(command(photos, out, *options), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)  # fmt: skip


def lines(out):
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def stamps(out):
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.glob("*.png")}


def kill_after(photos, out, environment, at_least, *options):
    """Start a run and kill it, without a chance to tidy up, when so many lines stand in results.jsonl."""
    process = subprocess.Popen(command(photos, out, *options), cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # fmt: skip
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        path = out / "results.jsonl"
        if path.exists() and path.read_bytes().count(b"\n") >= at_least:
            break
        time.sleep(0.02)
    assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_killed_twice_and_resumed_no_photo_is_done_twice(photos, environment, tmp_path):
    out = tmp_path / "emoji"
    kill_after(photos, out, environment, BAD + 1)
    first, first_stamps = lines(out), stamps(out)
    assert BAD + 1 <= len(first) < GOOD + BAD
    kill_after(photos, out, environment, len(first) + 2, "--jobs", "2")
    second, second_stamps = lines(out), stamps(out)
    assert second[: len(first)] == first
    assert len(second) < GOOD + BAD
    done = run(photos, out, environment)
    assert done.returncode == 1, done.stderr
    assert f"{len(second)} were done before" in done.stdout
    assert "1 other files left alone" in done.stdout
    assert "Traceback" not in done.stderr
    records = lines(out)
    assert records[: len(second)] == second
    names = [record["photo"] for record in records]
    assert len(names) == len(set(names)) == GOOD + BAD
    for name, stamp in {**second_stamps, **first_stamps}.items():
        assert stamps(out)[name] == stamp, f"{name} was made again"
    good = [record for record in records if record["status"] == "done"]
    assert sorted(record["photo"].split("-")[0] for record in good) == ["face"] * GOOD
    assert {path.name for path in out.iterdir()} == {record["out"] for record in good} | {"results.jsonl"}
    for record in good:
        assert extract((out / record["out"]).read_bytes()).kind == "emojified"
    for record in records:
        if record["status"] != "done":
            assert record["code"] in ("photo.unreadable", "photo.no_face")
            assert record["error"].endswith(".")
            assert "/" not in record["error"]
    # nothing is left to do
    again = run(photos, out, environment)
    assert "0 made, 0 failed, 20 were done before (11 of them failed)" in again.stdout
    assert lines(out) == records


@pytest.mark.parametrize("case", ["missing", "empty", "same", "out is a file", "jobs", "style"])
def test_misuse_is_one_sentence(photos, environment, tmp_path, case, monkeypatch, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    folder, out, options, word = {
        "missing": (tmp_path / "nowhere", tmp_path / "out", (), "nowhere is no folder"),
        "empty": (tmp_path / "empty", tmp_path / "out", (), "no photos in empty"),
        "same": (photos, photos, (), "another folder"),
        "out is a file": (photos, tmp_path / "file", (), "cannot be made"),
        "jobs": (photos, tmp_path / "out", ("--jobs", "0"), "whole number from 1"),
        "style": (photos, tmp_path / "out", ("--style", "plaid"), "style"),
    }[case]
    monkeypatch.setenv("GANJI_MANIFEST", environment["GANJI_MANIFEST"])
    assert cli.main(command(folder, out, *options)[3:]) == 1
    said = capsys.readouterr().err
    assert said.startswith("ganji: ")
    assert said.count("\n") == 1
    assert word in said
    assert str(tmp_path) not in said
    assert not (tmp_path / "out").exists()


# the bookkeeping alone


def make_photos(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(name.encode())
    return folder


class Painter:
    """Stands for the model: writes a file, notes the call."""

    def __init__(self, fails=()):
        self.calls, self.fails = [], fails

    def __call__(self, photo, out, stop):
        self.calls.append(photo.name)
        if photo.name in self.fails:
            raise self.fails[photo.name]
        out.write_bytes(b"picture of " + photo.read_bytes())
        return {"verdict": "close"}


def do(folder, out, painter, choices=None, jobs=1):
    return folder_run.run_folder(folder, out, choices or {"style": "default"}, painter, jobs=jobs)


def test_only_new_changed_and_deleted_are_done_again(tmp_path):
    folder, out, painter = make_photos(tmp_path / "in", "a.jpg", "b.jpg", "c.jpg"), tmp_path / "out", Painter()
    do(folder, out, painter)
    (folder / "b.jpg").write_bytes(b"another")
    (out / "c.png").unlink()
    make_photos(folder, "d.jpg")
    painter.calls.clear()
    summary = do(folder, out, painter)
    assert painter.calls == ["b.jpg", "c.jpg", "d.jpg"]
    assert (summary.made, summary.before) == (3, 1)
    assert (out / "b.png").read_bytes() == b"picture of another"
    painter.calls.clear()
    do(folder, out, painter)
    assert painter.calls == []


def test_other_choices_are_done_anew(tmp_path):
    folder, painter = make_photos(tmp_path / "in", "a.jpg"), Painter()
    do(folder, tmp_path / "out", painter)
    do(folder, tmp_path / "out", painter, {"style": "face"})
    assert painter.calls == ["a.jpg", "a.jpg"]


def test_equal_stems_do_not_overwrite_each_other(tmp_path):
    folder, out, painter = make_photos(tmp_path / "in", "a.jpg", "a.png"), tmp_path / "out", Painter()
    do(folder, out, painter)
    assert {path.name for path in out.glob("*.png")} == {"a.jpg.png", "a.png.png"}
    make_photos(folder, "b.jpg")
    do(folder, out, painter)
    make_photos(folder, "b.webp")
    do(folder, out, painter)
    assert (out / "b.png").read_bytes() == b"picture of b.jpg"
    assert (out / "b.webp.png").read_bytes() == b"picture of b.webp"


def test_a_torn_line_and_strange_lines_are_survived(tmp_path):
    folder, out, painter = make_photos(tmp_path / "in", "a.jpg", "b.jpg"), tmp_path / "out", Painter()
    do(folder, out, painter)
    path = out / "results.jsonl"
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"[]\nnull\n\xff\n{}\n" + whole[0] + whole[1][:40])
    painter.calls.clear()
    do(folder, out, painter)
    assert painter.calls == ["b.jpg"]
    assert path.read_bytes().endswith(b"}\n")


def test_bugs_and_bad_photos_stop_nothing_but_a_full_disk_does(tmp_path, caplog):
    folder = make_photos(tmp_path / "in", "a.jpg", "b.jpg", "c.jpg")
    painter = Painter({"a.jpg": ZeroDivisionError("x"), "b.jpg": NoFaceError("No face.")})
    summary = do(folder, tmp_path / "out", painter)
    assert (summary.made, summary.failed) == (1, 2)
    assert [record.get("code") for record in lines(tmp_path / "out")] == ["bug", "photo.no_face", None]
    assert "ZeroDivisionError" in caplog.text
    with pytest.raises(InputError, match="full"):
        do(folder, tmp_path / "other", Painter({"b.jpg": InputError("The disk is full.")}))
    assert [record["photo"] for record in lines(tmp_path / "other")] == ["a.jpg"]


def test_jobs_run_at_one_time_and_every_photo_once(tmp_path):
    folder = make_photos(tmp_path / "in", *(f"{k}.jpg" for k in range(12)))
    lock, running, most = threading.Lock(), 0, 0

    def paint(photo, out, stop):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.03)
        with lock:
            running -= 1
        out.write_bytes(b"")
        return {}

    assert do(folder, tmp_path / "out", paint, jobs=3).made == 12
    assert most == 3
    assert len({record["photo"] for record in lines(tmp_path / "out")}) == 12


def test_two_runs_at_once_are_told_apart(tmp_path):
    folder = make_photos(tmp_path / "in", "a.jpg")
    refused = []

    def paint(photo, out, stop):
        with pytest.raises(InputError, match="Another run"):
            do(folder, tmp_path / "out", Painter())
        refused.append(photo)
        out.write_bytes(b"")
        return {}

    do(folder, tmp_path / "out", paint)
    assert refused


def test_ctrl_c_leaves_photos_at_their_next_step(tmp_path):
    folder = make_photos(tmp_path / "in", "a.jpg", "b.jpg")
    left, other_started = [], threading.Event()

    def paint(photo, out, stop):
        if photo.name == "a.jpg":
            assert other_started.wait(10)
            raise KeyboardInterrupt
        other_started.set()
        assert stop.wait(10)
        left.append(photo.name)
        raise folder_run.Stopped

    with pytest.raises(KeyboardInterrupt):
        do(folder, tmp_path / "out", paint, jobs=2)
    assert left == ["b.jpg"]
    assert lines(tmp_path / "out") == []
