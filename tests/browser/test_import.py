"""Staff bring an older version's store into the library, in a real browser."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from catalog.models import Recording
from tests.importer import importer, processes, stuck
from tests.legacy_store import LegacyStore

__all__ = ["importer"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def store(band, media) -> LegacyStore:
    """Three good recordings, one of which a stem is missing, and a folder with nothing in it that could be used."""
    store = LegacyStore(media)
    for number in range(3):
        store.folder("band", f"take_{number}_0123abc{number}", stems=("vocals", "other"), display_name=f"Take {number}")
    (media / "band" / "take_2_0123abc2" / "other.opus").unlink()
    store.metadata(store.folder("band", "broken_0123abcd", stems=()), "{")
    return store


@pytest.fixture
def alices_page(importer, store, page: Page, alice) -> Page:
    """A tab in which alice has signed in to the admin."""
    page.goto("/admin/login/?next=/admin/catalog/importrun/")
    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password").fill("secret")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Imports", exact=True)).to_be_visible()
    return page


def picture(page: Page, name: str) -> None:
    """Keep a screenshot, for people who asked for them."""
    folder = os.environ.get("STEMSET_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"import-{name}.png", full_page=True)


def test_from_the_plan_to_the_receipt(alices_page: Page):
    page = alices_page
    picture(page, "list")
    page.get_by_text("Choices").click()
    page.get_by_role("checkbox", name="band").check()
    picture(page, "choices")
    page.get_by_role("button", name="Look at the store").click()

    expect(page.get_by_role("row", name=re.compile("3 new"))).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="band/take_0_0123abc0")).to_be_visible()
    assert not Recording.objects.exists()
    picture(page, "plan")

    with stuck():
        page.get_by_role("button", name="Import now").click()
        expect(page.get_by_role("status")).to_have_text("Importing")
        expect(page.get_by_role("progressbar")).to_have_attribute("max", "4")
        expect(page.get_by_text("0 %")).to_be_visible()
        picture(page, "progress")
        page.evaluate("window.sameDocument = true")

    expect(page.get_by_role("status")).to_have_text("Done")
    expect(page.get_by_role("row", name=re.compile("3 brought in"))).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_count(0)
    assert page.evaluate("window.sameDocument")
    assert Recording.objects.count() == 3
    picture(page, "receipt")

    with page.expect_download() as download:
        page.get_by_role("link", name="Download the whole report").click()
    assert download.value.suggested_filename.endswith(".jsonl")
    page.get_by_role("navigation", name="Breadcrumbs").get_by_role("link", name="Imports").click()
    picture(page, "receipts")
    page.locator("#result_list tbody th a").first.click()
    page.get_by_role("link", name="band/take_0_0123abc0").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Take 0")


def test_cancelling_and_starting_again(alices_page: Page):
    page = alices_page
    with stuck():
        page.get_by_role("button", name="Import now").click()
        expect(page.get_by_role("status")).to_have_text("Importing")
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("status")).to_have_text("Cancelled")
    page.get_by_role("button", name="Start again").click()
    expect(page.get_by_role("status")).to_have_text("Done")


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_crash_is_seen_at_once_and_fits_a_phone(alices_page: Page, scheme):
    page = alices_page
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme=scheme)
    with stuck():
        page.get_by_role("button", name="Import now").click()
        expect(page.get_by_role("status")).to_have_text("Importing")
        picture(page, f"progress-phone-{scheme}")
        processes()[0].kill()
        expect(page.get_by_role("status")).to_have_text("Stopped")

    expect(page.get_by_text("Start again: it goes on where it stopped.")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.get_by_role("button", name="Start again").click()
    expect(page.get_by_role("status")).to_have_text("Done")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    picture(page, f"receipt-{scheme}")
