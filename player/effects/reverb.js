/**
 * A room without impulse files: two chains of allpasses, one for each side, into a feedback network of eight delays.
 *
 * The network after Jean-Marc Jot and Antoine Chaigne, "Digital delay networks for designing artificial reverberators",
 * 90th AES Convention (1991): lossless mixing by a Hadamard matrix, and in each line the attenuation that its length
 * needs for the decay time that is wanted. The allpasses have the lengths and gains of Jon Dattorro, "Effect design,
 * part 1", J. Audio Eng. Soc. 45 (1997).
 */

import { Effect } from "./effect.js";
import { Glide, STEP, within } from "./glide.js";

/** mix: share of the room, 0 … 1; decay: seconds to -60 dB; damping 0 … 1, of high tones; preDelay: seconds. */
export const RANGES = Object.freeze({
  mix: /** @type {const} */ ([0, 1]),
  decay: /** @type {const} */ ([0.2, 10]),
  damping: /** @type {const} */ ([0, 1]),
  preDelay: /** @type {const} */ ([0, 0.2]),
});

/** @typedef {{on: boolean, mix: number, decay: number, damping: number, preDelay: number}} Settings */

/** Where it begins. @type {Readonly<Settings>} */
export const DEFAULTS = Object.freeze({ on: false, mix: 0.2, decay: 1.8, damping: 0.5, preDelay: 0.02 });

const LINES = 8;
/** The lengths of the lines in milliseconds; in frames they become prime, so that no two echoes fall together. */
const LENGTHS_MS = [31.1, 36.7, 41.3, 47.9, 53.3, 60.1, 67.7, 75.1];
/** The frequency at which `damping` says how fast tones die: the decay there is (1 - 0.9 damping) · decay. */
const DAMPED_HZ = 5000;
const DAMPED_SHARE = 0.9;
/** Length in milliseconds (142, 107, 379 and 277 frames at 29,761 Hz) and gain. */
const ALLPASSES = [
  [4.771, 0.75],
  [3.595, 0.75],
  [12.735, 0.625],
  [9.307, 0.625],
];
/** The right side's allpasses are somewhat longer: the room does not sound the same from there. */
const RIGHT = 1.09;
/** Signs with which lines are heard; even ones on the left, odd ones on the right. */
const SIGNS = [1, 1, -1, -1, 1, 1, -1, -1];
/** In how many steps another pre-delay is faded to. */
const FADE_STEPS = 40;
/** Below this a sample is nothing (-300 dB), and far from the denormal numbers that make processors slow. */
const NOTHING = 1e-15;

/**
 * Return the share that a line lets through per round: a in its low-pass, a (1 - b) / (1 - b z^-1).
 * @param {number} seconds the line's length
 * @param {number} decay seconds to -60 dB
 */
function gainOf(seconds, decay) {
  return 10 ** ((-3 * seconds) / decay);
}

/**
 * Return the coefficient b of a line's low-pass.
 * @param {number} seconds the line's length
 * @param {number} decay seconds to -60 dB
 * @param {number} damping 0 … 1
 * @param {number} sampleRate in Hz
 */
function poleOf(seconds, decay, damping, sampleRate) {
  const damped = (1 - DAMPED_SHARE * damping) * decay;
  const ratio = gainOf(seconds, damped) / gainOf(seconds, decay);
  const square = ratio * ratio;
  const w = (2 * Math.PI * Math.min(DAMPED_HZ, 0.4 * sampleRate)) / sampleRate;
  // |1 - b|² = ratio² |1 - b e^-jw|² solved for the b within the unit circle.
  const a = 1 - square;
  if (a < 1e-12) return 0;
  const half = 1 - square * Math.cos(w);
  return (half - Math.sqrt(half * half - a * a)) / a;
}

/** @param {number} from @returns {number} the next prime */
function prime(from) {
  for (let n = from; ; n++) {
    let isPrime = n > 1;
    for (let d = 2; d * d <= n && isPrime; d++) isPrime = n % d !== 0;
    if (isPrime) return n;
  }
}

/** A delay that passes all frequencies and smears them in time. */
class Allpass {
  /**
   * @param {number} length in frames
   * @param {number} gain
   */
  constructor(length, gain) {
    this.line = new Float32Array(length);
    this.gain = gain;
    this.at = 0;
  }

  /**
   * @param {Float64Array} signal
   * @param {number} count
   */
  run(signal, count) {
    const { line, gain } = this;
    let at = this.at;
    for (let i = 0; i < count; i++) {
      const late = line[at];
      const into = signal[i] - gain * late;
      line[at] = into < NOTHING && into > -NOTHING ? 0 : into;
      signal[i] = late + gain * into;
      at = at + 1 === line.length ? 0 : at + 1;
    }
    this.at = at;
  }
}

