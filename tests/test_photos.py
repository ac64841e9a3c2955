"""Photos: good ones come out right, bad ones are refused quickly with one message, and nothing but pixels goes on."""

import io
import json
import re
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from ganji import photo_headers, photos, validate
from ganji.errors import BusyError, UnreadableImageError
from tests import bad_photos, good_photos
from tests.good_photos import SECRET, encode, jpeg, scene

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


@pytest.fixture(scope="module")
def good():
    return list(good_photos.good())


@pytest.fixture(scope="module")
def bad():
    return bad_photos.bad()


def decibels(picture, control):
    difference = np.asarray(picture).astype(float) - control
    return 10 * np.log10(255**2 / (np.square(difference).mean() + 1e-9))


def refusal(call, *arguments):
    """The message of a refusal, or what went wrong instead."""
    start = time.monotonic()
    try:
        call(*arguments)
        outcome = "ACCEPTED"
    except UnreadableImageError as error:
        outcome = str(error)
    except Exception as error:
        outcome = f"CRASHED {error!r}"
    assert time.monotonic() - start < 5
    return outcome


def is_plain(message):
    """Short, says something, and shows no path, traceback or repr of an exception."""
    hidden = re.search(r"Traceback|Error|Exception|0x|\n|/|\\|<", message)
    return 10 < len(message) <= validate.MAX_SENTENCE and message.endswith(".") and not hidden


def test_good_photos_come_out_right(good):
    wrong, lowest = [], {}
    assert len(good) > 100
    for photo in good:
        picture = photos.open_photo(photo.data)
        if picture.mode != "RGB" or picture.size != photo.control.shape[1::-1]:
            wrong.append((photo.name, picture.mode, picture.size))
            continue
        lowest[photo.name] = decibels(picture, photo.control)
        if lowest[photo.name] < photo.decibels:
            wrong.append((photo.name, lowest[photo.name]))
    assert not wrong
    print("lowest PSNR:", sorted((round(v, 1), k) for k, v in lowest.items())[:5])


def test_nothing_but_pixels_goes_on(good):
    carriers = [photo for photo in good if SECRET in photo.data]
    assert len(carriers) > 30
    for photo in carriers:
        picture = photos.open_photo(photo.data)
        assert picture.info == {}
        assert not picture.getexif()
        assert type(picture) is Image.Image
        for name in ("PNG", "JPEG", "WEBP"):
            assert SECRET not in encode(picture, name), photo.name


def test_bad_photos_are_refused(bad):
    assert len(bad) > 130
    wrong = []
    for name, (data, words) in bad.items():
        message = refusal(photos.open_photo, data)
        if not (is_plain(message) and re.search(words, message)):
            wrong.append((name, message))
    assert not wrong


def test_bad_uploads_are_refused(tmp_path):
    uploads = bad_photos.bad_uploads()
    assert len(uploads) > 35
    wrong = []
    for name, (sent, words) in uploads.items():
        message = refusal(photos.open_upload, sent)
        if not (is_plain(message) and re.search(words, message)):
            wrong.append((name, message))
    assert not wrong


def test_eps_starts_no_program(monkeypatch, bad):
    monkeypatch.setattr(subprocess, "Popen", None)
    monkeypatch.setattr(subprocess, "check_call", None)
    assert "PostScript" in refusal(photos.open_photo, bad["eps"][0])
    assert not Path("/tmp/ganji-eps-ran").exists()


def test_wrong_extensions_and_odd_names(tmp_path):
    for name in ("photo.txt", "photo.gif", "사진 ü.png", "no extension", "a" * 200):
        path = tmp_path / name
        path.write_bytes(jpeg())
        assert decibels(photos.open_upload(str(path), tmp_path), scene()) > 30
        assert decibels(photos.open_photo(path), scene()) > 30


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "", "IMAGE/JPEG;charset=utf-8"])
def test_data_urls(kind):
    url = bad_photos.data_url(jpeg(), kind)
    assert decibels(photos.open_upload(url), scene()) > 30
    folded = url[:100] + "\r\n" + url[100:].replace("+", "%2B")
    assert decibels(photos.open_upload("DATA:" + folded[5:].rstrip("=")), scene()) > 30


