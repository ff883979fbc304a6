"""What tests of the mixer share: the page of a recording, what is done on it, and what is heard of it."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.test import Client
from playwright.sync_api import Locator, Page, Response

from accounts.models import User
from catalog.models import Mix, Profile, Recording
from tests.factories import make_recording, write_files

SECONDS = 12.0
# What write_files gives the stems, in Hz, and where their faders start, in dB.
HERTZ = {"bass": 220.0, "drums": 440.0, "other": 660.0, "vocals": 880.0}
START_DB = -1.6
# How loud a stem of write_files is behind such a fader.
LEVEL = 0.2 * 10 ** (START_DB / 20)
AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"


def make_harbour(profile: Profile) -> Recording:
    """A recording of four tones, with its files."""
    recording = make_recording(profile, "harbour_11111111", display_name="Harbour", duration=SECONDS)
    write_files(recording)
    return recording


def sign_in(page: Page, url: str, user: User) -> None:
    """Let somebody in without the form."""
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": url}])


class Mixer:
    """The page of a recording."""

    def __init__(self, page: Page, recording: Recording) -> None:
        self.page = page
        self.recording = recording
        self.path = f"/library/{recording.profile.name}/{recording.output_name}"

    def open(self, address: str = "") -> "Mixer":
        """Go there, and wait until it can play."""
        self.page.goto(self.path + address)
        self.page.locator("#mixer[data-ready]").wait_for(state="attached")
        return self

    # --- what is on it ------------------------------------------------------------------------------------------------

    def lane(self, stem: str) -> Locator:
        """All of a stem."""
        return self.page.get_by_role("region", name=stem, exact=True)

    def button(self, name: str) -> Locator:
        """A button, by its whole name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def slider(self, name: str) -> Locator:
        """A slider, by its whole name."""
        return self.page.get_by_role("slider", name=name, exact=True)

    def kept(self) -> dict[str, Any]:
        """Return what the server has of it."""
        practice: dict[str, Any] = Mix.objects.get(recording=self.recording).practice
        return practice

    # --- what is done -------------------------------------------------------------------------------------------------

    def play(self) -> None:
        """Press play, and wait for the music."""
        before = self.position
        self.button("Play").click()
        self.page.wait_for_function("before => Math.abs(stemset.player.position - before) > 0.2", arg=before)

    def keeping(self) -> Any:
        """Return what waits until a change has been kept: `with mixer.keeping(): …`."""
        return self.page.expect_response(self.is_kept)

    @staticmethod
    def is_kept(answer: Response) -> bool:
        """Whether an answer says that a change has been kept."""
        return answer.url.endswith("/practice") and answer.request.method == "PATCH" and answer.ok

    def pull(self, slider: Locator, place: float) -> None:
        """Drag the cap of a slider to a place from 0 to 1."""
        self.drag(*self.way(slider, place))

    def way(self, slider: Locator, place: float) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return where the cap of a slider is, and where it is at a place from 0 to 1."""
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        assert box is not None
        least, most, value, cap = slider.evaluate(
            "one => [one.min, one.max, one.value, parseFloat(getComputedStyle(one).getPropertyValue('--cap')) * 16]"
            ".map(Number)"
        )
        now = (value - least) / (most - least)
        y = box["y"] + box["height"] / 2
        x, to = (box["x"] + cap / 2 + share * (box["width"] - cap) for share in (now, place))
        return (x, y), (to, y)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag with the mouse."""
        mouse = self.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        mouse.move(*end)
        mouse.up()

    def at(self, seconds: float, place: str = "#ruler") -> tuple[float, float]:
        """Return where a time is on the ruler (or on a waveform) while all of the recording is shown."""
        self.page.evaluate("scrollTo(0, 0)")
        box = self.page.locator(place).bounding_box()
        assert box is not None
        return box["x"] + box["width"] * seconds / SECONDS, box["y"] + box["height"] * 0.8

    def draw_loop(self, start: float, end: float) -> None:
        """Draw a loop on the ruler."""
        self.drag(self.at(start), self.at(end))

    # --- what is heard ------------------------------------------------------------------------------------------------

    @property
    def position(self) -> float:
        """Where it is, in seconds."""
        seconds: float = self.page.evaluate("stemset.player.position")
        return seconds

    def hears(self, stem: str, low: float, high: float = 1.0) -> None:
        """Wait until the peak of a stem behind its fader is within a range."""
        self.page.wait_for_function(
            "([stem, low, high]) => { const peak = stemset.player.levels.stems.get(stem);"
            " return low <= peak && peak <= high }",
            arg=[stem, low, high],
        )

    def hears_only(self, *stems: str) -> None:
        """Wait until these stems are heard and no others."""
        self.page.wait_for_function(
            "stems => [...stemset.player.levels.stems].every(([id, peak]) => stems.includes(id) === peak > 0.01)",
            arg=list(stems),
        )

    def hears_sides(self, left: tuple[float, float], right: tuple[float, float]) -> None:
        """Wait until the peaks of the sum are within two ranges."""
        self.page.wait_for_function(
            "ranges => ranges.every(([low, high], side) => { const peak = stemset.player.levels.master[side];"
            " return low <= peak && peak <= high })",
            arg=[left, right],
        )

    def loudest(self, milliseconds: int) -> float:
        """Return the largest peak of the sum for a while."""
        peak: float = self.page.evaluate(
            """async milliseconds => {
                const end = performance.now() + milliseconds;
                let loudest = 0;
                while (performance.now() < end) {
                    await new Promise(resolve => requestAnimationFrame(resolve));
                    loudest = Math.max(loudest, ...stemset.player.levels.master);
                }
                return loudest;
            }""",
            milliseconds,
        )
        return peak

    def hears_nothing(self) -> None:
        """Wait until it has been silent for longer than a beat at 400 beats a minute."""
        self.page.wait_for_function(
            """() => {
                const now = performance.now();
                if (Math.max(...stemset.player.levels.master) > 0.001) globalThis.heardLast = now;
                globalThis.heardLast ??= now;
                return now - globalThis.heardLast > 300;
            }"""
        )

    def hertz(self) -> float:
        """Return the frequency that is loudest in what is played, to about a hertz."""
        found: float = self.page.evaluate(
            """async () => {
                const { context, node } = stemset.player;
                const analyser = new AnalyserNode(context, { fftSize: 32768, smoothingTimeConstant: 0 });
                node.connect(analyser);
                const full = context.currentTime + (analyser.fftSize * 1.2) / context.sampleRate;
                while (context.currentTime < full) await new Promise(resolve => setTimeout(resolve, 20));
                const bins = new Float32Array(analyser.frequencyBinCount);
                analyser.getFloatFrequencyData(bins);
                node.disconnect(analyser);
                return (bins.indexOf(Math.max(...bins)) * context.sampleRate) / analyser.fftSize;
            }"""
        )
        return found


def violations(page: Page) -> list[str]:
    """Return what axe-core finds against WCAG 2.2 AA."""
    page.evaluate(AXE.read_text())
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.evaluate("rules => axe.run({ runOnly: rules })", rules)
    return [
        f"{one['id']}: {json.dumps(node['target'])} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
