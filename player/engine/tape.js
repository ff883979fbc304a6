/** The transport: a position in the recording, and where the tape jumps back in a loop. One for all stems. */

/** For how many frames the end of a loop and what precedes its start are blended, so that the seam does not click. */
export const SEAM = 256;
/** The shortest loop, in frames. */
export const SHORTEST_LOOP = 4 * SEAM;

/** @typedef {import("./windows.js").Windows} Windows */

/** Reads several stems from the same frames on, so that they cannot drift apart. */
export class Tape {
  /**
   * @param {Windows} windows
   * @param {number[]} stems their numbers
   */
  constructor(windows, stems) {
    this.windows = windows;
    this.stems = stems;
    /** The frame that is read next. */
    this.position = 0;
    /** @type {[number, number] | null} frames of the loop, from … to (exclusive) */
    this.loop = null;
    /** How often the tape has jumped back since the loop was set. */
    this.seams = 0;
    /** Whether it has jumped since somebody put it somewhere. */
    this.jumped = false;
    this.isOutside = false;
    this.beforeLeft = new Float32Array(SEAM);
    this.beforeRight = new Float32Array(SEAM);
  }

  /**
   * Loop between two frames, or, with null, no longer.
   * @param {[number, number] | null} loop
   */
  setLoop(loop) {
    this.loop = loop && [loop[0], Math.max(loop[1], loop[0] + SHORTEST_LOOP)];
    this.isOutside = this.loop !== null && this.position >= this.loop[1];
    this.seams = 0;
  }

  /**
   * Go to a frame. Who begins to listen behind a loop is not taken back into it.
   * @param {number} frame where to read next
   * @param {number} place the frame that listening begins with, which may be later
   */
  put(frame, place = frame) {
    this.position = frame;
    this.jumped = false;
    this.isOutside = this.loop !== null && place >= this.loop[1];
  }

  /** The loop as long as it is one for us. */
  get round() {
    return this.isOutside ? null : this.loop;
  }

  /**
   * Return the frame that was read some frames ago.
   * @param {number} frames may have a fraction
   */
  back(frames) {
    const { round, position, jumped } = this;
    const place = position - frames;
    if (!round || !jumped || place >= round[0]) return place;
    const length = round[1] - round[0];
    return place + length * Math.ceil((round[0] - place) / length);
  }

  /**
   * Return how many frames can be read before the tape jumps, at most `count`.
   * @param {number} position
   * @param {number} count
   */
  untilJump(position, count) {
    return this.round ? Math.min(count, this.round[1] - position) : count;
  }

  /**
   * Return the ranges of frames that the next `count` ones come from, in order; what is blended in at a seam included.
   * @param {number} count
   * @returns {import("./windows.js").Range[]}
   */
  ahead(count) {
    /** @type {import("./windows.js").Range[]} */
    const ranges = [];
    let position = this.position;
    let left = count;
    while (left > 0) {
      const take = this.untilJump(position, left);
      ranges.push([position, position + take]);
      if (take === left) break;
      left -= take;
      position = this.round ? this.round[0] : position;
      if (ranges.length > 1) break; // the whole loop is in them
    }
    if (this.round) ranges.push([this.round[0] - SEAM, this.round[0]]);
    return ranges;
  }

  /**
   * Return whether the next `count` frames are there.
   * @param {number} count
   */
  ready(count) {
    const { windows, position, round: loop } = this;
    const take = this.untilJump(position, count);
    if (!windows.has(position, position + take)) return false;
    if (!loop) return true;
    const blended = position + take > loop[1] - SEAM;
    const from = blended ? loop[0] - SEAM : loop[0];
    return !(blended || take < count) || windows.has(from, loop[0] + count - take);
  }

  /**
   * Read the next `count` frames of all stems and move on.
   * @param {number} count
   * @param {Float32Array[]} lefts one for each of its stems
   * @param {Float32Array[]} rights
   * @param {number} at where in the arrays
   */
  read(count, lefts, rights, at = 0) {
    let done = 0;
    while (done < count) {
      const take = this.untilJump(this.position, count - done);
      for (let i = 0; i < lefts.length; i++) {
        this.windows.read(this.stems[i], this.position, take, lefts[i], rights[i], at + done);
        this.blend(this.stems[i], take, lefts[i], rights[i], at + done);
      }
      this.position += take;
      done += take;
      if (this.round && this.position === this.round[1]) {
        this.position = this.round[0];
        this.seams += 1;
        this.jumped = true;
      }
    }
  }

  /**
   * Blend what precedes the loop's start into its last frames, so that the last one leads to the first one.
   * @param {number} stem
   * @param {number} count
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} at
   */
  blend(stem, count, left, right, at) {
    const loop = this.round;
    if (!loop) return;
    const begin = loop[1] - SEAM;
    const from = Math.max(this.position, begin);
    const many = this.position + count - from;
    if (many <= 0) return;
    const { beforeLeft, beforeRight } = this;
    this.windows.read(stem, from - loop[1] + loop[0], many, beforeLeft, beforeRight, 0);
    for (let i = 0; i < many; i++) {
      const share = 0.5 - 0.5 * Math.cos((Math.PI * (from - begin + i + 1)) / (SEAM + 1));
      const place = at + from - this.position + i;
      left[place] += share * (beforeLeft[i] - left[place]);
      right[place] += share * (beforeRight[i] - right[place]);
    }
  }
}
