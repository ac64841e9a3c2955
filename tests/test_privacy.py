"""Photos on disk and in memory: gone in time, at every ending of the process, and nothing of anybody else's is touched."""

import contextlib
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

from ganji import privacy
from ganji.png_recipe import embed, is_emoji_file
from ganji.privacy import MARKER, TempFolder, TransientCache
from ganji.recipe import Recipe

ROOT = Path(__file__).parent.parent
PHOTO = b"PHOTO" * 100


class Clock:
    """Time that passes when told to; starts now, since files are stamped by the system."""

    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return time.time() + self.ahead


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folder(tmp_path, clock):
    return TempFolder(tmp_path / "base", clock=clock)


def put(folder, name, data=PHOTO):
    path = folder.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def files(path):
    return sorted(str(p.relative_to(path)) for p in Path(path).rglob("*") if p.is_file() or p.is_symlink())


def test_the_folder_is_ours_alone(folder):
    assert (folder.base / MARKER).read_text() == privacy.MARKER_TEXT
    assert folder.base.stat().st_mode & 0o077 == 0
    assert folder.path.stat().st_mode & 0o077 == 0
    assert folder.path.parent == folder.base


def test_files_go_after_ten_minutes(folder, clock):
    put(folder, "hash/me.jpg")
    put(folder, "deep/er/crop.png")
    assert folder.sweep() == 0
    clock.ahead = 500
    young = put(folder, "hash/other.jpg")
    os.utime(young, (time.time() + 400,) * 2)  # as if used later
    assert folder.sweep() == 0
    clock.ahead = 600 - privacy.SWEEP_EVERY + 1
    assert folder.sweep() == 2
    assert files(folder.path) == [MARKER, "hash/other.jpg"]
    assert privacy.MAX_AGE + privacy.SWEEP_EVERY <= 600
    clock.ahead = 2000
    folder.sweep()
    assert os.listdir(folder.path) == [MARKER]


def test_old_files_copied_in_are_young(folder):
    """Gradio copies with the time stamps of the source."""
    path = put(folder, "example.png")
    os.utime(path, (0, 0))
    assert folder.sweep() == 0


def test_young_empty_folders_stay(folder, clock):
    """Gradio makes a folder and then writes into it."""
    (folder.path / "hash").mkdir()
    folder.sweep()
    assert (folder.path / "hash").is_dir()
    clock.ahead = 1000
    folder.sweep()
    assert not (folder.path / "hash").exists()


def test_what_the_page_shows_is_kept(folder, clock):
    put(folder, "examples/astronaut.png")
    folder.keep_present()
    put(folder, "hash/me.jpg")
    clock.ahead = 1e6
    folder.sweep()
    assert files(folder.path) == [MARKER, "examples/astronaut.png"]
    folder.wipe()
    assert files(folder.base) == [MARKER, folder.path.name]
    assert folder.path.read_bytes() == b""


def test_emoji_stay_for_hours_and_photos_do_not(tmp_path, clock):
    folder = TempFolder(tmp_path / "base", clock=clock, spare=is_emoji_file)
    picture = Image.new("RGB", (32, 32), "yellow")
    put(folder, "a/emoji.png", embed(picture, Recipe("emoji", seed=7)))
    put(folder, "b/face.png", embed(picture, Recipe("face", photo="0" * 16)))
    put(folder, "c/photo.png")
    put(folder, "d/own-emoji.png", embed(picture, Recipe("emojified", photo="0" * 16)))
    put(folder, "e/half-own-face.png", embed(picture, Recipe("emojified", photo="0" * 16, num_face_layers=4)))
    put(folder, "f/half-nobody.png", embed(picture, Recipe("emojified", seed=7, num_face_layers=4)))
    clock.ahead = 700
    folder.sweep()
    assert files(folder.path) == [MARKER, "a/emoji.png", "d/own-emoji.png", "f/half-nobody.png"]
    clock.ahead = privacy.SPARED_AGE + 1
    folder.sweep()
    assert files(folder.path) == [MARKER]


