"""A real Chromium against the running site."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from tests.browser.mixing import Mixer, make_harbour, sign_in
from tests.cast import alice, bob, charlie, demo_band, dora, other_band
from tests.chromium import FLAGS, chromium

__all__ = ["alice", "bob", "charlie", "demo_band", "dora", "other_band"]

# A machine that does much at once takes its time; who waits for what is there already waits no longer.
expect.set_options(timeout=30_000)

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    # Playwright's synchronous interface runs an event loop in this thread, in which Django would refuse to work.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def complaints() -> list[str]:
    """What the browser had to complain about: errors, warnings and violations of the security policy."""
    return []


@pytest.fixture
def page(browser: Browser, live_server, complaints: list[str]) -> Iterator[Page]:
    """A tab of a browser that has never been here. A test in which the browser complains fails."""
    with tab(browser, live_server.url, complaints) as page:
        yield page
    assert not complaints


@pytest.fixture
def phone(browser: Browser, live_server, complaints: list[str]) -> Iterator[Page]:
    """The same on a phone that is held upright."""
    with tab(browser, live_server.url, complaints, **PHONE) as page:
        yield page
    assert not complaints


@pytest.fixture
def mixer(page: Page, live_server, bob, demo_band) -> Mixer:
    """The page of a recording, open for bob."""
    sign_in(page, live_server.url, bob)
    return Mixer(page, make_harbour(demo_band)).open()


@contextlib.contextmanager
def tab(browser: Browser, url: str, complaints: list[str], **options: Any) -> Iterator[Page]:
    """Open a tab of its own; what the browser complains of is noted. The options are Playwright's of a context."""
    context = browser.new_context(base_url=url, **{"viewport": {"width": 1280, "height": 800}, **options})
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.extend(_failure(request)))
    yield page
    said = list(complaints)
    # A page that is closed sends what it has not kept yet, while the database is being emptied.
    context.set_offline(True)
    context.close()
    complaints[:] = said


def _failure(request: Request) -> list[str]:
    # A page that is left, and a player that has buffered enough, abort what is under way.
    return [] if request.failure == "net::ERR_ABORTED" else [f"{request.url}: {request.failure}"]
