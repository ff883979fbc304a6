"""A leader uploads from a real browser, on a bad connection, and listens to what becomes of it."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from catalog import services
from catalog.models import Recording
from processing.models import Job
from stemset.config.loader import load_config
from tests.band import Band
from tests.conftest import HARBOUR
from tests.processing.uploads.conftest import make_leader
from tests.processing.uploads.sending import sha256, wav
from tests.workers import wait_until, working

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def leas_page(page: Page, band: Band) -> Page:
    """A tab in which a leader of "band" is where one uploads."""
    lea = make_leader("lea@example.org", services.sync_profile(band.config.profile("band")))
    page.goto("/login?next=/upload/band")
    page.get_by_label("E-mail").fill(lea.email)
    page.get_by_label("Password").fill("secret")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Upload", level=1)).to_be_visible()
    return page


def choose(page: Page, *files: Path) -> None:
    expect(page.locator("#drop")).to_be_visible()  # only now is anybody listening
    page.get_by_label("Choose files").set_input_files(files)


def connection(page: Page, bytes_a_second: float) -> None:
    """Have the browser send no faster than that, -1 for as fast as it can."""
    speed = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_a_second}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", speed)


def row(page: Page, name: str):
    return page.get_by_role("list", name="Uploads").get_by_role("listitem").filter(has_text=name)


def picture(page: Page, name: str) -> None:
    """Keep a screenshot, for people who asked for them."""
    folder = os.environ.get("STEMSET_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"upload-{name}.png", full_page=True)


FOUR = '{_: "dsp:4stems", vocals: vocals, drums: percussion, bass: bass, other: other}'
SLOW = f'{{_: "dsp:hpss", percussive: drums, harmonic: {FOUR}}}'
WATCH = """() => {
    globalThis.seen = [];
    setInterval(() => {
        const row = document.querySelector(".uploads li");
        if (row) seen.push([row.className, row.querySelector("progress").value]);
    }, 20);
}"""


def progress_seen(page: Page, state: str) -> list[float]:
    """Return the values that the bar has had in a state, each once, in their order."""
    seen = [value for name, value in page.evaluate("seen") if name == state]
    return list(dict.fromkeys(seen))


def test_from_a_file_to_its_music(leas_page: Page, band: Band, settings):
    page = leas_page
    # Slow enough to be watched.
    text = band.config_path.read_text().replace("format: flac", "format: opus").replace("quick: {", "unused: {")
    band.config_path.write_text(text.replace("strategies:", f"strategies:\n  quick: {SLOW}"))
    settings.STEMSET = load_config(band.config_path, {})
    connection(page, HARBOUR.stat().st_size / 2)
    page.evaluate(WATCH)
    with working(config=band.config_path):
        choose(page, HARBOUR)
        expect(row(page, "harbour.flac")).to_have_class("sending")
        link = page.get_by_role("link", name="Open harbour.flac")
        expect(link).to_be_visible(timeout=60_000)
    sent, made = progress_seen(page, "sending"), progress_seen(page, "working")
    assert len(sent) > 3
    assert sent == sorted(sent)
    assert len(made) >= 2

    job = Job.objects.get()
    assert (job.file_hash, job.state) == (sha256(HARBOUR.read_bytes()), Job.State.COMPLETE)
    link.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(Recording.objects.get().title)
    expect(page.locator("#mixer[data-ready]")).to_be_visible()
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => stemset.player.position > 0.3 && stemset.player.levels.stems.size > 0")


def test_a_reload_in_the_middle(leas_page: Page, tmp_path: Path, media: Path):
    """What has arrived is not sent again when the same file is chosen again."""
    page = leas_page
    data = wav(30)
    (tmp_path / "take.wav").write_bytes(data)
    connection(page, len(data) / 2)
    choose(page, tmp_path / "take.wav")
    page.wait_for_function("() => document.querySelector('.uploads progress').value > 0.3")
    page.reload()
    earlier = row(page, "take.wav")
    expect(earlier).to_contain_text("Choose the same file again")
    there = earlier.get_by_role("progressbar").evaluate("bar => bar.value")
    assert there > 0.1
    picture(page, "earlier")

    sent = []
    page.on("request", lambda request: sent.append(request.headers) if request.method == "PATCH" else None)
    connection(page, -1)
    choose(page, tmp_path / "take.wav")
    expect(row(page, "take.wav")).to_have_class("working")
    expect(page.get_by_role("listitem")).to_have_count(1)
    job = Job.objects.get()
    assert (media / job.source).read_bytes() == data
    assert int(sent[0]["upload-offset"]) >= there * len(data) * 0.99
    assert page.evaluate("localStorage.length") == 0


def test_several_files_on_a_phone_by_the_keyboard(leas_page: Page, tmp_path: Path, complaints, settings):
    page = leas_page
    page.set_viewport_size({"width": 320, "height": 640})
    for number in range(3):
        (tmp_path / f"take {number} with a rather long name of a rehearsal in the evening.wav").write_bytes(
            wav(20, number)
        )
    (tmp_path / "words.wav").write_text("just some words")
    (tmp_path / "words.txt").write_text("just some words")
    (tmp_path / "nothing.wav").write_text("")
    connection(page, 3_000_000)
    choose(page, *sorted(tmp_path.iterdir()))
    expect(page.get_by_role("listitem")).to_have_count(6)
    expect(page.locator(".sending")).to_have_count(2)
    expect(page.locator(".waiting")).to_have_count(2)
    expect(row(page, "words.txt")).to_contain_text("Not a recording")
    expect(row(page, "nothing.wav")).to_contain_text("empty")

    first = row(page, "take 0")
    pause = first.get_by_role("button", name=re.compile("Pause take 0"))
    pause.focus()
    page.keyboard.press("Enter")
    expect(first).to_have_class("paused")
    expect(first.get_by_role("button", name=re.compile("Resume take 0"))).to_be_focused()
    expect(row(page, "take 2")).to_have_class("sending")
    expect(page.get_by_role("status")).to_contain_text("evening.wav: Uploading")
    picture(page, "phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320

    row(page, "take 1").get_by_role("button", name=re.compile("Cancel")).click()
    expect(row(page, "take 1")).to_have_count(0)
    page.keyboard.press("Tab")
    connection(page, -1)
    first.get_by_role("button", name=re.compile("Resume")).press("Enter")
    expect(page.locator(".working")).to_have_count(2)
    expect(row(page, "words.wav")).to_contain_text("not an audio")
    assert set(Job.objects.values_list("filename", flat=True)) == {
        path.name for path in tmp_path.iterdir() if path.name.startswith(("take 0", "take 2"))
    }
    page.wait_for_function("() => localStorage.length === 0")
    # Of the cancelled one a part may stay for a day, when the server was still writing to it.
    wait_until(lambda: len(list(settings.STEMSET_UPLOAD_DIR.glob("*.part"))) <= 1)
    # The browser tells in its own way of the refusal, and of a cancelled upload that the server was still writing to.
    assert all("415" in said or "423" in said for said in complaints)
    complaints.clear()
    page.set_viewport_size({"width": 1280, "height": 800})
    picture(page, "desk")


def test_dropping_a_file(leas_page: Page):
    page = leas_page
    page.evaluate(
        """data => {
            const files = new DataTransfer();
            files.items.add(new File([Uint8Array.from(data)], "dropped.wav"));
            for (const kind of ["dragenter", "dragover", "drop"])
                document.querySelector("#drop").dispatchEvent(
                    new DragEvent(kind, { dataTransfer: files, bubbles: true, cancelable: true }));
        }""",
        list(wav(0.1)),
    )
    expect(row(page, "dropped.wav")).to_have_class("working")
    assert Job.objects.get().filename == "dropped.wav"
