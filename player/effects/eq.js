/**
 * An equaliser of five bands: a low shelf, three peaks, a high shelf.
 *
 * Filters by Robert Bristow-Johnson, "Cookbook formulae for audio equalizer biquad filter coefficients" (W3C Note,
 * https://www.w3.org/TR/audio-eq-cookbook/), as transposed direct form II with double precision.
 */

import { Effect } from "./effect.js";
import { Glide, STEP, within } from "./glide.js";

/** Hz; dB; quality. Above 0.49 of the sample rate there is no frequency. */
export const RANGES = Object.freeze({
  frequency: /** @type {const} */ ([20, 20_000]),
  gain: /** @type {const} */ ([-18, 18]),
  q: /** @type {const} */ ([0.1, 10]),
});

/** @typedef {{frequency: number, gain: number, q: number}} Band  Hz, dB, quality */
/** @typedef {"lowshelf" | "peaking" | "highshelf"} Kind */

/** @type {readonly Kind[]} */
export const KINDS = Object.freeze(["lowshelf", "peaking", "peaking", "peaking", "highshelf"]);

/** Where it begins: flat. */
export const DEFAULTS = Object.freeze({
  on: false,
  bands: Object.freeze([
    { frequency: 80, gain: 0, q: Math.SQRT1_2 },
    { frequency: 250, gain: 0, q: 1 },
    { frequency: 1000, gain: 0, q: 1 },
    { frequency: 3500, gain: 0, q: 1 },
    { frequency: 10_000, gain: 0, q: Math.SQRT1_2 },
  ]),
});

/** Below this a filter's memory is nothing (-300 dB), and far from the denormal numbers that make processors slow. */
const NOTHING = 1e-15;

/**
 * Work out the coefficients of a band, divided by a0. It takes no object: the audio thread would have to make one.
 * @param {Kind} kind
 * @param {number} frequency in Hz
 * @param {number} gain in dB
 * @param {number} q
 * @param {number} sampleRate in Hz
 * @param {Float64Array} out b0, b1, b2, a1, a2
 */
function design(kind, frequency, gain, q, sampleRate, out) {
  const a = 10 ** (gain / 40);
  const w = (2 * Math.PI * Math.min(frequency, 0.49 * sampleRate)) / sampleRate;
  const cos = Math.cos(w);
  const alpha = Math.sin(w) / (2 * q);
  if (kind === "peaking") {
    const a0 = 1 + alpha / a;
    out[0] = (1 + alpha * a) / a0;
    out[1] = (-2 * cos) / a0;
    out[2] = (1 - alpha * a) / a0;
    out[3] = (-2 * cos) / a0;
    out[4] = (1 - alpha / a) / a0;
    return;
  }
  // The formulas of both shelves differ in the sign of cos, and of b1 and a1.
  const sign = kind === "lowshelf" ? 1 : -1;
  const c = sign * cos;
  const root = 2 * Math.sqrt(a) * alpha;
  const a0 = a + 1 + (a - 1) * c + root;
  out[0] = (a * (a + 1 - (a - 1) * c + root)) / a0;
  out[1] = (sign * 2 * a * (a - 1 - (a + 1) * c)) / a0;
  out[2] = (a * (a + 1 - (a - 1) * c - root)) / a0;
  out[3] = (sign * -2 * (a - 1 + (a + 1) * c)) / a0;
  out[4] = (a + 1 + (a - 1) * c - root) / a0;
}

/**
 * Return what a band does to a frequency, in dB: for drawing the curve, too.
 * @param {Kind} kind
 * @param {Band} band
 * @param {number} sampleRate in Hz
 * @param {number} hz
 */
export function responseDb(kind, band, sampleRate, hz) {
  const k = new Float64Array(5);
  design(kind, band.frequency, band.gain, band.q, sampleRate, k);
  // |H|² with the half angle: exact also far below the sample rate.
  const phi = Math.sin((Math.PI * hz) / sampleRate) ** 2;
  const power = (/** @type {number} */ c0, /** @type {number} */ c1, /** @type {number} */ c2) =>
    (c0 + c1 + c2) ** 2 - 4 * phi * (c0 * c1 + 4 * c0 * c2 + c1 * c2) + 16 * phi * phi * c0 * c2;
  return 10 * Math.log10(power(k[0], k[1], k[2]) / power(1, k[3], k[4]));
}

/** One band: its settings, coefficients, and what it remembers of both sides. */
class Filter {
  /**
   * @param {Kind} kind
   * @param {Band} band
   * @param {number} sampleRate
   */
  constructor(kind, band, sampleRate) {
    this.kind = kind;
    this.sampleRate = sampleRate;
    // Frequency and quality are heard as ratios, so their logarithms move.
    this.frequency = new Glide(sampleRate, Math.log(band.frequency));
    this.gain = new Glide(sampleRate, band.gain);
    this.q = new Glide(sampleRate, Math.log(band.q));
    /** @type {Band} what was wanted last */
    this.wanted = { ...band };
    /** Coefficients at the beginning of a step, and at its end. */
    this.k = new Float64Array(5);
    this.next = new Float64Array(5);
    this.isMoving = false;
    this.z = new Float64Array(4);
    this.settle();
  }

