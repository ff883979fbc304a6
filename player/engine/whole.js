/**
 * For browsers that cannot decode in windows: whole stems are decoded before the first sound, if they are not too long.
 */

import { Feed } from "./feed.js";
import { meaning } from "./remote_file.js";
import { EVERYWHERE } from "./troubles.js";
import { CHUNK } from "./windows.js";

/** Decoded audio is 4 bytes a sample; phones end tabs that take more than this. */
const MOST_BYTES = { phone: 300e6, computer: 1200e6 };

/** What is too much for this browser. */
export class TooLarge extends Error {}
/** What it cannot decode at all: none of the stems. */
export class Undecodable extends Error {}

/**
 * Return how many bytes stems take when they are decoded, as 32-bit stereo.
 * @param {{duration: number}[]} stems `duration` in seconds
 * @param {number} sampleRate in Hz
 */
export function bytesDecoded(stems, sampleRate) {
  return stems.reduce((sum, { duration }) => sum + 8 * sampleRate * duration, 0);
}

/**
 * Fetch and decode stems whole.
 * @param {{url: string, duration: number}[]} stems
 * @param {BaseAudioContext} context whose sample rate they get
 * @param {(trouble: import("./troubles.js").Trouble) => void} onTrouble told of stems that cannot be read: they are silent
 * @returns {Promise<{frames: number, serve(port: MessagePort): void}>} raises TooLarge and Undecodable
 */
export async function decodeWhole(stems, context, onTrouble) {
  const limit = matchMedia("(pointer: coarse)").matches ? MOST_BYTES.phone : MOST_BYTES.computer;
  if (bytesDecoded(stems, context.sampleRate) > limit) throw new TooLarge();
  /** @type {(AudioBuffer | null)[]} */
  const buffers = [];
  for (const [stem, { url }] of stems.entries()) {
    const response = await fetch(url, { credentials: "same-origin" });
    const isGone = meaning(response.status) === "gone";
    if (!response.ok && !isGone) throw new Error(`${url}: ${response.status}`);
    const bytes = await response.arrayBuffer();
    const buffer = isGone ? null : await context.decodeAudioData(bytes).catch(() => null);
    if (!buffer) onTrouble({ stem, kind: isGone ? "gone" : "damaged", silent: EVERYWHERE });
    buffers.push(buffer);
  }
  const frames = Math.max(...buffers.map((buffer) => buffer?.length ?? 0));
  if (frames === 0) throw new Undecodable();
  return { frames, serve: (port) => serve(buffers, frames, port) };
}

/**
 * @param {(AudioBuffer | null)[]} buffers
 * @param {number} frames
 * @param {MessagePort} port
 */
function serve(buffers, frames, port) {
  const feeds = buffers.map((buffer, stem) => {
    const source = { frames, chunks: (/** @type {number} */ from) => chunks(buffer, frames, from) };
    return new Feed(source, ({ index, left, right }) =>
      port.postMessage({ stem, index, left, right }, [left.buffer, right.buffer]),
    );
  });
  port.onmessage = ({ data }) => {
    for (const feed of feeds) feed.want(data.ranges, data.kept);
  };
  for (const feed of feeds) feed.run();
}

/**
 * @param {AudioBuffer | null} buffer without one it is silence
 * @param {number} frames
 * @param {number} from
 * @returns {AsyncGenerator<import("./chunker.js").NumberedChunk, void, void>}
 */
async function* chunks(buffer, frames, from) {
  for (let index = Math.floor(from / CHUNK); index * CHUNK < frames; index++) {
    const length = Math.min(CHUNK, frames - index * CHUNK);
    const left = new Float32Array(length);
    const right = new Float32Array(length);
    buffer?.copyFromChannel(left, 0, index * CHUNK);
    buffer?.copyFromChannel(right, Math.min(1, buffer.numberOfChannels - 1), index * CHUNK);
    yield { index, left, right };
  }
}
