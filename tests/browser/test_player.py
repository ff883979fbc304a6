"""The player's promises in a real browser: stems in step, a network that breaks, an object store of another origin."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from catalog.models import Recording
from stemset.storage_settings import storage_settings
from tests.catalog.test_storage import R2, bucket, s3_server
from tests.factories import STEM_TYPES, make_recording
from tests.listening import Listener, impulses, offsets, open_mixer, wav_of
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
    expect(notice).to_contain_text("not there any more")
    listener.recorded()
    listener.run("await seekTo(4); while (player.position < 5.4) await sleep(20);")
    assert offsets(*listener.recorded()) == [0, 0]

    for key in stems.values():
        default_storage.delete(key)
    listener.page.goto(PAGE, wait_until="commit")
    expect(notice).to_contain_text("not there any more")
    expect(notice.get_by_role("button", name="Reload")).to_be_visible()


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
