/**
 * The worker that fetches and decodes. It gets stems to open, then a port to the audio thread, which asks for ranges.
 *
 * From the page: {stems: [{url, duration}], formats}, then {port}. To the page: {opened: {sampleRate, frames}}, {failed:
 * "decoder" or words}, {trouble}. To the audio thread: {stem, index, left, right}.
 */

import { NoDecoder, openStems } from "./decoding.js";
import { Feed } from "./feed.js";

/** @type {Awaited<ReturnType<typeof openStems>>["stems"]} */
let opened = [];

self.onmessage = async ({ data }) => {
  if (data.stems) await open(data.stems, data.formats);
  else if (data.port) serve(data.port);
};

/**
 * @param {{url: string, duration: number}[]} stems
 * @param {string} formats
 */
async function open(stems, formats) {
  const onTrouble = (/** @type {import("./remote_file.js").Trouble} */ trouble) => self.postMessage({ trouble });
  try {
    const { stems: readers, ...facts } = await openStems(stems, { formats, onTrouble });
    opened = readers;
    self.postMessage({ opened: facts });
  } catch (error) {
    self.postMessage({ failed: error instanceof NoDecoder ? "decoder" : String(error) });
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
  port.onmessage = ({ data }) => {
    for (const feed of feeds) feed.want(data.ranges);
  };
  for (const feed of feeds) feed.run().catch((error) => self.postMessage({ failed: String(error) }));
}