/** The reverb. */
export class Reverb extends Effect {
  /** @param {number} sampleRate in Hz */
  constructor(sampleRate) {
    super(sampleRate);
    /** @type {Settings} */
    this.settings = { ...DEFAULTS };
    this.mix = new Glide(sampleRate, DEFAULTS.mix);
    this.decay = new Glide(sampleRate, Math.log(DEFAULTS.decay));
    this.damping = new Glide(sampleRate, DEFAULTS.damping);

    const frames = (/** @type {number} */ ms) => prime(Math.round((ms * sampleRate) / 1000));
    this.lines = LENGTHS_MS.map((ms) => new Float32Array(Math.max(STEP, frames(ms))));
    this.places = new Int32Array(LINES);
    this.low = new Float64Array(LINES);
    this.gains = new Float64Array(LINES);
    this.poles = new Float64Array(LINES);
    /** Gains and poles at the beginning of a step. */
    this.oldGains = new Float64Array(LINES);
    this.oldPoles = new Float64Array(LINES);
    /** What a steady signal needs to be as loud in the room as it came. */
    this.level = 0;
    this.leftAllpasses = ALLPASSES.map(([ms, gain]) => new Allpass(frames(ms), gain));
    this.rightAllpasses = ALLPASSES.map(([ms, gain]) => new Allpass(frames(ms * RIGHT), gain));

    const room = Math.ceil(RANGES.preDelay[1] * sampleRate) + STEP + 1;
    this.early = [new Float32Array(room), new Float32Array(room)];
    this.earlyAt = 0;
    this.tap = Math.round(DEFAULTS.preDelay * sampleRate);
    this.nextTap = this.tap;
    this.fade = 0;

    this.left = new Float64Array(STEP);
    this.right = new Float64Array(STEP);
    this.outs = Array.from({ length: LINES }, () => new Float64Array(STEP));
    this.tune();
  }

  /** How long it is heard after the signal has ended, in seconds: to -80 dB. */
  get tailSeconds() {
    return this.isOn ? this.settings.preDelay + (this.settings.decay * 80) / 60 : 0;
  }

  /**
   * Change what is named; the rest stays.
   * @param {Partial<Settings>} changes
   */
  set(changes) {
    const { settings } = this;
    for (const name of /** @type {(keyof typeof RANGES)[]} */ (Object.keys(RANGES))) {
      settings[name] = within(changes[name], RANGES[name], settings[name]);
    }
    this.mix.to(settings.mix);
    this.decay.to(Math.log(settings.decay));
    this.damping.to(settings.damping);
    this.switchTo(changes.on);
  }

  settle() {
    super.settle();
    this.tap = Math.round(this.settings.preDelay * this.sampleRate);
    this.nextTap = this.tap;
    this.fade = 0;
    this.tune();
  }

  glides() {
    return [this.mix, this.decay, this.damping];
  }

  clear() {
    for (const line of this.lines) line.fill(0);
    for (const line of this.early) line.fill(0);
    for (const { line } of [...this.leftAllpasses, ...this.rightAllpasses]) line.fill(0);
    this.low.fill(0);
  }

  /** Work out what the lines absorb. */
  tune() {
    const { lines, gains, poles, sampleRate } = this;
    const decay = Math.exp(this.decay.value);
    let kept = 0;
    for (let i = 0; i < LINES; i++) {
      const seconds = lines[i].length / sampleRate;
      gains[i] = gainOf(seconds, decay);
      poles[i] = poleOf(seconds, decay, this.damping.value, sampleRate);
      kept += (gains[i] * gains[i]) / LINES;
    }
    // Noise of power 1 on each side goes into four lines, and comes out of four with what all rounds have kept of it.
    this.level = Math.sqrt((1 - kept) / (LINES / 2) / kept);
  }

