"""Hears what the player of a recording's page puts out, before the loudspeaker; and stems whose sync can be heard."""

import base64
import io
from typing import Any

import numpy as np
import soundfile
from playwright.sync_api import Page

RATE = 44_100
# Where the impulses of the stems are: every two seconds, each stem a little later than the one before.
IMPULSE_SECONDS = 2
IMPULSE_STEP = 2_205

# Records what a node puts out, as planar floats.
TAP = """
registerProcessor("tap", class extends AudioWorkletProcessor {
  blocks = [];
  constructor() {
    super();
    this.port.onmessage = () => {
      const sound = new Float32Array(2 * 128 * this.blocks.length);
      this.blocks.forEach((block, i) => sound.set(block, 256 * i));
      this.port.postMessage(sound);
      this.blocks = [];
    };
  }
  process([input]) {
    if (input.length) {
      const block = new Float32Array(256);
      block.set(input[0]);
      block.set(input[1] ?? input[0], 128);
      this.blocks.push(block);
    }
    return true;
  }
});
"""
HELPERS = """
  const player = stemset.player;
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const sounding = async () => {
    const begin = performance.now();
    while (performance.now() - begin < 30000) {
      if (player.state === "playing" && player.report.isMoving) return performance.now() - begin;
      await sleep(1);
    }
    throw new Error("no sound");
  };
  const seekTo = async (seconds) => {
    const begin = performance.now();
    player.seek(seconds);
    while (!(player.state === "playing" && player.report.isMoving)) {
      await sleep(1);
      if (performance.now() - begin > 30000) throw new Error("no sound");
    }
    return performance.now() - begin;
  };
"""


def open_mixer(tab: Page, page: str) -> None:
    """Go to a recording's page and wait until all stems are open."""
    tab.goto(page, wait_until="commit")
    tab.wait_for_selector("#mixer[data-ready]", state="attached", timeout=60_000)


class Listener:
    """A tab with a recording open."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def run(self, script: str, *values: Any) -> Any:
        """Run the body of an async function with the helpers in it; `values` is what it was given."""
        return self.page.evaluate(f"async (values) => {{ {HELPERS} {script} }}", values)

    def listen(self) -> None:
        """Record from now on."""
        self.run(
            """
            const [code] = values;
            const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
            await player.context.audioWorklet.addModule(url);
            stemset.tap = new AudioWorkletNode(player.context, "tap");
            player.node.connect(stemset.tap);
            """,
            TAP,
        )

    def recorded(self) -> tuple[np.ndarray, int]:
        """Return what was recorded since the last time, shape (frames, 2), and its sample rate."""
        text, rate = self.run(
            """
            const sound = await new Promise((resolve) => {
              stemset.tap.port.onmessage = ({ data }) => resolve(data);
              stemset.tap.port.postMessage(0);
            });
            const bytes = new Uint8Array(sound.buffer);
            let text = "";
            for (let i = 0; i < bytes.length; i += 32768) {
              text += String.fromCharCode(...bytes.subarray(i, i + 32768));
            }
            return [btoa(text), player.context.sampleRate];
            """
        )
        blocks = np.frombuffer(base64.b64decode(text), np.float32).reshape(-1, 2, 128)
        return blocks.transpose(0, 2, 1).reshape(-1, 2), rate


def offsets(sound: np.ndarray, rate: int, speed: float = 1) -> list[float]:
    """Return by how many samples stems are off: their impulses should lie IMPULSE_STEP apart, stem after stem."""
    level = np.abs(sound[:, 0])
    step = IMPULSE_STEP * rate / RATE / speed
    peaks: list[int] = []
    for place in np.flatnonzero(level > 0.3 * level.max()):
        if peaks and place - peaks[-1] < step / 4:
            peaks[-1] = int(place if level[place] > level[peaks[-1]] else peaks[-1])
        else:
            peaks.append(int(place))
    gaps = np.diff(peaks)
    # The others are those from the last stem to the first one of the next round.
    return [float(gap - step) for gap in gaps if gap < 1.5 * step]


def impulses(number: int, seconds: float) -> np.ndarray:
    """Return a stem with single samples of half of full scale, shape (frames, 2), at RATE."""
    wave = np.zeros((round(seconds * RATE), 2), np.float32)
    wave[number * IMPULSE_STEP + RATE :: IMPULSE_SECONDS * RATE] = 0.5
    return wave


def wav_of(wave: np.ndarray) -> bytes:
    """Return a wave at RATE, shape (frames, channels), as a file."""
    stream = io.BytesIO()
    soundfile.write(stream, wave, RATE, format="WAV", subtype="PCM_24")
    return stream.getvalue()
