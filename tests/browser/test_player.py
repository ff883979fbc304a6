"""The player's promises in a real browser: stems in step, a network that breaks, damaged files, another origin."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from playwright.sync_api import Browser, Page, Route, expect

from catalog.models import Recording
from processing.audio.encode import Format, encode
from stemset.storage_settings import storage_settings
from tests.browser.mixing import violations
from tests.catalog.test_storage import R2, bucket, s3_server
from tests.factories import STEM_TYPES, make_recording
from tests.listening import RATE, Listener, impulses, offsets, open_mixer, wav_of
from tests.network import Network, network

__all__ = ["bucket", "s3_server"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SECONDS = 40
PAGE = "/library/demo-band/impulses"


@pytest.fixture
def recording(demo_band) -> Recording:
    """Stems of impulses, which lie apart by what is known to the sample."""
    recording = make_recording(demo_band, "impulses", duration=SECONDS)
    recording.stems.update(stem_gain_adjustment_db=0)
    return recording


def store(recording: Recording) -> None:
    for number, stem in enumerate(sorted(recording.stems.all(), key=lambda stem: STEM_TYPES.index(stem.stem_type))):
        content = wav_of(impulses(number, SECONDS))
        stem.file_size_bytes = len(content)
        stem.save()
        default_storage.save(stem.audio_url, ContentFile(content))


@pytest.fixture
def net(live_server) -> Iterator[Network]:
    """What lies between the browser and the server."""
    address = urlsplit(live_server.url)
    with network((address.hostname, address.port)) as between:
        yield between


@pytest.fixture
def tab(browser: Browser, net: Network, bob) -> Iterator[Page]:
    """A tab of bob's, who is signed in, on the other side of the network."""
    client = Client()
    client.force_login(bob)
    # The policy would keep out what records.
    context = browser.new_context(base_url=net.url, bypass_csp=True)
    name = django_settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": net.url}])
    yield context.new_page()
    context.set_offline(True)
    context.close()


@pytest.fixture
def listener(tab: Page) -> Listener:
    return Listener(tab)


def start(listener: Listener) -> None:
    open_mixer(listener.page, PAGE)
    listener.page.evaluate("stemset.player.setMaster({ limiter: { on: false } })")
    listener.listen()
    listener.page.get_by_role("button", name="Play").click()
    listener.run("await sounding();")


def in_step(listener: Listener, place: int) -> None:
    """Go to an even second, a while before a round of impulses, and look where those are."""
    listener.run("await seekTo(values[0]);", place)
    listener.recorded()
    listener.run("while (player.position < values[0] + 1.4) await sleep(20);", place)
    assert offsets(*listener.recorded()) == [0, 0, 0]


def test_stems_are_in_step(recording, listener):
    store(recording)
    start(listener)
    for place in (0, 22, 6, 36, 14):
        in_step(listener, place)
    listener.run("player.setLoop({ start: 10.9, end: 11.4 }); await seekTo(10.9);")
    listener.recorded()
    listener.run("await sleep(2600);")
    sound, rate = listener.recorded()
    found = offsets(sound, rate)
    assert len(found) >= 9
    assert set(found) == {0}
    listener.run(
        "player.setLoop(null); player.setSpeed(0.75); await sleep(300); await seekTo(20.5); await sleep(1600);"
    )
    sound, rate = listener.recorded()
    slower = offsets(sound[-round(1.5 * rate) :], rate, 0.75)
    assert len(slower) == 3
    assert max(map(abs, slower)) <= 1


def test_a_broken_network_stops_all_stems_and_lets_them_go_on(recording, listener, net: Network):
    store(recording)
    start(listener)
    notice = listener.page.locator("#notice")

    net.cut()
    listener.run("player.seek(24.9);")
    expect(notice).to_contain_text("Waiting for the network")
    listener.page.wait_for_function("stemset.player.state === 'waiting'")
    assert listener.run("return player.position;") == pytest.approx(24.9, abs=0.01)
    net.is_cut = False
    listener.run("await sounding();")
    expect(notice).not_to_be_visible()
    in_step(listener, 24)

    net.answer(503, "/media/")
    listener.run("player.seek(36.9);")
    expect(notice).to_contain_text("Waiting for the network")
    net.answer(None)
    listener.run("await sounding();")
    expect(notice).not_to_be_visible()
    in_step(listener, 36)


