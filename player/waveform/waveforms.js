/**
 * The waveforms of a recording's page: they are read, and drawn again when the view, a size or a colour has changed, or
 * when more is known. The playhead is not theirs. A stem without peaks keeps the picture that the page came with.
 */

import { gainOf } from "../mixer/levels.js";
import { heardGain } from "../mixer/model.js";
import { allWithin, within } from "../ui/dom.js";
import { heights, mixedPowers } from "./loudness.js";
import { NoPeaks, Peaks } from "./peaks.js";
import { drawLoudness, drawShape } from "./view.js";

/** Nothing is fetched for a view that is left within this time, in milliseconds. */
const SETTLED_MS = 100;
/** How often it is tried to read a stem's peaks, and how long after it failed first; then twice as long. */
const ATTEMPTS = 4;
const RETRY_MS = 2_000;

/** @typedef {{canvas: HTMLCanvasElement, wave: HTMLElement, type: string, peaks: Peaks | null}} Lane */

/**
 * Show the waveforms of all lanes and the loudness of the mix.
 * @param {import("../ui/desk.js").Desk} desk
 * @param {import("../ui/view.js").View} view
 */
export function connectWaveforms(desk, view) {
  const lanes = allWithin(document, ".lane", HTMLElement).map((element) => ({
    canvas: within(element, ".wave canvas", HTMLCanvasElement),
    wave: within(element, ".wave", HTMLElement),
    type: element.dataset.stem ?? "",
    peaks: /** @type {Peaks | null} */ (null),
  }));
  const loudness = document.querySelector("canvas#loudness");
  const mixed = loudness instanceof HTMLCanvasElement ? connectLoudness(desk, view, lanes, loudness) : null;
  let frame = 0;

  const drawAll = () => {
    frame = 0;
    // The largest sample of all fills the height, so that the lanes compare.
    const peak = Math.max(0, ...lanes.map(({ peaks }) => peaks?.peak ?? 0));
    for (const { canvas, wave, peaks } of lanes) {
      if (!peaks || canvas.width === 0) continue;
      drawShape(canvas, peaks.shape(view.from, view.to, canvas.width), peak);
      wave.classList.add("has-peaks");
    }
    mixed?.draw();
  };
  const drawSoon = () => {
    if (frame === 0) frame = requestAnimationFrame(drawAll);
  };
  const wantAll = () => {
    for (const { peaks, canvas } of lanes) peaks?.want(view.from, view.to, canvas.width || 1);
  };
  const wantSoon = afterQuiet(wantAll);

  const sizes = new ResizeObserver((entries) => {
    let isNew = false;
    for (const entry of entries) isNew = fit(entry) || isNew;
    if (!isNew) return;
    drawAll(); // a canvas with another size is empty
    wantSoon();
  });
  for (const { canvas } of lanes) sizes.observe(canvas);
  if (mixed) sizes.observe(mixed.canvas);
  view.addEventListener("change", drawSoon);
  view.addEventListener("change", wantSoon);
  addEventListener("online", wantSoon);
  for (const what of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
    matchMedia(what).addEventListener("change", drawSoon);
  }
  desk.addEventListener("change", (event) => {
    if (desk.session.mix === /** @type {CustomEvent} */ (event).detail.before.mix || !mixed) return;
    mixed.mix();
    drawSoon();
  });

  for (const lane of lanes) {
    const url = desk.stems.find(({ type }) => type === lane.type)?.peaks;
    if (url) {
      openPatiently(url).then((peaks) => {
        if (!peaks) return;
        lane.peaks = peaks;
        peaks.addEventListener("load", drawSoon);
        mixed?.mix();
        drawSoon();
        wantSoon();
      });
    }
  }
}

/**
 * @param {import("../ui/desk.js").Desk} desk
 * @param {import("../ui/view.js").View} view
 * @param {Lane[]} lanes
 * @param {HTMLCanvasElement} canvas
 */
function connectLoudness(desk, view, lanes, canvas) {
  let powers = new Float32Array(0);
  let seconds = 0;
  return {
    canvas,
    /** Add up the stems anew. As long as one is missing the sum would be wrong. */
    mix() {
      const { mix } = desk.session;
      const master = gainOf(mix.master.db);
      const parts = lanes.flatMap(({ type, peaks }) =>
        peaks ? [{ track: peaks.loudness, gain: heardGain(mix, type) * master }] : [],
      );
      seconds = lanes[0]?.peaks?.loudnessSeconds ?? 0;
      if (parts.length === lanes.length) powers = mixedPowers(parts);
    },
    draw() {
      if (powers.length === 0 || canvas.width === 0) return;
      drawLoudness(canvas, heights(powers, seconds, view.from, view.to, canvas.width));
    },
  };
}

/**
 * Give a canvas as many pixels as the screen has there; return whether that is another number.
 * @param {ResizeObserverEntry} entry
 */
function fit({ target, contentRect }) {
  const canvas = /** @type {HTMLCanvasElement} */ (target);
  const [width, height] = [contentRect.width, contentRect.height].map((size) => Math.round(size * devicePixelRatio));
  if (canvas.width === width && canvas.height === height) return false;
  canvas.width = width;
  canvas.height = height;
  return true;
}

/**
 * Read a stem's peaks, again later when the network fails; null when that does not help.
 * @param {string} url
 */
async function openPatiently(url) {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      return await Peaks.open(url);
    } catch (error) {
      if (error instanceof NoPeaks) break;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS * 2 ** attempt));
    }
  }
  return null;
}

/**
 * Return a function that calls back when it has not been called for a moment.
 * @param {() => void} callback
 */
function afterQuiet(callback) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(callback, SETTLED_MS);
  };
}
