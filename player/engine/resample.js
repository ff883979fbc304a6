/** One sample rate for all stems: a windowed-sinc interpolator that takes a stream piece by piece. */

/** Zero crossings of the sinc on each side: a transition band of about 5 % of the rate. */
const CROSSINGS = 32;
/** Kaiser window's beta: the stop band is about 90 dB down (Kaiser 1974). */
const BETA = 9;

/** @param {number} x the modified Bessel function of the first kind, order 0, by its series */
function bessel(x) {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/** Converts a planar stereo stream. Output frame n lies at input frame n * from / to, exactly: there is no delay. */
export class Resampler {
  /**
   * @param {number} from Hz
   * @param {number} to Hz
   * @param {number} first the output frame to begin with
   */
  constructor(from, to, first = 0) {
    this.step = from / to;
    // Below the lower of both rates' limits.
    this.cutoff = 0.96 * Math.min(1, to / from);
    this.reach = Math.ceil(CROSSINGS / this.cutoff);
    this.next = first;
    /** The input frames that are at hand begin with this one. */
    this.start = Math.max(0, Math.floor(first * this.step) - this.reach);
    this.left = new Float32Array(0);
    this.right = new Float32Array(0);
    this.weights = new Float64Array(2 * this.reach + 1);
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
    for (let i = 0; i < count; i++) this.interpolate((this.next + i) * this.step, out, i);
    this.next += count;
    const from = Math.max(0, Math.floor(this.next * this.step) - this.reach - this.start);
    this.left = this.left.slice(from);
    this.right = this.right.slice(from);
    this.start += from;
    return out;
  }

  /**
   * @param {number} place of the input, in frames
   * @param {{left: Float32Array, right: Float32Array}} out
   * @param {number} i
   */
  interpolate(place, out, i) {
    const { reach, cutoff, weights } = this;
    const middle = Math.floor(place);
    let sum = 0;
    for (let k = -reach; k <= reach; k++) {
      const x = place - (middle + k);
      const inside = 1 - (x / (reach + 1)) ** 2;
      const sinc = x === 0 ? 1 : Math.sin(Math.PI * cutoff * x) / (Math.PI * cutoff * x);
      weights[k + reach] = inside > 0 ? sinc * (bessel(BETA * Math.sqrt(inside)) / AT_0) : 0;
      sum += weights[k + reach];
    }
    for (let k = -reach; k <= reach; k++) {
      const at = middle + k - this.start;
      if (at < 0 || at >= this.left.length) continue;
      const weight = weights[k + reach] / sum;
      out.left[i] += weight * this.left[at];
      out.right[i] += weight * this.right[at];
    }
  }
}

const AT_0 = bessel(BETA);

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
