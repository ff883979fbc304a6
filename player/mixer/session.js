/**
 * All that a person has set on the page of a recording, and the document that is kept of it.
 *
 * The document is plain JSON whose lists are objects by id, so that a merge patch can speak of one thing in it.
 */

import { dbOf } from "./levels.js";
import { freshMix, readStrip, writeStrip } from "./model.js";
import { readTheirEffects } from "./their_effects.js";

/** @typedef {import("./model.js").Mix} Mix */
/** @typedef {import("./model.js").StemStart} StemStart */
/** @typedef {{start: number, end: number}} Span  seconds of the recording */
/** @typedef {Span & {name: string}} NamedSpan */
/** @typedef {{on: boolean, bpm: number, beatsPerBar: number, offset: number, gain: number, countInBars: number}} Click */
/** @typedef {{on: boolean, every: number, by: number, goal: number}} StepUp  `by` and `goal` in percent */
/**
 * @typedef {object} Session
 * @property {Mix} mix
 * @property {number} speed percent
 * @property {number} transpose semitones
 * @property {boolean} drumsStay whether drums are left where they are when the rest is transposed
 * @property {Span | null} loop
 * @property {boolean} loopOn
 * @property {Record<string, NamedSpan>} loops those that were kept, by id
 * @property {Click} click
 * @property {StepUp} stepUp
 * @property {string} part what the person plays in this recording; "" for what their account says
 * @property {number} position seconds
 */

export const VERSION = 1;
export const SLOWEST = 25;
export const FASTEST = 150;
export const MOST_SEMITONES = 12;
/** A loop is at least this long, in seconds. */
export const SHORTEST_LOOP = 0.1;
/** How many loops a recording has at most. */
export const MOST_LOOPS = 100;
const LONGEST_NAME = 60;

/**
 * Return where everybody starts.
 * @param {StemStart[]} stems
 * @param {Omit<import("./model.js").Master, "db">} effects
 * @returns {Session}
 */
export function freshSession(stems, effects) {
  return {
    mix: freshMix(stems, effects),
    speed: 100,
    transpose: 0,
    drumsStay: true,
    loop: null,
    loopOn: false,
    loops: {},
    click: { on: false, bpm: 120, beatsPerBar: 4, offset: 0, gain: 0.5, countInBars: 0 },
    stepUp: { on: false, every: 4, by: 5, goal: 100 },
    part: "",
    position: 0,
  };
}

/**
 * Return the document that is kept of a session.
 * @param {Session} session
 * @returns {Record<string, any>}
 */
export function writeSession(session) {
  const { mix, ...rest } = session;
  const strips = Object.fromEntries(Object.entries(mix.strips).map(([type, strip]) => [type, writeStrip(strip)]));
  return {
    version: VERSION,
    ...structuredClone(rest),
    strips,
    master: writeMaster(mix.master),
    position: Math.round(session.position * 10) / 10,
  };
}

/**
 * Return the part of the document that is of the master.
 * @param {import("./model.js").Master} master
 * @returns {Record<string, any>}
 */
export function writeMaster({ db, ...effects }) {
  const { eq, ...rest } = structuredClone(effects);
  return { db: Number.isFinite(db) ? db : "off", ...rest, eq: { ...eq, bands: { ...eq.bands } } };
}

/**
 * Return a session from a document that was kept. Nothing in it is trusted; what makes no sense stays as it starts.
 * @param {any} document
 * @param {Session} fresh
 * @param {number} duration of the recording in seconds
 * @returns {Session}
 */
