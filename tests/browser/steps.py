"""What visitors do, and what they see, in one line each."""

import base64
from pathlib import Path

from playwright.sync_api import expect


def tab(page, name):
    """Go to a tab: photo, random, customize or use."""
    page.locator(f"#tab-{name}-button").click()
    expect(page.locator(f"#tab-{name}-button")).to_have_attribute("aria-selected", "true")


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
