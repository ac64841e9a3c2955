"""What visitors do, and what they see, in one line each."""

import base64
import io
import os
import re
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

PICTURES = Path(__file__).resolve().parent.parent.parent / "docs" / "img"
MAX_SCREENSHOT = 250_000  # bytes
# Gradio mounts a tab's parts anew in the first moments after it is opened, and what was typed until then is gone.
STILL = """([selector, quiet]) => new Promise((done) => {
  const panel = document.querySelector(selector);
  let timer = setTimeout(finish, quiet);
  const watch = new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(finish, quiet); });
  function finish() { watch.disconnect(); requestAnimationFrame(() => requestAnimationFrame(done)); }
  watch.observe(panel, { subtree: true, childList: true, attributes: true });
})"""
QUIET = 500  # ms without a change


def tab(page, name):
    """Go to a tab: photo, random, customize or use; it is there when nothing in it changes any more."""
    page.locator(f"#tab-{name}-button").click()
    expect(page.locator(f"#tab-{name}-button")).to_have_attribute("aria-selected", "true")
    page.evaluate(STILL, [f"#tab-{name}", QUIET])


def shown_bytes(page):
    """The file of the picture on show, which the page holds as it is."""
    return from_data_url(page.locator("#picture img").get_attribute("src"))


def from_data_url(url):
    head, _, body = url.partition(",")
    assert head == "data:image/png;base64", head
    return base64.b64decode(body)


def downloaded(page, selector, timeout=60_000):
    """(file name, bytes) of what a button saves."""
    with page.expect_download(timeout=timeout) as caught:
        page.locator(selector).click()
    return caught.value.suggested_filename, Path(caught.value.path()).read_bytes()


def shown_after(page, pattern, timeout=60_000):
    """The file of the picture on show once the page's address has this in it."""
    expect(page).to_have_url(re.compile(pattern), timeout=timeout)
    return shown_bytes(page)


def move_slider(page, number, presses):
    """Move a slider with the arrow keys, half a strength each."""
    page.locator(f"#slide-{number}").focus()
    for _ in range(abs(presses)):
        page.keyboard.press("ArrowRight" if presses > 0 else "ArrowLeft")


def keep(page, name):
    """Store what the window shows in docs/img/, small, if GANJI_SCREENSHOTS=1."""
    if os.environ.get("GANJI_SCREENSHOTS") != "1":
        return
    page.wait_for_timeout(600)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    path = PICTURES / f"{name}.webp"
    path.parent.mkdir(exist_ok=True)
    picture.save(path, quality=70, method=6)
    assert path.stat().st_size < MAX_SCREENSHOT, f"{path.name}: {path.stat().st_size} bytes"
