/** Which chunks of a stem have been sent, and which one comes next. */

import { CHUNK } from "./windows.js";

/** @typedef {import("./windows.js").Range} Range */
/** @typedef {import("./chunker.js").NumberedChunk} NumberedChunk */

/** Sends the chunks of one stem that are wanted, and goes on decoding where it is as long as that is what is wanted. */
export class Feed {
  /**
   * @param {{frames: number, chunks(from: number): AsyncGenerator<NumberedChunk, void, void>}} stem
   * @param {(chunk: NumberedChunk) => void} send
   */
  constructor(stem, send) {
    this.stem = stem;
    this.send = send;
    /** @type {Range[]} */
    this.ranges = [];
    /** @type {Set<number>} */
    this.sent = new Set();
    /** @type {AsyncGenerator<NumberedChunk, void, void> | null} */
    this.running = null;
    this.next = 0;
    /** @type {(() => void) | null} */
    this.wake = null;
    this.isClosed = false;
  }

  /**
   * Say which frames are wanted, the most urgent first. Whoever asks has thrown away what is in none of `kept`.
   * @param {Range[]} ranges
   * @param {Range[]} kept
   */
  want(ranges, kept = ranges) {
    this.ranges = ranges;
    for (const index of this.sent) {
      const from = index * CHUNK;
      if (!kept.some((range) => from < range[1] && from + CHUNK > range[0])) this.sent.delete(index);
    }
    this.wake?.();
  }

  /** Return the number of the chunk that is wanted most, or null. */
  missing() {
    for (const [from, to] of this.ranges) {
      const last = Math.ceil(Math.min(to, this.stem.frames) / CHUNK);
      for (let index = Math.floor(from / CHUNK); index < last; index++) if (!this.sent.has(index)) return index;
    }
    return null;
  }

  /** Serve until it is closed. Rejects when the stem cannot be read. */
  async run() {
    while (!this.isClosed) {
      const index = this.missing();
      if (index === null) await this.sleep();
      else await this.serve(index);
    }
  }

  /** @param {number} index */
  async serve(index) {
    if (!this.running || this.next !== index) {
      await this.running?.return();
      this.running = this.stem.chunks(index * CHUNK);
      this.next = index;
    }
    const { value, done } = await this.running.next();
    if (done || this.isClosed) {
      this.running = null;
      return;
    }
    this.next = value.index + 1;
    this.sent.add(value.index);
    this.send(value);
  }

  /** @returns {Promise<void>} */
  sleep() {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }

  /** Stop. */
  async close() {
    this.isClosed = true;
    this.wake?.();
    await this.running?.return();
  }
}
