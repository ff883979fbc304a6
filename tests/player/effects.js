/** What the tests of effects share. */

export const RATE = 48_000;
export const BLOCK = 128;

/**
 * Send a stereo signal through an effect, block by block, in place.
 * @param {{process(l: Float32Array, r: Float32Array, frames: number): void}} effect
 * @param {Float32Array} left
 * @param {Float32Array} right
 * @param {number} block
 */
export function through(effect, left, right = left.slice(), block = BLOCK) {
  for (let at = 0; at < left.length; at += block) {
    const many = Math.min(block, left.length - at);
    effect.process(left.subarray(at, at + many), right.subarray(at, at + many), many);
  }
  return { left, right };
}

/** @param {number} length @param {number} value */
export function steady(length, value) {
  return new Float32Array(length).fill(value);
}

/**
 * @param {number} length
 * @param {number} hz
 * @param {number} amplitude
 */
export function tone(length, hz, amplitude) {
  return Float32Array.from({ length }, (_, i) => amplitude * Math.sin((2 * Math.PI * hz * i) / RATE));
}

/** @param {number} factor of an amplitude */
export function db(factor) {
  return 20 * Math.log10(factor);
}

/** @param {number} value in dB */
export function factor(value) {
  return 10 ** (value / 20);
}

/**
 * Return the root of the mean square between two frames.
 * @param {Float32Array} signal
 * @param {number} from
 * @param {number} to
 */
export function rms(signal, from = 0, to = signal.length) {
  let sum = 0;
  for (let i = from; i < to; i++) sum += signal[i] * signal[i];
  return Math.sqrt(sum / (to - from));
}

/** @param {Float32Array} signal @returns {number} the largest magnitude */
export function peak(signal) {
  let most = 0;
  for (const sample of signal) most = Math.max(most, Math.abs(sample));
  return most;
}

/**
 * Return the gain of an impulse response at a frequency, in dB.
 * @param {Float32Array} response
 * @param {number} hz
 */
export function gainAt(response, hz) {
  let re = 0;
  let im = 0;
  for (let i = 0; i < response.length; i++) {
    re += response[i] * Math.cos((2 * Math.PI * hz * i) / RATE);
    im += response[i] * Math.sin((2 * Math.PI * hz * i) / RATE);
  }
  return db(Math.hypot(re, im));
}

/**
 * Return a signal without what is below a frequency: four times a first-order high-pass.
 * @param {Float32Array} signal
 * @param {number} hz
 */
export function above(signal, hz) {
  const k = Math.exp((-2 * Math.PI * hz) / RATE);
  const out = Float64Array.from(signal);
  for (let round = 0; round < 4; round++) {
    let before = 0;
    let y = 0;
    for (let i = 0; i < out.length; i++) {
      y = k * (y + out[i] - before);
      before = out[i];
      out[i] = y;
    }
  }
  return Float32Array.from(out);
}
