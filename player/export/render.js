/** A mix as a stream of samples, as fast as the stems come. The same in the worker that exports and in tests. */

import { BLOCK } from "../engine/deck.js";

/** How many frames are handed over at once. */
const PIECE = 16_384;

/** @typedef {import("../engine/deck.js").Deck} Deck */
/** @typedef {import("../effects/chain.js").MasterChain} MasterChain */

/**
 * @typedef {object} Plan
 * @property {Deck} deck  with its faders, speed and transposition set, without a chain of its own
 * @property {MasterChain} chain
 * @property {number} from  the first frame of the recording
 * @property {number} frames  how many frames come out of the deck
 * @property {number} tail  how many more, for what the effects still put out
 */

/**
 * Return how many frames a part of a recording takes at another speed.
 * @param {number} frames
 * @param {number} speed
 */
export function framesAtSpeed(frames, speed) {
  return Math.round(frames / speed);
}

/**
 * Render a mix: exactly `frames + tail` frames, in pieces whose arrays are used again for the next one.
 *
 * What the effects' look-ahead delays is taken off, so the first frame is the recording's.
 * @param {Plan} plan
 * @param {(isNeeded: boolean) => Promise<void> | void} more tell what the deck wants next; if it is needed, wait until
 *   something of it has come
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<{left: Float32Array, right: Float32Array}, void, void>}
 */
export async function* renderMix({ deck, chain, from, frames, tail }, more, signal) {
  chain.settle();
  deck.settle();
  deck.seek(from);
  deck.play();
  const left = new Float32Array(PIECE);
  const right = new Float32Array(PIECE);
  const l = new Float32Array(BLOCK);
  const r = new Float32Array(BLOCK);
  for (deck.open(); deck.gate === 0; deck.open()) {
    await more(true);
    signal?.throwIfAborted();
  }

  let late = chain.latencyFrames;
  let filled = 0;
  const total = frames + tail + late;
  for (let at = 0; at < total; ) {
    const count = Math.min(BLOCK, at < frames ? frames - at : total - at);
    if (at < frames) {
      while (!deck.ended && !deck.ready(2 * BLOCK)) {
        await more(true);
        signal?.throwIfAborted();
      }
      deck.render(l, r, count);
    } else {
      l.fill(0);
      r.fill(0);
    }
    chain.process(l, r, count);
    at += count;
    const skip = Math.min(late, count);
    late -= skip;
    for (let i = skip; i < count; i++) {
      left[filled] = l[i];
      right[filled] = r[i];
      filled += 1;
      if (filled < PIECE && !(at === total && i === count - 1)) continue;
      signal?.throwIfAborted();
      more(false);
      yield { left: left.subarray(0, filled), right: right.subarray(0, filled) };
      filled = 0;
    }
  }
}