def test_a_path_must_lead_into_the_folder(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "a.jpg").write_bytes(jpeg())
    (inside / "link.jpg").symlink_to(outside / "a.jpg")
    there = refusal(photos.open_upload, str(outside / "a.jpg"), inside)
    missing = refusal(photos.open_upload, str(outside / "b.jpg"), inside)
    assert there == missing == refusal(photos.open_upload, str(inside / "link.jpg"), inside)
    assert there == refusal(photos.open_upload, str(inside / ".." / "out" / "a.jpg"), inside)


def test_a_pipe_is_no_photo(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.jpg")
    assert "no photo" in refusal(photos.open_photo, tmp_path / "pipe.jpg")


@pytest.mark.parametrize("part", [0.5, 0.7, 0.8, 0.9, 0.99])
@pytest.mark.parametrize("progressive", [False, True])
def test_no_half_grey_photo(part, progressive):
    """Cut photos that someone gave an end marker: refused, or nothing is missing that could be seen."""
    photo = jpeg(progressive=progressive)
    cut = photo[: int(len(photo) * part)] + b"\xff\xd9"
    message = refusal(photos.open_photo, cut)
    if message == "ACCEPTED":
        assert decibels(photos.open_photo(cut), scene()) > 30
    else:
        assert is_plain(message)


def test_plain_pillow_would_accept_the_half_grey_photo():
    """Why photo_headers.py takes the end marker away: the reason disappears when this fails."""
    photo = jpeg()
    cut = photo[: len(photo) // 2] + b"\xff\xd9"
    assert decibels(Image.open(io.BytesIO(cut)).convert("RGB"), scene()) < 20


@pytest.mark.parametrize("size", [(24, 24), (33, 47), (1000, 25), (25, 1000), (500, 501), (64, 64)])
@pytest.mark.parametrize("quality", [5, 30, 75, 100])
def test_whole_jpegs_stay_whole(size, quality):
    """The changed end of a JPEG never changes a pixel."""
    rng = np.random.default_rng(quality)
    for picture in (
        Image.fromarray(scene()).resize(size),
        Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), np.uint8)),
    ):
        for mode in ("RGB", "L", "CMYK"):
            for options in ({"subsampling": 0}, {"subsampling": 2, "optimize": True}, {"restart_marker_blocks": 2}):
                photo = encode(picture.convert(mode), "JPEG", quality=quality, **options)
                want = Image.open(io.BytesIO(photo)).convert("RGB")
                assert np.array_equal(photos.open_photo(photo), want)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(bad_photos.FORMATS)),
    st.lists(st.tuples(st.integers(0, 2**20), st.binary(max_size=8)), min_size=1, max_size=4),
)
def test_damaged_bytes_give_a_picture_or_a_message(name, changes):
    photo = bytearray(_whole(name))
    for position, piece in changes:
        position %= len(photo)
        photo[position : position + len(piece)] = piece
    message = refusal(photos.open_photo, bytes(photo))
    assert message == "ACCEPTED" or is_plain(message)


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from(
        [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\xff\0\0\0WEBP", b"\0\0\0\x1cftypavif"]
    ),
)
def test_random_bytes_give_a_message(tail, head):
    assert is_plain(refusal(photos.open_photo, head + tail))


_made = {}


def _whole(name):
    if name not in _made:
        _made[name] = bad_photos.FORMATS[name]()
    return _made[name]


@pytest.mark.parametrize("name", sorted(bad_photos.FORMATS))
def test_headers_tell_the_truth(name):
    header = photo_headers.read_header(_whole(name))
    with Image.open(io.BytesIO(_whole(name))) as picture:
        assert (header.format, header.width, header.height) == (picture.format, *picture.size)
        assert header.frames == 1


def test_headers_count_frames():
    stills = [Image.fromarray(scene()).rotate(k).convert("RGB") for k in range(5)]
    for name in ("GIF", "PNG", "WEBP"):
        photo = encode(stills[0], name, save_all=True, append_images=stills[1:])
        assert photo_headers.read_header(photo).frames == 5, name


