"""axe-core on every tab, light and dark: nothing serious in our markup and colours. What Gradio's own markup does wrong is
listed by rule and selector; the list may only shrink."""

import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.steps import tab

pytestmark = pytest.mark.browser
VERSION = "4.14.1"
SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"  # of axe.min.js
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganji-tests"
SERIOUS = ("serious", "critical")
GRADIO = {("label-content-name-mismatch", "button.upload-container")}  # (rule, selector), in Gradio 6.31
SLOW = 240_000  # ms that a photo may take on a busy machine
TABS = ("photo", "random", "customize", "use")

RUN = """async (allowed) => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations.flatMap((rule) => rule.nodes.map((node) => ({
    rule: rule.id, impact: node.impact || rule.impact, html: node.html.slice(0, 200), why: node.failureSummary,
    known: allowed.filter(([id, selector]) => id === rule.id && document.querySelector(node.target[0])?.matches(selector)),
  })));
}"""


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """axe.min.js, from npm the first time."""
    path = CACHE / f"axe-core-{VERSION}.min.js"
    if not path.is_file():
        folder = tmp_path_factory.mktemp("axe")
        npm = shutil.which("npm")
        assert npm, "npm is needed to fetch axe-core"
        subprocess.run([npm, "pack", f"axe-core@{VERSION}", "--silent"], cwd=folder, check=True, timeout=300)
        with tarfile.open(folder / f"axe-core-{VERSION}.tgz") as archive:
            script = archive.extractfile("package/axe.min.js").read()
        CACHE.mkdir(parents=True, exist_ok=True)
        path.write_bytes(script)
    script = path.read_bytes()
    assert hashlib.sha256(script).hexdigest() == SHA256
    return script.decode()


@pytest.fixture(scope="session")
def known():
    """Entries of GRADIO that were found, by all tests of this file."""
    return set()


def check(page, axe, known, where):
    """Fail at whatever is serious and not Gradio's."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(axe)
    problems = []
    for item in page.evaluate(RUN, [list(entry) for entry in GRADIO]):
        known |= {tuple(entry) for entry in item["known"]}
        if item["impact"] in SERIOUS and not item["known"]:
            problems.append(f"{where}: {item['rule']}: {item['html']}\n{item['why']}")
    assert not problems, "\n\n".join(problems)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("options", [DESKTOP, PHONE], ids=["desk", "phone"])
def test_every_tab(open_page, axe, known, options, theme):
    watched = open_page(options, f"?__theme={theme}")
    page = watched.page
    assert page.evaluate("() => document.querySelector('.dark') !== null") == (theme == "dark")
    for name in TABS:
        tab(page, name)
        page.wait_for_timeout(300)
        check(page, axe, known, f"{name}, {theme}")
    tab(page, "photo")
    page.locator("#face-show").click()
    expect(page.locator("#result .panels img")).to_have_count(2)
    for drawer in ("#compare", "#like", "#blend"):
        page.locator(f"{drawer} button.label-wrap").click()
    expect(page.locator("#like-board .tile").first).to_be_visible()
    check(page, axe, known, f"a face and open drawers, {theme}")
    page.locator("#examples [data-pick=astronaut]").click()
    page.locator("#marks button.label-wrap").click(timeout=SLOW)
    expect(page.locator("#marks .mark")).to_have_count(3)
    expect(page.locator("#result .panels img")).to_have_count(3, timeout=SLOW)
    check(page, axe, known, f"a photo and its marks, {theme}")
    assert watched.overflow == 0


def test_a_message_and_a_finished_sticker(open_page, axe, known):
    page = open_page(DESKTOP, "?kind=emoji&seed=7&psi=9").page
    tab(page, "use")
    with page.expect_download(timeout=120_000):
        page.locator("#platforms [data-pick=slack]").click()
    expect(page.locator("#sticker-result img")).to_be_visible()
    check(page, axe, known, "a notice and a sticker")


def test_the_list_of_gradios_mistakes_is_no_longer_than_needed(known):
    assert known == GRADIO


def test_every_control_has_a_name(open_page):
    page = open_page(DESKTOP).page
    for name in TABS:
        tab(page, name)
        unnamed = page.evaluate(
            """() => [...document.querySelectorAll('input, button, textarea, select')].filter((e) => e.offsetParent &&
            !(e.getAttribute('aria-label') || e.labels?.length || e.innerText?.trim() || e.title ||
              e.getAttribute('aria-labelledby'))).map((e) => e.outerHTML.slice(0, 160))"""
        )
        assert unnamed == [], name
