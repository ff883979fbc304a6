"""What the player of the recording page does: sync, speed of starting and seeking, memory, tuning, a bad network.

    python benchmarks/player.py [--minutes 60] [--playing 10] [--only sync,start,quality,network]

A headless Chromium plays recordings of benchmarks/player_site.py from the shipped server, through a proxy that counts
and can be slow or broken. Sound is recorded from the output of the engine, before the loudspeaker. What is compared:
fetching and decoding all stems before the first sound (decodeAudioData), as players commonly do, in the same run.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from api_site import ROOT, running_site, serving
from player_site import TONES
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(ROOT))
from tests.chromium import FLAGS, chromium
from tests.listening import IMPULSE_SECONDS, Listener, offsets, open_mixer
from tests.network import Network, network

# Files are played from here on: no gesture is needed. Sound goes nowhere.
FLAGS = [*FLAGS, "--autoplay-policy=no-user-gesture-required", "--js-flags=--expose-gc"]
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


def memory_of(browser_process: psutil.Process) -> float:
    """Return the private memory of the largest renderer, in MB: its heaps, buffers of audio and code."""
    sizes = []
    for process in browser_process.children(recursive=True):
        try:
            if "--type=renderer" in process.cmdline():
                sizes.append(process.memory_full_info().uss / 1e6)
        except psutil.Error:
            continue
    return max(sizes, default=0.0)


def measure_start(visitor: Visitor, net: Network, page: str, seconds: float, playing: float) -> dict[str, float]:
    """Press play, seek about, and play on for long at the highest speed."""
    root = this_browser()
    with visitor.tab() as tab:
        tab.wait_for_timeout(500)
        blank = memory_of(root)
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
        samples, kept = [memory_of(root) - blank], []
        listener.run("player.setSpeed(1.5); await sleep(500); await seekTo(values[0]);", 0.1 * seconds)
        begin = listener.run("return player.position;")
        last = time.monotonic() + playing
        while time.monotonic() < last:
            for _second in range(10):
                tab.wait_for_timeout(1000)
                samples.append(memory_of(root) - blank)
            # Garbage is collected when the browser likes; what would be left says whether something is kept.
            for place in (tab, *tab.workers):
                place.evaluate("gc()")
            kept.append(memory_of(root) - blank)
        played = listener.run("return player.position;") - begin
        heap = tab.evaluate("performance.memory.usedJSHeapSize") / 1e6
    half = len(kept) // 2
    early, late = np.median(kept[:half]), np.median(kept[half:])
    print(f"press play to first sound      {first:8.0f} ms   (goal: 500)")
    print(f"bytes before the first sound   {fetched / 1e6:8.2f} MB   (goal: 2; the page and all it loads)")
    print(f"seek, median of {len(seeks)}             {np.median(seeks):8.0f} ms   (goal: 400)")
    print(f"seek, slowest                  {max(seeks):8.0f} ms")
    print(f"memory, at most                {max(samples):8.0f} MB   (goal: 150; of the process, above an empty page)")
    print(f"without garbage, in the halves {early:8.0f} MB, {late:.0f} MB (of {played / 60:.1f} minutes at 150 %)")
    print(f"heap of JavaScript, in the end {heap:8.0f} MB")
    return {"first": first, "bytes": fetched, "memory": max(samples)}


def places(seconds: float) -> np.ndarray:
    """Return where to seek to."""
    return np.random.default_rng(2).uniform(0, seconds - 20, 20)


def measure_everything_first(visitor: Visitor, net: Network, name: str, ours: dict[str, float]) -> None:
    """Do it as others do: all stems fetched and decoded, then started together. It may be more than a tab can take."""
    root = this_browser()
    peak = 0.0
    result = None
    with visitor.tab() as tab:
        tab.wait_for_timeout(500)
        blank = memory_of(root)
        tab.goto("/library")
        before = net.received
        crashed: list[bool] = []
        tab.on("crash", lambda _: crashed.append(True))
        try:
            tab.evaluate(EVERYTHING_FIRST, name)
            last = time.monotonic() + 600
            while result is None and not crashed and time.monotonic() < last:
                tab.wait_for_timeout(200)
                peak = max(peak, memory_of(root) - blank)
                result = None if crashed else tab.evaluate("result")
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


def this_browser() -> psutil.Process:
    """Return ourselves: the browser is below."""
    return psutil.Process(os.getpid())


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
            listener.run("await seekTo(2); await sleep(values[0]);", 8000)
            sound, rate = listener.recorded()
            beats = beats_in(sound[-7 * rate :, 0], rate)
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
    """Return where the energy of each beat lies, in frames."""
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
    parser.add_argument("--playing", type=float, default=10, help="minutes of it that are played at 150 %% for memory")
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
                ours = measure_start(visitor, net, pages["long"], 60 * options.minutes, 60 * options.playing / 1.5)
                for recording in ("short", "long"):
                    measure_everything_first(visitor, net, recording, ours)
            if "quality" in wanted:
                measure_quality(visitor, pages["tones"])
            if "network" in wanted:
                measure_network(visitor, net, pages["wav"])
            browser.close()


if __name__ == "__main__":
    main()
