"""A band member takes a file of a mix along: what is in it, and what is left behind when it comes to nothing."""

import functools
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from playwright.sync_api import Page, Route, expect

from catalog.models import Mix, Recording
from processing.audio.waveform import WIDTH, render_waveform
from tests.factories import make_recording

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
RATE = 44_100
SECONDS = 12
BEAT = 0.5
# Hz, and where the faders are; the bass is muted.
TONES = {"vocals": 440.0, "other": 660.0, "bass": 3000.0}
GAINS = {"vocals": 1.0, "other": 10 ** (-6 / 20), "bass": 0.0, "drums": 1.0}
STRIPS = {"bass": {"mute": True}, "other": {"db": -6}}
SLOWER = {"speed": 80, "transpose": 2, "drumsStay": True, "loop": {"start": 1.0, "end": 5.0}, "loopOn": True}
SUBTYPES = {"wav16": "PCM_16", "wav24": "PCM_24", "flac16": "PCM_16", "flac24": "PCM_24"}
NOTHING_ON_DISK = """async () => {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle("exports", {create: true});
    for await (const name of folder.keys()) return false;
    return true;
}"""


@functools.cache
def wave(stem: str) -> bytes:
    """A file: a steady tone on both sides; of the drums 20 ms of a high one at each beat, on the left."""
    time = np.arange(SECONDS * RATE) / RATE
    if stem in TONES:
        left = right = 0.2 * np.sin(2 * np.pi * TONES[stem] * time)
    else:
        left = 0.3 * np.sin(2 * np.pi * 8000 * time) * (time % BEAT < 0.02)
        right = 0 * left
    file = io.BytesIO()
    soundfile.write(file, np.stack([left, right], axis=1), RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def mixed() -> np.ndarray:
    """What is heard of the stems as they are stored."""
    return np.asarray(sum(gain * wave_of(stem) for stem, gain in GAINS.items()))


def wave_of(stem: str) -> np.ndarray:
    """A stem's samples."""
    return np.asarray(soundfile.read(io.BytesIO(wave(stem)))[0])


@pytest.fixture
def tides(demo_band) -> Recording:
    """A recording whose every sample is known."""
    recording = make_recording(demo_band, "tides_33333333", display_name="Tides", stem_types=GAINS, duration=SECONDS)
    for stem in recording.stems.all():
        stem.audio_url = stem.audio_url.replace(".opus", ".wav")
        stem.stem_gain_adjustment_db = 0
        stem.save()
        default_storage.save(stem.audio_url, ContentFile(wave(stem.stem_type)))
        default_storage.save(stem.waveform_url, ContentFile(render_waveform(np.ones(WIDTH), scale=1)))
    return recording


@pytest.fixture
def open_mixer(page: Page, bob, tides) -> Callable[..., Page]:
    """Have bob open the recording as he has left it."""

    def open_it(**left: object) -> Page:
        Mix.objects.create(user=bob, recording=tides, practice={"version": 1, "strips": STRIPS, **left})
        page.goto("/library/demo-band/tides_33333333")
        page.get_by_label("E-mail").fill(bob.email)
        page.get_by_label("Password").fill("secret")
        with page.expect_response(lambda answer: answer.url.endswith("/practice") and answer.ok):
            page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#mixer[data-ready]")).to_be_visible()
        return page

    return open_it


def make(page: Page, kind: str, folder: Path) -> tuple[np.ndarray, soundfile._SoundFileInfo]:
    """Have a file made; return its samples and facts."""
    page.get_by_label("Format").select_option(kind)
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Make it").click()
    target = folder / downloading.value.suggested_filename
    downloading.value.save_as(target)
    expect(page.locator("#export-said")).to_contain_text(f"{target.name} is in your downloads.")
    return soundfile.read(target, always_2d=True)[0], soundfile.info(target)


def strength(samples: np.ndarray, rate: int, hertz: float) -> float:
    """Return the amplitude of a tone on the left."""
    window = np.hanning(len(samples))
    turning = np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / rate)
    return float(2 * abs(np.sum(window * samples[:, 0] * turning)) / np.sum(window))


def test_every_format_is_the_mix_from_the_first_sample_to_the_last(open_mixer, tmp_path):
    page = open_mixer()

    for kind, subtype in SUBTYPES.items():
        samples, facts = make(page, kind, tmp_path)
        assert (facts.samplerate, facts.channels, facts.subtype) == (RATE, 2, subtype)
        assert len(samples) == SECONDS * RATE
        steps = 2 ** (15 if subtype == "PCM_16" else 23)
        assert np.abs(samples - mixed()).max() < 1.01 / steps, kind

    samples, facts = make(page, "opus", tmp_path)
    assert (facts.samplerate, facts.channels, facts.subtype) == (48_000, 2, "OPUS")
    assert len(samples) == SECONDS * 48_000
    middle = samples[48_000:-48_000]
    assert strength(middle, 48_000, 440) == pytest.approx(0.2, rel=0.03)
    assert strength(middle, 48_000, 660) == pytest.approx(0.1, rel=0.03)
    assert strength(middle, 48_000, 3000) < 0.001
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Tides mix.flac", "Tides mix.opus", "Tides mix.wav"]