  /**
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} from
   * @param {number} to
   * @param {number} before
   * @param {number} after
   */
  work(left, right, from, to, before, after) {
    const { left: l, right: r } = this;
    const count = to - from;
    const levelBefore = this.level;
    this.oldGains.set(this.gains);
    this.oldPoles.set(this.poles);
    if (this.decay.isMoving || this.damping.isMoving) {
      this.decay.next();
      this.damping.next();
      this.tune();
    }
    this.delay(left, right, from, count);
    for (let i = 0; i < ALLPASSES.length; i++) {
      this.leftAllpasses[i].run(l, count);
      this.rightAllpasses[i].run(r, count);
    }
    this.network(count);
    // Dry and wet are not alike, so their powers add: with cosine and sine the sum stays as loud.
    const mixBefore = this.mix.value;
    const angleBefore = (before * mixBefore * Math.PI) / 2;
    const angleAfter = (after * this.mix.next() * Math.PI) / 2;
    let dry = Math.cos(angleBefore);
    let wet = Math.sin(angleBefore) * levelBefore;
    const dryStep = (Math.cos(angleAfter) - dry) / count;
    const wetStep = (Math.sin(angleAfter) * this.level - wet) / count;
    for (let i = 0; i < count; i++) {
      dry += dryStep;
      wet += wetStep;
      left[from + i] = dry * left[from + i] + wet * l[i];
      right[from + i] = dry * right[from + i] + wet * r[i];
    }
  }

  /**
   * Put the signal into the pre-delay and take what comes out.
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} from
   * @param {number} count
   */
  delay(left, right, from, count) {
    const { left: l, right: r, early, sampleRate } = this;
    const wanted = Math.round(this.settings.preDelay * sampleRate);
    if (this.tap === this.nextTap && wanted !== this.tap) this.nextTap = wanted;
    const isFading = this.tap !== this.nextTap;
    const share = isFading ? 1 / (FADE_STEPS * count) : 0;
    const [a, b] = early;
    const room = a.length;
    let at = this.earlyAt;
    let fade = this.fade;
    for (let i = 0; i < count; i++) {
      a[at] = left[from + i];
      b[at] = right[from + i];
      const old = at - this.tap < 0 ? at - this.tap + room : at - this.tap;
      l[i] = a[old];
      r[i] = b[old];
      if (isFading) {
        const next = at - this.nextTap < 0 ? at - this.nextTap + room : at - this.nextTap;
        fade += share;
        l[i] += fade * (a[next] - l[i]);
        r[i] += fade * (b[next] - r[i]);
      }
      at = at + 1 === room ? 0 : at + 1;
    }
    this.earlyAt = at;
    this.fade = fade;
    if (isFading && fade > 1 - share / 2) {
      this.tap = this.nextTap;
      this.fade = 0;
    }
  }

  /**
   * One step of the network: from `left` and `right` and into them. No line is shorter than a step.
   * @param {number} count
   */
  network(count) {
    const { lines, places, low, gains, poles, oldGains, oldPoles, outs, left, right } = this;
    for (let n = 0; n < LINES; n++) {
      const line = lines[n];
      const out = outs[n];
      let pole = oldPoles[n];
      let gain = oldGains[n] * (1 - pole);
      const poleStep = (poles[n] - pole) / count;
      const gainStep = (gains[n] * (1 - poles[n]) - gain) / count;
      let at = places[n];
      let state = low[n];
      for (let i = 0; i < count; i++) {
        pole += poleStep;
        gain += gainStep;
        state = gain * line[at] + pole * state;
        out[i] = state;
        at = at + 1 === line.length ? 0 : at + 1;
      }
      low[n] = state < NOTHING && state > -NOTHING ? 0 : state;
    }
    mix(outs, count);
    for (let n = 0; n < LINES; n++) {
      const line = lines[n];
      const out = outs[n];
      const input = n % 2 === 0 ? left : right;
      let at = places[n];
      for (let i = 0; i < count; i++) {
        const into = out[i] + input[i];
        line[at] = into < NOTHING && into > -NOTHING ? 0 : into;
        at = at + 1 === line.length ? 0 : at + 1;
      }
      places[n] = at;
    }
    // A mixed line is as good an output as one before the mixing: all of them have the same power.
    for (let i = 0; i < count; i++) {
      left[i] = SIGNS[0] * outs[0][i] + SIGNS[2] * outs[2][i] + SIGNS[4] * outs[4][i] + SIGNS[6] * outs[6][i];
      right[i] = SIGNS[1] * outs[1][i] + SIGNS[3] * outs[3][i] + SIGNS[5] * outs[5][i] + SIGNS[7] * outs[7][i];
    }
  }
}

/**
 * Multiply by the Hadamard matrix of order 8, divided by the root of 8, in three rounds of sums and differences.
 * @param {Float64Array[]} lines
 * @param {number} count
 */
function mix(lines, count) {
  for (let span = 1; span < LINES; span *= 2) {
    for (let n = 0; n < LINES; n++) {
      if (n & span) continue;
      const a = lines[n];
      const b = lines[n + span];
      for (let i = 0; i < count; i++) {
        const x = a[i];
        const y = b[i];
        a[i] = (x + y) * Math.SQRT1_2;
        b[i] = (x - y) * Math.SQRT1_2;
      }
    }
  }
}
