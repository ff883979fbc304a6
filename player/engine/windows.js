/** What has been decoded: short chunks of the stems around the playhead, never a whole recording. */

/** How many frames a chunk has; the last one of a recording may be shorter. About a third of a second. */
export const CHUNK = 16384;

/** @typedef {{left: Float32Array, right: Float32Array}} Chunk  planar PCM; a mono stem has the same array twice */
/** @typedef {[number, number]} Range  frames from … to (exclusive) */

/** The chunks of all stems. Frames are counted from the start of the recording; outside of it is silence. */
export class Windows {
  /**
   * @param {number} stems how many
   * @param {number} frames how long the recording is
   */
  constructor(stems, frames) {
    this.frames = frames;
    /** @type {Map<number, Chunk>[]} */
    this.stems = Array.from({ length: stems }, () => new Map());
  }

  /**
   * Keep chunk number `index` of a stem, which holds the frames from index * CHUNK.
   * @param {number} stem
   * @param {number} index
   * @param {Float32Array} left
   * @param {Float32Array} right
   */
  put(stem, index, left, right) {
    this.stems[stem].set(index, { left, right });
  }

  /**
   * Return whether every stem has all frames from … to, as far as they are within the recording.
   * @param {number} from
   * @param {number} to
   */
  has(from, to) {
    const last = Math.ceil(Math.min(to, this.frames) / CHUNK);
    for (let index = Math.floor(Math.max(from, 0) / CHUNK); index < last; index++) {
      for (const chunks of this.stems) if (!chunks.has(index)) return false;
    }
    return true;
  }

  /**
   * Copy `count` frames of a stem, from `from` on, to the place `at` of two arrays. What is not there is silence.
   * @param {number} stem
   * @param {number} from
   * @param {number} count
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} at
   */
  read(stem, from, count, left, right, at) {
    const chunks = this.stems[stem];
    let done = 0;
    while (done < count) {
      const frame = from + done;
      const index = Math.floor(frame / CHUNK);
      const place = frame - index * CHUNK;
      const take = Math.min(count - done, CHUNK - place);
      const chunk = chunks.get(index);
      const there = chunk ? Math.max(0, Math.min(take, chunk.left.length - place)) : 0;
      for (let i = 0; i < there; i++) {
        left[at + done + i] = /** @type {Chunk} */ (chunk).left[place + i];
        right[at + done + i] = /** @type {Chunk} */ (chunk).right[place + i];
      }
      left.fill(0, at + done + there, at + done + take);
      right.fill(0, at + done + there, at + done + take);
      done += take;
    }
  }

  /**
   * Forget what lies in none of the ranges.
   * @param {Range[]} ranges
   * @returns {Float32Array[]} the arrays that are free now
   */
  keep(ranges) {
    const free = [];
    for (const chunks of this.stems) {
      for (const [index, { left, right }] of chunks) {
        const from = index * CHUNK;
        if (ranges.some((range) => from < range[1] && from + CHUNK > range[0])) continue;
        chunks.delete(index);
        free.push(left);
        if (right !== left) free.push(right);
      }
    }
    return free;
  }
}
