/**
 * Speed without pitch and pitch without speed.
 *
 * Pitch is changed by reading the tape faster or slower, and what that does to the speed, and the speed that is wanted,
 * is made good by a stretcher: Signalsmith Stretch (https://signalsmith-audio.co.uk/code/stretch/, MIT) as WebAssembly.
 * Its own transposition is up to 16 cents off for single tones and loses some of them; its stretching is exact.
 */

import { Pitch } from "./pitch.js";
import { Tape } from "./tape.js";

/** Analysis block and hop, in seconds, for how fast the stretchers are fed. */
const USUAL = { block: 0.12, hop: 0.03 };
/** Far below full speed the longer block keeps low tones in tune. */
const SLOW = { block: 0.18, hop: 0.03 };
/** Fed twice as fast and more, beats would come a tenth of a second early with a longer hop. */
const FAST = { block: 0.18, hop: 0.01 };

/** @param {number} rate frames in for each frame out */
function sizes(rate) {
  if (rate < 0.45) return SLOW;
  return rate > 1.9 ? FAST : USUAL;
}

/** What we use of the library's module. @typedef {any} Module */
/** @typedef {import("./windows.js").Windows} Windows */

/** The stretchers of all stems. */
export class Stretch {
  /**
   * Make stretchers.
   * @param {() => Promise<Module>} factory what player/engine/stretch_module.js exports
   * @param {number} stems how many
   * @param {number} sampleRate in Hz
   */
  static async create(factory, stems, sampleRate) {
    const modules = await Promise.all(Array.from({ length: stems }, () => factory()));
    for (const module of modules) module._main();
    return new Stretch(modules, sampleRate);
  }

  /**
   * @param {Module[]} modules
   * @param {number} sampleRate
   */
  constructor(modules, sampleRate) {
    this.modules = modules;
    this.sampleRate = sampleRate;
  }
}

/** Stems that are moved by the same interval: one tape, one reading speed, a stretcher each, fed by the same counts. */
export class Group {
  /**
   * @param {Stretch} stretch
   * @param {number[]} stems their numbers
   * @param {Windows} windows
   * @param {number} semitones
   */
  constructor(stretch, stems, windows, semitones) {
    this.stems = stems;
    this.modules = stems.map((stem) => stretch.modules[stem]);
    this.sampleRate = stretch.sampleRate;
    this.tape = new Tape(windows, stems);
    this.pitch = new Pitch(stems.length);
    this.ratio = 2 ** (semitones / 12);
    /** @type {typeof USUAL | null} */
    this.sizes = null;
    this.owed = 0;
    this.inputLatency = 0;
    this.outputLatency = 0;
    /** @type {Float32Array[][]} */
    this.inputs = [];
    /** @type {Float32Array[][]} */
    this.outputs = [];
    this.configure(USUAL);
  }

  /** @param {typeof USUAL} sizes */
  configure(sizes) {
    this.sizes = sizes;
    const block = Math.round(sizes.block * this.sampleRate);
    const hop = Math.round(sizes.hop * this.sampleRate);
    // The work of a block is spread over its hop, so that the audio thread has the same to do each time.
    for (const module of this.modules) module._configure(2, block, hop, 1);
    /** How many frames of input are needed beyond what is being put out. */
    this.inputLatency = this.modules[0]._inputLatency();
    /** How many frames the output comes late. */
    this.outputLatency = this.modules[0]._outputLatency();
    const longest = 2 * (this.inputLatency + this.outputLatency);
    const pointers = this.modules.map((module) => module._setBuffers(2, longest));
    // Views of the modules' memories, which do not grow any more: making them anew each time would litter.
    this.inputs = this.modules.map((module, i) => views(module, pointers[i], longest));
    this.outputs = this.modules.map((module, i) => views(module, pointers[i] + 8 * longest, longest));
  }

  /**
   * Return by how many frames of the recording reading is ahead of what is put out.
   * @param {number} speed
   */
  lead(speed) {
    return this.inputLatency * this.ratio + this.outputLatency * speed;
  }

  /**
   * Return whether another block would suit a speed better: then it has to begin anew.
   * @param {number} speed
   */
  mustBegin(speed) {
    return sizes(speed / this.ratio) !== this.sizes;
  }

  /**
   * Begin so that the frame at `place` is what is put out next.
   * @param {number} place a frame of the recording
   * @param {number} speed
   * @param {[number, number] | null} loop
   */
  begin(place, speed, loop) {
    const wanted = sizes(speed / this.ratio);
    if (wanted !== this.sizes) this.configure(wanted);
    this.owed = 0;
    this.tape.setLoop(loop);
    const before = this.outputLatency;
    this.tape.put(this.pitch.begin(this.ratio, place - before * this.ratio), place);
    const first = before + this.inputLatency;
    this.read(first);
    for (const module of this.modules) {
      module._reset();
      module._seek(first, speed / this.ratio);
    }
    // What comes out first is incomplete: the blocks before it are missing. It is thrown away.
    const rest = Math.round((this.outputLatency * speed) / this.ratio);
    this.read(rest);
    for (const module of this.modules) module._process(rest, this.outputLatency);
  }

  /**
   * Read frames into the stretchers' inputs.
   * @param {number} count
   */
  read(count) {
    const { pitch, tape } = this;
    const more = pitch.needs(count);
    tape.read(more, pitch.lefts, pitch.rights, pitch.filled);
    pitch.filled += more;
    for (let i = 0; i < this.inputs.length; i++) pitch.make(i, count, this.inputs[i][0], this.inputs[i][1]);
    pitch.advance(count);
  }

  /**
   * Return whether what is needed for the next `frames` is there.
   * @param {number} frames
   * @param {number} speed
   */
  ready(frames, speed) {
    return this.tape.ready(this.pitch.needs(Math.ceil((frames * speed) / this.ratio) + 1));
  }

  /**
   * Put out the next frames of the stems, each at its number.
   * @param {number} frames
   * @param {number} speed
   * @param {Float32Array[]} lefts
   * @param {Float32Array[]} rights
   */
  process(frames, speed, lefts, rights) {
    this.owed += (frames * speed) / this.ratio;
    const count = Math.floor(this.owed);
    this.owed -= count;
    this.read(count);
    for (let i = 0; i < this.modules.length; i++) {
      this.modules[i]._process(count, frames);
      const stem = this.stems[i];
      for (let k = 0; k < frames; k++) {
        lefts[stem][k] = this.outputs[i][0][k];
        rights[stem][k] = this.outputs[i][1][k];
      }
    }
  }

  /**
   * Return the frame of the recording that is put out next.
   * @param {number} speed
   */
  place(speed) {
    const { tape, pitch } = this;
    const behind = pitch.filled - pitch.place + this.lead(speed) - this.owed * this.ratio;
    return tape.back(behind);
  }
}

/**
 * @param {Module} module
 * @param {number} pointer
 * @param {number} length
 */
function views(module, pointer, length) {
  const memory = module.HEAP8.buffer;
  return [new Float32Array(memory, pointer, length), new Float32Array(memory, pointer + 4 * length, length)];
}
