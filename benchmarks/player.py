"""What the player of the recording page does: sync, speed of starting and seeking, memory, tuning, a bad network.

    python benchmarks/player.py [--minutes 60] [--playing 10] [--only sync,start,quality,network]

A headless Chromium plays recordings of benchmarks/player_site.py from the shipped server, through a proxy that counts
and can be slow or broken. Sound is recorded from the output of the engine, before the loudspeaker. What is compared:
fetching and decoding all stems before the first sound (decodeAudioData), as players commonly do, in the same run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
from api_site import ROOT, running_site, serving
from player_site import TONES
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

sys.path.insert(0, str(ROOT))
from tests.chromium import FLAGS, chromium
from tests.listening import IMPULSE_SECONDS, Listener, offsets, open_mixer
from tests.network import Network, network

# Files are played from here on: no gesture is needed. Sound goes nowhere.
FLAGS = [*FLAGS, "--autoplay-policy=no-user-gesture-required"]
SEEKS = 50
EVERYTHING_FIRST = """(name) => {
  globalThis.result = null;
  (async () => {
    const begin = performance.now();
    const files = await (await fetch("/api/profiles/band/files")).json();
    const stems = files.find((file) => file.name === name).stems;
    const context = new AudioContext();
    const all = await Promise.all(stems.map(async ({ audio_url }) =>
      context.decodeAudioData(await (await fetch(audio_url)).arrayBuffer())));
    for (const buffer of all) {
      const source = new AudioBufferSourceNode(context, { buffer });
      source.connect(context.destination);
      source.start(0);
    }
    globalThis.result = { first: performance.now() - begin };
  })().catch((error) => { globalThis.result = { error: String(error) }; });
}"""


class Visitor:
    """Somebody who is signed in, in a browser, at an address."""

    def __init__(self, browser: Browser, address: str, cookie: dict[str, str]) -> None:
        self.browser = browser
        self.address = address
        self.cookie = cookie

    @contextmanager
    def tab(self) -> Iterator[Page]:
        """Open an empty tab with nothing cached."""
        # The policy would keep out what records.
        context = self.browser.new_context(base_url=self.address, bypass_csp=True)
        context.add_cookies([{**self.cookie, "url": self.address}])  # type: ignore[typeddict-item]
        tab = context.new_page()
        tab.on("pageerror", lambda error: sys.stderr.write(f"{error}\n"))
        try:
            yield tab
        finally:
            context.close()

    @contextmanager
    def listening(self, page: str) -> Iterator[Listener]:
        """Open a recording's page."""
        with self.tab() as tab:
            open_mixer(tab, page)
            tab.evaluate("stemset.player.setMaster({ limiter: { on: false } })")
            yield Listener(tab)


# --- sync -------------------------------------------------------------------------------------------------------------


def measure_sync(visitor: Visitor, pages: dict[str, str]) -> None:
    """Play, seek, loop, and change the speed."""
    random = np.random.default_rng(1)
    for kind in ("wav", "opus"):
        with visitor.listening(pages[kind]) as listener:
            listener.listen()
            found: list[float] = []
            listener.run("player.seek(0); await player.play(); await sounding(); await sleep(6000);")
            sound, rate = listener.recorded()
            found += offsets(sound, rate)
            report(f"{kind}: played from the start", found)
            sought: list[float] = []
            for place in random.uniform(0, 55, SEEKS):
                # From a while before a round of impulses; what was heard before does not count.
                begin = float(np.floor(place / IMPULSE_SECONDS) * IMPULSE_SECONDS + 0.4)
                listener.run("await seekTo(values[0]);", begin)
                listener.recorded()
                listener.run("while (player.position < values[0] + 1) await sleep(10);", begin)
                sought += offsets(*listener.recorded())
            report(f"{kind}: after {SEEKS} seeks", sought)
            listener.run("player.setLoop({ start: 10.9, end: 11.4 }); await seekTo(10.9);")
            listener.recorded()
            listener.run("await sleep(8000); player.setLoop(null);")
            sound, rate = listener.recorded()
            report(f"{kind}: 16 rounds of a loop of half a second", offsets(sound, rate))
            for speed in (0.5, 0.75, 1.25):
                listener.run(
                    "player.setSpeed(values[0]); await sleep(500); await seekTo(20.5); await sleep(2500);", speed
                )
                sound, rate = listener.recorded()
                report(f"{kind}: at {100 * speed:.0f} % speed", offsets(sound[-2 * rate :], rate, speed))
            listener.run("player.setSpeed(1);")


