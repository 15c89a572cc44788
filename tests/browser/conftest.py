"""A Chromium, and a Farebox for it to visit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from django.conf import LazySettings
from django.db import connections
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.proof.serving import serving

# For a machine that is busy with others.
PATIENCE_MS = 60_000
GIVEN_UP = "net::ERR_ABORTED"
expect.set_options(timeout=PATIENCE_MS)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def chromium(django_db_setup: None) -> Iterator[Browser]:
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not program:
        pytest.skip("no Chromium on the PATH; on Debian: apt-get install chromium")
    # Playwright keeps an event loop in this thread, and Django would take every query in it for an async one.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    # Chromium's own sandbox refuses to run as root.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()
        # Under the event loop Django keeps other connections than without it: nobody else would close them.
        for each in connections.all():
            each.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def farebox(books: None, settings: LazySettings) -> Iterator[str]:
    """Serve Farebox on a free port of this machine; gives its URL."""
    with serving() as url:
        settings.ALLOWED_RETURN_ORIGINS = [url]
        yield url


class Visitor:
    """One browser window, and what went wrong or went out of this machine in it."""

    def __init__(self, page: Page):
        self.page = page
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("requestfailed", lambda request: self._failed(request.url, request.failure or ""))
        page.on("request", lambda request: self._seen(request.url))

    def _heard(self, said: ConsoleMessage) -> None:
        # A browser asks for /favicon.ico by itself where a page names no icon.
        if said.type == "error" and not said.location["url"].endswith("/favicon.ico"):
            self.complaints.append(said.text)

    def _failed(self, url: str, why: str) -> None:
        # The browser gives up what it still loads, such as the icon, when the page is left. What is forbidden or not
        # there has other names.
        if why != GIVEN_UP:
            self.complaints.append(f"{url}: {why}")

    def _seen(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            self.strangers.append(url)


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[Visitor]:
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    yield Visitor(page)
    context.close()
