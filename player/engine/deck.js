/**
 * The engine: stems in, one stereo signal out, a block at a time. It is the same in the audio thread of a page, in the
 * worker that exports a mix, and in tests.
 *
 * All stems are read from one tape position, so they cannot be apart; at full speed and pitch a stem's samples are its
 * file's. Where chunks are missing all stems are silent together and go on together.
 */

import { Click, SILENT } from "./click.js";
import { Group } from "./stretch.js";
import { Strips } from "./strips.js";
import { SEAM, Tape } from "./tape.js";
import { CHUNK, Windows } from "./windows.js";

export { CHUNK };

/** The most frames that are rendered at once: the block of an AudioWorklet. */
export const BLOCK = 128;
export const SLOWEST = 0.25;
export const FASTEST = 1.5;
/** How many seconds of the recording are wanted ahead of the playhead, while playing and before. */
const AHEAD = 8;
const AHEAD_WHEN_STILL = 1.5;
/** How many seconds have to be there to begin, and to go on after having waited for the network. */
const ENOUGH_TO_BEGIN = 0.25;
const ENOUGH_TO_GO_ON = 1.5;
/** How many frames before a place stretchers need at most to begin there. */
const BEFORE = 2 * CHUNK;
/** How many seconds from the start of a loop are kept, so that the tape can jump at once. */
const LOOP_START = 1;

/** What is done to the sum: see player/effects/chain.js. @typedef {{process(l: Float32Array, r: Float32Array, frames: number): void, latencyFrames: number, reset(): void}} Chain */

/** Plays a recording's stems. Frames are those of the recording, at one sample rate for all stems. */
export class Deck {
  /**
   * @param {{sampleRate: number, stems: number, frames: number, chain?: Chain}} options `frames`: the longest stem's
   */
  constructor({ sampleRate, stems, frames, chain }) {
    this.sampleRate = sampleRate;
    this.frames = frames;
    this.chain = chain;
    this.windows = new Windows(stems, frames);
    this.tape = new Tape(this.windows, [...new Array(stems).keys()]);
    this.strips = new Strips(stems);
    this.click = new Click(sampleRate);
    /** @type {import("./stretch.js").Stretch | null} */
    this.stretch = null;
    /** Stems by how they are transposed, when what is heard comes from stretchers. @type {Group[]} */
    this.groups = [];
    this.stretching = false;
    this.speed = 1;
    /** @type {number[]} semitones of each stem */
    this.semitones = new Array(stems).fill(0);
    /** Whether the groups are no longer the right ones. */
    this.regroups = true;
    /** @type {[number, number] | null} */
    this.loop = null;
    /** Rounds of the loop before the sound was closed last. */
    this.rounds = 0;
    this.playing = false;
    this.waiting = false;
    this.ended = false;
    /** How far the sound is faded in: 0 is silence. It takes one block to open and one to close. */
    this.gate = 0;
    /** @type {number | null} where to go on as soon as the sound is closed */
    this.target = 0;
    this.enough = ENOUGH_TO_BEGIN;
    /** How many frames counting in still takes. */
    this.counting = 0;
    this.gain = 1;
    this.nextGain = 1;
    /** The largest sample of the sum on each side since it was last set to 0. */
    this.loudest = new Float32Array(2);
    this.lefts = arrays(stems, BLOCK);
    this.rights = arrays(stems, BLOCK);
  }

  // --- what it is told ----------------------------------------------------------------------------------------------

  /**
   * Take chunk number `index` of a stem.
   * @param {number} stem
   * @param {number} index
   * @param {Float32Array} left
   * @param {Float32Array} right
   */
  put(stem, index, left, right) {
    this.windows.put(stem, index, left, right);
  }

  /**
   * Give the deck stretchers; until then it plays at full speed and pitch whatever it was told.
   * @param {import("./stretch.js").Stretch} stretch
   */
  useStretch(stretch) {
    this.stretch = stretch;
    this.regroups = true;
  }

  /**
   * @param {number} stem
   * @param {{gain: number, pan: number}} strip `gain` linear from 0, `pan` -1 … 1
   */
  setStrip(stem, { gain, pan }) {
    this.strips.set(stem, gain, pan);
  }

  /** @param {number} gain linear, from 0 */
  setMaster(gain) {
    this.nextGain = gain;
  }

  /** Have faders where they were put at once instead of gliding there. */
  settle() {
    this.strips.settle();
    this.gain = this.nextGain;
  }

  /** @param {number} speed 0.25 … 1.5 */
  setSpeed(speed) {
    this.speed = Math.min(FASTEST, Math.max(SLOWEST, speed));
  }

  /**
   * @param {number} semitones -12 … 12
   * @param {number[]} exempt the stems that stay as they are
   */
  setTranspose(semitones, exempt = []) {
    for (let stem = 0; stem < this.semitones.length; stem++) {
      const wanted = exempt.includes(stem) ? 0 : Math.min(12, Math.max(-12, semitones));
      if (wanted !== this.semitones[stem]) this.regroups = true;
      this.semitones[stem] = wanted;
    }
  }

