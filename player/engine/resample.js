/** One sample rate for all stems: a windowed-sinc interpolator that takes a stream piece by piece. */

import { kaiserOf } from "./kaiser.js";

/** Zero crossings of the sinc on each side: a transition band of about 5 % of the rate. */
const CROSSINGS = 32;
/** The stop band is about 90 dB down. */
const kaiser = kaiserOf(9);
/** Weights are kept for as many places between two input frames as there are; for more than this they are not. */
const MOST_PHASES = 1024;

/** Converts a planar stereo stream. Output frame n lies at input frame n * from / to, exactly: there is no delay. */
export class Resampler {
  /**
   * @param {number} from Hz
   * @param {number} to Hz
   * @param {number} first the output frame to begin with
   */
  constructor(from, to, first = 0) {
    this.step = from / to;
    const common = divisor(from, to);
    /** Output frames this far apart lie at the same place between two input frames. */
    this.phases = to / common;
    /** What a period of them is in input frames. */
    this.period = from / common;
    /** @type {Map<number, Float64Array>} */
    this.kept = new Map();
    // Below the lower of both rates' limits.
    this.cutoff = 0.96 * Math.min(1, to / from);
    this.reach = Math.ceil(CROSSINGS / this.cutoff);
    this.next = first;
    /** The input frames that are at hand begin with this one. */
    this.start = Math.max(0, Math.floor(first * this.step) - this.reach);
    this.left = new Float32Array(0);
    this.right = new Float32Array(0);
  }

  /** The input frame to begin with. */
  get needs() {
    return this.start;
  }

  /**
   * Take the next input frames; return the output frames that can be made of what is there.
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {boolean} isLast whether nothing but silence follows
   * @returns {{left: Float32Array, right: Float32Array}}
   */
  push(left, right, isLast = false) {
    const pad = isLast ? this.reach + 1 : 0;
    this.left = joined(this.left, left, pad);
    this.right = joined(this.right, right, pad);
    const end = this.start + this.left.length;
    const last = Math.floor((end - 1 - this.reach) / this.step);
    const count = Math.max(0, last - this.next + 1);
    const out = { left: new Float32Array(count), right: new Float32Array(count) };
    for (let i = 0; i < count; i++) this.interpolate(this.next + i, out, i);
    this.next += count;
    const from = Math.max(0, Math.floor(this.next * this.step) - this.reach - this.start);
    this.left = this.left.slice(from);
    this.right = this.right.slice(from);
    this.start += from;
    return out;
  }

  /**
   * @param {number} frame of the output
   * @param {{left: Float32Array, right: Float32Array}} out
   * @param {number} i
   */
  interpolate(frame, out, i) {
    const { left, right } = this;
    const phase = frame % this.phases;
    const weights = this.weights(phase);
    // In whole periods and a rest: exact however far it is from the start.
    const middle = ((frame - phase) / this.phases) * this.period + Math.floor((phase * this.period) / this.phases);
    const first = middle - this.reach - this.start;
    const from = Math.max(0, -first);
    const to = Math.min(weights.length, left.length - first);
    let l = 0;
    let r = 0;
    for (let k = from; k < to; k++) {
      l += weights[k] * left[first + k];
      r += weights[k] * right[first + k];
    }
    out.left[i] = l;
    out.right[i] = r;
  }

  /**
   * Return the weights of the input frames around a place.
   * @param {number} phase from 0 to `phases`
   */
  weights(phase) {
    const known = this.kept.get(phase);
    if (known) return known;
    const { reach, cutoff } = this;
    const weights = new Float64Array(2 * reach + 1);
    const share = ((phase * this.period) % this.phases) / this.phases;
    let sum = 0;
    for (let k = -reach; k <= reach; k++) {
      const x = share - k;
      const sinc = x === 0 ? 1 : Math.sin(Math.PI * cutoff * x) / (Math.PI * cutoff * x);
      weights[k + reach] = sinc * kaiser(x / (reach + 1));
      sum += weights[k + reach];
    }
    for (let k = 0; k < weights.length; k++) weights[k] /= sum;
    if (this.phases <= MOST_PHASES) this.kept.set(phase, weights);
    return weights;
  }
}

/** @param {number} a @param {number} b @returns {number} the greatest common divisor of two whole numbers */
function divisor(a, b) {
  return b === 0 ? a : divisor(b, a % b);
}

/**
 * @param {Float32Array} first
 * @param {Float32Array} second
 * @param {number} pad
 */
function joined(first, second, pad) {
  const all = new Float32Array(first.length + second.length + pad);
  all.set(first);
  all.set(second, first.length);
  return all;
}
