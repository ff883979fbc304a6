/** Faders and pans: what becomes one stereo signal of the stems. Changes glide, so that nothing crackles. */

/** How much of the way to its new value a gain goes in one block: 95 % after about 30 ms. */
const GLIDE = 0.25;
/** What is nearer than this is there; then a gain of 1 leaves samples as they are, bit by bit. */
const NEAR = 1e-5;

/**
 * Return how a stereo stem goes to both sides: [left to left, right to left, left to right, right to right].
 *
 * The panning of a StereoPannerNode with two channels (Web Audio API 1.1, "StereoPanner algorithm"): in the middle
 * nothing is changed; off it, the far channel moves over with equal power.
 * @param {number} gain linear, from 0
 * @param {number} pan -1 (left) … 1 (right)
 * @returns {[number, number, number, number]}
 */
export function sides(gain, pan) {
  if (pan === 0) return [gain, 0, 0, gain];
  const angle = ((pan < 0 ? pan + 1 : pan) * Math.PI) / 2;
  if (pan < 0) return [gain, gain * Math.cos(angle), 0, gain * Math.sin(angle)];
  return [gain * Math.cos(angle), 0, gain * Math.sin(angle), gain];
}

/** The strips of all stems. */
export class Strips {
  /** @param {number} stems how many */
  constructor(stems) {
    this.now = new Float64Array(4 * stems);
    this.wanted = new Float64Array(4 * stems);
    /** The largest sample of each stem behind its fader since it was last set to 0. */
    this.peaks = new Float32Array(stems);
    for (let stem = 0; stem < stems; stem++) this.set(stem, 1, 0);
    this.settle();
  }

  /**
   * Move a fader and a pan.
   * @param {number} stem
   * @param {number} gain linear, from 0
   * @param {number} pan -1 … 1
   */
  set(stem, gain, pan) {
    this.wanted.set(sides(gain, pan), 4 * stem);
  }

  /** Have all gains where they are to be at once. */
  settle() {
    this.now.set(this.wanted);
  }

  /**
   * Add the stems up.
   * @param {Float32Array[]} lefts
   * @param {Float32Array[]} rights
   * @param {Float32Array} left the sum
   * @param {Float32Array} right
   * @param {number} frames
   */
  mix(lefts, rights, left, right, frames) {
    left.fill(0, 0, frames);
    right.fill(0, 0, frames);
    const { now, wanted, peaks } = this;
    for (let stem = 0; stem < lefts.length; stem++) {
      const at = 4 * stem;
      let ll = now[at];
      let rl = now[at + 1];
      let lr = now[at + 2];
      let rr = now[at + 3];
      for (let k = at; k < at + 4; k++) {
        const next = now[k] + (wanted[k] - now[k]) * GLIDE;
        now[k] = Math.abs(wanted[k] - next) < NEAR ? wanted[k] : next;
      }
      const dll = (now[at] - ll) / frames;
      const drl = (now[at + 1] - rl) / frames;
      const dlr = (now[at + 2] - lr) / frames;
      const drr = (now[at + 3] - rr) / frames;
      const l = lefts[stem];
      const r = rights[stem];
      let peak = peaks[stem];
      for (let i = 0; i < frames; i++) {
        ll += dll;
        rl += drl;
        lr += dlr;
        rr += drr;
        const toLeft = l[i] * ll + r[i] * rl;
        const toRight = l[i] * lr + r[i] * rr;
        left[i] += toLeft;
        right[i] += toRight;
        peak = Math.max(peak, Math.abs(toLeft), Math.abs(toRight));
      }
      peaks[stem] = peak;
    }
  }
}
