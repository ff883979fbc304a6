/**
 * The worker that fetches and decodes. It gets stems to open, then a port to the audio thread, which asks for ranges.
 *
 * From the page: {stems: [{url, duration, size}], formats}, then {port}. To the page: {opened: {sampleRate, frames}}, {failed:
 * "decoder", "gone", "damaged" or words}, {trouble} (see troubles.js). To the audio thread: {stem, index, left, right}.
 */

import { Damaged, NoDecoder, openStems } from "./decoding.js";
import { Feed } from "./feed.js";
import { Gone } from "./remote_file.js";
import { CHUNK } from "./windows.js";

/** @type {Awaited<ReturnType<typeof openStems>>["stems"]} */
let opened = [];

self.onmessage = async ({ data }) => {
  if (data.stems) await open(data.stems, data.formats);
  else if (data.port) serve(data.port);
};

/**
 * @param {{url: string, duration: number, size: number}[]} stems
 * @param {string} formats
 */
async function open(stems, formats) {
  const onTrouble = (/** @type {import("./troubles.js").Trouble} */ trouble) => self.postMessage({ trouble });
  try {
    const { stems: readers, ...facts } = await openStems(stems, { formats, onTrouble });
    opened = readers;
    self.postMessage({ opened: facts });
  } catch (error) {
    if (error instanceof NoDecoder) self.postMessage({ failed: "decoder" });
    else if (error instanceof Damaged) self.postMessage({ failed: "damaged" });
    else self.postMessage({ failed: error instanceof Gone ? "gone" : String(error) });
  }
}

/** @param {MessagePort} port */
function serve(port) {
  const feeds = opened.map(
    (stem, number) =>
      new Feed(stem, ({ index, left, right }) => {
        const buffers = left === right ? [left.buffer] : [left.buffer, right.buffer];
        port.postMessage({ stem: number, index, left, right }, buffers);
      }),
  );
  // What has been played is filled again: garbage that waits for the collector is memory that a phone lacks.
  /** @type {Float32Array<ArrayBuffer>[]} */
  const spare = [];
  for (const stem of opened) stem.spare = spare;
  port.onmessage = ({ data }) => {
    for (const buffer of data.free) if (buffer.byteLength === 4 * CHUNK) spare.push(new Float32Array(buffer));
    for (const feed of feeds) feed.want(data.ranges, data.kept);
  };
  for (const feed of feeds) feed.run().catch((error) => self.postMessage({ failed: String(error) }));
}
