"""docs/weights.md in earnest: from two foreign checkpoints to a page that draws with them, by the five commands that stand there."""

import io
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from PIL import Image
from playwright.sync_api import expect

from ganji.png_recipe import extract
from tests.app_process import ROOT, running_app
from tests.browser.conftest import DESKTOP
from tests.browser.steps import move_slider, shown_after, shown_bytes, tab
from tests.checkpoint_files import to_nvlabs, write_nvlabs
from tests.helpers import TINY, make_generator
from tests.pickle_assembler import saved

pytestmark = pytest.mark.browser


@pytest.fixture
def variables(tmp_path):
    """What the app's environment is after all commands but the last."""
    (tmp_path / "my_face.pt").write_bytes(saved({"g_ema": make_generator(TINY["stylegan2"], seed=1).state_dict()}))
    write_nvlabs(tmp_path / "my_emoji.pkl", to_nvlabs(make_generator(TINY["stylegan2"], seed=2).state_dict()))
    (tmp_path / "weights").mkdir()
    for path in (ROOT / "weights").iterdir():  # as in the project's folder
        (tmp_path / "weights" / path.name).symlink_to(path)
    shutil.copy(ROOT / "weights_manifest.json", tmp_path)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GANJI_")}
    own = {"PYTHONPATH": str(ROOT), "GANJI_MANIFEST": str(tmp_path / "weights_manifest.json")}
    text = (ROOT / "docs" / "weights.md").read_text(encoding="utf-8")
    *commands, last = re.search(r"```sh\n(.*?)```", text, re.S)[1].strip().splitlines()
    assert (len(commands), last) == (4, "python app.py")
    script = "\n".join(
        [f'python() {{ {shlex.quote(sys.executable)} "$@"; }}', "set -e", *commands, "printenv GANJI_BUNDLE"]
    )
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment | own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return own | {"GANJI_BUNDLE": done.stdout.splitlines()[-1]}


def test_they_draw_move_and_take_photos(variables, open_address, tmp_path):
    (tmp_path / "app").mkdir()
    with running_app(tmp_path / "app", variables=variables) as app:
        watched = open_address(app.url, DESKTOP)
        page = watched.page
        page.locator("#picture img").wait_for(timeout=60_000)
        expect(page.locator("#version")).to_contain_text("mine.")
        tab(page, "random")
        page.locator("#grid .tile[data-pick]").nth(3).click()
        still = shown_after(page, r"kind=emoji&seed=3&")
        assert Image.open(io.BytesIO(still)).size == (32, 32)
        tab(page, "customize")
        expect(page.locator("#sliders input[type=range]").first).to_be_enabled()
        move_slider(page, 0, 6)
        moved = shown_after(page, r"move=0:3(&|$)")
        assert extract(moved).strengths == (3.0,)
        assert moved != still
        tab(page, "photo")
        page.locator("#examples [data-pick=astronaut]").click()
        shown_after(page, r"kind=emojified&photo=[0-9a-f]{16}", 240_000)
        assert shown_bytes(page) not in (still, moved)
        watched.close()
    assert '"level": "error"' not in app.log.read_text()