def test_what_is_spared_is_looked_at_once(tmp_path, clock):
    """A busy page has thousands of emoji; reading them all at every sweep made photos wait for theirs."""
    looked_at = []
    folder = TempFolder(tmp_path / "base", clock=clock, spare=lambda path: not looked_at.append(path.name))
    for name in ("a/one.png", "b/two.png"):
        put(folder, name)
    for seconds in (600, 700, 800):
        clock.ahead = seconds
        folder.sweep()
    assert sorted(looked_at) == ["one.png", "two.png"]
    clock.ahead = privacy.SPARED_AGE + 1
    folder.sweep()
    assert files(folder.path) == [MARKER]


def test_disk_use_is_bounded(folder, clock, monkeypatch):
    """The oldest go first, whatever they are."""
    monkeypatch.setattr(privacy, "MAX_BYTES", 2500)
    for k in range(5):
        path = put(folder, f"{k}.jpg", bytes(1000))
        os.utime(path, (time.time() + 10 * k,) * 2)
    clock.ahead = 100
    assert folder.sweep() == 3
    assert files(folder.path) == [MARKER, "3.jpg", "4.jpg"]


def test_links_are_not_followed(folder, clock, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.txt").write_text("keep")
    (folder.path / "link").symlink_to(outside)
    (folder.path / "file link").symlink_to(outside / "mine.txt")
    clock.ahead = 1e6
    folder.sweep()
    folder.wipe()
    assert (outside / "mine.txt").read_text() == "keep"
    assert not folder.path.is_dir()


def test_only_marked_folders_are_used_and_wiped(tmp_path):
    other = tmp_path / "documents"
    other.mkdir()
    (other / "thesis.txt").write_text("keep")
    with pytest.raises(ValueError, match="not ours") as caught:
        TempFolder(other)
    assert str(tmp_path) not in str(caught.value)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="link"):
        TempFolder(tmp_path / "link")
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(OSError, match="exists"):
        TempFolder(file)
    assert (other / "thesis.txt").read_text() == "keep"
    assert os.listdir(other) == ["thesis.txt"]


def test_without_its_marker_nothing_is_wiped(folder):
    path = put(folder, "me.jpg")
    (folder.base / MARKER).unlink()
    folder.wipe()
    assert path.exists()
    (folder.base / MARKER).write_text("something else")
    folder.wipe()
    assert path.exists()


def test_foreign_things_in_our_folder_stay(folder):
    (folder.base / "notes.txt").write_text("keep")
    (folder.base / "run.d").mkdir()
    again = TempFolder(folder.base)
    again.wipe()
    assert {"notes.txt", "run.d", MARKER} <= set(os.listdir(folder.base))


def test_an_unwritable_photo_goes_too(folder):
    path = put(folder, "locked/me.jpg")
    path.chmod(0o400)
    folder.wipe()
    assert not path.exists()


def test_after_wiping_nothing_can_be_written(folder, clock):
    put(folder, "hash/me.jpg")
    folder.wipe()
    for _ in range(2):
        with pytest.raises(OSError, match=r"exists|directory"):
            put(folder, "hash/late.jpg")
        folder.wipe()
        assert folder.sweep() == 0
    clock.ahead = 100
    TempFolder(folder.base, clock=clock)
    assert not folder.path.exists()


def test_wiping_against_writers(tmp_path):
    """Four threads write all the time; once wiped, not one file is left or comes back."""
    for k in range(5):
        folder, over = TempFolder(tmp_path / f"base{k}"), threading.Event()

        def write(name, folder=folder, over=over):
            n = 0
            while not over.is_set():
                n += 1
                time.sleep(0.0005)
                with contextlib.suppress(OSError):
                    put(folder, f"{name}/{n}/me.jpg")

        threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        time.sleep(0.03)
        folder.wipe()
        left = files(folder.base)
        time.sleep(0.01)
        over.set()
        for thread in threads:
            thread.join()
        assert [MARKER, folder.path.name] == files(folder.base), left


