"""New folders of training pictures: either a whole one appears, or nothing. Imports no torch: worker processes read it."""

from __future__ import annotations

import errno
import io
import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ganji.data.compose import render
from ganji.errors import InputError

SPARE_BYTES = 64 << 20  # that a disk must have left over
CHUNK = 16  # pictures handed to a worker at once


@dataclass(frozen=True)
class Progress:
    """How far a data command is.

    Attributes:
        done, total: pictures.
        note: a line worth showing about the last one, or "".
    """

    done: int
    total: int
    note: str = ""


def png_bytes(picture: Image.Image) -> bytes:
    """The picture as PNG, RGB, compressed quickly."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


@contextmanager
def new_folder(folder: Path, needed_bytes: int) -> Iterator[Path]:
    """A folder to fill beside `folder`, which gets its name once everything in it is written.

    Args:
        folder: new, or empty.
        needed_bytes: about what will be written.
    Raises:
        InputError: `folder` holds something, cannot be made, or the disk has no room.
    """
    unfinished = folder.with_name(folder.name + ".part")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder} is not empty; name a new folder, or empty it first.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        _check_room(unfinished, needed_bytes)
        yield unfinished
        if folder.exists():
            folder.rmdir()
        unfinished.rename(folder)
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(f"The disk became full while writing {folder}; nothing was kept.") from exc
        raise InputError(f"{folder} cannot be written: {exc.strerror or exc}.") from exc
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def render_all(jobs: Iterable[tuple[str, Path]], size: int, workers: int | None = None) -> Iterator[None]:
    """Draw SVG texts into PNG files; yields after each, in their order.

    Args:
        jobs: (SVG text, file).
        workers: processes; None for one per core, 1 for none beside this one. The files do not depend on it.
    """
    arguments = ((svg, str(path), size) for svg, path in jobs)
    count = workers if workers is not None else os.cpu_count() or 1
    if count <= 1:
        yield from map(_draw, arguments)
        return
    with multiprocessing.get_context("spawn").Pool(count, initializer=_leave_interrupts_to_parent) as pool:
        yield from pool.imap(_draw, arguments, chunksize=CHUNK)


def _draw(job: tuple[str, str, int]) -> None:
    svg, path, size = job
    Path(path).write_bytes(png_bytes(render(svg, size)))


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _check_room(folder: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed_bytes + SPARE_BYTES:
        raise InputError(
            f"The pictures need about {needed_bytes >> 20} MB and {folder.parent} has {free >> 20} MB free; "
            "make fewer or smaller ones, or name a folder on another disk."
        )
