"""Versions below which holes are known: torch 2.6 (CVE-2025-32434), Gradio 6.20 (GHSA of /file=), and what we pin."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {
    "torch": (2, 6),  # CVE-2025-32434: weights_only=True could be got round
    "gradio": (6, 20),  # open redirect and file access fixed by then
    "pillow": (12, 0),
    "safetensors": (0, 8),
    "huggingface_hub": (2, 4),
    "numpy": (2, 0),
}


def numbers(text):
    """(2, 13, 0) of "2.13.0+cpu"."""
    return tuple(int(part) for part in re.match(r"\d+(?:\.\d+)*", text)[0].split("."))


def lowest_allowed(text, name):
    """The lowest version that a requirements file lets in; None if it does not say."""
    line = re.search(rf"^{name}(?:\[[^]]*\])?\s*(?:==|>=)\s*([\d.]+)", text, re.MULTILINE | re.IGNORECASE)
    return line and numbers(line[1])


@pytest.mark.parametrize("name", sorted(FLOORS))
def test_neither_installed_nor_allowed_below_the_floor(name):
    assert numbers(version(name)) >= FLOORS[name]
    lowest = lowest_allowed((ROOT / "requirements.txt").read_text(encoding="utf-8"), name)
    assert lowest is not None, f"requirements.txt has no lower bound of {name}"
    assert lowest >= FLOORS[name]


def test_a_bound_below_the_floor_is_seen():
    assert lowest_allowed("gradio[mcp,oauth]==6.19.0\n", "gradio") < FLOORS["gradio"]
    assert lowest_allowed("torch>=2.10\n", "torch") > FLOORS["torch"]  # 2.10 is not 2.1
    assert lowest_allowed("torch\n", "torch") is None


def test_every_runtime_package_has_a_bound():
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[\w\-]+(\[[\w,]+\])?(==[\d.]+|>=[\d.]+,<[\d.]+)", line), line
