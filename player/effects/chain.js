/** The master effects, in the order in which they are heard: equaliser, compressor, reverb, limiter. */

import { DEFAULTS as COMPRESSOR, Compressor } from "./compressor.js";
import { DEFAULTS as EQ, Equaliser } from "./eq.js";
import { DEFAULTS as LIMITER, Limiter } from "./limiter.js";
import { DEFAULTS as REVERB, Reverb } from "./reverb.js";

/** Where all effects begin: nothing is changed below the limiter's ceiling. */
export const DEFAULTS = Object.freeze({ eq: EQ, compressor: COMPRESSOR, reverb: REVERB, limiter: LIMITER });

/** What is louder (80 dB above full scale) or not even a number cannot be music: it would stay in filters for ever. */
const LOUDEST = 1e4;

/** @typedef {{eq?: object, compressor?: object, reverb?: object, limiter?: object}} Changes  see each effect's `set` */

/** All master effects on a stereo signal, in place. It allocates nothing while it works. */
export class MasterChain {
  /** @param {number} sampleRate in Hz */
  constructor(sampleRate) {
    this.eq = new Equaliser(sampleRate);
    this.compressor = new Compressor(sampleRate);
    this.reverb = new Reverb(sampleRate);
    this.limiter = new Limiter(sampleRate);
  }

  /** By how many frames the signal comes out later: the limiter's look-ahead, always the same. */
  get latencyFrames() {
    return this.limiter.latencyFrames;
  }

  /** By how many dB compressor and limiter reduce the signal now, together. */
  get gainReductionDb() {
    return this.compressor.gainReductionDb + this.limiter.gainReductionDb;
  }

  /** For how many seconds something is heard after the signal has ended, down to -80 dB. */
  get tailSeconds() {
    return this.reverb.tailSeconds;
  }

  /**
   * Change what is named, gliding; the rest stays. Values outside their ranges are taken to the nearest that is within.
   * @param {Changes} changes
   */
  set({ eq, compressor, reverb, limiter }) {
    if (eq) this.eq.set(eq);
    if (compressor) this.compressor.set(compressor);
    if (reverb) this.reverb.set(reverb);
    if (limiter) this.limiter.set(limiter);
  }

  /** Have everything where it was put at once: before a first sample. */
  settle() {
    this.eq.settle();
    this.compressor.settle();
    this.reverb.settle();
    this.limiter.settle();
  }

  /** Forget the past of the signal: silence, as at the beginning. */
  reset() {
    this.eq.reset();
    this.compressor.reset();
    this.reverb.reset();
    this.limiter.reset();
  }

  /**
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} frames
   */
  process(left, right, frames) {
    for (let i = 0; i < frames; i++) {
      if (!(Math.abs(left[i]) < LOUDEST)) left[i] = 0;
      if (!(Math.abs(right[i]) < LOUDEST)) right[i] = 0;
    }
    this.eq.process(left, right, frames);
    this.compressor.process(left, right, frames);
    this.reverb.process(left, right, frames);
    this.limiter.process(left, right, frames);
  }
}
