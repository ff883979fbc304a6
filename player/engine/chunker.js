/** Cuts a stream of sound into chunks. */

import { CHUNK } from "./windows.js";

/** @typedef {{index: number, left: Float32Array, right: Float32Array}} NumberedChunk */

/** Takes pieces of a stem in order, and gives chunks. */
export class Chunker {
  /**
   * @param {number} first the frame to begin with, the first one of a chunk
   * @param {number} frames of the whole recording
   * @param {Float32Array<ArrayBuffer>[]} spare arrays of CHUNK frames that nobody needs: they are used before new ones are made
   */
  constructor(first, frames, spare = []) {
    this.at = first;
    this.frames = frames;
    this.spare = spare;
    this.index = 0;
    this.left = new Float32Array(0);
    this.right = this.left;
    this.used = 0;
    this.begin();
  }

  begin() {
    this.index = Math.floor(this.at / CHUNK);
    const length = Math.max(0, Math.min(CHUNK, this.frames - this.index * CHUNK));
    this.left = this.array(length);
    this.right = this.array(length);
    this.used = 0;
  }

  /** @param {number} length */
  array(length) {
    return (length === CHUNK && this.spare.pop()) || new Float32Array(length);
  }

  /**
   * Take frames of the recording; what is before those that are wanted is left out, gaps are silence.
   * @param {number} frame
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @returns {Generator<NumberedChunk>}
   */
  *take(frame, left, right) {
    let skip = this.at - frame;
    if (skip < 0) {
      yield* this.silence(-skip);
      skip = 0;
    }
    while (skip < left.length && this.at < this.frames) {
      const count = Math.min(left.length - skip, this.left.length - this.used);
      this.left.set(left.subarray(skip, skip + count), this.used);
      this.right.set(right.subarray(skip, skip + count), this.used);
      skip += count;
      yield* this.advance(count);
    }
  }

  /**
   * Fill up with silence: a stem may be shorter than the recording.
   * @returns {Generator<NumberedChunk>}
   */
  rest() {
    return this.silence(this.frames - this.at);
  }

  /**
   * @param {number} count
   * @returns {Generator<NumberedChunk>}
   */
  *silence(count) {
    for (let left = count; left > 0 && this.at < this.frames; ) {
      const many = Math.min(left, this.left.length - this.used);
      left -= many;
      this.left.fill(0, this.used, this.used + many);
      this.right.fill(0, this.used, this.used + many);
      yield* this.advance(many);
    }
  }

  /**
   * @param {number} count
   * @returns {Generator<NumberedChunk>}
   */
  *advance(count) {
    this.used += count;
    this.at += count;
    if (this.used < this.left.length) return;
    yield { index: this.index, left: this.left, right: this.right };
    this.begin();
  }
}
