"""Starts whose weights are on a Hub, a loopback one: with an empty cache, with a full one, and while the Hub is ill."""

import io
import re
import threading

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests import outbound
from tests.app_process import running_app
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.steps import shown_after, shown_bytes, tab
from tests.fake_hub import FakeHub, Repo
from tests.tiny_weights import write_tiny_bundle

pytestmark = pytest.mark.browser
REPO = "me/ganji-weights"
START = 60_000  # ms from the last byte to a picture, on a busy machine
RETRY = 60_000  # ms until the app tries again after a failed download
BLANK = 8  # standard deviation of pixels, of 255, below which a picture shows nothing


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """(files of a repository, manifest that names nothing but them)."""
    folder = tmp_path_factory.mktemp("published")
    write_tiny_bundle(folder / "made")
    files = {path.name: path.read_bytes() for path in (folder / "made").glob("*.safetensors")}
    listed = write_tiny_bundle(folder / "again", hub=(REPO, Repo(files).sha))
    manifest = folder / "weights_manifest.json"
    listed.rename(manifest)
    return files, manifest


@pytest.fixture
def newcomer(published, tmp_path):
    """(start, hub): start(name, wait_for) runs the app with a cache that is empty the first time."""
    files, manifest = published

    def start(name, wait_for="ready"):
        folder = tmp_path / name
        folder.mkdir()
        variables = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hub"), "HOME": str(folder),
                     "GANJI_MANIFEST": str(manifest), "GANJI_BUNDLE": "default"}  # fmt: skip
        return running_app(folder, variables=variables | outbound.watched_by(tmp_path), wait_for=wait_for)

    with FakeHub({REPO: files}) as hub:
        yield start, hub
    assert outbound.seen(tmp_path) == []


def blobs(tmp_path):
    """Sizes of what lies in the Hub's cache, by name."""
    return {path.name: path.stat().st_size for path in (tmp_path / "hub").rglob("blobs/*")}


def check_picture(page):
    """What is on show is a picture, in the file and on the screen; returns the file."""
    data = shown_bytes(page)
    shown = page.locator("#picture img")
    assert shown.evaluate("(img) => img.complete && img.naturalWidth") == 256
    for picture in (data, shown.screenshot()):
        assert np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).std() > BLANK
    return data


def make_random(page):
    """A new random emoji, by two clicks: (its seed, its file)."""
    tab(page, "random")
    before = page.locator("#grid .tile[data-pick]").first.get_attribute("data-pick")
    page.locator("#grid-surprise").click()
    expect(page.locator(f'#grid .tile[data-pick="{before}"]')).to_have_count(0)
    tile = page.locator("#grid .tile[data-pick]").first
    seed = tile.get_attribute("data-pick")
    tile.click()
    shown_after(page, rf"kind=emoji&seed={seed}&")
    return seed, check_picture(page)


def test_an_empty_cache_and_then_a_full_one(newcomer, open_address, tmp_path):
    start, hub = newcomer
    go_on = threading.Event()
    hub.fault("*", method="GET", chunk=2048, delay=0.2, hurry=go_on, times=-1)
    with start("cold", "live") as app:
        watched = open_address(app.url, DESKTOP)
        page, status = watched.page, watched.page.locator("#status .message")
        expect(status).to_have_text(
            re.compile(r"^The models are being downloaded\. \w+\.safetensors: 0\.\d of \d\.\d MB \(\d+ %\)$")
        )
        expect(page.locator("#picture img")).to_have_count(0)
        tab(page, "random")
        page.locator("#grid-surprise").click()  # too early: a sentence, and nothing breaks
        expect(page.locator(".toast-body").filter(has_text="The weights are being loaded")).to_be_visible()
        expect(page.locator("#grid .tile")).to_have_count(0)
        page.evaluate("() => { window.sameWindow = true; }")
        go_on.set()
        expect(page.locator("#picture img")).to_be_visible(timeout=START)
        expect(status).to_have_text(re.compile("^Running on "))
        expect(page.locator("#grid .tile[data-pick]")).to_have_count(20)
        seed, picture = make_random(page)
        assert page.evaluate("window.sameWindow"), "it was not loaded again"
        watched.close()
    assert sorted(path for _, path, _ in hub.requests("GET")) == [
        f"/{REPO}/resolve/{hub.repos[REPO].sha}/{name}" for name in sorted(hub.repos[REPO].files)
    ]
    assert sorted(blobs(tmp_path).values()) == sorted(map(len, hub.repos[REPO].files.values()))
    assert '"level": "error"' not in app.log.read_text()

    hub.log.clear()
    hub.__exit__()
    with start("warm") as app:
        watched = open_address(f"{app.url}?kind=emoji&seed={seed}&psi=0.7", DESKTOP)
        again = watched.page
        assert shown_after(again, rf"seed={seed}&psi=0.7&weights=") == picture
        expect(again.locator("#status .message")).to_have_text(re.compile("^Running on "))
        make_random(again)
        watched.close()
    assert hub.log == []


ILLNESSES = {
    "out of order": ({"status": 503}, DESKTOP, r"^Weights unavailable, retrying\. The Hub is out of order \(error 503\), so \w+\.safetensors must wait\.$"),
    "no such file": ({"status": 404, "error_code": "EntryNotFound"}, PHONE, r"^모델 가중치를 받을 수 없어 다시 시도하고 있습니다\. me/ganji-weights has no file \w+\.safetensors at commit [0-9a-f]{12}….$"),
}  # fmt: skip


@pytest.mark.parametrize("illness", ILLNESSES)
def test_a_hub_that_recovers(newcomer, open_address, illness, tmp_path):
    start, hub = newcomer
    fault, options, sentence = ILLNESSES[illness]
    hub.fault("*", times=-1, **fault)
    with start("ill", "live") as app:
        watched = open_address(app.url, options)
        page, status = watched.page, watched.page.locator("#status .message")
        expect(status).to_have_text(re.compile(sentence), timeout=RETRY)
        expect(status).to_have_attribute("role", "alert")
        assert watched.overflow == 0
        assert blobs(tmp_path) == {}
        page.evaluate("() => { window.sameWindow = true; }")
        hub.heal()
        expect(page.locator("#picture img")).to_be_visible(timeout=RETRY + START)
        expect(page.locator("#status [role=alert]")).to_have_count(0)
        make_random(page)
        assert page.evaluate("window.sameWindow"), "it was not loaded again"
        watched.close()