def test_what_is_refused_is_asked_for_until_it_is_there(recording, listener, net: Network):
    store(recording)
    start(listener)
    notice = listener.page.locator("#notice")
    net.answer(403, "/media/")
    listener.run("player.seek(30);")
    expect(notice).to_contain_text("signed out")
    expect(notice.get_by_role("button", name="Reload")).to_be_visible()
    net.answer(None)
    listener.run("await sounding();")
    expect(notice).not_to_be_visible()


def test_without_one_stem_s_file_the_others_play(recording, listener):
    store(recording)
    stems = {stem.stem_type: stem.audio_url for stem in recording.stems.all()}
    default_storage.delete(stems["other"])
    start(listener)
    notice = listener.page.locator("#notice")
    expect(notice).to_contain_text("The audio of Other is not there any more: it is silent.")
    listener.recorded()
    listener.run("await seekTo(4); while (player.position < 5.4) await sleep(20);")
    assert offsets(*listener.recorded()) == [0, 0]

    for key in stems.values():
        default_storage.delete(key)
    listener.page.goto(PAGE, wait_until="commit")
    expect(notice).to_contain_text("not there any more")
    expect(notice.get_by_role("button", name="Reload")).to_be_visible()


def test_what_was_away_for_a_while_is_spoken_of_as_long_as_that(recording, listener, net: Network):
    store(recording)
    start(listener)
    notice = listener.page.locator("#notice")
    net.answer(404, "/media/")
    listener.run("player.seek(30);")
    expect(notice).to_contain_text("The audio is not there any more")
    # That is not taken for a network that is slow.
    listener.run("await sleep(1800);")
    expect(notice).to_contain_text("The audio is not there any more")
    net.answer(None)
    listener.run("await sounding();")
    expect(notice).not_to_be_visible()
    # When only one is away it is told which.
    net.answer(404, "drums")
    listener.run("player.seek(10);")
    expect(notice).to_contain_text("The audio of Drums is not there any more")
    net.answer(None)
    listener.run("await sounding();")
    expect(notice).not_to_be_visible()


LOUD_FROM = 12


def encoded(kind: Format, folder: Path) -> bytes:
    """Noise that is hardly heard, and from LOUD_FROM on is, of 16 seconds."""
    noise = np.random.default_rng(7).uniform(-0.02, 0.02, (16 * RATE, 2)).astype(np.float32)
    noise[LOUD_FROM * RATE :] *= 10
    target = folder / f"stem.{kind}"
    encode([noise], target, format=kind, bitrate_kbps=160, frames=len(noise))
    return target.read_bytes()


def hole(content: bytes) -> bytes:
    """A file with zeros from a quarter of it to a half."""
    quarter = len(content) // 4
    return content[:quarter] + bytes(quarter) + content[2 * quarter :]


def put(recording: Recording, contents: dict[str, bytes]) -> None:
    """Store files of stems; those that are not among them are not there."""
    recording.stems.update(duration_seconds=16)
    for stem in recording.stems.all():
        if content := contents.get(stem.stem_type):
            default_storage.save(stem.audio_url, ContentFile(content))


LEVELS = """
    const loudest = {};
    for (let i = 0; i < 8; i++) {
        await sleep(40);
        for (const [stem, peak] of player.levels.stems) loudest[stem] = Math.max(loudest[stem] ?? 0, peak);
    }
    return loudest;
"""


def heard(listener: Listener, place: float) -> dict[str, bool]:
    """Go somewhere; return which stems are heard there, however softly."""
    levels = listener.run(f"await seekTo(values[0]); await sleep(60); {LEVELS}", place)
    return {stem: peak > 0.002 for stem, peak in levels.items()}