  /** @param {import("./click.js").ClickSettings} settings */
  setClick(settings) {
    this.click.settings = { ...SILENT, ...settings };
  }

  /**
   * Loop between two frames; without them, no longer.
   * @param {number | null} start
   * @param {number} end exclusive
   */
  setLoop(start, end = 0) {
    const place = this.place;
    this.tape.setLoop(start === null ? null : [start, Math.min(end, this.frames)]);
    this.loop = this.tape.loop;
    this.rounds = 0;
    for (const { tape } of this.groups) tape.seams = 0;
    // The stretchers have read ahead: perhaps beyond the new end, perhaps back to a start that is none any more.
    if (this.stretching) this.seek(place);
  }

  /** @param {number} frame where to go on; silence is between */
  seek(frame) {
    this.target = Math.min(Math.max(0, Math.round(frame)), this.frames);
    this.ended = false;
    this.enough = ENOUGH_TO_BEGIN;
  }

  /** Begin to play, after counting in if that is wanted. From the start again when the end has been reached. */
  play() {
    if (this.playing) return;
    if (this.position >= this.frames) this.seek(0);
    this.playing = true;
    this.enough = ENOUGH_TO_BEGIN;
    if (this.gate === 1 && this.target === null) return; // it was paused within this block, and nobody has heard of it
    // In whole blocks, the first of which may begin with silence.
    this.counting = Math.ceil(this.click.countIn(this.place, this.speed) / BLOCK) * BLOCK;
  }

  /** Stop, and stay where it is. */
  pause() {
    this.playing = false;
    this.waiting = false;
  }

  // --- what it tells ------------------------------------------------------------------------------------------------

  /** The frame that is heard next. */
  get position() {
    if (this.target !== null) return this.target;
    return Math.max(0, this.place - (this.chain?.latencyFrames ?? 0) * this.speed);
  }

  /** The frame that the strips get next: the stretchers are ahead of it, the effects behind. */
  get place() {
    if (this.target !== null) return this.target;
    const place = this.stretching ? this.groups[0].place(this.speed) : this.tape.position;
    return Math.min(place, this.frames);
  }

  /** How often it has jumped back since the loop was set. */
  get seams() {
    return this.rounds + (this.stretching ? this.groups[0].tape.seams : this.tape.seams);
  }

  /** The largest sample of each stem behind its fader since it was last set to 0. */
  get peaks() {
    return this.strips.peaks;
  }

  /** Whether stretchers are needed for what it was told. */
  get needsStretch() {
    return this.speed !== 1 || this.semitones.some((semitones) => semitones !== 0);
  }

  /**
   * Return the ranges of frames that are needed next, the most urgent first.
   * @returns {import("./windows.js").Range[]}
   */
  wanted() {
    const { tape, target, sampleRate } = this;
    const seconds = this.playing ? AHEAD * Math.max(1, this.speed) : AHEAD_WHEN_STILL;
    const count = Math.round(seconds * sampleRate);
    /** @type {import("./windows.js").Range[]} */
    let ranges;
    if (target === null) ranges = (this.stretching ? this.groups[0].tape : tape).ahead(count);
    else if (tape.loop && target < tape.loop[1]) ranges = [[target, Math.min(target + count, tape.loop[1])]];
    else ranges = [[target, target + count]];
    if (this.needsStretch) ranges[0] = [ranges[0][0] - BEFORE, ranges[0][1]]; // stretchers begin with what was before
    if (tape.loop) ranges.push([tape.loop[0] - SEAM, tape.loop[0] + Math.round(LOOP_START * sampleRate)]);
    return ranges.map(([from, to]) => [Math.max(0, from), Math.min(to, this.frames)]);
  }

  /**
   * Return the frames that are to be kept if they are there: until the sound is closed it is still where it was, and
   * somebody may change the speed, or step back a little.
   * @returns {import("./windows.js").Range}
   */
  behind() {
    const tape = this.stretching ? this.groups[0].tape : this.tape;
    const place = this.gate === 0 ? this.place : tape.position;
    return [place - BEFORE, place + 2 * BLOCK];
  }

  /**
   * Return whether the next `count` frames can be rendered, as far as chunks are concerned.
   * @param {number} count
   */
  ready(count) {
    if (this.target !== null) return this.readyAt(this.target, count);
    if (!this.stretching) return this.tape.ready(count);
    return this.groups.every((group) => group.ready(count, this.speed));
  }

  // --- sound --------------------------------------------------------------------------------------------------------

  /**
   * Fill a block with what is heard next. Returns false when it had to stay silent for want of chunks.
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} frames at most BLOCK
   */
  render(left, right, frames) {
    if (this.gate === 0 && !this.begin(frames)) {
      left.fill(0, 0, frames);
      right.fill(0, 0, frames);
      this.addClick(left, right, frames);
      this.finish(left, right, frames);
      return !this.waiting;
    }
    const place = this.place;
    const from = this.gate;
    this.gate = this.closes(frames) ? 0 : 1;
    this.takeStems(frames);
    this.strips.mix(this.lefts, this.rights, left, right, frames);
    this.fade(left, right, frames, from);
    this.click.add(left, right, frames, place, this.speed, false);
    this.finish(left, right, frames);
    if (this.gate === 0 && this.target === null) this.target = Math.round(this.place);
    if (this.gate === 0) this.keepRounds();
    if (this.place >= this.frames) this.end();
    return true;
  }