export function readSession(document, fresh, duration) {
  if (!isObject(document) || document.version > VERSION) return fresh;
  const strips = Object.fromEntries(
    Object.entries(fresh.mix.strips).map(([type, start]) => [type, readStrip(document.strips?.[type], start)]),
  );
  const loops = Object.entries(isObject(document.loops) ? document.loops : {})
    .map(([id, value]) => /** @type {const} */ ([id, readNamed(value, duration)]))
    .filter((entry) => entry[1] !== null)
    .slice(0, MOST_LOOPS);
  const loop = readSpan(document.loop, duration);
  return {
    mix: { strips, master: readMaster(document.master, fresh.mix.master) },
    speed: number(document.speed, SLOWEST, FASTEST, fresh.speed),
    transpose: Math.round(number(document.transpose, -MOST_SEMITONES, MOST_SEMITONES, fresh.transpose)),
    drumsStay: flag(document.drumsStay, fresh.drumsStay),
    loop,
    loopOn: loop !== null && flag(document.loopOn, false),
    loops: /** @type {Record<string, NamedSpan>} */ (Object.fromEntries(loops)),
    click: readClick(document.click, fresh.click),
    stepUp: readStepUp(document.stepUp, fresh.stepUp),
    part: typeof document.part === "string" ? document.part.slice(0, LONGEST_NAME) : "",
    position: number(document.position, 0, duration, 0),
  };
}

/**
 * Return a loop within the recording, with its ends in order and apart, or null.
 * @param {any} value
 * @param {number} duration seconds
 * @returns {Span | null}
 */
export function readSpan(value, duration) {
  if (!isObject(value) || !Number.isFinite(value.start) || !Number.isFinite(value.end)) return null;
  const [start, end] = [value.start, value.end]
    .map((end) => Math.min(Math.max(0, end), duration))
    .sort((a, b) => a - b);
  return milli(end - start) < SHORTEST_LOOP ? null : { start: milli(start), end: milli(end) };
}

/**
 * Return a loop with one of its ends moved; the other end gives way if it must, at the recording's end this one does.
 * The recording is longer than the shortest loop.
 * @param {Span} loop
 * @param {"start" | "end"} edge
 * @param {number} to seconds
 * @param {number} duration seconds
 * @returns {Span}
 */
export function movedEdge(loop, edge, to, duration) {
  if (edge === "start") {
    const start = Math.min(Math.max(0, to), Math.max(0, duration - SHORTEST_LOOP));
    return { start: milli(start), end: milli(Math.min(duration, Math.max(loop.end, start + SHORTEST_LOOP))) };
  }
  const end = Math.max(Math.min(duration, to), SHORTEST_LOOP);
  return { start: milli(Math.max(0, Math.min(loop.start, end - SHORTEST_LOOP))), end: milli(end) };
}

/**
 * Return a kept loop, or null.
 * @param {any} value
 * @param {number} duration
 * @returns {NamedSpan | null}
 */
function readNamed(value, duration) {
  const span = readSpan(value, duration);
  return span && { ...span, name: tidyName(value.name) };
}

/**
 * Return a loop's name as it is kept.
 * @param {unknown} name
 */
export function tidyName(name) {
  return typeof name === "string"
    ? name
        .replace(/\p{Cc}/gu, " ")
        .trim()
        .slice(0, LONGEST_NAME)
    : "";
}

/**
 * Take what is understood of the existing client's documents, whose shape is its own affair.
 * @param {{playbackPosition?: any, stems?: any, effects?: any}} theirs
 * @param {Session} session
 * @param {number} duration
 * @returns {Session}
 */
export function readTheirs(theirs, session, duration) {
  const position = first(theirs.playbackPosition, ["position", "currentTime", "time", "seconds"], Number.isFinite);
  const strips = { ...session.mix.strips };
  for (const type of Object.keys(strips)) {
    strips[type] = readStrip(theirStrip(theirStem(theirs.stems, type)), strips[type]);
  }
  return {
    ...session,
    mix: { strips, master: readTheirEffects(theirs.effects, session.mix.master) },
    position: number(position, 0, duration, session.position),
  };
}

/**
 * @param {any} stems
 * @param {string} type
 */
function theirStem(stems, type) {
  const all = Array.isArray(stems?.stems ?? stems) ? (stems.stems ?? stems) : null;
  if (all) return all.find((/** @type {any} */ one) => [one?.stem_type, one?.name, one?.id].includes(type));
  return isObject(stems) ? (stems[type] ?? stems.stems?.[type]) : undefined;
}