def report(what: str, found: list[float]) -> None:
    """Print a line; none found is a failure."""
    if not found:
        sys.exit(f"{what}: no impulses were heard")
    worst = max(abs(value) for value in found)
    print(f"{what:45} {len(found):4} pairs of stems, at most {worst:.1f} samples apart")


# --- start, seek, memory ----------------------------------------------------------------------------------------------


class Unwatched:
    """A tab of a browser of its own, to which one is attached only for moments.

    Who is attached makes the browser keep what is fetched, up to 100 MB: memory would be measured that nobody else has.
    """

    def __init__(self, playwright: Playwright, folder: Path) -> None:
        self.playwright = playwright
        path = chromium() or playwright.chromium.executable_path
        command = [path, *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
        self.process = psutil.Popen(command, stderr=subprocess.DEVNULL)
        self.port = folder / "DevToolsActivePort"
        for _attempt in range(300):
            # The second line is written last.
            if self.port.exists() and self.port.read_text().count("\n") == 1:
                break
            time.sleep(0.1)
        time.sleep(2)
        self.empty = self._memory()

    @contextmanager
    def attached(self) -> Iterator[Page]:
        """Have the tab under control for a moment."""
        address = f"http://127.0.0.1:{self.port.read_text().splitlines()[0]}"
        browser = self.playwright.chromium.connect_over_cdp(address, timeout=20_000)
        try:
            yield browser.contexts[0].pages[0]
        finally:
            browser.close()

    def memory(self) -> float:
        """Return the private memory of the tab's process above that with an empty page, in MB."""
        return self._memory() - self.empty

    def _memory(self) -> float:
        sizes = []
        for process in self.process.children(recursive=True):
            with suppress(psutil.Error):
                if "--type=renderer" in process.cmdline():
                    sizes.append(process.memory_full_info().uss / 1e6)
        return max(sizes, default=0.0)

    def end(self) -> None:
        """End the browser with all its processes."""
        for process in [*self.process.children(recursive=True), self.process]:
            with suppress(psutil.Error):
                process.kill()
        self.process.wait()


@contextmanager
def unwatched(playwright: Playwright) -> Iterator[Unwatched]:
    """Open a browser for measuring memory."""
    with tempfile.TemporaryDirectory(prefix="stemset-profile-", ignore_cleanup_errors=True) as folder:
        browser = Unwatched(playwright, Path(folder))
        try:
            yield browser
        finally:
            browser.end()


def measure_start(visitor: Visitor, net: Network, page: str, seconds: float) -> dict[str, float]:
    """Press play, and seek about."""
    with visitor.tab() as tab:
        before = net.received
        open_mixer(tab, page)
        listener = Listener(tab)
        first = listener.run(
            """
            const begin = performance.now();
            document.querySelector("#play").click();
            await sounding();
            return performance.now() - begin;
            """
        )
        fetched = net.received - before
        seeks = [listener.run("return await seekTo(values[0]);", float(place)) for place in places(seconds)]
    print(f"press play to first sound      {first:8.0f} ms   (goal: 500)")
    print(f"bytes before the first sound   {fetched / 1e6:8.2f} MB   (goal: 2; the page and all it loads)")
    print(f"seek, median of {len(seeks)}             {np.median(seeks):8.0f} ms   (goal: 400)")
    print(f"seek, slowest                  {max(seeks):8.0f} ms")
    return {"first": first, "bytes": fetched}


def measure_memory(playwright: Playwright, visitor: Visitor, page: str, seconds: float) -> float:
    """Play at the highest speed, and look at the tab's process every second."""
    with unwatched(playwright) as browser:
        with browser.attached() as tab:
            tab.context.add_cookies([{**visitor.cookie, "url": visitor.address}])  # type: ignore[typeddict-item]
            open_mixer(tab, visitor.address + page)
            tab.evaluate("document.querySelector('#play').click(); stemset.player.setSpeed(1.5)")
            tab.wait_for_timeout(1000)
            begin = tab.evaluate("stemset.player.position")
        samples = []
        last = time.monotonic() + seconds
        while time.monotonic() < last:
            time.sleep(1)
            samples.append(browser.memory())
        with browser.attached() as tab:
            played = tab.evaluate("stemset.player.position") - begin
            heap = tab.evaluate("performance.memory.usedJSHeapSize") / 1e6
    quarters = [np.median(part) for part in np.array_split(samples, 4)]
    print(f"memory, at most                {max(samples):8.0f} MB   (goal: 150; of the process, above an empty page)")
    print(f"in the quarters of {played / 60:4.1f} minutes   " + ", ".join(f"{size:.0f}" for size in quarters) + " MB")
    print(f"heap of JavaScript, in the end {heap:8.0f} MB")
    return max(samples)


def places(seconds: float) -> np.ndarray:
    """Return where to seek to."""
    return np.random.default_rng(2).uniform(0, seconds - 20, 20)


def measure_everything_first(
    playwright: Playwright, visitor: Visitor, net: Network, name: str, ours: dict[str, float]
) -> None:
    """Do it as others do: all stems fetched and decoded, then started together. It may be more than a tab can take."""
    peak = 0.0
    result = None
    with unwatched(playwright) as browser:
        with browser.attached() as tab:
            tab.context.add_cookies([{**visitor.cookie, "url": visitor.address}])  # type: ignore[typeddict-item]
            tab.goto(f"{visitor.address}/library")
            before = net.received
            tab.evaluate(EVERYTHING_FIRST, name)
        last = time.monotonic() + 600
        while result is None and time.monotonic() < last:
            for _moment in range(10):
                time.sleep(0.2)
                peak = max(peak, browser.memory())
            try:
                with browser.attached() as tab:
                    result = tab.evaluate("result")
            except Exception as error:  # a dead tab says so in many ways
                result = {"error": str(error).splitlines()[0]}
    theirs = {"bytes": net.received - before, "memory": peak}
    if result and "first" in result:
        theirs["first"] = result["first"]
        print(f"everything first, {name}: first sound after {result['first']:.0f} ms")
    else:
        print(f"everything first, {name}: no sound, {result}")
    print(f"  {theirs['bytes'] / 1e6:.1f} MB fetched, {peak:.0f} MB of memory")
    print("  divided by ours: " + ", ".join(f"{what} {value / ours[what]:.1f}" for what, value in theirs.items()))


# --- tuning -----------------------------------------------------------------------------------------------------------


def pitch(sound: np.ndarray, rate: int, near: float) -> float:
    """Return the frequency of the strongest tone within a fourth of `near`, in Hz."""
    window = np.hanning(len(sound))
    spectrum = np.abs(np.fft.rfft(sound * window, 8 * len(sound)))
    hertz = np.fft.rfftfreq(8 * len(sound), 1 / rate)
    inside = (hertz > near / 1.33) & (hertz < near * 1.33)
    return float(hertz[inside][np.argmax(spectrum[inside])])


def only(listener: Listener, stem: str) -> None:
    """Silence the others."""
    listener.run(
        "for (const { id, type } of player.stems) player.setStrip(id, { gain: type === values[0] ? 1 : 0, pan: 0 });",
        stem,
    )


def measure_quality(visitor: Visitor, page: str) -> None:
    """Tempo from beats, pitch from tones, seams from what is between them."""
    with visitor.listening(page) as listener:
        listener.listen()
        for speed in (0.25, 0.5, 0.8, 1.25, 1.5):
            listener.run("player.setSpeed(values[0]); await sleep(400); await player.play();", speed)
            only(listener, "drums")
            # At every speed the same stretch of the recording.
            listener.run("await seekTo(2); await sleep(values[0]);", 8000 / speed)
            sound, rate = listener.recorded()
            beats = beats_in(sound[-round(7 * rate / speed) :, 0], round(rate / speed))
            tempo = (len(beats) - 1) / ((beats[-1] - beats[0]) / rate)
            line = f"speed {100 * speed:3.0f} %: tempo {100 * (tempo / 2 / speed - 1):+.3f} %  (goal: 0.1)"
            print(line + tuned(listener, 0))
        listener.run("player.setSpeed(1);")
        for semitones in (-12, -5, 1, 7, 12):
            listener.run("player.setTranspose(values[0]); await sleep(400);", semitones)
            print(f"transposed by {semitones:+3}:{tuned(listener, semitones)}")
        listener.run("player.setTranspose(0);")
        for speed in (1, 0.7):
            only(listener, "bass")
            listener.run(
                "player.setSpeed(values[0]); player.setLoop({ start: 5, end: 6.003 }); await sleep(400);", speed
            )
            listener.run("await seekTo(5); await sleep(500);")
            listener.recorded()
            listener.run("await sleep(6000);")
            sound, rate = listener.recorded()
            print(f"loop seams at {100 * speed:.0f} %: {click(sound[:, 0], rate):.1f} dB below the tone above 4 kHz")
            listener.run("player.setLoop(null);")


def tuned(listener: Listener, semitones: int) -> str:
    """Return by how many cents tones are off."""
    text = "  pitch"
    for stem, hertz in TONES.items():
        only(listener, stem)
        listener.run("await seekTo(2); await sleep(2600);")
        sound, rate = listener.recorded()
        wanted = hertz * 2 ** (semitones / 12)
        cents = 1200 * np.log2(pitch(sound[-2 * rate :, 0], rate, wanted) / wanted)
        text += f" {cents:+.2f}"
    return f"{text} cents  (goal: 5)"


def beats_in(sound: np.ndarray, rate: int) -> list[float]:
    """Return where the energy of each beat lies, in frames; `rate` is that of the recording, not of the sound."""
    power = sound.astype(float) ** 2
    smooth = np.convolve(power, np.ones(256), "same")
    beats: list[float] = []
    for place in np.flatnonzero(smooth > 0.3 * smooth.max()):
        if beats and place - beats[-1] < rate / 4:
            continue
        window = slice(max(0, place - rate // 12), place + rate // 12)
        around = np.arange(len(power))[window]
        beats.append(float(np.sum(around * power[window]) / np.sum(power[window])))
    inside = [beat for beat in beats if rate / 8 < beat < len(sound) - rate / 8]
    if len(inside) < 2:
        sys.exit("no beats were heard")
    return inside


def click(sound: np.ndarray, rate: int) -> float:
    """Return how far the loudest moment above 4 kHz is below the tone, in dB."""
    spectrum = np.fft.rfft(sound.astype(float))
    spectrum[np.fft.rfftfreq(len(sound), 1 / rate) < 4000] = 0
    high = np.abs(np.fft.irfft(spectrum, len(sound)))[rate // 4 : -rate // 4]
    return float(20 * np.log10(np.max(np.abs(sound)) / np.max(high)))


# --- network ----------------------------------------------------------------------------------------------------------


def measure_network(visitor: Visitor, net: Network, page: str) -> None:
    """Be slow, cut, and refuse; look whether it goes on in step, and what the page says."""
    with visitor.listening(page) as listener:
        listener.listen()
        listener.run("player.seek(0); await player.play(); await sounding();")
        # Each goes elsewhere, to where nothing has been fetched yet: four stems need 1 MB a second.
        for what, place, begin, end, seconds in (
            ("cut for 5 s", 45, net.cut, lambda: setattr(net, "is_cut", False), 5),
            ("503 for 3 s", 65, lambda: net.answer(503, "/media/"), lambda: net.answer(None), 3),
            ("403 for 3 s", 85, lambda: net.answer(403, "/media/"), lambda: net.answer(None), 3),
            ("300 kB/s for 6 s", 105, lambda: setattr(net, "speed", 300e3), lambda: setattr(net, "speed", None), 6),
        ):
            begin()
            listener.run("player.seek(values[0]); await sleep(1000 * values[1]);", place, seconds)
            said = listener.page.inner_text("#notice").strip().replace("\n", " ")
            state = listener.run("return player.state;")
            end()
            waited = listener.run("return await sounding();")
            listener.recorded()
            listener.run("await seekTo(20.9); await sleep(400);")
            sound, rate = listener.recorded()
            worst = max(abs(value) for value in offsets(sound[-round(0.5 * rate) :], rate))
            print(f"{what:16} {state:8} “{said}”; sound {waited / 1000:.1f} s later, {worst:.0f} samples apart")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="how long the long recording is")
    parser.add_argument("--playing", type=float, default=10, help="for how many minutes memory is looked at, at 150 %%")
    parser.add_argument("--only", default="sync,start,quality,network", help="what to measure")
    options = parser.parse_args()
    wanted = options.only.split(",")
    if not (ROOT / "static" / "player" / "page.js").exists():
        sys.exit("The player has not been built: npm run build")
    with tempfile.TemporaryDirectory(prefix="stemset-player-") as name, running_site(Path(name)) as site:
        os.environ["STATIC_ROOT"] = str(site.folder / "static")
        site.run("manage.py", "migrate", "--verbosity", "0")
        site.run("manage.py", "collectstatic", "--no-input", "--verbosity", "0")
        made = json.loads(site.run("benchmarks/player_site.py", str(options.minutes)))
        pages = made["pages"]
        with serving(site, "stemset.wsgi") as server, network(server.address) as net, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
            visitor = Visitor(browser, net.url, made["cookie"])
            if "sync" in wanted:
                measure_sync(visitor, pages)
            if "start" in wanted:
                ours = measure_start(visitor, net, pages["long"], 60 * options.minutes)
                ours["memory"] = measure_memory(playwright, visitor, pages["long"], 60 * options.playing)
                for recording in ("short", "long"):
                    measure_everything_first(playwright, visitor, net, recording, ours)
            if "quality" in wanted:
                measure_quality(visitor, pages["tones"])
            if "network" in wanted:
                measure_network(visitor, net, pages["wav"])
            browser.close()


if __name__ == "__main__":
    main()
