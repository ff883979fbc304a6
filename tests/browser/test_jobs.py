"""A band watches its jobs in a real browser, while real workers do them."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.models import UserProfile
from catalog import services
from catalog.access import Role
from catalog.models import Recording, Stem
from catalog.storing import files_of
from processing import workdir
from processing.jobs import transitions
from processing.jobs.enqueue import Wish, enqueue
from processing.models import Job
from processing.scanner import SourceFile, content_hash
from tests.factories import make_user
from tests.workers import wait_until, working

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# Long enough to be watched and cancelled: some seconds of work.
LONG = {"seconds": 240, "strategy_name": "other_way"}


@pytest.fixture
def profile(band):
    return services.sync_profile(band.config.profile("band"))


@pytest.fixture
def leader(profile):
    user = make_user("alice@example.org", name="Alice", profiles=[profile])
    UserProfile.objects.update(role=Role.LEADER)
    return user


def ask_for(band, profile, user, name: str, *, strategy_name: str = "quick", **options) -> Job:
    source = SourceFile.at(band.record(name, **options))
    wish = Wish(
        profile=profile,
        strategy_name=strategy_name,
        origin=Job.Origin.UPLOAD,
        filename=name,
        file_hash=content_hash(source),
        file_size_bytes=source.size,
        source=str(source.path),
        uploader_id=user.pk,
    )
    return enqueue(wish)[0]


def sign_in(page: Page, user) -> None:
    page.goto("/jobs")
    page.get_by_label("E-mail").fill(user.email)
    page.get_by_label("Password").fill("secret")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()


def left_over(settings, media) -> set[str]:
    named = files_of(Stem.objects.all())
    stored = {str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()}
    return (stored ^ named) | ({path.name for path in settings.STEMSET_WORK_DIR.glob("*")} - {"sweep.lock"})


def left_over_after_a_sweep(settings, media) -> set[str]:
    """The same, when a worker that was stopped may have been stopped while it removed its work folder."""
    workdir.sweep(settings.STEMSET_WORK_DIR)
    return left_over(settings, media)


def test_watched_cancelled_tried_again_and_opened(page: Page, band, profile, leader, settings, media):
    job = ask_for(band, profile, leader, "long.wav", **LONG)
    sign_in(page, leader)
    row = page.locator(f"#job-{job.pk}")
    expect(row).to_contain_text("Uploaded by Alice")
    expect(row.locator("[data-show=status]")).to_have_text("Waiting")
    # Nothing on this page is loaded anew from here on.
    page.evaluate("window.stays = true")

    with working(config=band.config_path):
        bar = row.get_by_role("progressbar", name="Progress of long.wav")
        seen = [0]
        while len(seen) < 3:  # it moves
            if (value := bar.evaluate("bar => bar.value")) != seen[-1]:
                seen.append(value)
            page.wait_for_timeout(50)
        assert seen == sorted(seen)
        expect(row.locator("[data-show=percent]")).to_have_text(re.compile(r"^\d+ %$"))
        expect(row.locator("[data-show=elapsed]")).to_have_text(re.compile(r"^0:\d\d$"))

        row.get_by_role("button", name="Cancel").click()
        expect(row).to_contain_text("Cancelled by Alice.")
        expect(page.get_by_role("status")).to_contain_text("long.wav was cancelled.")
        expect(row.get_by_role("button", name="Try long.wav again")).to_be_focused()
        wait_until(lambda: not left_over(settings, media), 20)
        assert not Recording.objects.exists()

        page.keyboard.press("Enter")
        expect(row).to_contain_text("tried again since")
        expect(row.get_by_role("button")).to_have_count(0)
        again = page.locator("[data-kind=active]")
        expect(again).to_contain_text("Asked for again by Alice")
        wait_until(Recording.objects.exists, 60)
        page.get_by_role("link", name=re.compile("^long_")).wait_for()
        expect(page.get_by_role("status")).to_contain_text("Complete")
        assert page.evaluate("window.stays")
    page.get_by_role("link", name=re.compile("^long_")).click()
    expect(page.get_by_role("region", name="drums")).to_be_visible()
    assert not left_over_after_a_sweep(settings, media)


def test_on_a_profiles_page_recordings_come_in_when_they_are_made(page: Page, band, profile, leader):
    ask_for(band, profile, leader, "take.wav")
    sign_in(page, leader)
    page.goto("/library/band")
    expect(page.get_by_role("progressbar")).to_have_count(1)
    expect(page.get_by_role("heading", name="No recordings yet")).to_be_visible()
    with working(config=band.config_path):
        expect(page.get_by_role("link", name=re.compile("^take_"))).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_count(0)


def test_what_somebody_reads_stays_while_others_change(page: Page, band, profile):
    staff = make_user("sasha@example.org", name="Sasha", is_staff=True)
    failed, other = (ask_for(band, profile, staff, f"{name}.wav", seed=seed) for seed, name in enumerate("ab", 1))
    transitions.cancel(failed.pk, "Alice")
    sign_in(page, staff)
    details = page.locator(f"#job-{failed.pk} details")
    details.get_by_text("For staff").click()
    expect(details).to_contain_text("cancelled: Alice")

    transitions.cancel(other.pk, "Bob")

    expect(page.locator(f"#job-{other.pk}")).to_contain_text("Cancelled by Bob.")
    expect(details).to_have_attribute("open", "")


def test_a_page_that_nobody_looks_at_asks_nothing(page: Page, band, profile, leader):
    job = ask_for(band, profile, leader, "take.wav")
    sign_in(page, leader)
    with page.expect_request("**/api/jobs?*"):
        pass
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    page.wait_for_timeout(300)  # for what is under way
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    transitions.beat(transitions.begin(job.pk, "here/1"), "separating", 0.5)
    page.wait_for_timeout(1500)
    assert asked == []

    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")

    expect(page.get_by_text("50 %")).to_be_visible()


def test_without_javascript(browser: Browser, live_server, band, profile, leader):
    job = ask_for(band, profile, leader, "take.wav")
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, leader)
    page.get_by_label("State").select_option("Under way")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("progressbar")).to_have_count(1)

    page.get_by_role("button", name="Cancel take.wav").click()

    expect(page).to_have_url(re.compile("state=active"))
    expect(page.get_by_text("take.wav was cancelled.")).to_be_visible()
    job.refresh_from_db()
    assert job.state == "cancelled"
    context.close()


@pytest.mark.parametrize("width", [320, 1280])
def test_fits_on_a_phone(page: Page, band, profile, leader, width):
    job = ask_for(band, profile, leader, f"{'a_very_long_name_' * 8}.wav")
    transitions.begin(job.pk, "here/1")
    page.set_viewport_size({"width": width, "height": 700})
    sign_in(page, leader)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for box in page.get_by_role("button", name=re.compile("^Cancel")).all():
        assert box.bounding_box()["height"] >= 44