/** @param {any} stem */
function theirStrip(stem) {
  if (Number.isFinite(stem)) return { db: dbOf(stem) };
  const isFlag = (/** @type {any} */ value) => typeof value === "boolean";
  const gain = first(stem, ["gain", "volume"], (value) => Number.isFinite(value) && value >= 0);
  const db = first(stem, ["gainDb", "db"], Number.isFinite) ?? (gain === undefined ? undefined : dbOf(gain));
  return {
    db: db === Number.NEGATIVE_INFINITY ? "off" : db,
    mute: first(stem, ["muted", "mute", "isMuted"], isFlag),
    solo: first(stem, ["soloed", "solo", "isSoloed", "isSolo"], isFlag),
    pan: first(stem, ["pan"], Number.isFinite),
  };
}

/**
 * @param {any} value
 * @param {string[]} names
 * @param {(value: any) => boolean} isRight
 */
function first(value, names, isRight) {
  if (!isObject(value)) return undefined;
  return names.map((name) => value[name]).find(isRight);
}

/**
 * Return the master that a document speaks of. Nothing in it is trusted.
 * @param {any} value
 * @param {import("./model.js").Master} fresh
 * @returns {import("./model.js").Master}
 */
export function readMaster(value, fresh) {
  if (!isObject(value)) return fresh;
  /** @type {any} */
  const master = { db: value.db === "off" ? Number.NEGATIVE_INFINITY : number(value.db, -70, 12, fresh.db) };
  for (const name of /** @type {const} */ (["eq", "compressor", "reverb", "limiter"])) {
    master[name] = like(value[name], fresh[name]);
  }
  return master;
}

/**
 * Return a value if it is of the same kind as another one, with members and numbers like its; else the other.
 * A list is an object by numbers in the document.
 * The effects themselves keep numbers within their ranges.
 * @param {any} value
 * @param {any} fresh
 * @returns {any}
 */
function like(value, fresh) {
  if (Array.isArray(fresh)) {
    return fresh.map((member, place) => like(value?.[place], member));
  }
  if (isObject(fresh)) {
    if (!isObject(value)) return fresh;
    return Object.fromEntries(Object.entries(fresh).map(([name, member]) => [name, like(value[name], member)]));
  }
  if (typeof fresh === "number") return Number.isFinite(value) ? value : fresh;
  return typeof value === typeof fresh ? value : fresh;
}

/**
 * @param {any} value
 * @param {Click} fresh
 * @returns {Click}
 */
function readClick(value, fresh) {
  if (!isObject(value)) return fresh;
  return {
    on: flag(value.on, fresh.on),
    bpm: number(value.bpm, 20, 400, fresh.bpm),
    beatsPerBar: Math.round(number(value.beatsPerBar, 1, 16, fresh.beatsPerBar)),
    offset: number(value.offset, 0, 86_400, fresh.offset),
    gain: number(value.gain, 0, 1, fresh.gain),
    countInBars: Math.round(number(value.countInBars, 0, 4, fresh.countInBars)),
  };
}

/**
 * @param {any} value
 * @param {StepUp} fresh
 * @returns {StepUp}
 */
function readStepUp(value, fresh) {
  if (!isObject(value)) return fresh;
  return {
    on: flag(value.on, fresh.on),
    every: Math.round(number(value.every, 1, 99, fresh.every)),
    by: Math.round(number(value.by, 1, 50, fresh.by)),
    goal: Math.round(number(value.goal, SLOWEST, FASTEST, fresh.goal)),
  };
}

/**
 * @param {any} value
 * @param {number} least
 * @param {number} most
 * @param {number} otherwise
 */
function number(value, least, most, otherwise) {
  return typeof value === "number" && Number.isFinite(value) ? Math.min(Math.max(least, value), most) : otherwise;
}

/**
 * @param {any} value
 * @param {boolean} otherwise
 */
function flag(value, otherwise) {
  return typeof value === "boolean" ? value : otherwise;
}

/**
 * @param {any} value
 * @returns {value is Record<string, any>}
 */
function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** @param {number} seconds */
function milli(seconds) {
  return Math.round(seconds * 1000) / 1000;
}
