"""A band member finds a recording and listens to it, in a real browser."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import tab
from tests.browser.mixing import sign_in
from tests.factories import STEM_TYPES, make_recording, write_files

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SECONDS = 6.0


@pytest.fixture
def harbour(demo_band):
    """Two recordings, one of which really has its files."""
    make_recording(demo_band, "ebb_22222222", display_name="Ebb", filename="STE-002.wav", days_ago=3)
    recording = make_recording(
        demo_band, "harbour_11111111", display_name="Harbour", filename="STE-001.wav", duration=SECONDS
    )
    write_files(recording)
    return recording


@pytest.fixture
def bobs_page(page: Page, bob, harbour) -> Page:
    """A tab in which bob has signed in through the form."""
    page.goto("/")
    page.get_by_label("E-mail").fill(bob.email)
    page.get_by_label("Password").fill("secret")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Library")).to_be_visible()
    return page


def ready(page: Page) -> None:
    """Wait until the mixer has opened every stem."""
    expect(page.locator("#mixer[data-ready]")).to_be_visible()


def position(page: Page) -> float:
    return page.evaluate("stemset.player.position")


def has_moved(page: Page, seconds: float) -> None:
    """Wait until it has played on from somewhere."""
    page.wait_for_function(
        "from => stemset.player.state === 'playing' && stemset.player.position > from + 0.3", arg=seconds
    )


def test_from_the_door_to_the_music(bobs_page: Page):
    page = bobs_page
    page.get_by_role("link", name="demo-band").click()
    expect(page.get_by_role("listitem")).to_have_count(2)

    page.get_by_label("Search").fill("ste-001")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("listitem")).to_have_count(1)
    page.get_by_role("link", name="Harbour").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Harbour")
    audio_answers = []
    page.on("response", lambda answer: audio_answers.append(answer) if answer.url.endswith(".opus") else None)
    page.reload()
    ready(page)
    page.get_by_role("button", name="Play").click()
    has_moved(page, 0)
    assert page.evaluate("stemset.player.duration") == pytest.approx(SECONDS, abs=0.01)
    assert {answer.status for answer in audio_answers} == {206}
    assert {answer.url.rpartition("/")[2] for answer in audio_answers} == {f"{stem}.opus" for stem in STEM_TYPES}
    page.wait_for_function("() => [...stemset.player.levels.stems.values()].every(level => level > 0)")


def test_without_javascript_the_stems_play_one_by_one(browser: Browser, live_server, bob, harbour, complaints):
    with tab(browser, live_server.url, complaints, java_script_enabled=False) as page:
        sign_in(page, live_server.url, bob)
        page.goto("/library/demo-band/harbour_11111111")
        for stem in STEM_TYPES:
            lane = page.get_by_role("region", name=stem)
            player = lane.locator("audio")
            expect(player).to_be_visible()
            assert page.request.get(player.get_attribute("src")).headers["content-type"] == "audio/ogg"
            expect(lane.get_by_text("Loudness")).to_be_visible()
        # What would do nothing is not there.
        expect(page.get_by_role("button")).to_have_text(["Sign out"])
    assert not complaints


@pytest.mark.parametrize("playing", [False, True])
def test_a_click_on_a_waveform_seeks(bobs_page: Page, playing):
    page = bobs_page
    page.goto("/library/demo-band/harbour_11111111")
    ready(page)
    if playing:
        page.get_by_role("button", name="Play").click()
        has_moved(page, 0)
    wave = page.locator(".lane[data-stem=bass] .wave")
    box = wave.bounding_box()

    wave.click(position={"x": box["width"] * 0.6, "y": box["height"] / 2})

    if not playing:
        assert position(page) == pytest.approx(0.6 * SECONDS, abs=0.05)
        playhead = page.locator(".lane[data-stem=bass] .playhead").bounding_box()
        assert playhead["x"] == pytest.approx(box["x"] + 0.6 * box["width"], abs=4)
        page.get_by_role("button", name="Play").click()
    has_moved(page, 0.6 * SECONDS)


def test_dragging_over_a_waveform_seeks_along(bobs_page: Page):
    page = bobs_page
    page.goto("/library/demo-band/harbour_11111111")
    ready(page)
    box = page.locator(".lane[data-stem=vocals] .wave").bounding_box()
    middle = box["y"] + box["height"] / 2

    page.mouse.move(box["x"] + box["width"] * 0.2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, middle)
    page.mouse.up()
    page.mouse.move(box["x"] + box["width"] * 0.9, middle)

    assert position(page) == pytest.approx(0.5 * SECONDS, abs=0.05)


def test_waveforms_are_drawn_in_the_colour_of_their_stem(bobs_page: Page):
    page = bobs_page
    page.goto("/library/demo-band/harbour_11111111")

    colours = {
        stem: page.locator(f".lane[data-stem={stem}] .wave").evaluate(
            "wave => getComputedStyle(wave).getPropertyValue('--paint')"
        )
        for stem in STEM_TYPES
    }

    assert len(set(colours.values())) == len(STEM_TYPES)
    assert all(colours.values())


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("path", ["/library", "/library/demo-band", "/library/demo-band/harbour_11111111", "/nowhere"])
def test_fits_a_narrow_phone_in_both_colour_schemes(bobs_page: Page, complaints, harbour, path, scheme):
    long_name = "W" * 80
    harbour.display_name = long_name
    harbour.save()
    page = bobs_page
    page.set_viewport_size({"width": 320, "height": 640})
    page.emulate_media(color_scheme=scheme)

    page.goto(path)

    assert page.evaluate("document.documentElement.scrollWidth") == 320
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"dark": "rgb(18, 20, 22)", "light": "rgb(242, 243, 240)"}[scheme]
    if path == "/nowhere":  # the browser says that the page itself was not found
        assert complaints.pop().startswith("Failed to load resource: the server responded with a status of 404")


def test_everything_can_be_reached_with_the_keyboard(bobs_page: Page):
    page = bobs_page
    page.goto("/library/demo-band")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))

    assert reached == ["Library", "q", "sort", "Show", "Harbour", "Ebb"]


def test_signing_out_closes_the_door(bobs_page: Page):
    page = bobs_page
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()

    page.goto("/library/demo-band/harbour_11111111")

    expect(page).to_have_url("/login?next=/library/demo-band/harbour_11111111")


def test_the_admin_plays_and_breaks_no_rule_of_the_security_policy(page: Page, alice, harbour):
    page.goto("/admin/login/")
    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password").fill("secret")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_load_state("networkidle")

    page.goto(f"/admin/catalog/recording/{harbour.pk}/change/")

    drums = page.locator("audio[aria-label=drums]")
    drums.click(position={"x": 16, "y": 16})
    page.wait_for_function("() => document.querySelector('audio[aria-label=drums]').currentTime > 0.2")
    picture = page.get_by_role("img", name="Waveform of drums")
    assert picture.evaluate("picture => picture.naturalWidth") == 1920
