/** The largest of the last values of a stream. */

const WRAP = 2 ** 30 - 1;

/**
 * Keeps the values that can still become the largest, in falling order: Daniel Lemire, "Streaming maximum-minimum filter
 * using no more than three comparisons per element", Nordic Journal of Computing 13 (2006).
 */
export class SlidingMax {
  /** @param {number} length over how many values, the newest included */
  constructor(length) {
    this.length = length;
    let room = 1;
    while (room < length + 1) room *= 2;
    this.mask = room - 1;
    this.values = new Float64Array(room);
    this.times = new Int32Array(room);
    this.head = 0;
    this.size = 0;
    this.time = 0;
  }

  /** Forget all values: as if they had been 0. */
  clear() {
    this.head = 0;
    this.size = 0;
    this.time = 0;
  }

  /**
   * Take a value, and return the largest of the last ones.
   * @param {number} value from 0
   */
  push(value) {
    const { values, times, mask } = this;
    let { head, size } = this;
    // An entry leaves at exactly one time, so the clock may go round.
    this.time = (this.time + 1) & WRAP;
    if (size > 0 && times[head] === ((this.time - this.length) & WRAP)) {
      head = (head + 1) & mask;
      size -= 1;
    }
    while (size > 0 && values[(head + size - 1) & mask] <= value) size -= 1;
    const at = (head + size) & mask;
    values[at] = value;
    times[at] = this.time;
    this.head = head;
    this.size = size + 1;
    return values[head];
  }
}
