/** What all effects have in common: switching on and off without a click, and leaving samples alone while off. */

import { Glide, STEP } from "./glide.js";

/** An effect on a stereo signal, in place. Subclasses have `work`, `glides` and `clear`. */
export class Effect {
  /** @param {number} sampleRate in Hz */
  constructor(sampleRate) {
    this.sampleRate = sampleRate;
    /** How much of it is heard: 0 is the signal as it came, 1 the effect's output. */
    this.amount = new Glide(sampleRate, 0);
  }

  /** Whether it is switched on. */
  get isOn() {
    return this.amount.target === 1;
  }

  /** @param {unknown} on whether it is to be heard; what is no boolean changes nothing */
  switchTo(on) {
    if (typeof on !== "boolean" || on === this.isOn) return;
    // What it remembers is from when it was heard last.
    if (on && !this.amount.isMoving) this.clear();
    this.amount.to(on ? 1 : 0);
  }

  /**
   * Apply the effect. While it is off, samples stay as they are, bit by bit.
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} frames
   */
  process(left, right, frames) {
    const { amount } = this;
    if (amount.value === 0 && !amount.isMoving) return;
    for (let from = 0; from < frames; from += STEP) {
      const to = Math.min(from + STEP, frames);
      const before = amount.value;
      this.work(left, right, from, to, before, amount.next());
    }
  }

  /** Forget the past of the signal: silence, as at the beginning. */
  reset() {
    this.clear();
    this.settle();
  }

  /** Have all settings where they were put at once instead of gliding there. */
  settle() {
    this.amount.settle();
    for (const glide of this.glides()) glide.settle();
  }

  /**
   * Work on the frames from … to (at most STEP of them).
   * @param {Float32Array} _left
   * @param {Float32Array} _right
   * @param {number} _from
   * @param {number} _to exclusive
   * @param {number} _before the amount of the effect at the beginning of them, 0 … 1
   * @param {number} _after and at their end
   */
  work(_left, _right, _from, _to, _before, _after) {}

  /** @returns {Glide[]} the settings that glide */
  glides() {
    return [];
  }

  /** Forget the past of the signal. */
  clear() {}
}
