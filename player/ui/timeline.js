/**
 * Time from left to right: the ruler, playheads, the loop, zoom, and what fingers and mice do to them.
 *
 * Everything that moves is moved by a transform, so that a frame costs no layout.
 */

import { dbOf } from "../mixer/levels.js";
import { gettext, interpolate } from "../words.js";
import { allWithin, byId, make, within } from "./dom.js";
import { clock } from "./format.js";
import { followPointers } from "./pointers.js";
import { ticks } from "./view.js";

/** A label of the ruler needs this many pixels. */
const TICK_PX = 90;
/** How large the server's pictures of stems are. */
const PICTURE_WIDTH = 1920;
const PICTURE_HEIGHT = 256;
/** What a meter shows, in dB. */
const QUIETEST_DB = -54;
/** How fast a meter falls, as a share of it each second. */
const FALL = 1.2;

/**
 * Connect the timeline.
 * @param {import("./desk.js").Desk} desk
 * @param {import("./sound.js").Sound} sound
 * @param {import("./view.js").View} view
 */
export function connectTimeline(desk, sound, view) {
  const lanes = byId("lanes", HTMLElement);
  const ruler = byId("ruler", HTMLElement);
  const tickBox = within(ruler, ".ticks", HTMLElement);
  const playheads = allWithin(lanes, ".playhead", HTMLElement);
  const spans = allWithin(lanes, ".loop-span", HTMLElement);
  const edges = allWithin(lanes, ".edge", HTMLElement);
  let width = ruler.clientWidth;

  const drawPlayhead = (/** @type {number} */ seconds) => {
    const transform = `translateX(${(view.shareOf(seconds) * width).toFixed(2)}px)`;
    for (const playhead of playheads) playhead.style.transform = transform;
  };
  const drawLoop = () => {
    const { loop, loopOn } = desk.session;
    for (const element of [...spans, ...edges]) element.hidden = !loop;
    if (!loop) return;
    const start = view.shareOf(loop.start) * width;
    const end = view.shareOf(loop.end) * width;
    for (const span of spans) {
      span.style.transform = `translateX(${start}px) scaleX(${(end - start) / width})`;
      span.classList.toggle("is-on", loopOn);
    }
    for (const edge of edges) {
      const isStart = edge.dataset.edge === "start";
      edge.style.transform = `translateX(${isStart ? start : end}px)`;
      edge.classList.toggle("is-on", loopOn);
      // What is beyond the border would make the page wider.
      edge.classList.toggle("is-away", (isStart ? start : end) < -1 || (isStart ? start : end) > width + 1);
      if (edge.getAttribute("role") !== "slider") continue;
      const seconds = isStart ? loop.start : loop.end;
      edge.setAttribute("aria-valuenow", seconds.toFixed(2));
      edge.setAttribute("aria-valuetext", clock(seconds, 2));
    }
  };
  const drawTicks = () => {
    const { step, times } = ticks(view.from, view.to, width / TICK_PX);
    tickBox.replaceChildren(
      ...times.map((seconds) => {
        const tick = make("time", {}, clock(seconds, step < 1 ? 1 : 0));
        tick.style.transform = `translateX(${view.shareOf(seconds) * width}px)`;
        // A label that would be cut is none; its line stays.
        tick.classList.toggle("is-last", view.shareOf(seconds) * width > width - 48);
        return tick;
      }),
    );
  };
  // Until there is something better, the server's picture of a stem shows the part that is looked at.
  const pictures = allWithin(lanes, ".picture", SVGElement);
  const drawPictures = () => {
    const [x, wide] = [view.from, view.span].map((seconds) => (seconds / view.duration) * PICTURE_WIDTH);
    for (const picture of pictures) picture.setAttribute("viewBox", `${x} 0 ${wide} ${PICTURE_HEIGHT}`);
  };
  const drawAll = () => {
    drawTicks();
    drawPictures();
    drawLoop();
    drawPlayhead(sound.position);
  };
  ruler.classList.add("is-live");
  new ResizeObserver(() => {
    width = ruler.clientWidth;
    drawAll();
  }).observe(ruler);
  view.addEventListener("change", drawAll);
  desk.addEventListener("change", (event) => {
    const { before } = /** @type {CustomEvent} */ (event).detail;
    if (desk.session.loop !== before.loop || desk.session.loopOn !== before.loopOn) drawLoop();
  });

  connectMotion(desk, sound, (seconds) => {
    if (sound.isPlaying && !pointers.isBusy) view.follow(seconds);
    if (!pointers.isScrubbing) drawPlayhead(seconds);
  });
  sound.addEventListener("seek", () => view.follow(sound.position));
  const pointers = followPointers(desk, sound, view, { lanes, ruler, width: () => width, drawPlayhead });
  connectEdgeKeys(desk, edges);
  connectZoom(sound, view);
  drawAll();
}

