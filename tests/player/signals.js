/** Stems made by the tests, and a deck that has all of them. */

import { BLOCK, CHUNK, Deck } from "../../player/engine/deck.js";

export const RATE = 48_000;

/**
 * Return noise that is the same for the same seed, -0.5 … 0.5.
 * @param {number} length
 * @param {number} seed
 */
export function noise(length, seed) {
  const out = new Float32Array(length);
  let state = seed * 2654435761 + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out[i] = state / 2 ** 32 - 0.5;
  }
  return out;
}

/**
 * Return a sine of amplitude 0.5.
 * @param {number} length
 * @param {number} hz
 */
export function sine(length, hz) {
  return Float32Array.from({ length }, (_, i) => 0.5 * Math.sin((2 * Math.PI * hz * i) / RATE));
}

/**
 * Return a deck that has all of its stems, each the same on both sides.
 * @param {Float32Array[]} stems
 * @param {object} options
 */
export function loaded(stems, options = {}) {
  const frames = Math.max(...stems.map(({ length }) => length));
  const deck = new Deck({ sampleRate: RATE, stems: stems.length, frames, ...options });
  stems.forEach((samples, stem) => {
    const whole = new Float32Array(frames); // as the reader does: silence to the recording's end
    whole.set(samples);
    for (let index = 0; index * CHUNK < frames; index++) {
      const part = whole.slice(index * CHUNK, (index + 1) * CHUNK);
      deck.put(stem, index, part, part);
    }
  });
  return deck;
}

/**
 * Render so many frames and return both sides.
 * @param {Deck} deck
 * @param {number} frames
 */
export function rendered(deck, frames) {
  const left = new Float32Array(frames);
  const right = new Float32Array(frames);
  for (let at = 0; at < frames; at += BLOCK) {
    const many = Math.min(BLOCK, frames - at);
    deck.render(left.subarray(at, at + many), right.subarray(at, at + many), many);
  }
  return { left, right };
}
