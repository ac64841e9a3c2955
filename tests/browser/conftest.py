"""A real chromium on the app's page; what it asks for and what its console says is watched all the time."""

import os
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import sync_playwright

CHROMIUM = os.environ.get("GANJI_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip
TIMEOUT = 30_000  # ms

# What Gradio 6.31's own scripts say, by text; nothing so far. The list may only shrink.
GRADIO_SAYS = ()

DESKTOP = {"locale": "en-US", "viewport": {"width": 1280, "height": 900}}
PHONE = {"locale": "ko-KR", "viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@dataclass
class Watched:
    """A page, and what it did.

    Attributes:
        context, page: Playwright's.
        outside: addresses asked for that are not on the loopback.
        said: errors of the console and of scripts that are not Gradio's known ones.
    """

    context: object
    page: object
    outside: list = field(default_factory=list)
    said: list = field(default_factory=list)

    def hear(self, text):
        if not any(re.search(pattern, text) for pattern in GRADIO_SAYS):
            self.said.append(text)

    def close(self):
        """Leave the page, which has kept to itself and to its app."""
        self.context.close()
        assert self.said == []
        assert self.outside == []

    @property
    def overflow(self):
        """How many pixels the page can be scrolled sideways."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, chromium_sandbox=False)
        yield browser
        browser.close()


@pytest.fixture
def open_address(chromium):
    """open_address(address, options) -> Watched, as soon as the page is there; checked at the end of the test."""
    opened = []

    def open_one(address, options, **more):
        context = chromium.new_context(accept_downloads=True, **options, **more)
        context.set_default_timeout(TIMEOUT)
        watched = Watched(context, context.new_page())
        opened.append(watched)
        page = watched.page
        page.on("request", lambda request: _watch_request(watched, request.url))
        page.on("console", lambda message: watched.hear(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: watched.hear(f"uncaught: {error}"))
        page.goto(address, wait_until="domcontentloaded")
        return watched

    yield open_one
    for watched in opened:
        watched.close()


@pytest.fixture
def open_page(open_address, app):
    """open_page(options, query) -> Watched, with the first picture of the default weights on show."""

    def open_one(options, query="", **more):
        watched = open_address(app.url + query, options, **more)
        watched.page.locator("#picture img").wait_for(timeout=60_000)
        return watched

    return open_one


def _watch_request(watched, url):
    if url.startswith(("data:", "blob:")):
        return
    if urlsplit(url).hostname not in ("127.0.0.1", "localhost"):
        watched.outside.append(url)