def test_a_damaged_stem_is_silent_where_it_is_and_the_others_play(recording, listener, tmp_path):
    opus, m4a = encoded("opus", tmp_path), encoded("aac", tmp_path)
    put(recording, {"vocals": opus, "drums": hole(opus), "bass": bytes(len(opus)), "other": m4a[: len(m4a) // 2]})
    start(listener)
    page, notice = listener.page, listener.page.locator("#notice")
    expect(notice).to_contain_text("The audio of Bass is damaged: it is silent.")
    # M4A has its table of contents in front or at the end, where it is cut off.
    other = "The audio of Other is damaged: it is silent"
    expect(notice).to_contain_text(other)

    quiet = {"vocals": True, "drums": True, "bass": False, "other": True}
    assert heard(listener, 1) == quiet
    assert heard(listener, 5.5) == {**quiet, "drums": False}
    expect(notice).to_contain_text("The audio of Drums is damaged: a part of it is silent, at 0:0")
    assert heard(listener, 9) == {**quiet, "other": False}
    # What comes after the hole is where it belongs.
    levels = listener.run(f"await seekTo(values[0] - 0.6); {LEVELS}", LOUD_FROM)
    assert levels["drums"] < 0.05
    levels = listener.run(f"await seekTo(3); await seekTo(values[0] + 0.3); {LEVELS}", LOUD_FROM)
    assert levels["drums"] == pytest.approx(levels["vocals"], rel=0.2)

    page.get_by_role("button", name="Pause").click()
    page.wait_for_function("stemset.player.state === 'paused'")
    page.get_by_role("button", name="Play", exact=True).click()
    listener.run("await sounding();")

    # Other things are said beside it.
    page.get_by_role("button", name="Only me").click()
    expect(notice).to_contain_text("Choose first what you play")
    expect(notice).to_contain_text("The audio of Bass is damaged")
    assert violations(page) == []
    notice.get_by_role("button", name="OK").click()
    expect(notice).not_to_contain_text("damaged")
    assert heard(listener, 5.5) == {**quiet, "drums": False}
    expect(notice).not_to_contain_text("damaged")


def test_when_no_stem_can_be_read_it_is_said(recording, tab: Page):
    put(recording, dict.fromkeys(STEM_TYPES, bytes(100_000)))
    open_mixer(tab, PAGE)
    expect(tab.locator("#notice")).to_contain_text("The audio is damaged: none of the stems can be read.")
    expect(tab.locator("#notice").get_by_role("button", name="Reload")).to_be_visible()
    expect(tab.get_by_role("button", name="Play", exact=True)).to_be_disabled()


def test_a_browser_without_decoders_plays_what_it_can_decode_whole(recording, tab: Page, listener, tmp_path):
    opus = encoded("opus", tmp_path)
    tab.route("**/player/reader*.js", without_decoders)
    put(recording, {"vocals": opus, "drums": bytes(5000), "bass": opus})
    start(listener)
    assert heard(listener, 9) == {"vocals": True, "drums": False, "bass": True, "other": False}
    notice = listener.page.locator("#notice")
    expect(notice).to_contain_text("The audio of Drums is damaged: it is silent.")
    expect(notice).to_contain_text("The audio of Other is not there any more: it is silent.")


def without_decoders(route: Route) -> None:
    """Answer with a worker that has no WebCodecs."""
    found = route.fetch()
    route.fulfill(response=found, body=f"delete globalThis.AudioDecoder;{found.text()}")


def test_play_and_pause_are_obeyed_however_fast_they_come(recording, listener):
    store(recording)
    start(listener)
    toggle = "document.getElementById('play').click();"
    listener.run(f"{toggle} {toggle} await sleep(200);")
    assert listener.run("return player.state;") == "playing"
    before = listener.run("return player.position;")
    listener.run(f"{toggle} {toggle} {toggle} await sleep(200);")
    assert listener.run("return player.state;") == "paused"
    assert listener.run("return player.position;") == pytest.approx(before, abs=0.2)
    listener.run(f"{toggle} await sleep(2); {toggle} await sleep(2); {toggle} await sounding();")


def test_a_player_that_fails_is_silent_and_says_so(recording, listener):
    store(recording)
    start(listener)
    listener.run("player.fail('for a test'); while (player.report.playing) await sleep(10);")
    expect(listener.page.locator("#notice")).to_contain_text("The player could not start.")
    expect(listener.page.get_by_role("button", name="Play", exact=True)).to_be_disabled()


def test_it_plays_from_an_object_store(bucket, recording, listener, s3_server, settings):
    """Ranges come straight from the bucket, where redirects of ours lead, and new redirects when those have run out."""
    address = urlsplit(s3_server)
    with network((address.hostname, address.port)) as net:
        settings.STORAGES = {**settings.STORAGES, "default": storage_settings(R2, endpoint_url=net.url)}
        settings.MEDIA_ORIGINS = [net.url]
        store(recording)
        before = net.received
        start(listener)
        in_step(listener, 0)
        assert 1_000_000 < net.received - before < 30_000_000
        net.answer(403, "/impulses/")
        listener.run("player.seek(30.9);")
        # An answer without CORS headers is none, says the browser.
        expect(listener.page.locator("#notice")).to_contain_text("Waiting for the network")
        net.answer(None)
        listener.run("await sounding();")
        in_step(listener, 30)