def test_scans_cost_time_but_not_much():
    """The slowest JPEG that is let through: large, flat, with all the scans that are allowed."""
    photo = jpeg(Image.new("L", (7000, 7000), 100), progressive=True)
    last = photo[photo.rindex(b"\xff\xda") : -2]
    start = time.monotonic()
    photos.open_photo(photo[:-2] + last * (photo_headers.MAX_SCANS - 6) + b"\xff\xd9")
    assert time.monotonic() - start < 10


def test_truncated_files_stay_refused_whatever_other_libraries_set(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert "damaged" in refusal(photos.open_photo, encode(Image.fromarray(scene()), "WEBP")[:-500])
    gif = encode(Image.fromarray(scene()), "GIF")
    assert "damaged" in refusal(photos.open_photo, gif[: len(gif) // 2])


def test_many_threads_agree(good, bad):
    """Same answers from 8 threads as from one, and the process' warning filters are left alone."""
    sample = [photo.data for photo in good[::9]] + [data for data, _ in list(bad.values())[::15] if len(data) < 1 << 20]

    def answers():
        found = []
        for data in sample:
            try:
                found.append(photos.open_photo(data).tobytes())
            except UnreadableImageError as error:
                found.append(str(error))
        return found

    want, filters = answers(), list(warnings.filters)
    results = [None] * 8
    threads = [threading.Thread(target=lambda k=k: results.__setitem__(k, answers())) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(result == want for result in results)
    assert warnings.filters == filters


@pytest.mark.parametrize(("large", "at_once"), [(False, photos.DECODERS), (True, 1)])
def test_few_photos_are_decoded_at_once(monkeypatch, large, at_once):
    now, most = [0], [0]
    lock = threading.Lock()
    inner = photos._decode

    def counted(*arguments):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        try:
            return inner(*arguments)
        finally:
            with lock:
                now[0] -= 1

    monkeypatch.setattr(photos, "_decode", counted)
    if large:
        monkeypatch.setattr(photos, "LARGE_PIXELS", 1000)
    threads = [threading.Thread(target=photos.open_photo, args=(jpeg(),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == at_once


@pytest.mark.parametrize("large", [False, True])
def test_who_waits_too_long_to_be_decoded_is_told(monkeypatch, large):
    monkeypatch.setattr(photos, "DECODER_WAIT", 0.01)
    if large:
        monkeypatch.setattr(photos, "LARGE_PIXELS", 1000)
    turn = photos._decoding_large if large else photos._decoding
    count = 1 if large else photos.DECODERS
    for _ in range(count):
        turn.acquire()
    for _ in range(3):
        with pytest.raises(BusyError, match="again in"):
            photos.open_photo(jpeg())
    for _ in range(count):
        turn.release()
    photos.open_photo(jpeg())


MEASURE = """
import json, pathlib, sys, time
from ganji import photos
def peak(): return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
first = peak()
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    start, outcome = time.monotonic(), "accepted"
    try:
        photos.open_photo(path)
    except Exception as error:
        outcome = type(error).__name__
    print(json.dumps([path.name, outcome, round(peak() - first, 1), round(time.monotonic() - start, 2)]))
"""


def measure(folder):
    """[name, outcome, growth of peak memory in MB so far, seconds] of each file, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, folder], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_bombs_take_no_memory(tmp_path):
    for k, (data, _) in enumerate(bad_photos.bombs().values()):
        (tmp_path / f"{k:02d}").write_bytes(data)
    rows = measure(tmp_path)
    print(rows)
    assert all(outcome == "UnreadableImageError" and seconds < 5 for _, outcome, _, seconds in rows)
    assert rows[-1][2] < 600


def test_a_large_photo_is_accepted(tmp_path):
    """24 megapixels, as phones take them, turned, with a profile."""
    rng = np.random.default_rng(0)
    large = Image.fromarray(scene()).resize((6000, 4000))
    large.paste(Image.fromarray(rng.integers(0, 256, (1500, 1500, 3), np.uint8)), (100, 100))
    (tmp_path / "large").write_bytes(
        jpeg(large, exif=good_photos.exif(6), icc_profile=good_photos.profiles.p3(), subsampling=2)
    )
    (row,) = measure(tmp_path)
    print(row)
    _, outcome, megabytes, seconds = row
    assert outcome == "accepted"
    assert megabytes < 1500
    assert seconds < 20
