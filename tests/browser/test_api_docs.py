"""The page that shows the API, in a real browser: from our own files and under the security policy."""

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_shows_every_operation_and_tries_one_out(page: Page, bob, live_server):
    page.goto("/api/docs")
    page.get_by_label("E-mail").fill(bob.email)
    page.get_by_label("Password").fill("secret")
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("heading", name="Stemset").first).to_be_visible()
    expect(page.locator(".opblock").first).to_be_visible()
    schema = page.request.get("/api/schema").json()
    assert page.locator(".opblock").count() == sum(len(item) for item in schema["paths"].values())
    operation = page.locator("#operations-recordings-recordings_list")
    operation.get_by_role("button", name="get /api/recordings", exact=False).first.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table td.response-col_status").last).to_contain_text("200")
    assert all(address.startswith(live_server.url) for address in addresses(page))


def addresses(page: Page) -> list[str]:
    """Return where the page has fetched something, embedded pictures aside."""
    fetched = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert any("swagger-ui" in address for address in fetched)
    return [address for address in fetched if not address.startswith("data:")]
