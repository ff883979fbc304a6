"""Waveforms as they are seen: from peaks, in the colour of their stem, finer when zoomed; pictures without peaks."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from playwright.sync_api import Page, Request, expect

from catalog.models import Recording
from processing.audio import SAMPLE_RATE
from processing.audio.encode import encode
from processing.audio.waveform import WIDTH, render_waveform
from tests.browser.mixing import Mixer, sign_in
from tests.factories import make_recording

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SECONDS = 90
# Each stem is heard in one part of the recording only.
HEARD = {"vocals": (60.0, 80.0), "drums": (10.0, 40.0)}

# Red, green, blue and alpha of some of a canvas's pixels; browsers do not like it to be read itself again and again.
PIXELS = """
globalThis.pixels = (canvas, x, y, width, height) => {
    const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, -x, -y);
    return [...copy.getImageData(0, 0, width, height).data];
};
globalThis.pixelAt = (canvas, [across, down]) => {
    const x = Math.min(canvas.width - 1, Math.round(across * canvas.width));
    return pixels(canvas, x, Math.round(down * canvas.height), 1, 1);
};
globalThis.alphas = (...part) => pixels(...part).filter((_, i) => i % 4 === 3);
"""


@cache
def sound(start: float, end: float) -> bytes:
    """A tone that is heard for a while, in Opus."""
    time = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE
    wave = 0.5 * np.sin(2 * np.pi * 440 * time) * ((time >= start) & (time < end))
    block = np.repeat(wave[:, None], 2, axis=1).astype(np.float32)
    with TemporaryDirectory() as folder:
        target = Path(folder, "x.opus")
        encode([block], target, format="opus", bitrate_kbps=64, frames=len(block))
        return target.read_bytes()


@pytest.fixture
def recording(demo_band) -> Recording:
    """Two stems with their files, but without peaks yet."""
    recording = make_recording(demo_band, "x", stem_types=HEARD, duration=SECONDS)
    for stem in recording.stems.all():
        default_storage.save(stem.audio_url, ContentFile(sound(*HEARD[stem.stem_type])))
        default_storage.save(stem.waveform_url, ContentFile(render_waveform(np.ones(WIDTH), scale=1.0)))
    return recording


@pytest.fixture
def mixer(page: Page, live_server, bob, recording) -> Mixer:
    """Its page, not open yet, for bob."""
    sign_in(page, live_server.url, bob)
    page.add_init_script(PIXELS)
    return Mixer(page, recording)


def drawn(mixer: Mixer, stem: str) -> None:
    """Wait until a stem's waveform has been drawn."""
    mixer.lane(stem).locator(".wave.has-peaks").wait_for()


def shows(mixer: Mixer, stem: str, share: float, height: float = 0.3) -> bool:
    """Return whether a stem's waveform is that high at a share of the width; 0.5 is the middle."""
    return bool(mixer.lane(stem).locator("canvas").evaluate("pixelAt", [share, height])[3] > 100)


def test_sound_is_drawn_where_it_is_in_the_colour_of_its_stem(mixer: Mixer):
    call_command("make_peaks")
    asked: list[Request] = []
    mixer.page.on("request", lambda request: asked.append(request) if ".peaks" in request.url else None)
    mixer.open()
    for stem, (start, end) in HEARD.items():
        drawn(mixer, stem)
        for seconds in (2.0, start - 1, start + 1, (start + end) / 2, end - 1, end + 1):
            assert shows(mixer, stem, seconds / SECONDS) == (start < seconds < end), (stem, seconds)
            assert shows(mixer, stem, seconds / SECONDS, 0.5)  # silence is a line
        canvas = mixer.lane(stem).locator("canvas")
        *colour, _alpha = canvas.evaluate("pixelAt", [(start + end) / 2 / SECONDS, 0.48])
        assert canvas.evaluate("canvas => getComputedStyle(canvas).color") == f"rgb({', '.join(map(str, colour))})"
        expect(mixer.lane(stem).locator(".picture")).to_be_hidden()
    assert len(asked) == len(HEARD)
    assert all(request.headers["range"] == "bytes=0-32767" for request in asked)

    mixer.button("Mute drums").click()
    expect(mixer.lane("drums").locator("canvas")).to_have_css("opacity", "0.3")
    expect(mixer.lane("vocals").locator("canvas")).to_have_css("opacity", "1")


