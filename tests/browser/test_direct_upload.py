"""A leader uploads straight into the bucket, from a real browser to a server that speaks the real protocol."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from processing.models import Job
from stemset.storage_settings import storage_settings
from tests.browser.test_upload import choose, connection, leas_page, row
from tests.catalog.test_storage import R2, bucket, keys, s3_server
from tests.processing.uploads.sending import wav
from tests.s3_faults import faulty

__all__ = ["bucket", "leas_page", "s3_server"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def take() -> bytes:
    """A recording of three parts."""
    return wav(110)


@pytest.fixture
def file(take: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "take.wav"
    path.write_bytes(take)
    return path


@pytest.fixture
def sent(page: Page) -> list[str]:
    """The methods of what the browser sends that carries bytes, in their order."""
    methods: list[str] = []
    page.on("request", lambda said: methods.append(said.method) if said.method in ("PUT", "PATCH") else None)
    return methods


def test_paused_and_reloaded(bucket, leas_page: Page, file: Path, take: bytes, sent: list[str], settings):
    """What has arrived is not sent again, and our server gets none of it until it fetches it."""
    page = leas_page
    connection(page, len(take) / 3)
    choose(page, file)
    page.wait_for_function("() => document.querySelector('.uploads progress').value > 0.1")
    row(page, "take.wav").get_by_role("button", name="Pause").click()
    expect(row(page, "take.wav")).to_have_class("paused")
    row(page, "take.wav").get_by_role("button", name="Resume").click()
    page.wait_for_function("() => document.querySelector('.uploads progress').value > 0.5")
    page.reload()
    earlier = row(page, "take.wav")
    expect(earlier).to_contain_text("Choose the same file again")
    there = earlier.get_by_role("progressbar").evaluate("bar => bar.value")
    assert there > 0.3

    sent.clear()
    connection(page, -1)
    choose(page, file)
    expect(row(page, "take.wav")).to_have_class("working")
    expect(page.get_by_role("listitem")).to_have_count(1)
    job = Job.objects.get()
    assert keys(bucket) == {job.source}
    assert bucket.get_object(Bucket=R2.bucket_name, Key=job.source)["Body"].read() == take
    assert 1 <= len(sent) < 3
    assert set(sent) == {"PUT"}
    assert page.evaluate("localStorage.length") == 0


def test_cancelled(bucket, leas_page: Page, file: Path, take: bytes):
    page = leas_page
    connection(page, len(take) / 3)
    choose(page, file)
    page.wait_for_function("() => document.querySelector('.uploads progress').value > 0.1")
    with page.expect_response(lambda answer: answer.url.endswith("/direct/abort")) as answer:
        row(page, "take.wav").get_by_role("button", name="Cancel").click()
    assert answer.value.status == 204
    expect(page.get_by_role("listitem")).to_have_count(0)
    page.wait_for_function("() => localStorage.length === 0")
    assert "Uploads" not in bucket.list_multipart_uploads(Bucket=R2.bucket_name)


def test_a_part_that_fails_is_sent_again(bucket, leas_page: Page, file: Path, take: bytes, sent, complaints):
    page = leas_page
    tries = []

    def fail_two(route):
        tries.append(route.request.url)
        if len(tries) in (2, 4):
            route.fulfill(status=503) if len(tries) == 2 else route.abort()
        else:
            route.continue_()

    page.route("**/inputs/band/**", fail_two)
    choose(page, file)
    expect(row(page, "take.wav")).to_have_class("working")
    assert bucket.get_object(Bucket=R2.bucket_name, Key=Job.objects.get().source)["Body"].read() == take
    assert sent == ["PUT"] * 5
    assert len(set(tries)) == 5
    complaints.clear()  # the browser tells of the two


def test_a_bucket_that_lets_no_browser_in(bucket, s3_server, settings, leas_page: Page, file, take, sent, complaints):
    """It has no CORS rule: what it was to get comes by way of us."""
    page = leas_page
    with faulty(s3_server, rate=0) as without_cors:
        settings.STORAGES = {**settings.STORAGES, "default": storage_settings(R2, endpoint_url=without_cors)}
        page.reload()
        choose(page, file)
        expect(row(page, "take.wav")).to_have_class("working")
        job = Job.objects.get()
    assert bucket.get_object(Bucket=R2.bucket_name, Key=job.source)["Body"].read() == take
    assert (sent[0], set(sent[1:])) == ("PUT", {"PATCH"})
    assert page.evaluate("localStorage.length") == 0
    assert "Uploads" not in bucket.list_multipart_uploads(Bucket=R2.bucket_name)
    assert any("CORS" in said for said in complaints)
    complaints.clear()
