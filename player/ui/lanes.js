/** A lane for each stem: fader, mute, solo, pan, meter. */

import { dbAt, LOUDEST_DB, placeOf, SILENT_DB, stepped } from "../mixer/levels.js";
import { freshStrip, isAudible } from "../mixer/model.js";
import { allWithin, press, say, setValue, within } from "./dom.js";
import { decibels, side } from "./format.js";

/** @typedef {import("./desk.js").Desk} Desk */

const STEPS = 1000;
/** How many decibels a key moves a fader. */
const KEY_DB = { ArrowUp: 0.5, ArrowRight: 0.5, ArrowDown: -0.5, ArrowLeft: -0.5, PageUp: 3, PageDown: -3 };

/**
 * Connect the lanes. Returns them by stem.
 * @param {Desk} desk
 * @returns {Map<string, HTMLElement>}
 */
export function connectLanes(desk) {
  const lanes = allWithin(document, ".lane", HTMLElement);
  return new Map(lanes.map((lane) => [lane.dataset.stem ?? "", connectLane(desk, lane)]));
}

/**
 * @param {Desk} desk
 * @param {HTMLElement} lane
 */
function connectLane(desk, lane) {
  const type = lane.dataset.stem ?? "";
  const fader = within(lane, ".fader", HTMLInputElement);
  const pan = within(lane, ".pan", HTMLInputElement);
  const output = within(lane, ".db", HTMLElement);
  const more = within(lane, ".more", HTMLButtonElement);
  const box = within(lane, ".more-box", HTMLElement);
  const gainDb = desk.stems.find((stem) => stem.type === type)?.gainDb ?? 0;
  const start = freshStrip(gainDb);
  lane.tabIndex = -1; // the arrow keys lead here
  lane.style.setProperty("--start", String(placeOf(start.db)));

  connectFader(fader, {
    level: () => desk.session.mix.strips[type].db,
    start: start.db,
    set: (db) => desk.changeStrip(type, { db }),
  });
  pan.addEventListener("input", () => {
    const value = Number(pan.value);
    desk.changeStrip(type, { pan: Math.abs(value) < 4 ? 0 : value / 100 }); // the middle is easy to find
  });
  pan.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5 }[event.key];
    if (!step) return;
    event.preventDefault();
    desk.changeStrip(type, { pan: desk.session.mix.strips[type].pan + step / 100 });
  });
  pan.addEventListener("dblclick", () => desk.changeStrip(type, { pan: 0 }));
  /** @type {Record<string, HTMLElement>} */
  const switches = {};
  for (const name of /** @type {const} */ (["mute", "solo", "safe"])) {
    switches[name] = within(lane, `.${name}`, HTMLElement);
    switches[name].addEventListener("click", () => desk.toggle(type, name));
  }
  within(lane, ".fresh", HTMLElement).addEventListener("click", () => desk.changeStrip(type, start));
  more.addEventListener("click", () => {
    box.hidden = !box.hidden;
    more.setAttribute("aria-expanded", String(!box.hidden));
  });

  desk.watch(({ mix }, before) => {
    if (mix === before?.mix) return;
    const strip = mix.strips[type];
    showLevel(fader, output, strip.db);
    setValue(pan, Math.round(strip.pan * 100));
    pan.setAttribute("aria-valuetext", side(strip.pan));
    for (const name of /** @type {const} */ (["mute", "solo", "safe"])) press(switches[name], strip[name]);
    lane.classList.toggle("unheard", !isAudible(mix, type) || strip.db === SILENT_DB);
  });
  return lane;
}

/**
 * Make a range input a fader: its way is that of a mixing desk, keys move it by decibels, a double click puts it back.
 * @param {HTMLInputElement} fader
 * @param {{level: () => number, start: number, set: (db: number) => void}} options
 */
export function connectFader(fader, { level, start, set }) {
  fader.addEventListener("input", () => {
    const db = dbAt(Number(fader.value) / STEPS);
    set(Math.abs(db) < 0.35 ? 0 : db); // 0 dB is easy to find
  });
  fader.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const step = KEY_DB[/** @type {keyof typeof KEY_DB} */ (event.key)];
    if (step !== undefined) set(stepped(level(), step));
    else if (event.key === "Home") set(SILENT_DB);
    else if (event.key === "End") set(LOUDEST_DB);
    else return;
    event.preventDefault();
  });
  fader.addEventListener("dblclick", () => set(start));
}

/**
 * Show a level on a fader and beside it.
 * @param {HTMLInputElement} fader
 * @param {HTMLElement} output
 * @param {number} db
 */
export function showLevel(fader, output, db) {
  setValue(fader, Math.round(placeOf(db) * STEPS));
  const text = decibels(db);
  fader.setAttribute("aria-valuetext", text);
  say(output, text);
}