  /** @param {Partial<Band>} band */
  set(band) {
    const { wanted } = this;
    wanted.frequency = within(band.frequency, RANGES.frequency, wanted.frequency);
    wanted.gain = within(band.gain, RANGES.gain, wanted.gain);
    wanted.q = within(band.q, RANGES.q, wanted.q);
    this.frequency.to(Math.log(wanted.frequency));
    this.gain.to(wanted.gain);
    this.q.to(Math.log(wanted.q));
  }

  /** Be what is wanted at once. */
  settle() {
    this.frequency.settle();
    this.gain.settle();
    this.q.settle();
    this.design();
    this.k.set(this.next);
  }

  design() {
    const { frequency, gain, q } = this;
    design(this.kind, Math.exp(frequency.value), gain.value, Math.exp(q.value), this.sampleRate, this.next);
  }

  /** Move a step. Returns whether the band does anything to the signal. */
  step() {
    const { frequency, gain, q, z } = this;
    const wasFlat = gain.value === 0;
    this.isMoving = frequency.isMoving || gain.isMoving || q.isMoving;
    if (this.isMoving) {
      frequency.next();
      gain.next();
      q.next();
      this.design();
    }
    for (let i = 0; i < 4; i++) if (Math.abs(z[i]) < NOTHING) z[i] = 0;
    // At 0 dB the coefficients above and below are the same, and what is remembered fades away.
    const isFlat = gain.value === 0 && wasFlat;
    return !(isFlat && z[0] === 0 && z[1] === 0 && z[2] === 0 && z[3] === 0);
  }

  /** Go a step without a signal. */
  skip() {
    this.k.set(this.next);
  }

  /**
   * @param {Float64Array} left
   * @param {Float64Array} right
   * @param {number} count
   */
  run(left, right, count) {
    const { k, next, z } = this;
    const share = this.isMoving ? 1 / count : 0;
    let b0 = k[0];
    let b1 = k[1];
    let b2 = k[2];
    let a1 = k[3];
    let a2 = k[4];
    // In between, coefficients go straight: two stable filters have only stable ones between them.
    const b0Step = share * (next[0] - b0);
    const b1Step = share * (next[1] - b1);
    const b2Step = share * (next[2] - b2);
    const a1Step = share * (next[3] - a1);
    const a2Step = share * (next[4] - a2);
    let l1 = z[0];
    let l2 = z[1];
    let r1 = z[2];
    let r2 = z[3];
    for (let i = 0; i < count; i++) {
      if (share > 0) {
        b0 += b0Step;
        b1 += b1Step;
        b2 += b2Step;
        a1 += a1Step;
        a2 += a2Step;
      }
      const x = left[i];
      const y = b0 * x + l1;
      l1 = b1 * x - a1 * y + l2;
      l2 = b2 * x - a2 * y;
      left[i] = y;
      const u = right[i];
      const v = b0 * u + r1;
      r1 = b1 * u - a1 * v + r2;
      r2 = b2 * u - a2 * v;
      right[i] = v;
    }
    z[0] = l1;
    z[1] = l2;
    z[2] = r1;
    z[3] = r2;
    k.set(next);
  }
}

/** The equaliser. */
export class Equaliser extends Effect {
  /** @param {number} sampleRate in Hz */
  constructor(sampleRate) {
    super(sampleRate);
    this.filters = KINDS.map((kind, i) => new Filter(kind, DEFAULTS.bands[i], sampleRate));
    this.left = new Float64Array(STEP);
    this.right = new Float64Array(STEP);
  }

  /**
   * Change what is named; the rest stays.
   * @param {{on?: boolean, bands?: (Partial<Band> | null | undefined)[]}} settings bands from low to high
   */
  set({ on, bands }) {
    if (Array.isArray(bands)) {
      for (let i = 0; i < this.filters.length; i++) {
        const band = bands[i];
        if (band) this.filters[i].set(band);
      }
    }
    // Switched on it begins with what it is to be.
    if (on && !this.isOn && this.amount.value === 0) for (const filter of this.filters) filter.settle();
    this.switchTo(on);
  }

  settle() {
    super.settle();
    for (const filter of this.filters) filter.settle();
  }

  clear() {
    for (const { z } of this.filters) z.fill(0);
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
    const { filters, left: l, right: r } = this;
    const count = to - from;
    for (let i = 0; i < count; i++) {
      l[i] = left[from + i];
      r[i] = right[from + i];
    }
    for (let f = 0; f < filters.length; f++) {
      const filter = filters[f];
      if (filter.step()) filter.run(l, r, count);
      else filter.skip();
    }
    const step = (after - before) / count;
    for (let i = 0; i < count; i++) {
      const share = before + step * (i + 1);
      left[from + i] = share === 1 ? l[i] : left[from + i] + share * (l[i] - left[from + i]);
      right[from + i] = share === 1 ? r[i] : right[from + i] + share * (r[i] - right[from + i]);
    }
  }
}
