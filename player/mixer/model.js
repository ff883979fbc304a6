/**
 * What a mix is and what can be done to it. Everything here is a pure function: it takes a mix and returns another one.
 * A stem is known by its type ("vocals"), which a recording has only once, so that a mix outlives being made again.
 */

import { gainOf, LOUDEST_DB, SILENT_DB, tidyDb } from "./levels.js";

/** @typedef {{db: number, mute: boolean, solo: boolean, safe: boolean, pan: number}} Strip  `pan` -1 … 1 */
/** @typedef {{on: boolean, [setting: string]: any}} Effect */
/** @typedef {{db: number, eq: Effect, compressor: Effect, reverb: Effect, limiter: Effect}} Master */
/** @typedef {{strips: Record<string, Strip>, master: Master}} Mix */
/** @typedef {{type: string, gainDb: number}} StemStart  what a stem is and where its fader starts, in dB */
/** @typedef {"without" | "only" | "louder"} Preset */

/** How much louder one's own part becomes, and how much softer the others, in dB. */
const LOUDER_DB = 3;
const SOFTER_DB = -5;
/** What has no stem of its own is usually in this one. */
const REST = "other";

/**
 * Return where a mix starts: every fader at its stem's normalised gain, nothing else.
 * @param {StemStart[]} stems
 * @param {Omit<Master, "db">} effects where the effects start
 * @returns {Mix}
 */
export function freshMix(stems, effects) {
  const strips = Object.fromEntries(stems.map(({ type, gainDb }) => [type, freshStrip(gainDb)]));
  return { strips, master: { db: 0, ...effects } };
}

/**
 * @param {number} gainDb
 * @returns {Strip}
 */
export function freshStrip(gainDb) {
  return { db: tidyDb(gainDb), mute: false, solo: false, safe: false, pan: 0 };
}

/**
 * Return the mix with something about one stem changed.
 * @param {Mix} mix
 * @param {string} type
 * @param {Partial<Strip>} change
 * @returns {Mix}
 */
export function changeStrip(mix, type, change) {
  const strip = mix.strips[type];
  if (!strip) return mix;
  const next = { ...strip, ...change };
  next.db = tidyDb(next.db);
  next.pan = Math.round(Math.min(1, Math.max(-1, next.pan || 0)) * 100) / 100 + 0;
  return { ...mix, strips: { ...mix.strips, [type]: next } };
}

/**
 * Return whether a stem is heard. What is muted never is; where something is soloed, only that is, and what is safe.
 * @param {Mix} mix
 * @param {string} type
 */
export function isAudible(mix, type) {
  const { mute, solo, safe } = mix.strips[type];
  if (mute) return false;
  return solo || safe || !Object.values(mix.strips).some((strip) => strip.solo);
}

/**
 * Return the linear gain at which a stem is heard.
 * @param {Mix} mix
 * @param {string} type
 */
export function heardGain(mix, type) {
  return isAudible(mix, type) ? gainOf(mix.strips[type].db) : 0;
}

/**
 * Return the stem that holds somebody's part: the one of that name, else the one that holds what has none; "" if there
 * is neither.
 * @param {string[]} types
 * @param {string} part
 */
export function stemOfPart(types, part) {
  if (!part) return "";
  if (types.includes(part)) return part;
  return types.includes(REST) ? REST : "";
}

/**
 * Return the mix set up to practise one stem: `without` it, with `only` it, or with it `louder` than the others.
 * Pans and the master stay.
 * @param {Mix} mix
 * @param {StemStart[]} stems
 * @param {Preset} preset
 * @param {string} mine
 * @returns {Mix}
 */
export function applyPreset(mix, stems, preset, mine) {
  const strips = { ...mix.strips };
  for (const { type, gainDb } of stems) {
    const isMine = type === mine;
    const shift = preset === "louder" ? (isMine ? LOUDER_DB : SOFTER_DB) : 0;
    strips[type] = {
      ...strips[type],
      db: tidyDb(Math.min(LOUDEST_DB, gainDb + shift)),
      mute: preset === "without" && isMine,
      solo: preset === "only" && isMine,
    };
  }
  return { ...mix, strips };
}

/**
 * Return the preset that a mix is set to, or "".
 * @param {Mix} mix
 * @param {StemStart[]} stems
 * @param {string} mine
 * @returns {Preset | ""}
 */
export function presetOf(mix, stems, mine) {
  if (!mine) return "";
  for (const preset of /** @type {Preset[]} */ (["without", "only", "louder"])) {
    const wanted = applyPreset(mix, stems, preset, mine);
    if (stems.every(({ type }) => isSameStrip(wanted.strips[type], mix.strips[type]))) return preset;
  }
  return "";
}

/**
 * Return the mix with its strips as they start; the master stays.
 * @param {Mix} mix
 * @param {StemStart[]} stems
 * @returns {Mix}
 */
export function resetStrips(mix, stems) {
  return { ...mix, strips: freshMix(stems, mix.master).strips };
}

/**
 * Return whether the strips are as they start.
 * @param {Mix} mix
 * @param {StemStart[]} stems
 */
export function isFresh(mix, stems) {
  return stems.every(({ type, gainDb }) => isSameStrip(mix.strips[type], freshStrip(gainDb)));
}

/**
 * @param {Strip} one
 * @param {Strip} other
 */
function isSameStrip(one, other) {
  return /** @type {(keyof Strip)[]} */ (Object.keys(one)).every((key) => one[key] === other[key]);
}

/**
 * Return a strip from something that was kept or sent, which may be anything; what makes no sense stays as it was.
 * @param {any} value
 * @param {Strip} otherwise
 * @returns {Strip}
 */
export function readStrip(value, otherwise) {
  const { db, mute, solo, safe, pan } = value !== null && typeof value === "object" ? value : {};
  return {
    db: db === "off" ? SILENT_DB : Number.isFinite(db) ? tidyDb(db) : otherwise.db,
    mute: typeof mute === "boolean" ? mute : otherwise.mute,
    solo: typeof solo === "boolean" ? solo : otherwise.solo,
    safe: typeof safe === "boolean" ? safe : otherwise.safe,
    pan: Number.isFinite(pan) ? Math.min(1, Math.max(-1, pan)) : otherwise.pan,
  };
}

/**
 * Return a strip as JSON can hold it.
 * @param {Strip} strip
 */
export function writeStrip(strip) {
  return { ...strip, db: strip.db === SILENT_DB ? "off" : strip.db };
}
