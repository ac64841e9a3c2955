"""Any bytes as a checkpoint, ours or foreign: tensors, or one message; nothing that a file carries runs. See README.md."""

import sys
import tempfile
import time
from pathlib import Path

import atheris
import torch  # noqa: F401  # not instrumented

with atheris.instrument_imports(include=["ganji"]):
    from ganji import convert
    from ganji.errors import GanjiError
    from ganji.formats import native, rosinality

FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "subprocess.Popen",
    "socket.connect",
    "socket.bind",
    "pty.spawn",
    "shutil.rmtree",
)
FILE = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)) / "checkpoint"
_watching = False


def forbid(event: str, arguments: tuple) -> None:
    """An audit hook: the readers start no program and open no connection."""
    if _watching and event in FORBIDDEN:
        raise BaseException(f"a file made us do {event}")


def fit_to_show(message: str) -> None:
    """A message may not show where the file lies."""
    assert str(FILE.parent) not in message, message


def check(data: bytes) -> None:
    """One input, as every kind of file."""
    global _watching
    FILE.write_bytes(data)
    start = time.monotonic()
    _watching = True
    try:
        for read in (convert.read_foreign, rosinality.read_factor, lambda path: native.read(path, "generator")):
            try:
                read(FILE)
            except GanjiError as error:
                fit_to_show(str(error))
    finally:
        _watching = False
    assert time.monotonic() - start < 5, "slow"


if __name__ == "__main__":
    sys.addaudithook(forbid)
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
