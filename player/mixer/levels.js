/** Decibels, faders and the way from one to the other. */

/** Where a fader ends. */
export const LOUDEST_DB = 12;
/** What a fader's lowest place stands for: nothing is heard. */
export const SILENT_DB = Number.NEGATIVE_INFINITY;
/** Below this a fader is shut. */
const SHUT_DB = -70;
/** Where on a fader 0 dB is, from 0 to 1: three quarters up, as on a mixing desk. */
const UNITY = 0.75;
/** How many decibels a tenfold way on the fader is worth, so that the upper end is LOUDEST_DB. */
const STEEPNESS = LOUDEST_DB / Math.log10(1 / UNITY);

/**
 * Return the linear gain of a level.
 * @param {number} db
 */
export function gainOf(db) {
  return db <= SHUT_DB ? 0 : 10 ** (db / 20);
}

/**
 * Return the level of a linear gain.
 * @param {number} gain from 0
 */
export function dbOf(gain) {
  return gain > 0 ? 20 * Math.log10(gain) : SILENT_DB;
}

/**
 * Return the level that a place on a fader stands for: fine around 0 dB, coarse at the lower end.
 * @param {number} place 0 … 1
 */
export function dbAt(place) {
  if (place <= 0) return SILENT_DB;
  const db = STEEPNESS * Math.log10(Math.min(1, place) / UNITY);
  return db <= SHUT_DB ? SILENT_DB : db;
}

/**
 * Return the place of a level on a fader, 0 … 1.
 * @param {number} db
 */
export function placeOf(db) {
  if (db <= SHUT_DB) return 0;
  return Math.min(1, UNITY * 10 ** (db / STEEPNESS));
}

/**
 * Return a level as it is kept: one decimal, within the fader; -Infinity for everything below.
 * @param {number} db
 */
export function tidyDb(db) {
  if (Number.isNaN(db) || db <= SHUT_DB) return SILENT_DB;
  return Math.round(Math.min(LOUDEST_DB, db) * 10) / 10 + 0; // + 0: never -0
}

/**
 * Return the next level by a step; from silence it begins where a fader opens.
 * @param {number} db
 * @param {number} step decibels
 */
export function stepped(db, step) {
  if (db === SILENT_DB) return step > 0 ? SHUT_DB + 10 : SILENT_DB;
  return tidyDb(db + step);
}