/**
 * Call back with the position at every frame while it plays and once when it was moved, and move the meters.
 * Somebody who wants little motion gets four pictures a second.
 * @param {import("./desk.js").Desk} desk
 * @param {import("./sound.js").Sound} sound
 * @param {(seconds: number) => void} draw
 */
function connectMotion(desk, sound, draw) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const bars = allWithin(document, ".lane .meter > div", HTMLElement);
  const ids = bars.map((bar) =>
    desk.stems.find(({ type }) => type === bar.closest(".lane")?.getAttribute("data-stem")),
  );
  const [left, right] = allWithin(document, ".master .meter > div", HTMLElement);
  /** @type {Map<HTMLElement, number>} */
  const shown = new Map();
  let isRunning = false;
  let last = 0;

  const drawMeter = (/** @type {HTMLElement} */ bar, /** @type {number} */ peak, /** @type {number} */ seconds) => {
    const share = Math.min(1, Math.max(0, 1 - dbOf(peak) / QUIETEST_DB));
    const before = shown.get(bar) ?? 0;
    const next = Math.max(share, before - FALL * seconds);
    if (next === before) return;
    shown.set(bar, next);
    bar.style.transform = `scaleX(${next.toFixed(3)})`;
    bar.classList.toggle("is-hot", peak >= 1);
  };
  const frame = (/** @type {number} */ time) => {
    const seconds = Math.min(0.1, (time - last) / 1000);
    last = time;
    draw(sound.position);
    const { levels, isPlaying } = sound;
    bars.forEach((bar, place) => {
      drawMeter(bar, (isPlaying && levels?.stems.get(ids[place]?.id ?? "")) || 0, seconds);
    });
    for (const [side, bar] of [left, right].entries()) {
      if (bar) drawMeter(bar, (isPlaying && levels?.master[side]) || 0, seconds);
    }
    const isFalling = [...shown.values()].some((share) => share > 0);
    isRunning = !calm.matches && (isPlaying || isFalling);
    if (isRunning) requestAnimationFrame(frame);
  };
  const start = () => {
    if (isRunning) return;
    isRunning = true;
    last = performance.now();
    requestAnimationFrame(frame);
  };
  for (const name of ["state", "seek"]) sound.addEventListener(name, start);
  sound.addEventListener("position", () => calm.matches && frame(last + 250));
}

/**
 * Let the keyboard move the ends of the loop.
 * @param {import("./desk.js").Desk} desk
 * @param {HTMLElement[]} edges
 */
function connectEdgeKeys(desk, edges) {
  for (const edge of edges) {
    edge.addEventListener("keydown", (event) => {
      const { loop } = desk.session;
      if (!loop) return;
      const name = edge.dataset.edge === "start" ? "start" : "end";
      const step = event.shiftKey ? 1 : 0.05;
      /** @type {Record<string, number>} */
      const ways = { ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step, PageDown: -5, PageUp: 5 };
      const way = ways[event.key];
      if (way === undefined) return;
      event.preventDefault();
      desk.moveEdge(name, loop[name] + way);
    });
  }
}

/**
 * @param {import("./sound.js").Sound} sound
 * @param {import("./view.js").View} view
 */
function connectZoom(sound, view) {
  const [zoomIn, zoomOut, whole] = ["zoom-in", "zoom-out", "zoom-all"].map((id) => byId(id, HTMLButtonElement));
  const middle = () => {
    const { position } = sound;
    return position >= view.from && position <= view.to ? position : (view.from + view.to) / 2;
  };
  zoomIn.addEventListener("click", () => view.zoom(1 / 2, middle()));
  zoomOut.addEventListener("click", () => view.zoom(2, middle()));
  whole.addEventListener("click", () => view.show(0, view.duration));
  const show = () => {
    whole.setAttribute("aria-disabled", String(view.isWhole));
    zoomOut.setAttribute("aria-disabled", String(view.isWhole));
    const shown = interpolate(gettext("%(from)s to %(to)s"), { from: clock(view.from, 1), to: clock(view.to, 1) });
    whole.title = shown;
  };
  view.addEventListener("change", show);
  show();
}
