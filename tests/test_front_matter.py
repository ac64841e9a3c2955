"""README.md's front matter: what a Space is built from, against requirements.txt and the manifest."""

import re
from pathlib import Path

import pytest
import yaml

from ganji.commands import deploy_files
from ganji.weights import Settings, open_store

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


@pytest.fixture(scope="module")
def front():
    assert README.startswith("---\n")
    return yaml.safe_load(README.split("---\n")[1])


def test_the_sdk_is_the_one_of_the_requirements(front):
    (pinned,) = re.findall(r"^gradio\[[\w,]+\]==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert front["sdk"] == "gradio"
    assert front["sdk_version"] == pinned


def test_python_is_a_version_that_we_support(front):
    assert isinstance(front["python_version"], str), "3.10 without quotes would be the number 3.1"
    least = re.search(r'requires-python = ">=3\.(\d+)"', (ROOT / "pyproject.toml").read_text())[1]
    assert int(front["python_version"].split(".")[1]) >= int(least)


def test_the_rest_is_as_the_hub_wants_it(front):
    from huggingface_hub import SpaceCardData, SpaceHardware

    assert SpaceCardData(**front).to_dict() == front
    assert (ROOT / front["app_file"]).is_file()
    assert 10 <= len(front["short_description"]) <= 60
    assert front["suggested_hardware"] in {item.value for item in SpaceHardware}
    assert front["license"] == "other"
    assert {front["colorFrom"], front["colorTo"]} <= COLOURS
    assert "mcp-server" in front["tags"]
    assert len(front["title"]) <= 30
    assert len(front["emoji"]) <= 2


def test_preload_is_what_the_manifest_says(front):
    manifest = ROOT / "weights_manifest.json"
    store, bundle = open_store(Settings(manifest, "default", None))
    specs = [store.manifest.file(name) for name in dict.fromkeys(bundle.roles.values())]
    assert front.get("preload_from_hub", []) == deploy_files.preload(specs)
    assert deploy_files.space_readme(README, specs) == README
