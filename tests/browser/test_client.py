"""A web client as Vite builds them, in a real browser: served by us, and from another origin."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from playwright.sync_api import Browser, Page, expect

from catalog.media_urls import media_url
from tests.client_build import PNG, write_build
from tests.factories import make_recording
from tests.stemset.conftest import serve_client

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def build(tmp_path: Path, settings) -> Path:
    build = write_build(tmp_path / "dist")
    serve_client(settings, build)
    return build


def test_the_client_works_under_its_policy_wherever_it_is_opened(page: Page, build):
    for address in ("/", "/p/demo-band/take_1?t=12&source=qr"):
        page.goto(address)
        expect(page).to_have_title("done")
        did = json.loads(page.locator("#root").inner_text())
        assert did == {
            "began": "inline",
            "path": address,
            "style": "rgb(1, 2, 3)",
            "worklets": True,
            "worker": "worked",
            "wasm": True,
            "impulse": 12,
            "status": False,
            "eval": False,
        }


class TestAnotherOrigin:
    """The client's pages at one origin, we at another: cookies of the same site go along, but not with pictures."""

    @pytest.fixture
    def elsewhere(self, live_server, settings) -> Iterator[str]:
        with _pages() as origin:
            settings.CROSS_ORIGIN_CLIENT = True
            settings.BACKEND_URL = live_server.url
            settings.FRONTEND_URL = origin
            settings.TRUSTED_ORIGINS = settings.CORS_ALLOWED_ORIGINS = [origin]
            yield origin

    @pytest.fixture
    def recording(self, bob, demo_band):
        recording = make_recording(demo_band, "Übung & 100%")
        for stem in recording.stems.all():
            default_storage.save(stem.audio_url, ContentFile(b"audio"))
            default_storage.save(stem.waveform_url, ContentFile(PNG))
        return recording

    @pytest.fixture
    def tab(self, browser: Browser, live_server, client, bob) -> Iterator[Page]:
        """A tab in which bob is signed in at our origin."""
        client.force_login(bob)
        context = browser.new_context()
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
        yield context.new_page()
        context.close()

    def test_a_waveform_is_drawn_without_a_cookie(self, tab, recording, elsewhere):
        stem = recording.stems.first()
        tab.goto(elsewhere)

        address = media_url(stem.waveform_url, is_waveform=True)
        assert tab.evaluate(DRAW, address) == [255, 255, 255, 255]
        assert tab.evaluate(DRAW, address.partition("?")[0]) == "error"

    def test_audio_is_fetched_with_the_cookie_and_by_no_other_page(self, tab, recording, elsewhere):
        address = media_url(recording.stems.first().audio_url)

        tab.goto(elsewhere)
        assert tab.evaluate(FETCH, address) == "audio"
        with _pages() as another:
            tab.goto(another)
            assert tab.evaluate(FETCH, address) == "Failed to fetch"

    def test_a_name_is_changed_after_a_preflight_and_by_no_other_page(self, tab, live_server, recording, elsewhere):
        address = f"{live_server.url}/api/profiles/demo-band/files/{recording.output_name}/display-name"

        tab.goto(elsewhere)
        assert tab.evaluate(RENAME, [address.replace("%", "%25"), "New"]) == 200
        with _pages() as another:
            tab.goto(another)
            assert tab.evaluate(RENAME, [address.replace("%", "%25"), "Evil"]) == "Failed to fetch"
        recording.refresh_from_db()
        assert recording.display_name == "New"


DRAW = """address => new Promise(resolve => {
  const image = new Image();
  image.crossOrigin = "anonymous";
  image.onerror = () => resolve("error");
  image.onload = () => {
    const canvas = document.createElement("canvas").getContext("2d");
    canvas.drawImage(image, 0, 0);
    resolve([...canvas.getImageData(0, 0, 1, 1).data]);
  };
  image.src = address;
})"""
FETCH = """address => fetch(address, {credentials: "include"}).then(answer => answer.text(), error => error.message)"""
RENAME = """([address, name]) => fetch(address, {
  method: "PATCH", credentials: "include", headers: {"content-type": "application/json"},
  body: JSON.stringify({display_name: name}),
}).then(answer => answer.status, error => error.message)"""


class _Empty(http.server.BaseHTTPRequestHandler):
    """Answers every address with an empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _pages() -> Iterator[str]:
    """Run another server, and give its origin."""
    with http.server.ThreadingHTTPServer(("localhost", 0), partial(_Empty)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
