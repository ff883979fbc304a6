/** Keys for everything that somebody with an instrument in their hands wants at once. Never while typing. */

import { byId } from "./dom.js";
import { SKIP_SECONDS, turnLoop } from "./transport.js";

/** Where one may turn single keys off (they get in the way of speech input): this browser. */
const STORE = "stemset.keys";

/**
 * Connect the keys.
 * @param {import("./desk.js").Desk} desk
 * @param {import("./sound.js").Sound} sound
 * @param {import("./notices.js").Notices} notices
 * @param {Map<string, HTMLElement>} lanes
 */
export function connectKeyboard(desk, sound, notices, lanes) {
  const help = byId("help", HTMLDialogElement);
  const wanted = byId("keys-on", HTMLInputElement);
  wanted.checked = remembered(STORE) !== "off";
  wanted.addEventListener("change", () => remember(STORE, wanted.checked ? "on" : "off"));
  byId("help-open", HTMLButtonElement).addEventListener("click", () => help.showModal());
  help.addEventListener("click", (event) => {
    if (event.target === help) help.close(); // beside it
  });

  /** @param {number} step */
  const moveFocus = (step) => {
    const all = [...lanes.values()];
    const at = all.findIndex((lane) => lane.contains(document.activeElement));
    const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(0, at + step), all.length - 1);
    all[next]?.focus();
    all[next]?.scrollIntoView({ block: "nearest" });
  };
  /** @param {"mute" | "solo"} name */
  const turn = (name) => {
    for (const [type, lane] of lanes) if (lane.contains(document.activeElement)) desk.toggle(type, name);
  };
  /** @type {Record<string, (event: KeyboardEvent) => void>} */
  const keys = {
    " ": () => sound.toggle(),
    ArrowLeft: ({ shiftKey }) => sound.skip(shiftKey ? -1 : -SKIP_SECONDS),
    ArrowRight: ({ shiftKey }) => sound.skip(shiftKey ? 1 : SKIP_SECONDS),
    Home: () => sound.seek(desk.session.loopOn ? (desk.session.loop?.start ?? 0) : 0),
    ArrowUp: () => moveFocus(-1),
    ArrowDown: () => moveFocus(1),
    m: () => turn("mute"),
    s: () => turn("solo"),
    "[": () => desk.moveEdge("start", sound.position),
    "]": () => desk.moveEdge("end", sound.position),
    l: () => turnLoop(desk, notices),
    "+": () => desk.setSpeed(desk.session.speed + 5),
    "=": () => desk.setSpeed(desk.session.speed + 5),
    "-": () => desk.setSpeed(desk.session.speed - 5),
    0: () => desk.setSpeed(100),
    k: () => desk.change({ click: { ...desk.session.click, on: !desk.session.click.on } }),
    "?": () => help.showModal(),
  };
  /** Those that turn something on and off, or open it: held, they do it once. */
  const once = new Set([" ", "m", "s", "l", "k", "?"]);
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!wanted.checked && key.length === 1 && key !== " ") return;
    const act = keys[key];
    if (!act || isTaken(event.target, key)) return;
    event.preventDefault();
    if (!(event.repeat && once.has(key))) act(event);
  });
}

/**
 * Return whether the element that has the focus needs a key itself.
 * @param {EventTarget | null} target
 * @param {string} key
 */
function isTaken(target, key) {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.matches("textarea, select")) return true;
  if (target instanceof HTMLInputElement) {
    if (target.id === "seek") return false;
    if (target.type === "range") return /^(Arrow|Home)/.test(key);
    return target.type === "checkbox" ? key === " " && target.matches(":focus-visible") : true;
  }
  if (target.getAttribute("role") === "slider") return /^(Arrow|Home)/.test(key);
  // Space presses the button that the keyboard has led to, as everywhere; after a click it still means "play".
  return key === " " && target.matches("button:focus-visible, a, summary") && target.id !== "play";
}

/** @param {string} name */
export function remembered(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // storage is turned off
  }
}

/**
 * @param {string} name
 * @param {string} value
 */
export function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // then it is forgotten when the page closes
  }
}
