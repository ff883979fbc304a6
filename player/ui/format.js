/** How times and levels are written. */

import { gettext, interpolate } from "../words.js";

/**
 * Write a time as a clock does: 3:07, or 1:02:03, with decimals if wanted. A part is cut, as on a clock.
 * @param {number} seconds
 * @param {number} decimals
 */
export function clock(seconds, decimals = 0) {
  const unit = 10 ** decimals;
  const parts = Math.floor(Math.max(0, seconds) * unit + 1e-6);
  const whole = Math.floor(parts / unit);
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const text = hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
  return decimals ? `${text}.${String(parts % unit).padStart(decimals, "0")}` : text;
}

/**
 * Write a time as it is spoken.
 * @param {number} seconds
 */
export function spoken(seconds) {
  const whole = Math.floor(Math.max(0, seconds));
  const values = { minutes: Math.floor(whole / 60), seconds: whole % 60 };
  return interpolate(gettext("%(minutes)s minutes %(seconds)s seconds"), values);
}

/**
 * Write a level.
 * @param {number} db
 */
export function decibels(db) {
  if (!Number.isFinite(db)) return "−∞ dB";
  const text = Math.abs(db).toFixed(1);
  return `${text === "0.0" ? "" : db < 0 ? "−" : "+"}${text} dB`;
}

/**
 * Write a place between left and right.
 * @param {number} pan -1 … 1
 */
export function side(pan) {
  const share = percentOf(Math.abs(pan) * 100);
  if (Math.round(pan * 100) === 0) return gettext("centre");
  return interpolate(pan < 0 ? gettext("%(share)s left") : gettext("%(share)s right"), { share });
}

/**
 * Write a number of semitones.
 * @param {number} semitones
 */
export function semitonesOf(semitones) {
  const sign = semitones > 0 ? "+" : semitones < 0 ? "−" : "";
  return `${sign}${Math.abs(semitones)} st`;
}

/** @param {number} percent */
export function percentOf(percent) {
  return `${Math.round(percent)} %`;
}
