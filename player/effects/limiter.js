/**
 * A limiter that looks ahead: no sample leaves it above its ceiling, and what stays below passes unchanged, later.
 *
 * The reduction that each frame needs is held over the look-ahead (the largest of a sliding window), released slowly,
 * and averaged over the look-ahead again, so it has come down in full when the frame is put out. Reductions are kept
 * as multiples of 2^-30: their running sum is exact, and without any it is exactly zero.
 */

import { fromDb, Glide, STEP, within } from "./glide.js";
import { SlidingMax } from "./sliding_max.js";

/** ceiling dBFS; release seconds (63 % of the way back). */
export const RANGES = Object.freeze({
  ceiling: /** @type {const} */ ([-12, 0]),
  release: /** @type {const} */ ([0.01, 1]),
});

/** @typedef {{on: boolean, ceiling: number, release: number}} Settings */

/** Where it begins. @type {Readonly<Settings>} */
export const DEFAULTS = Object.freeze({ on: true, ceiling: -1, release: 0.1 });

const LOOK_AHEAD_SECONDS = 0.002;
const GRAIN = 2 ** 30;
/** Samples are rounded to 24 bits when they are stored: this much below the ceiling that cannot exceed it. */
const MARGIN = 1 - 2 ** -22;

/** The limiter. Its delay is there whether it is on or off, so that switching it does not jump. */
export class Limiter {
  /** @param {number} sampleRate in Hz */
  constructor(sampleRate) {
    this.sampleRate = sampleRate;
    /** By how many frames the signal comes out later. */
    this.latencyFrames = Math.max(1, Math.round(LOOK_AHEAD_SECONDS * sampleRate));
    /** @type {Settings} */
    this.settings = { ...DEFAULTS };
    this.ceiling = new Glide(sampleRate, DEFAULTS.ceiling);
    this.keep = 0;
    const length = this.latencyFrames + 1;
    this.length = length;
    this.left = new Float32Array(this.latencyFrames);
    this.right = new Float32Array(this.latencyFrames);
    this.window = new SlidingMax(length);
    this.reductions = new Float64Array(length);
    this.at = 0;
    this.slot = 0;
    this.sum = 0;
    this.released = 0;
    /** For how many frames nothing has been above the ceiling. */
    this.calm = 0;
    this.set({});
  }

  /** How much the signal is reduced now, in dB from 0. */
  get gainReductionDb() {
    return this.sum === 0 ? 0 : -20 * Math.log10(1 - this.sum / this.length);
  }

  /**
   * Change what is named; the rest stays.
   * @param {Partial<Settings>} changes
   */
  set(changes) {
    const { settings, sampleRate } = this;
    if (typeof changes.on === "boolean") settings.on = changes.on;
    settings.ceiling = within(changes.ceiling, RANGES.ceiling, settings.ceiling);
    settings.release = within(changes.release, RANGES.release, settings.release);
    this.ceiling.to(settings.ceiling);
    this.keep = Math.exp(-1 / (settings.release * sampleRate));
  }

  /** Have the ceiling where it was put at once. */
  settle() {
    this.ceiling.settle();
  }

  /** Forget the past of the signal. */
  reset() {
    this.clear();
    this.settle();
  }

  clear() {
    this.left.fill(0);
    this.right.fill(0);
    this.reductions.fill(0);
    this.window.clear();
    this.at = 0;
    this.slot = 0;
    this.sum = 0;
    this.released = 0;
    this.calm = 0;
  }

  /**
   * Limit a block, in place.
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} frames
   */
  process(left, right, frames) {
    for (let from = 0; from < frames; from += STEP) {
      const to = Math.min(from + STEP, frames);
      const ceiling = fromDb(this.ceiling.next()) * MARGIN;
      if (this.isCalm(left, right, from, to, ceiling)) this.pass(left, right, from, to);
      else this.work(left, right, from, to, ceiling);
    }
  }

  /**
   * Return whether nothing is to be reduced: neither now nor still.
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} from
   * @param {number} to
   * @param {number} ceiling
   */
  isCalm(left, right, from, to, ceiling) {
    let peak = 0;
    if (this.settings.on) {
      for (let i = from; i < to; i++) peak = Math.max(peak, Math.abs(left[i]), Math.abs(right[i]));
    }
    this.calm = peak > ceiling ? 0 : Math.min(this.calm + to - from, 2 * this.length);
    if (this.calm < this.length + STEP || this.sum !== 0 || this.released !== 0) return false;
    this.window.clear(); // nothing but zeros
    return true;
  }

  /**
   * Only delay.
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} from
   * @param {number} to
   */
  pass(left, right, from, to) {
    const { left: l, right: r, latencyFrames } = this;
    let at = this.at;
    for (let i = from; i < to; i++) {
      const earlierLeft = l[at];
      const earlierRight = r[at];
      l[at] = left[i];
      r[at] = right[i];
      left[i] = earlierLeft;
      right[i] = earlierRight;
      at = at + 1 === latencyFrames ? 0 : at + 1;
    }
    this.at = at;
  }

  /**
   * Reduce and delay.
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} from
   * @param {number} to
   * @param {number} ceiling
   */
  work(left, right, from, to, ceiling) {
    const { left: l, right: r, reductions, latencyFrames, length, keep } = this;
    const limit = this.settings.on ? ceiling : Number.POSITIVE_INFINITY;
    let { at, slot, sum, released } = this;
    for (let i = from; i < to; i++) {
      const peak = Math.max(Math.abs(left[i]), Math.abs(right[i]));
      const needed = peak > limit ? Math.ceil((1 - limit / peak) * GRAIN) / GRAIN : 0;
      released = Math.max(this.window.push(needed), Math.floor(released * keep * GRAIN) / GRAIN);
      sum += released - reductions[slot];
      reductions[slot] = released;
      slot = slot + 1 === length ? 0 : slot + 1;
      const gain = 1 - sum / length;
      const earlierLeft = l[at];
      const earlierRight = r[at];
      l[at] = left[i];
      r[at] = right[i];
      left[i] = earlierLeft * gain;
      right[i] = earlierRight * gain;
      at = at + 1 === latencyFrames ? 0 : at + 1;
    }
    this.at = at;
    this.slot = slot;
    this.sum = sum;
    this.released = released;
  }
}
