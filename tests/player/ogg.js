/** Ogg Opus files made by the tests: packets of 20 ms that say which one they are. */

import { checksumOf } from "../../player/engine/ogg_opus.js";

const FRAMES = 960;
export const PRE_SKIP = 312;

/**
 * Return a file of so many packets. No decoder could play them, but their number is in each: bytes 2 to 5.
 * @param {number} packets
 * @param {{packetSize?: (n: number) => number, perPage?: number, tags?: number}} options bytes; packets; bytes of the tags
 */
export function oggOpus(packets, { packetSize = () => 480, perPage = 50, tags = 60 } = {}) {
  const serial = 0x5eed;
  let sequence = 0;
  /** @type {Uint8Array[]} */
  const pages = [];
  const page = (
    /** @type {number[]} */ lacing,
    /** @type {Uint8Array} */ body,
    /** @type {number} */ granule,
    flags = 0,
  ) => {
    const header = new Uint8Array(27 + lacing.length);
    const view = new DataView(header.buffer);
    header.set(new TextEncoder().encode("OggS"));
    header[5] = flags;
    view.setBigInt64(6, BigInt(granule), true);
    view.setUint32(14, serial, true);
    view.setUint32(18, sequence++, true);
    header[26] = lacing.length;
    header.set(lacing, 27);
    const whole = joined([header, body]);
    new DataView(whole.buffer).setUint32(22, checksumOf(whole), true);
    pages.push(whole);
  };
  const head = new Uint8Array(19);
  head.set(new TextEncoder().encode("OpusHead"));
  head[8] = 1;
  head[9] = 2;
  new DataView(head.buffer).setUint16(10, PRE_SKIP, true);
  page([19], head, 0, 2);
  /** @type {{lacing: number[], bytes: Uint8Array}[]} */
  const all = [laced(new Uint8Array(tags).fill(1))];
  emit([...all], () => 0, 255);
  const list = Array.from({ length: packets }, (_, n) => {
    const bytes = new Uint8Array(packetSize(n)).fill(n & 255);
    bytes[0] = 31 << 3; // CELT, 20 ms, one frame
    new DataView(bytes.buffer).setUint32(2, n, true);
    return laced(bytes);
  });
  emit(list, (done) => done * FRAMES, perPage);
  return joined(pages);

  /**
   * Put packets into pages of at most 255 segments and so many packets.
   * @param {{lacing: number[], bytes: Uint8Array}[]} items
   * @param {(done: number) => number} granuleAfter
   * @param {number} most
   */
  function emit(items, granuleAfter, most) {
    let [lacing, body, done, ended, whole, flags] = [
      /** @type {number[]} */ ([]),
      /** @type {Uint8Array[]} */ ([]),
      0,
      0,
      false,
      0,
    ];
    const flush = () => {
      page(lacing, joined(body), whole ? granuleAfter(done) : -1, flags);
      [lacing, body, ended, whole] = [[], [], 0, false];
    };
    for (const { lacing: values, bytes } of items) {
      let at = 0;
      for (const value of values) {
        if (lacing.length === 255) {
          flush();
          flags = at > 0 ? 1 : 0;
        }
        lacing.push(value);
        body.push(bytes.subarray(at, at + value));
        at += value;
      }
      done += 1;
      ended += 1;
      whole = true;
      if (ended >= most) {
        flush();
        flags = 0;
      }
    }
    if (lacing.length) flush();
  }
}

/** @param {Uint8Array} bytes */
function laced(bytes) {
  const lacing = new Array(Math.floor(bytes.length / 255)).fill(255);
  return { lacing: [...lacing, bytes.length % 255], bytes };
}

/** @param {Uint8Array[]} parts */
function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
