"""A band member finds a recording as they left it, and shows others what they mean."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from playwright.sync_api import Browser, Route, expect

from catalog.models import Mix
from tests.browser.conftest import tab
from tests.browser.mixing import Mixer, sign_in
from tests.factories import make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def theirs(browser: Browser, live_server, demo_band, mixer, complaints) -> Iterator[Mixer]:
    """The same page for somebody else of the band, not open yet."""
    with tab(browser, live_server.url, complaints) as page:
        sign_in(page, live_server.url, make_user("lea@example.org", profiles=[demo_band]))
        yield Mixer(page, mixer.recording)


def test_a_recording_is_found_as_it_was_left(mixer: Mixer):
    page = mixer.page
    mixer.slider("Level of drums").focus()
    page.keyboard.press("PageDown")
    mixer.button("Mute vocals").click()
    mixer.draw_loop(3, 6)
    page.get_by_label("Name of the loop").fill("Chorus")
    mixer.button("Keep it").click()
    mixer.button("80 %").click()
    mixer.button("A semitone down").click()
    page.locator("[data-effect=reverb] summary").click()
    page.locator("[data-effect=reverb]").get_by_role("checkbox").check()
    page.get_by_label("Beats a minute").fill("400")
    page.get_by_label("Count in").select_option("2 bars")
    page.mouse.click(*mixer.at(4.5))
    mixer.play()
    with mixer.keeping():
        mixer.button("Pause").click()

    kept = mixer.kept()
    assert kept["speed"] == 80
    assert kept["strips"]["vocals"]["mute"]
    assert [loop["name"] for loop in kept["loops"].values()] == ["Chorus"]

    position = mixer.position
    mixer.open()
    page.wait_for_function("() => stemset.player.position > 0")
    assert mixer.position == pytest.approx(position, abs=0.3)
    expect(mixer.slider("Level of drums")).to_have_attribute("aria-valuetext", "−4.6 dB")
    expect(mixer.button("Mute vocals")).to_have_attribute("aria-pressed", "true")
    expect(mixer.button("Loop")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#loops b")).to_have_text("Chorus")
    expect(page.locator("#speed-now")).to_have_text("80 %")
    expect(page.locator("#transpose-now")).to_have_text("−1 st")
    expect(page.locator("[data-effect=reverb] .effect-says")).to_have_text("on")
    expect(page.get_by_label("Count in")).to_have_value("2")
    mixer.play()
    mixer.hears_only("bass", "drums", "other")


def test_what_the_existing_client_keeps_is_taken_up_when_it_is_newer(mixer: Mixer, bob):
    page = mixer.page
    mixer.draw_loop(3, 6)
    page.get_by_label("Name of the loop").fill("Chorus")
    with mixer.keeping():
        mixer.button("Keep it").click()
    page.goto("about:blank")
    when = None
    while when != (when := Mix.objects.get().practised_at):
        time.sleep(1)  # a page that is left says where, in a request that outlives it
    kept = mixer.kept()
    client = Client()
    client.force_login(bob)
    config = f"/api/recordings/{mixer.recording.pk}/config"
    change = {"key": "stems", "value": {"drums": {"gain": 0.5, "muted": True}}}
    assert client.patch(config, change, content_type="application/json").json()["stems"] == change["value"]
    assert mixer.kept() == kept
    mixer.open()
    expect(mixer.button("Mute drums")).to_have_attribute("aria-pressed", "true")
    expect(mixer.slider("Level of drums")).to_have_attribute("aria-valuetext", "−6.0 dB")
    expect(page.locator("#loops b")).to_have_text("Chorus")


def test_two_tabs_of_a_recording(mixer: Mixer):
    other = Mixer(mixer.page.context.new_page(), mixer.recording).open()
    with mixer.keeping():
        mixer.button("Mute vocals").click()
    with other.keeping():
        other.button("Mute drums").click()
    with mixer.keeping():
        mixer.page.locator("[data-effect=eq] summary").click()
        mixer.page.get_by_label("80 Hz").fill("9")
    with other.keeping():
        other.button("Mute drums").click()
    kept = mixer.kept()
    assert [kept["strips"][stem]["mute"] for stem in ("vocals", "drums")] == [True, False]
    assert kept["master"]["eq"]["bands"]["0"]["gain"] == 9


def test_a_link_that_is_shared(mixer: Mixer, theirs: Mixer):
    page = mixer.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    mixer.draw_loop(3, 6)
    page.get_by_label("Name of the loop").fill("Chorus")
    mixer.button("Keep it").click()
    mixer.button("Solo bass").click()
    mixer.button("70 %").click()
    page.mouse.click(*mixer.at(4))
    mixer.button("Copy a link").click()
    expect(page.locator("#share-said")).to_have_text("The link is on the clipboard.")
    link = page.evaluate("navigator.clipboard.readText()")
    assert "/library/demo-band/harbour_11111111#share=1&t=" in link

    # Lea has a mix of her own.
    theirs.open()
    with theirs.keeping():
        theirs.button("Mute vocals").click()
    kept = Mix.objects.get(user__email="lea@example.org").practice
    theirs.page.goto("about:blank")
    theirs.open("#" + link.partition("#")[2])
    expect(theirs.button("Solo bass")).to_have_attribute("aria-pressed", "true")
    expect(theirs.button("Mute vocals")).to_have_attribute("aria-pressed", "false")
    expect(theirs.page.locator("#speed-now")).to_have_text("70 %")
    assert theirs.position == pytest.approx(4, abs=0.05)
    theirs.play()
    theirs.hears_only("bass")
    theirs.button("Pause").click()
    back = theirs.button("Back to mine")
    back.click()
    expect(back).to_be_hidden()
    expect(theirs.button("Mute vocals")).to_have_attribute("aria-pressed", "true")
    expect(theirs.page.locator("#speed-now")).to_have_text("100 %")
    assert theirs.page.url.endswith("/harbour_11111111")
    assert Mix.objects.get(user__email="lea@example.org").practice["strips"] == kept["strips"]

    # Opened where the recording is open already, it is heard too; who changes something makes it their own for good.
    theirs.page.evaluate("fragment => { location.hash = fragment }", link.partition("#")[2])
    expect(theirs.button("Solo bass")).to_have_attribute("aria-pressed", "true")
    with theirs.keeping():
        theirs.button("Mute drums").click()
    assert theirs.page.url.endswith("/harbour_11111111")
    theirs.open()
    for pressed in ("Solo bass", "Mute drums"):
        expect(theirs.button(pressed)).to_have_attribute("aria-pressed", "true")
    expect(theirs.page.locator("#speed-now")).to_have_text("70 %")

    # A place alone, as one types it.
    theirs.open("?t=0:07")
    theirs.page.wait_for_function("() => Math.abs(stemset.player.position - 7) < 0.05")


def test_a_server_that_cannot_keep_it(mixer: Mixer, complaints: list[str]):
    page = mixer.page

    def refuse(route: Route) -> None:
        if route.request.method == "PATCH":
            route.fulfill(status=503, body="")
        else:
            route.continue_()

    page.route("**/practice", refuse)
    mixer.button("Mute bass").click()
    notice = page.locator("#notice")
    expect(notice).to_have_text("Your mix could not be kept. It is tried again until it works.")
    page.unroute("**/practice")
    expect(notice).to_have_text("Your mix is kept.")
    assert mixer.kept()["strips"]["bass"]["mute"]
    assert all("503" in complaint for complaint in complaints)
    complaints.clear()


def test_a_stem_is_downloaded_under_its_name(mixer: Mixer, media: Path, tmp_path: Path):
    page = mixer.page
    mixer.button("More about drums").click()
    with page.expect_download() as caught:
        mixer.lane("drums").get_by_role("link", name="Download").click()
    assert caught.value.suggested_filename == "Harbour - drums.opus"
    caught.value.save_as(tmp_path / "drums.opus")
    drums = mixer.recording.stems.get(stem_type="drums")
    assert (tmp_path / "drums.opus").read_bytes() == (media / drums.audio_url).read_bytes()
