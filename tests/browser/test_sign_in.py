"""Signing in with Google in a real browser: in, refused, out, and out everywhere."""

import dataclasses
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from tests.factories import make_recording, write_files
from tests.google import GoogleStandIn, use_google

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
UNAUTHORIZED = "Failed to load resource: the server responded with a status of 401"


@pytest.fixture
def google(settings) -> Iterator[GoogleStandIn]:
    """Google, at which bob and charlie have accounts. Bob is invited (by the cast), charlie is not."""
    with GoogleStandIn() as stand_in:
        use_google(settings, stand_in)
        yield stand_in


@pytest.fixture
def band(bob, demo_band):
    """Something to open for bob."""
    write_files(make_recording(demo_band, "harbour_11111111", display_name="Harbour", duration=1.0))
    return demo_band


@pytest.fixture
def another_browser(browser: Browser, live_server) -> Iterator[Page]:
    """A second browser, of somebody or of the same person."""
    context = browser.new_context(base_url=live_server.url)
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


def sign_in(page: Page, email: str = "bob@example.org") -> None:
    """Go through the door and choose an account at Google."""
    page.get_by_role("link", name="Sign in with Google").click()
    expect(page).to_have_title("Choose an account")
    page.get_by_role("link", name=email).click()


def test_from_the_door_through_google_to_the_page_that_was_wanted(page: Page, google, band):
    page.goto("/library/demo-band")
    sign_in(page)

    expect(page).to_have_url("/library/demo-band")
    expect(page.get_by_role("link", name="Harbour")).to_be_visible()
    page.get_by_role("link", name="Bob").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Bob")
    picture = page.locator(".you img")
    assert picture.evaluate("picture => picture.naturalWidth") == 192


def test_the_existing_client_finds_its_token_in_the_address(page: Page, google, band):
    page.goto("/auth/login")
    page.get_by_role("link", name="bob@example.org").click()

    # Our own start page stands in for the client: a redirect takes the fragment along.
    page.wait_for_url("**/library#token=*")
    token = page.evaluate("location.hash").removeprefix("#token=")
    (cookie,) = [cookie for cookie in page.context.cookies() if cookie["name"] == "stemset_token"]
    assert cookie["value"] == token
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"


def test_whom_nobody_invited_is_told_what_to_do(page: Page, google, band, complaints):
    page.goto("/")
    sign_in(page, "charlie@example.org")

    expect(page.get_by_role("heading", level=1)).to_have_text("You are not on the list")
    expect(page.get_by_text("Ask whoever runs this site to invite charlie@example.org.")).to_be_visible()
    assert complaints.pop().startswith(UNAUTHORIZED)
    assert not [cookie for cookie in page.context.cookies() if cookie["name"] == "stemset_token"]

    page.get_by_role("link", name="Try again").click()
    page.get_by_role("link", name="bob@example.org").click()
    expect(page.get_by_role("heading", name="Library")).to_be_visible()


def test_who_changes_their_mind_at_google(page: Page, google, band, complaints):
    page.goto("/")
    page.get_by_role("link", name="Sign in with Google").click()
    page.get_by_role("link", name="Cancel").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("You stopped at Google")
    assert complaints.pop().startswith(UNAUTHORIZED)


def test_signing_out(page: Page, google, band):
    page.goto("/")
    sign_in(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in with Google")).to_be_visible()

    page.goto("/library/demo-band")

    expect(page).to_have_url("/login?next=/library/demo-band")
    assert not [cookie for cookie in page.context.cookies() if cookie["name"] == "stemset_token"]


def test_signing_out_everywhere_from_another_browser(page: Page, google, band, another_browser: Page):
    page.goto("/library")
    sign_in(page)
    expect(page.get_by_role("heading", name="Library")).to_be_visible()
    another_browser.goto("/account")
    sign_in(another_browser)
    expect(another_browser.get_by_text("Another browser")).to_be_visible()

    another_browser.get_by_role("button", name="Sign out everywhere").click()
    expect(another_browser.get_by_role("link", name="Sign in with Google")).to_be_visible()
    page.reload()

    expect(page).to_have_url("/login?next=/library")


def test_staff_switch_an_account_off(page: Page, google, band):
    page.goto("/library")
    sign_in(page)
    expect(page.get_by_role("heading", name="Library")).to_be_visible()

    User.objects.update(is_active=False)
    page.reload()

    expect(page.get_by_role("link", name="Sign in with Google")).to_be_visible()


def test_a_token_for_a_script(page: Page, google, band, live_server):
    page.goto("/account")
    sign_in(page)
    page.get_by_label("What for").fill("backup")
    page.get_by_label("Expires").select_option("never")
    page.get_by_role("button", name="Make a token").click()
    secret = page.get_by_label("Your token “backup”").input_value()
    asked = page.context.request.get("/api/profiles", headers={"Authorization": f"Bearer {secret}"})
    assert [profile["name"] for profile in asked.json()] == ["demo-band"]

    page.get_by_role("button", name="Revoke backup").click()

    expect(page.get_by_text("never used")).to_have_count(0)
    asked = page.context.request.get("/api/profiles", headers={"Authorization": f"Bearer {secret}"})
    assert asked.status == 401


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("path", ["/login", "/account", "/auth/callback?error=access_denied"])
def test_fits_a_narrow_phone_in_both_colour_schemes(page: Page, google, bob, complaints, path, scheme):
    google.accounts[0] = dataclasses.replace(google.accounts[0], name="W" * 80)
    page.set_viewport_size({"width": 320, "height": 640})
    page.emulate_media(color_scheme=scheme)
    if path == "/account":
        page.goto(path)
        sign_in(page)
        page.get_by_label("What for").fill("W" * 80)
        page.get_by_role("button", name="Make a token").click()
        expect(page.get_by_text("Copy it now")).to_be_visible()
    else:
        page.goto(path)

    assert page.evaluate("document.documentElement.scrollWidth") == 320
    if "callback" in path:
        assert complaints.pop().startswith(UNAUTHORIZED)