def test_default_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GANJI_TEMP_DIR", str(tmp_path / "chosen"))
    assert TempFolder().base == tmp_path / "chosen"
    monkeypatch.delenv("GANJI_TEMP_DIR")
    monkeypatch.setattr(privacy.tempfile, "gettempdir", lambda: str(tmp_path))
    assert TempFolder().base == tmp_path / f"ganji-{os.getuid()}"


def test_gradio_is_told_in_time(folder, monkeypatch):
    monkeypatch.delitem(sys.modules, "gradio", raising=False)
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    folder.use_for_gradio()
    assert os.environ["GRADIO_TEMP_DIR"] == str(folder.path)
    monkeypatch.setitem(sys.modules, "gradio", object())
    with pytest.raises(RuntimeError, match="before"):
        folder.use_for_gradio()


def test_the_sweeper(folder, clock):
    cache = TransientCache(5, 10.0, clock)
    cache.put("a", 1)
    folder.purge_with(cache.purge)
    path = put(folder, "me.jpg")
    clock.ahead = 1000
    thread = folder.start_sweeping(every=0.01)
    end = time.monotonic() + 5
    while (path.exists() or cache._entries) and time.monotonic() < end:
        time.sleep(0.01)
    assert not path.exists()
    assert not cache._entries
    folder.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert not folder.path.is_dir()


def test_a_failing_sweep_is_not_the_last(folder, clock):
    calls = []

    def fail():
        calls.append(1)
        raise RuntimeError

    folder.purge_with(fail)
    folder.start_sweeping(every=0.005)
    end = time.monotonic() + 5
    while len(calls) < 3 and time.monotonic() < end:
        time.sleep(0.005)
    folder.stop()
    assert len(calls) >= 3