def test_the_loop_slower_and_higher(open_mixer, tmp_path):
    page = open_mixer(**SLOWER)
    page.get_by_label("Range").select_option("loop")

    samples, facts = make(page, "wav24", tmp_path)

    assert facts.name.endswith("Tides mix 0.01-0.05 80% +2.wav")
    assert len(samples) == round(4 * RATE / 0.8)
    middle = samples[RATE:-RATE]
    for stem, hertz in TONES.items():
        higher = hertz * 2 ** (2 / 12)
        cents = np.arange(-30, 31)
        strengths = [strength(middle, RATE, higher * 2 ** (cent / 1200)) for cent in cents]
        assert max(strengths) == pytest.approx(0.2 * GAINS[stem], rel=0.1, abs=0.001), stem
        if GAINS[stem]:
            assert abs(cents[np.argmax(strengths)]) <= 5, stem
    # Drums are only on the left, and stay where they are.
    drums = samples[:, 0] - samples[:, 1]
    loud = np.flatnonzero(np.abs(drums) > 0.05)
    starts = loud[np.diff(loud, prepend=-RATE) > RATE // 10] / RATE
    assert np.diff(starts) == pytest.approx(BEAT / 0.8, abs=0.01)
    assert starts[0] == pytest.approx(0, abs=0.01)
    assert starts[7] == pytest.approx(7 * BEAT / 0.8, abs=0.01)
    power = np.abs(np.fft.rfft(drums)) ** 2
    hertz = np.fft.rfftfreq(len(drums), 1 / RATE)
    assert power[abs(hertz - 8000) < 300].sum() > 0.9 * power.sum()


def begins_late(route: Route) -> bool:
    """Whether a stem is read beyond what the player reads before it plays."""
    return int(route.request.headers["range"].removeprefix("bytes=").split("-")[0]) > 1_000_000


def test_a_cancelled_file_is_not_there_nor_anything_of_it(open_mixer):
    page = open_mixer()
    page.get_by_label("Format").select_option("wav16")
    held: list[Route] = []

    def hold_what_is_late(route: Route) -> None:
        if begins_late(route):
            held.append(route)
        else:
            route.continue_()

    page.route("**/vocals.wav", hold_what_is_late)
    downloads = []
    page.on("download", lambda _: downloads.append("one"))
    page.get_by_role("button", name="Make it").click()
    page.wait_for_function("() => document.getElementById('export-share').value > 0.05")
    expect(page.get_by_role("progressbar", name="Progress")).to_be_visible()
    assert not page.evaluate(NOTHING_ON_DISK)

    page.get_by_role("button", name="Cancel").click()

    expect(page.locator("#export-said")).to_have_text("Cancelled.")
    expect(page.get_by_role("progressbar", name="Progress")).to_be_hidden()
    page.wait_for_function(NOTHING_ON_DISK)
    assert not downloads
    expect(page.get_by_role("button", name="Make it")).to_be_enabled()
    for route in held:
        route.abort()


def test_it_can_be_cancelled_before_the_network_has_answered(open_mixer):
    page = open_mixer()
    page.route("**/vocals.wav", lambda route: None)
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("progressbar", name="Progress")).to_be_visible()

    page.get_by_role("button", name="Cancel").click()

    expect(page.locator("#export-said")).to_have_text("Cancelled.")
    page.unroute_all(behavior="ignoreErrors")


def test_a_network_that_fails_is_waited_for(open_mixer, complaints, tmp_path):
    page = open_mixer()
    said = page.evaluate_handle(
        """() => {
            const said = [];
            const line = document.getElementById("export-said");
            new MutationObserver(() => said.push(line.textContent)).observe(line, {childList: true, subtree: true});
            return said;
        }"""
    )
    answers = [lambda route: route.abort(), lambda route: route.fulfill(status=503)]

    def fail_twice(route: Route) -> None:
        answer = answers.pop() if answers and begins_late(route) else Route.continue_
        answer(route)

    page.route("**/vocals.wav", fail_twice)

    samples, _ = make(page, "wav24", tmp_path)

    assert "Waiting for the network. It goes on by itself." in said.json_value()
    assert np.abs(samples - mixed()).max() < 1.01 / 2**23
    # The browser says it, too.
    assert complaints
    complaints.clear()


