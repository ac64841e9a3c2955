"""A hundred photos in one process: what is left of them on disk, in the pictures that come out, and in the log.

Of 15 pictures, so that most searches are answered from memory; every photo is a file of its own all the same, with crop
and reconstruction. Takes as long as photos may live, and the searches: 12 to 20 minutes.
"""

import functools
import io
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from benchmarks.client import call, fetch, file, marked_photo
from benchmarks.soak import FACES, OLD, is_old_photo
from ganji.png_recipe import KEYWORD, is_emoji_file
from tests.app_process import running_app
from tests.good_photos import SECRET, encode, exif
from tests.test_hostile_api import upload

PHOTOS, PICTURES = 100, 15
LOOK_EVERY = 5  # s
LINE = 2000  # characters of the log, at most, for one photo
PICTURE = re.compile(
    rb"\x89PNG|\xff\xd8\xff|JFIF|RIFF|data:image|[A-Za-z0-9+/]{120}"
)  # the last: base64, or a face code


def photo(number):
    """A face in noise, with metadata: (file, its name)."""
    picture = Image.open(io.BytesIO(marked_photo(number % PICTURES, FACES[number % len(FACES)])))
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", SECRET.decode())
    make = {
        "jpg": functools.partial(encode, picture, "JPEG", quality=90, comment=SECRET, exif=exif(1)),
        "png": functools.partial(encode, picture, "PNG", pnginfo=text, exif=exif(1)),
        "webp": functools.partial(encode, picture, "WEBP", exif=exif(1), xmp=b"<x:xmpmeta>" + SECRET),
    }
    kind = list(make)[number % 3]
    content = make[kind]()
    assert SECRET in content
    return content, f"{SECRET.decode()}-{number}.{kind}"


def files_in(folder, kept):
    """Files that have come since; folders that go meanwhile are no error."""
    paths = (Path(at) / name for at, _, names in os.walk(folder) for name in names)
    return [path for path in paths if path not in kept and not path.name.startswith(".")]


def photos_in(folder, kept):
    """Files that may show somebody."""
    found = []
    for path in files_in(folder, kept):
        with suppress(FileNotFoundError):
            if path.stat().st_size and not is_emoji_file(path):
                found.append(path)
    return found


@pytest.mark.slow
def test_a_hundred_photos(tmp_path):
    with running_app(tmp_path) as app:
        temp, over, old, seen = tmp_path / "temp", threading.Event(), set(), set()
        kept = set(temp.rglob("*"))

        def watch():
            while not over.wait(LOOK_EVERY):
                seen.update(photos_in(temp, kept))
                old.update(path.name for path in files_in(temp, kept) if is_old_photo(path))

        with ThreadPoolExecutor(1) as pool:
            watching = pool.submit(watch)
            try:
                for number in range(PHOTOS):
                    content, name = photo(number)
                    answer = call(
                        app.url, "emojify_photo", [file(upload(app.url, content, name)), "fast", 0, 1.0, "face"]
                    )
                    check_pictures([fetch(app.url, one) for one in answer[:3]])
                until = time.monotonic() + OLD + LOOK_EVERY
                while photos_in(temp, kept) and time.monotonic() < until:
                    time.sleep(LOOK_EVERY)
            finally:
                over.set()
            watching.result()
        left = photos_in(temp, kept)
    log = app.log.read_bytes()
    print(f"{PHOTOS} photos: {len(seen)} files seen, {len(old)} too old, {len(left)} left; {len(log)} bytes of log")
    assert len(seen) >= 3 * PHOTOS, "upload, crop and reconstruction were on disk"
    assert not old
    assert not left
    assert SECRET not in log
    assert not PICTURE.search(log)
    assert b"Traceback" not in log
    assert len(log) < PHOTOS * LINE


def check_pictures(contents):
    """That crop, reconstruction and emoji carry nothing, but for the emoji's recipe."""
    for content, texts in zip(contents, (set(), set(), {KEYWORD}), strict=True):
        assert SECRET not in content
        with Image.open(io.BytesIO(content)) as picture:
            picture.load()
            assert set(picture.info) == texts
            assert not picture.getexif()