def test_sweeping_while_files_come_and_go(folder, clock):
    """Four threads write and delete; no sweep fails, no young file goes."""
    clock.ahead = 0
    over, lost = threading.Event(), []

    def write(k):
        n = 0
        while not over.is_set():
            path = put(folder, f"{k}/{n % 7}/{n}.jpg")
            if not path.exists():
                lost.append(path)
            path.unlink(missing_ok=True)
            n += 1

    threads = [threading.Thread(target=write, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        folder.sweep()
    over.set()
    for thread in threads:
        thread.join()
    assert not lost


# processes

SERVER = """
import sys, time, pathlib
from ganji.privacy import TempFolder
folder = TempFolder(pathlib.Path(sys.argv[1]))
folder.use_for_gradio()
if "previous" in sys.argv:
    import signal
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
if "plain" not in sys.argv:
    folder.wipe_at_exit((lambda: print("drained", flush=True)) if "drain" in sys.argv else None)
folder.start_sweeping()
(folder.path / "hash").mkdir()
(folder.path / "hash" / "me.jpg").write_bytes(b"PHOTO")
try:
    print(folder.path, flush=True)
    time.sleep(60 if "stay" in sys.argv else 0)
except KeyboardInterrupt:
    try:
        (folder.path / "late.jpg").write_bytes(b"PHOTO")
    except OSError:
        pass
"""


def start(base, *words):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(base), *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # ignored below a shell's `&`
    )
    path = Path(process.stdout.readline().strip())
    assert path.parent == base
    return process, path


@pytest.mark.parametrize(("number", "words", "code"), [
    (signal.SIGTERM, ("stay",), -signal.SIGTERM),
    (signal.SIGTERM, ("stay", "drain"), -signal.SIGTERM),
    (signal.SIGTERM, ("stay", "previous"), 7),
    (signal.SIGINT, ("stay",), 0),
    (None, (), 0),
])  # fmt: skip
def test_endings(tmp_path, number, words, code):
    process, path = start(tmp_path / "base", *words)
    if number is not None:
        assert (path / "hash" / "me.jpg").exists()
        process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert process.returncode == code, err
    assert not err
    assert ("drained" in out) is ("drain" in words)
    assert files(tmp_path / "base") == [MARKER, path.name]
    assert path.read_bytes() == b""


def test_kill_leaves_a_photo_and_the_next_start_deletes_it(tmp_path):
    base = tmp_path / "base"
    living, kept = start(base, "stay")
    killed, path = start(base, "stay")
    killed.kill()
    killed.communicate()
    assert (path / "hash" / "me.jpg").exists()
    folder = TempFolder(base)
    assert not path.exists()
    assert (kept / "hash" / "me.jpg").exists()  # the other process lives and keeps its files
    living.kill()
    living.communicate()
    assert folder.wipe_abandoned() == 1
    assert files(base) == [MARKER, f"{folder.path.name}/{MARKER}"]


def test_parts_without_a_marker_go_when_they_are_old(folder, clock):
    """What a process wrote after its own end had begun."""
    part = folder.base / "run-half"
    part.mkdir()
    (part / "me.jpg").write_bytes(PHOTO)
    assert folder.wipe_abandoned() == 0
    clock.ahead = 100
    assert folder.wipe_abandoned() == 1
    assert not part.exists()


# memory


class Ticks:
    now = 0.0

    def __call__(self):
        return self.now


def test_cache_forgets_by_age():
    ticks = Ticks()
    cache = TransientCache(10, 600, ticks)
    cache.put("a", 1)
    ticks.now = 599
    assert cache.get("a") == 1
    ticks.now = 600  # used meanwhile, and gone all the same
    assert cache.get("a") is None
    assert not cache._entries


def test_cache_is_bounded():
    cache = TransientCache(3, 600, Ticks())
    for name in "abc":
        cache.put(name, name)
    assert cache.get("a") == "a"
    cache.put("d", "d")
    assert [cache.get(name) for name in "abcd"] == ["a", None, "c", "d"]
    assert len(cache) == 3
    cache.put("a", "again")
    assert cache.get("a") == "again"
    cache.clear()
    assert len(cache) == 0


def test_cache_drops_its_values():
    import gc
    import weakref

    class Tensor:
        pass

    ticks = Ticks()
    cache, tensor = TransientCache(3, 600, ticks), Tensor()
    watch = weakref.ref(tensor)
    cache.put("a", tensor)
    del tensor
    ticks.now = 700
    cache.purge()
    gc.collect()
    assert watch() is None


def test_keys_are_the_pixels():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (8, 6, 3), np.uint8)
    a, b = Image.fromarray(pixels), Image.fromarray(pixels.copy())
    b.info["name"] = "me.jpg"
    assert TransientCache.key(a, "fast", 1) == TransientCache.key(b, "fast", 1)
    pixels[0, 0, 0] ^= 1
    others = [
        (Image.fromarray(pixels), "fast", 1),
        (a, "portrait", 1),
        (a, "fast", 2),
        (a.convert("L"), "fast", 1),
        (a.transpose(Image.Transpose.ROTATE_90), "fast", 1),
    ]
    keys = {TransientCache.key(*other) for other in others} | {TransientCache.key(a, "fast", 1)}
    assert len(keys) == 6
    same_bytes = Image.frombytes("RGB", (8, 6), a.tobytes())
    assert TransientCache.key(same_bytes) != TransientCache.key(a)


def test_cache_from_many_threads():
    cache = TransientCache(20, 600)
    wrong = []

    def work(k):
        for n in range(300):
            cache.put(f"{(k * n) % 31}", (k * n) % 31)
            value = cache.get(f"{n % 31}")
            if value is not None and value != n % 31:
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(cache) <= 20


def test_results_of_photos_are_forgotten_within_ten_minutes():
    """As files are: the caches' own ages and the time between two sweeps together."""
    from ganji.service import Service
    from ganji.ui.photo_desk import PhotoDesk

    for cache in (Service(lambda: None)._found, PhotoDesk()._works):
        ticks = Ticks()
        cache._clock = ticks
        cache.put("somebody", object())
        ticks.now = 600 - privacy.SWEEP_EVERY
        cache.purge()
        assert not cache._entries
