"""docs/api.md: every snippet runs against a started app and leaves the pictures that it names."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from ganji import errors

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```(python|sh|js|json)\n(.*?)```", PAGE, re.DOTALL)
RUN = {"python": [sys.executable], "sh": ["bash", "-eu", "-o", "pipefail"], "js": ["node"]}
ADDRESS = "http://127.0.0.1:7860"
RUNNABLE = [(k, kind, text) for k, (kind, text) in enumerate(SNIPPETS) if kind in RUN and not text.startswith("pip ")]


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "me.jpg"
    Image.fromarray(data.astronaut()).save(path, quality=92)
    return path


def test_there_are_snippets_in_all_three_languages():
    kinds = [kind for _, kind, _ in RUNNABLE]
    assert {kind: kinds.count(kind) >= least for kind, least in (("python", 4), ("sh", 2), ("js", 1))} == {
        "python": True,
        "sh": True,
        "js": True,
    }


@pytest.mark.parametrize(("number", "kind", "text"), RUNNABLE, ids=[f"{k}-{kind}" for k, kind, _ in RUNNABLE])
def test_snippet_runs(app, photo, tmp_path, number, kind, text):
    if kind == "js" and shutil.which("node") is None:
        pytest.skip("node is not installed")
    assert ADDRESS in text
    shutil.copy(photo, tmp_path / "me.jpg")
    script = tmp_path / "snippet"
    script.write_text(text.replace(ADDRESS, app.url.rstrip("/")), encoding="utf-8")
    done = subprocess.run([*RUN[kind], script], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rror" not in done.stderr, done.stderr
    named = set(re.findall(r"[\w-]+\.png", text)) | {f"emoji-{k}.png" for k in range(3) if "emoji-{k}" in text}
    made = {path.name for path in tmp_path.glob("*.png")}
    assert named == made, done.stdout + done.stderr
    for name in made:
        picture = Image.open(tmp_path / name)
        picture.load()
        assert (picture.format, picture.size) == ("PNG", (256, 256))


def test_json_in_the_page_is_json():
    for kind, text in SNIPPETS:
        if kind == "json":
            json.loads(text)


def test_the_table_names_every_endpoint_and_its_parameters(app):
    from gradio_client import Client

    info = Client(app.url, verbose=False).view_api(return_format="dict", print_info=False)["named_endpoints"]
    rows = dict(re.findall(r"^\| `(/\w+)` \|([^|]*)\|", PAGE, re.MULTILINE))
    assert rows.keys() == info.keys()
    photo_row = rows["/emojify_photo"]
    for name, endpoint in info.items():
        row = photo_row if "the same" in rows[name] else rows[name]
        assert re.findall(r"`(\w+)`", row) == [p["parameter_name"] for p in endpoint["parameters"]], name


def test_the_table_of_errors_names_every_code():
    def codes(kind):
        return {kind.code}.union(*(codes(sub) for sub in kind.__subclasses__()))

    rows = PAGE.split("## Errors")[1]
    listed = set(re.findall(r"`([a-z_.]+)`", "".join(re.findall(r"^\| (`.*?) \|", rows, re.MULTILINE))))
    own = {
        code
        for kind in vars(errors).values()
        if isinstance(kind, type)
        for code in codes(kind)
        if kind is not errors.GanjiError
    }
    assert listed == (own - {"training", "photo"}) | {"bug"}
