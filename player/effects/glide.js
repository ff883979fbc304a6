/** Numbers that change without a click: settings are taken up in small steps, whatever the size of the blocks. */

/** How many frames an effect works on between two steps of its settings. */
export const STEP = 32;
/** How long a setting takes to its new value, in seconds. */
const SECONDS = 0.03;

/** A number on its way, in a straight line, to another one. */
export class Glide {
  /**
   * @param {number} sampleRate in Hz
   * @param {number} value where it begins
   */
  constructor(sampleRate, value) {
    this.value = value;
    this.target = value;
    this.steps = Math.max(1, Math.round((SECONDS * sampleRate) / STEP));
    this.left = 0;
    this.by = 0;
  }

  /** Whether it has not arrived yet. */
  get isMoving() {
    return this.left > 0;
  }

  /** @param {number} target where to go from here */
  to(target) {
    if (target === this.target) return;
    this.target = target;
    this.left = this.steps;
    this.by = (target - this.value) / this.steps;
  }

  /** Go one step, and return the value. */
  next() {
    if (this.left > 0) {
      this.left -= 1;
      this.value = this.left === 0 ? this.target : this.value + this.by;
    }
    return this.value;
  }

  /** Be there at once. */
  settle() {
    this.left = 0;
    this.value = this.target;
  }
}

/**
 * Return a setting within its range, or what it was when it is no number.
 * @param {unknown} value
 * @param {readonly [number, number]} range lowest and highest
 * @param {number} before
 */
export function within(value, [lowest, highest], before) {
  if (typeof value !== "number" || !Number.isFinite(value)) return before;
  return Math.min(highest, Math.max(lowest, value));
}

/** @param {number} db @returns {number} the factor of an amplitude */
export function fromDb(db) {
  return 10 ** (db / 20);
}
