/**
 * A compressor: feed-forward, with a soft knee, both sides reduced by the same amount.
 *
 * Gain computer and smoothing of the gain in dB after Dimitrios Giannoulis, Michael Massberg and Joshua D. Reiss,
 * "Digital dynamic range compressor design: a tutorial and analysis", J. Audio Eng. Soc. 60 (2012), equations 4 and 16.
 */

import { Effect } from "./effect.js";
import { fromDb, Glide, within } from "./glide.js";
import { SlidingMax } from "./sliding_max.js";

/** threshold dBFS; ratio to 1; knee dB; attack and release seconds; makeup dB. */
export const RANGES = Object.freeze({
  threshold: /** @type {const} */ ([-60, 0]),
  ratio: /** @type {const} */ ([1, 20]),
  knee: /** @type {const} */ ([0, 30]),
  attack: /** @type {const} */ ([0.0001, 0.5]),
  release: /** @type {const} */ ([0.005, 3]),
  makeup: /** @type {const} */ ([0, 24]),
});

/** @typedef {"peak" | "rms"} Detector */
/** @typedef {{on: boolean, detector: Detector, threshold: number, ratio: number, knee: number, attack: number, release: number, makeup: number}} Settings */

/** Where it begins. @type {Readonly<Settings>} */
export const DEFAULTS = Object.freeze({
  on: false,
  detector: "peak",
  threshold: -24,
  ratio: 3,
  knee: 6,
  attack: 0.01,
  release: 0.15,
  makeup: 0,
});

/** A peak counts for this long, so that the level of tones down to 50 Hz does not follow their wave. */
const HOLD_SECONDS = 0.01;
/** The time constant of the mean square. */
const MEAN_SECONDS = 0.01;
const DB_OF_LOG = 20 / Math.LN10;
/** A reduction of less than this (in dB) is none. */
const NOTHING = 1e-9;

/**
 * Return by how many dB a steady level is reduced.
 * @param {number} level dBFS
 * @param {{threshold: number, ratio: number, knee: number}} settings
 */
export function reductionDb(level, { threshold, ratio, knee }) {
  return reductionOver(level - threshold, 1 - 1 / ratio, knee);
}

/**
 * The same for the audio thread, which would have to make an object.
 * @param {number} over dB above the threshold
 * @param {number} slope dB of reduction per dB above it
 * @param {number} knee dB
 */
function reductionOver(over, slope, knee) {
  if (2 * over <= -knee) return 0;
  return 2 * over < knee ? (slope * (over + knee / 2) ** 2) / (2 * knee) : slope * over;
}

/** The compressor. */
export class Compressor extends Effect {
  /** @param {number} sampleRate in Hz */
  constructor(sampleRate) {
    super(sampleRate);
    /** @type {Settings} */
    this.settings = { ...DEFAULTS };
    this.threshold = new Glide(sampleRate, DEFAULTS.threshold);
    this.slope = new Glide(sampleRate, 1 - 1 / DEFAULTS.ratio);
    this.knee = new Glide(sampleRate, DEFAULTS.knee);
    this.makeup = new Glide(sampleRate, DEFAULTS.makeup);
    this.hold = new SlidingMax(Math.max(1, Math.round(HOLD_SECONDS * sampleRate)));
    this.mean = new Float64Array(2);
    this.averaging = 1 - Math.exp(-1 / (MEAN_SECONDS * sampleRate));
    this.attack = 0;
    this.release = 0;
    /** By how many dB it reduces now, without the makeup gain. */
    this.reduction = 0;
    this.set({});
  }

  /** How much the signal is reduced now, in dB from 0; makeup gain is not counted. */
  get gainReductionDb() {
    return this.amount.value * this.reduction;
  }

  /**
   * Change what is named; the rest stays. Attack and release are the times in which 63 % of a change are done.
   * @param {Partial<Settings>} changes
   */
  set(changes) {
    const { settings, sampleRate } = this;
    for (const name of /** @type {(keyof typeof RANGES)[]} */ (Object.keys(RANGES))) {
      settings[name] = within(changes[name], RANGES[name], settings[name]);
    }
    if (changes.detector === "peak" || changes.detector === "rms") settings.detector = changes.detector;
    this.threshold.to(settings.threshold);
    this.slope.to(1 - 1 / settings.ratio);
    this.knee.to(settings.knee);
    this.makeup.to(settings.makeup);
    this.attack = Math.exp(-1 / (settings.attack * sampleRate));
    this.release = Math.exp(-1 / (settings.release * sampleRate));
    this.switchTo(changes.on);
  }

  glides() {
    return [this.threshold, this.slope, this.knee, this.makeup];
  }

  clear() {
    this.hold.clear();
    this.mean.fill(0);
    this.reduction = 0;
  }

  /**
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} from
   * @param {number} to
   * @param {number} before
   * @param {number} after
   */
  work(left, right, from, to, before, after) {
    const { mean, averaging, attack, release } = this;
    const isPeak = this.settings.detector === "peak";
    const threshold = this.threshold.next();
    const slope = this.slope.next();
    const knee = this.knee.next();
    const lowest = fromDb(threshold - knee / 2);
    let gain = fromDb(this.makeup.value);
    const gainStep = (fromDb(this.makeup.next()) - gain) / (to - from);
    const amountStep = (after - before) / (to - from);
    let amount = before;
    let reduction = this.reduction;
    for (let i = from; i < to; i++) {
      const l = left[i];
      const r = right[i];
      mean[0] += averaging * (l * l - mean[0]);
      mean[1] += averaging * (r * r - mean[1]);
      const peak = this.hold.push(Math.max(Math.abs(l), Math.abs(r)));
      const level = isPeak ? peak : Math.sqrt(Math.max(mean[0], mean[1]));
      // Below the knee nothing is to be worked out, logarithms least.
      const wanted = level > lowest ? reductionOver(DB_OF_LOG * Math.log(level) - threshold, slope, knee) : 0;
      reduction = wanted + (wanted > reduction ? attack : release) * (reduction - wanted);
      if (reduction < NOTHING) reduction = 0;
      gain += gainStep;
      amount += amountStep;
      const factor = reduction === 0 ? gain : gain * Math.exp(-reduction / DB_OF_LOG);
      const share = amount === 1 ? factor : 1 + amount * (factor - 1);
      left[i] = l * share;
      right[i] = r * share;
    }
    this.reduction = reduction;
    for (let i = 0; i < 2; i++) if (mean[i] < 1e-30) mean[i] = 0;
  }
}