  /** Begin with the sound open instead of fading in, if the chunks are there: exports and tests get every sample. */
  open() {
    if (this.gate === 0 && this.begin(BLOCK)) this.gate = 1;
  }

  /**
   * Go to where it is to go on, if the chunks are there and it is to play. Returns whether it can.
   * @param {number} frames
   */
  begin(frames) {
    if (!this.playing) return false;
    if (this.target === null) this.target = Math.round(this.place);
    const count = Math.max(frames, Math.round(this.enough * this.sampleRate));
    this.waiting = !this.readyAt(this.target, count);
    if (this.waiting || this.counting > 0) return false;
    const place = this.target;
    this.target = null;
    this.strips.settle(); // what was changed in silence is not to be heard changing
    this.stretching = this.stretch !== null && this.needsStretch;
    if (!this.stretching) this.tape.put(place);
    else this.beginStretching(place);
    return true;
  }

  /** @param {number} place */
  beginStretching(place) {
    const { stretch, semitones } = this;
    if (!stretch) return;
    if (this.regroups) {
      const stems = [...semitones.keys()];
      this.groups = [...new Set(semitones)].map((interval) => {
        const moved = stems.filter((stem) => semitones[stem] === interval);
        return new Group(stretch, moved, this.windows, interval);
      });
      this.regroups = false;
    }
    for (const group of this.groups) group.begin(place, this.speed, this.loop);
  }

  /**
   * Return whether `count` frames are there from a frame on, and what the stretchers need around it.
   * @param {number} frame
   * @param {number} count
   */
  readyAt(frame, count) {
    const { loop, windows } = this;
    const around = this.stretch && this.needsStretch ? BEFORE : 0;
    const until = loop && frame < loop[1] ? loop[1] : this.frames;
    return windows.has(frame - around, Math.min(frame + count + around, until));
  }

  /**
   * Return whether the sound has to be closed within this block, since it cannot or may not go on after it.
   * @param {number} frames
   */
  closes(frames) {
    if (!this.playing || this.target !== null) return true;
    const stretches = this.stretch !== null && this.needsStretch;
    if (this.stretching !== stretches || (stretches && this.regroups)) return true;
    if (stretches && this.groups.some((group) => group.mustBegin(this.speed))) return true;
    if (this.ready(2 * frames)) return false;
    this.enough = ENOUGH_TO_GO_ON;
    return true;
  }

  /**
   * Read the stems, through the stretchers if they are used.
   * @param {number} frames
   */
  takeStems(frames) {
    if (this.stretching) for (const group of this.groups) group.process(frames, this.speed, this.lefts, this.rights);
    else this.tape.read(frames, this.lefts, this.rights);
  }

  /**
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} frames
   * @param {number} from what the gate was
   */
  fade(left, right, frames, from) {
    if (from === 1 && this.gate === 1) return;
    const step = (this.gate - from) / frames;
    for (let i = 0; i < frames; i++) {
      const share = from + step * (i + 1);
      left[i] *= share;
      right[i] *= share;
    }
  }

  /**
   * Count in, where that is wanted: the beats before the position.
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} frames
   */
  addClick(left, right, frames) {
    if (!this.playing || this.waiting || this.counting === 0) {
      this.click.sound(left, right, 0, frames);
      return;
    }
    this.click.add(left, right, frames, this.place - this.counting * this.speed, this.speed, true);
    this.counting = Math.max(0, this.counting - frames);
  }

  /**
   * Master gain, effects and meters.
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} frames
   */
  finish(left, right, frames) {
    const from = this.gain;
    this.gain = Math.abs(this.nextGain - from) < 1e-5 ? this.nextGain : from + (this.nextGain - from) * 0.25;
    const step = (this.gain - from) / frames;
    for (let i = 0; i < frames; i++) {
      left[i] *= from + step * (i + 1);
      right[i] *= from + step * (i + 1);
    }
    this.chain?.process(left, right, frames);
    for (let i = 0; i < frames; i++) {
      this.loudest[0] = Math.max(this.loudest[0], Math.abs(left[i]));
      this.loudest[1] = Math.max(this.loudest[1], Math.abs(right[i]));
    }
  }

  /** Count the rounds so far: another tape may go on. */
  keepRounds() {
    this.rounds = this.seams;
    this.tape.seams = 0;
    for (const { tape } of this.groups) tape.seams = 0;
  }

  /** The recording is over. */
  end() {
    this.playing = false;
    this.ended = true;
    this.gate = 0;
    this.target = this.frames;
  }
}

/**
 * @param {number} many
 * @param {number} length
 */
function arrays(many, length) {
  return Array.from({ length: many }, () => new Float32Array(length));
}
