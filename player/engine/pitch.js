/** Faster or slower reading of a signal between its samples: pitch and speed together, as on a tape machine. */

import { kaiserOf } from "./kaiser.js";

/** Zero crossings of the sinc on each side of a sample, at the original speed. */
const CROSSINGS = 16;
/** How finely places between two samples are told apart in the table; between its rows it is interpolated. */
const PHASES = 256;
/** The stop band is about 80 dB down. */
const kaiser = kaiserOf(8);
/** The fastest reading: an octave up. */
const FASTEST = 2;
/** How many frames are put out at most at once. */
const LONGEST = 16_384;

/** Reads the signals of several stems at one ratio, as a stream. There is no delay: frame n is the input's n * ratio. */
export class Pitch {
  /** @param {number} stems how many */
  constructor(stems) {
    this.ratio = 1;
    this.reach = 0;
    const most = Math.ceil(CROSSINGS * FASTEST * 1.05) + 1;
    const room = LONGEST * FASTEST + 4 * most;
    /** What has been read and is still needed, of each stem. */
    this.lefts = Array.from({ length: stems }, () => new Float32Array(room));
    this.rights = Array.from({ length: stems }, () => new Float32Array(room));
    this.table = new Float32Array((PHASES + 1) * (2 * most + 2));
    this.filled = 0;
    /** The place of the next frame to be put out among what has been read. */
    this.place = 0;
  }

  /**
   * Begin anew at a place of the input. Returns the frame to be read from; what precedes it must be read too.
   * @param {number} ratio 0.5 … 2, input frames for each frame that is put out
   * @param {number} place in frames, may have a fraction
   */
  begin(ratio, place) {
    if (ratio !== this.ratio) this.design(ratio);
    const from = Math.floor(place) - this.reach;
    this.filled = 0;
    this.place = place - from;
    return from;
  }

  /** @param {number} ratio */
  design(ratio) {
    this.ratio = ratio;
    if (ratio === 1) {
      this.reach = 0;
      return;
    }
    // Read faster, what is above the new limit would come back as false tones: it is filtered out.
    const cutoff = 0.95 * Math.min(1, 1 / ratio);
    this.reach = Math.ceil(CROSSINGS / cutoff);
    const { reach, table } = this;
    const width = 2 * reach;
    for (let phase = 0; phase <= PHASES; phase++) {
      let sum = 0;
      for (let k = 0; k < width; k++) {
        const x = k - reach + 1 - phase / PHASES;
        const sinc = x === 0 ? 1 : Math.sin(Math.PI * cutoff * x) / (Math.PI * cutoff * x);
        const weight = sinc * kaiser(x / reach);
        table[phase * width + k] = weight;
        sum += weight;
      }
      for (let k = 0; k < width; k++) table[phase * width + k] /= sum;
    }
  }

  /**
   * Return how many frames have to be read, into `lefts` and `rights` from `filled` on, to put out `count`.
   * @param {number} count
   */
  needs(count) {
    if (count === 0) return 0;
    const last = Math.floor(this.place + (count - 1) * this.ratio) + this.reach;
    return Math.max(0, last + 1 - this.filled);
  }

  /**
   * Put out the next frames of a stem.
   * @param {number} stem
   * @param {number} count
   * @param {Float32Array} left
   * @param {Float32Array} right
   */
  make(stem, count, left, right) {
    const l = this.lefts[stem];
    const r = this.rights[stem];
    const { ratio, reach, table, place } = this;
    const width = 2 * reach;
    for (let i = 0; i < count; i++) {
      const exact = place + i * ratio;
      const whole = Math.floor(exact);
      if (reach === 0) {
        left[i] = l[whole];
        right[i] = r[whole];
        continue;
      }
      const row = (exact - whole) * PHASES;
      const upper = Math.floor(row);
      const share = row - upper;
      const a = upper * width;
      const b = a + width;
      const at = whole - reach + 1;
      let toLeft = 0;
      let toRight = 0;
      for (let k = 0; k < width; k++) {
        const weight = table[a + k] + share * (table[b + k] - table[a + k]);
        toLeft += weight * l[at + k];
        toRight += weight * r[at + k];
      }
      left[i] = toLeft;
      right[i] = toRight;
    }
  }

  /**
   * Go on behind the frames that were made, and forget what is no longer needed.
   * @param {number} count
   */
  advance(count) {
    this.place += count * this.ratio;
    const gone = Math.max(0, Math.min(this.filled, Math.floor(this.place) - this.reach));
    if (gone === 0) return;
    for (const history of this.lefts) history.copyWithin(0, gone, this.filled);
    for (const history of this.rights) history.copyWithin(0, gone, this.filled);
    this.filled -= gone;
    this.place -= gone;
  }
}