def test_zooming_in_shows_more(mixer: Mixer):
    call_command("make_peaks")
    page = mixer.open().page
    drawn(mixer, "vocals")
    start = HEARD["vocals"][0]
    page.mouse.move(*_at(mixer, start))
    page.keyboard.down("Control")
    with page.expect_response(lambda answer: ".peaks" in answer.url and answer.status == 206):
        for _ in range(16):
            page.mouse.wheel(0, -60)
    page.keyboard.up("Control")
    # A hundredth of a second before the first sound there is none, and after it there is.
    page.wait_for_function(
        """() => {
            const canvas = document.querySelector(".lane[data-stem=vocals] canvas");
            const row = alphas(canvas, 0, Math.round(canvas.height * 0.3), canvas.width, 1);
            const first = row.findIndex(alpha => alpha > 100);
            const solid = row.lastIndexOf(0);
            return first > 0 && solid < canvas.width - 1 && solid - first <= 1;
        }"""
    )
    mixer.button("Whole").click()
    mixer.page.wait_for_function("() => document.getElementById('zoom-all').ariaDisabled === 'true'")
    assert not shows(mixer, "vocals", 0.2)


def _at(mixer: Mixer, seconds: float) -> tuple[float, float]:
    wave = mixer.lane("vocals").locator(".wave")
    wave.scroll_into_view_if_needed()
    box = wave.bounding_box()
    assert box is not None
    return box["x"] + box["width"] * seconds / SECONDS, box["y"] + box["height"] / 2


def test_the_loudness_is_that_of_the_mix(mixer: Mixer):
    call_command("make_peaks")
    mixer.open()
    loudness = mixer.page.locator("canvas#loudness")
    height = """canvas => {
        const column = alphas(canvas, Math.round(canvas.width * 25 / 90), 0, 1, canvas.height);
        return column.filter(alpha => alpha > 100).length / canvas.height;
    }"""
    for stem in HEARD:
        drawn(mixer, stem)
    before = loudness.evaluate(height)
    assert 0.5 < before < 1
    mixer.pull(mixer.slider("Level of drums"), 0.3)
    mixer.page.wait_for_function(
        f"before => ({height})(document.getElementById('loudness')) < before - 0.1", arg=before
    )
    mixer.button("Solo vocals").click()
    mixer.page.wait_for_function(f"() => ({height})(document.getElementById('loudness')) === 0")


def test_the_playhead_moves_without_anything_being_drawn_or_laid_out(mixer: Mixer):
    call_command("make_peaks")
    page = mixer.open().page
    for stem in HEARD:
        drawn(mixer, stem)
    page.evaluate(
        """() => {
            globalThis.drawings = 0;
            const { clearRect } = CanvasRenderingContext2D.prototype;
            CanvasRenderingContext2D.prototype.clearRect = function (...box) {
                drawings++;
                clearRect.apply(this, box);
            };
        }"""
    )
    place = "() => document.querySelector('.lane .playhead').style.transform"
    before = page.evaluate(place)
    mixer.play()
    page.wait_for_function(f"before => ({place})() !== before && stemset.player.position > 0.7", arg=before)
    assert page.evaluate("drawings") == 0


def test_without_peaks_there_are_pictures(mixer: Mixer):
    mixer.open()
    picture = mixer.lane("drums").locator(".picture")
    expect(picture).to_be_visible()
    assert picture.get_attribute("viewBox") == "0 0 1920 256"
    assert mixer.page.locator("#loudness").count() == 0
    mixer.button("Zoom in").click()
    assert picture.get_attribute("viewBox") == "0 0 960 256"


def test_peaks_that_are_gone_leave_the_picture(mixer: Mixer, complaints: list[str]):
    call_command("make_peaks")
    default_storage.delete(mixer.recording.stems.get(stem_type="drums").peaks_url)
    with mixer.page.expect_response(lambda answer: answer.status == 404):
        mixer.open()
    drawn(mixer, "vocals")
    expect(mixer.lane("drums").locator(".picture")).to_be_visible()
    assert shows(mixer, "drums", 25 / SECONDS) is False
    assert ["404" in said for said in complaints] == [True]  # the browser's own
    complaints.clear()
