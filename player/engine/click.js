/** The metronome: short tones on the beats of the recording, and counting in. */

const LENGTH_SECONDS = 0.03;
const ACCENT_HZ = 1600;
const BEAT_HZ = 1000;

/** @typedef {{on: boolean, bpm: number, beatsPerBar: number, offset: number, gain: number, countInBars: number}} ClickSettings */

/** Nothing is heard. `bpm` 20 … 400 beats a minute, `offset` seconds of a first beat, `gain` linear. @type {ClickSettings} */
export const SILENT = { on: false, bpm: 120, beatsPerBar: 4, offset: 0, gain: 0.5, countInBars: 0 };

/** Adds clicks to a signal. */
export class Click {
  /** @param {number} sampleRate in Hz */
  constructor(sampleRate) {
    this.sampleRate = sampleRate;
    this.settings = SILENT;
    this.length = Math.round(LENGTH_SECONDS * sampleRate);
    this.age = this.length;
    this.hz = BEAT_HZ;
  }

  /** How many frames of the recording a beat has. */
  get beat() {
    return (60 / this.settings.bpm) * this.sampleRate;
  }

  /**
   * Return how many frames counting in takes before a position is heard, so that its clicks and the beats are one row.
   * @param {number} position frame
   * @param {number} speed
   */
  countIn(position, speed) {
    const { countInBars, beatsPerBar, offset } = this.settings;
    const beats = countInBars * beatsPerBar;
    if (beats === 0) return 0;
    const past = (position - offset * this.sampleRate) / this.beat;
    const phase = past - Math.floor(past);
    return Math.round(((phase + beats - (phase > 0 ? 1 : 0)) * this.beat) / speed);
  }

  /**
   * Add what is heard while the recording goes on from a frame. With `always`, also when the click is off.
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} frames
   * @param {number} position the recording's frame that is heard with the first of them
   * @param {number} speed
   * @param {boolean} always
   */
  add(left, right, frames, position, speed, always) {
    const { on, beatsPerBar, offset } = this.settings;
    const first = (position - offset * this.sampleRate) / this.beat;
    const last = first + (frames * speed) / this.beat;
    const number = Math.ceil(first);
    let at = frames;
    if ((on || always) && number < last) {
      at = Math.min(frames - 1, Math.floor(((number - first) * this.beat) / speed));
    }
    this.sound(left, right, 0, at);
    if (at === frames) return;
    this.age = 0;
    this.hz = number % beatsPerBar === 0 ? ACCENT_HZ : BEAT_HZ;
    this.sound(left, right, at, frames);
  }

  /**
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} from
   * @param {number} to
   */
  sound(left, right, from, to) {
    for (let i = from; i < to && this.age < this.length; i++, this.age++) {
      const fade = 1 - this.age / this.length;
      const value = this.settings.gain * fade * fade * Math.sin((2 * Math.PI * this.hz * this.age) / this.sampleRate);
      left[i] += value;
      right[i] += value;
    }
  }
}