def test_a_file_with_silent_stems_says_which_they_are(open_mixer, tides, complaints, tmp_path):
    """The muted bass is not missed; nor is what is damaged outside of the loop."""
    keys = {stem.stem_type: stem.audio_url for stem in tides.stems.all()}
    for stem in ("drums", "other", "bass"):
        default_storage.delete(keys[stem])
    half = wave("other")[: len(wave("other")) // 2]
    default_storage.save(keys["other"], ContentFile(half))
    default_storage.save(keys["bass"], ContentFile(bytes(1000)))
    page = open_mixer(loop={"start": 1.0, "end": 5.0}, loopOn=False)
    said = page.locator("#export-said")

    samples, _ = make(page, "wav24", tmp_path)

    expect(said).to_contain_text("The audio of Drums is not there any more: it is silent.")
    expect(said).to_contain_text("The audio of Other is damaged: it is silent from 0:05 on.")
    expect(said).not_to_contain_text("Bass")
    expected = wave_of("vocals")
    expected[: 5 * RATE] += GAINS["other"] * wave_of("other")[: 5 * RATE]
    assert np.abs(samples - expected)[: 5 * RATE].max() < 1.01 / 2**23
    assert len(samples) == SECONDS * RATE
    assert np.abs(samples - expected)[7 * RATE :].max() < 1.01 / 2**23

    page.get_by_label("Range").select_option("loop")
    make(page, "wav16", tmp_path)
    expect(said).to_contain_text("The audio of Drums is not there any more: it is silent.")
    expect(said).not_to_contain_text("Other")
    complaints.clear()


def test_without_any_stem_no_file_is_made(open_mixer, tides, complaints):
    for stem in tides.stems.all():
        default_storage.delete(stem.audio_url)
        default_storage.save(stem.audio_url, ContentFile(bytes(1000)))
    page = open_mixer()

    page.get_by_role("button", name="Make it").click()

    expect(page.locator("#export-said")).to_have_text("The audio is damaged: none of the stems can be read.")
    page.wait_for_function(NOTHING_ON_DISK)
    complaints.clear()


def in_the_worker(page: Page, script: str) -> None:
    """Have a script run before the worker that makes files."""

    def answer(route: Route) -> None:
        found = route.fetch()
        route.fulfill(response=found, body=f"{script};{found.text()}")

    page.route("**/player/export*.js", answer)


def test_a_full_disk_is_said_and_nothing_is_left(open_mixer):
    page = open_mixer()
    in_the_worker(
        page,
        """const write = FileSystemSyncAccessHandle.prototype.write;
        FileSystemSyncAccessHandle.prototype.write = function (bytes, options) {
            if (options.at > 0) throw new DOMException("full", "QuotaExceededError");
            return write.call(this, bytes, options);
        }""",
    )
    page.get_by_label("Format").select_option("wav24")

    page.get_by_role("button", name="Make it").click()

    expect(page.locator("#export-said")).to_have_text("There is not enough room on this device.")
    page.wait_for_function(NOTHING_ON_DISK)


WITHOUT_DISK = "StorageManager.prototype.getDirectory = async () => { throw new DOMException('no', 'SecurityError') }"


def test_without_a_disk_it_is_made_in_memory(open_mixer, tmp_path):
    page = open_mixer()
    in_the_worker(page, WITHOUT_DISK)

    samples, _ = make(page, "wav16", tmp_path)

    assert len(samples) == SECONDS * RATE
    assert page.evaluate(NOTHING_ON_DISK)


def test_without_a_disk_what_is_too_long_is_refused(open_mixer, tides):
    tides.stems.update(duration_seconds=3 * 3600)
    page = open_mixer()
    in_the_worker(page, WITHOUT_DISK)

    page.get_by_role("button", name="Make it").click()

    expect(page.locator("#export-said")).to_contain_text("a file has at most 400 MB")


def test_all_stems_in_a_zip(open_mixer):
    page = open_mixer()

    with page.expect_download() as downloading:
        page.get_by_role("link", name="All stems (zip)").click()

    assert downloading.value.suggested_filename == "Tides stems.zip"
    with zipfile.ZipFile(downloading.value.path()) as stems:
        assert {name: stems.read(name) for name in stems.namelist()} == {
            f"Tides - {stem}.wav": wave(stem) for stem in GAINS
        }


def test_files_of_pages_that_are_gone_are_removed(open_mixer, tmp_path):
    page = open_mixer()
    make(page, "flac16", tmp_path)
    assert not page.evaluate(NOTHING_ON_DISK)

    page.reload()

    page.wait_for_function(NOTHING_ON_DISK)
