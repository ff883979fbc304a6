/**
 * Ogg Opus files (RFC 3533, RFC 7845): their pages and packets, from any place on.
 *
 * A general demuxer finds a place by halving the file, a dozen requests of 64 kB; sound is laid out evenly enough to
 * guess where it is, and two or three small ones do.
 */

/** Opus counts time in these, whatever was recorded. */
export const OPUS_RATE = 48_000;
/** How much is read at a guess, and while reading on. */
const PROBE_BYTES = 16 * 1024;
const READ_BYTES = 32 * 1024;
/** A page is at most so long (RFC 3533: 27 + 255 + 255 * 255). */
const LONGEST_PAGE = 65_307;
/** Guesses need not be better than this: what is before is read and thrown away. */
const NEAR_FRAMES = OPUS_RATE / 2;
const MOST_GUESSES = 12;
/** How far the next page is looked for: what is damaged in a longer stretch is not read on. */
const MOST_SEARCHED = 512 * 1024;

/** @typedef {import("./remote_file.js").RemoteFile} RemoteFile */
/** @typedef {{start: number, end: number, granule: number, isContinued: boolean, serial: number, lacing: Uint8Array, data: number}} PageHeader  offsets in bytes; `granule` -1 where no packet ends */
/** @typedef {{data: Uint8Array, frame: number, frames: number}} Packet  `frame` counts from the first one that is heard */

/**
 * Return how many frames an Opus packet has (RFC 6716, 3.1 and 3.2), 0 when it is none.
 * @param {Uint8Array} packet
 */
export function framesOf(packet) {
  if (packet.length === 0) return 0;
  const config = packet[0] >> 3;
  let frame;
  if (config < 12) frame = [480, 960, 1920, 2880][config % 4];
  else if (config < 16) frame = [480, 960][config % 2];
  else frame = [120, 240, 480, 960][config % 4];
  const code = packet[0] & 3;
  if (code === 0) return frame;
  if (code < 3) return 2 * frame;
  return packet.length > 1 ? frame * (packet[1] & 63) : 0;
}

/**
 * Return the page that begins at a place of some bytes, or null when none does or its header is cut off.
 * @param {Uint8Array} bytes
 * @param {number} at
 * @param {number} offset where the bytes are in the file
 * @returns {PageHeader | null}
 */
export function pageAt(bytes, at, offset) {
  if (at + 27 > bytes.length) return null;
  if (bytes[at] !== 0x4f || bytes[at + 1] !== 0x67 || bytes[at + 2] !== 0x67 || bytes[at + 3] !== 0x53) return null;
  if (bytes[at + 4] !== 0) return null;
  const segments = bytes[at + 26];
  if (at + 27 + segments > bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 27);
  const lacing = bytes.subarray(at + 27, at + 27 + segments);
  const length = lacing.reduce((sum, value) => sum + value, 0);
  const data = offset + at + 27 + segments;
  return {
    start: offset + at,
    end: data + length,
    granule: Number(view.getBigInt64(6, true)),
    isContinued: (bytes[at + 5] & 1) === 1,
    serial: view.getUint32(14, true),
    lacing,
    data,
  };
}

/** What a byte in front does to the checksum of a page (RFC 3533, 6: polynomial 0x04c11db7, from the highest bit on). */
const CHECKSUMS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte << 24;
  for (let bit = 0; bit < 8; bit++) sum = sum < 0 ? (sum << 1) ^ 0x04c11db7 : sum << 1;
  return sum;
});
/** Where a page has its checksum, which counts as zeros itself. */
const CHECKSUM_AT = 22;

/**
 * Return the checksum of a page.
 * @param {Uint8Array} page with its header
 */
export function checksumOf(page) {
  let sum = 0;
  for (let i = 0; i < page.length; i++) {
    const byte = i >= CHECKSUM_AT && i < CHECKSUM_AT + 4 ? 0 : page[i];
    sum = (sum << 8) ^ CHECKSUMS[(sum >>> 24) ^ byte];
  }
  return sum >>> 0;
}

/** @param {Uint8Array} page */
function isWhole(page) {
  return checksumOf(page) === new DataView(page.buffer, page.byteOffset).getUint32(CHECKSUM_AT, true);
}

/** What is no Ogg Opus file, or is broken. */
export class NotOggOpus extends Error {}

/** A file of one stream. */
export class OggOpus {
  /**
   * Open a file. Raises NotOggOpus.
   * @param {RemoteFile} file
   * @param {number} duration seconds
   */
  static async open(file, duration) {
    const size = await file.open();
    const opus = new OggOpus(file, size, duration);
    await opus.readHeaders();
    return opus;
  }

  /**
   * @param {RemoteFile} file
   * @param {number} size bytes
   * @param {number} duration seconds
   */
  constructor(file, size, duration) {
    this.file = file;
    this.size = size;
    this.frames = Math.round(duration * OPUS_RATE);
    this.channels = 2;
    this.preSkip = 0;
    /** What the file wants samples to be multiplied by. */
    this.gain = 1;
    this.serial = 0;
    this.dataStart = 0;
  }

  async readHeaders() {
    const first = await this.page(0);
    if (!first) throw new NotOggOpus("it does not begin with an Ogg page");
    this.serial = first.serial;
    const head = await this.file.read(first.data, first.end);
    const isOpus = new TextDecoder().decode(head.subarray(0, 8)) === "OpusHead";
    // Channel mapping 0: one or two channels. Others need what only general decoders have.
    if (!isOpus || head[18] !== 0) throw new NotOggOpus("it does not begin with an OpusHead of one or two channels");
    const view = new DataView(head.buffer, head.byteOffset);
    this.channels = head[9];
    this.preSkip = view.getUint16(10, true);
    this.gain = 10 ** (view.getInt16(16, true) / 256 / 20);
    // The tags may go over several pages; the sound begins on a page of its own (RFC 7845, 3).
    let at = first.end;
    for (let isOver = false; !isOver; ) {
      const page = await this.page(at);
      if (!page) throw new NotOggOpus("its tags do not end");
      isOver = page.granule !== -1 && page.lacing.at(-1) !== 255;
      at = page.end;
    }
    this.dataStart = at;
  }

  /**
   * Return the page at a place of the file, or null.
   * @param {number} at
   */
  async page(at) {
    if (at >= this.size) return null;
    return pageAt(await this.file.read(at, Math.min(at + 27 + 255, this.size)), 0, at);
  }

  /**
   * Return the page at a place of the file with what is in it, or null when it is not as it was written.
   * @param {number} at
   */
  async sound(at) {
    const header = await this.page(at);
    if (!header || header.end > this.size) return null;
    const bytes = await this.file.read(at, header.end);
    return isWhole(bytes) ? { header, body: bytes.subarray(header.data - at) } : null;
  }

  /**
   * Yield the packets from one that begins at or somewhat before a frame. Pages that are damaged are left out.
   * @param {number} frame
   * @returns {AsyncGenerator<Packet, void, void>}
   */
  async *packets(frame) {
    const isStart = frame <= NEAR_FRAMES;
    const begins = isStart ? { at: this.dataStart, granule: 0 } : await this.find(frame + this.preSkip);
    let { at } = begins;
    /** What a packet has on earlier pages. @type {Uint8Array[]} */
    let begun = [];
    let mayContinue = at === this.dataStart;
    /** Whether it is not known what the page begins with: those before it are damaged. */
    let isLost = false;
    let next = begins.granule;
    while (at < this.size) {
      const page = await this.sound(at);
      if (!page) {
        const found = await this.search(at + 1, this.size);
        if (!found) return;
        at = found.start;
        begun = [];
        mayContinue = false;
        isLost = true;
        continue;
      }
      const { header, body } = page;
      at = header.end;
      if (header.serial !== this.serial) continue;
      const parts = split(header.lacing, body);
      if (parts.length === 0) continue;
      if (header.isContinued && !mayContinue) parts.shift();
      else if (begun.length && parts.length) parts[0] = { ...parts[0], data: joined([...begun, parts[0].data]) };
      begun = [];
      const last = parts.at(-1);
      if (last && !last.isWhole) {
        begun = [last.data];
        parts.pop();
      }
      mayContinue = true;
      const whole = parts.map(({ data }) => ({ data, frames: framesOf(data) }));
      const total = whole.reduce((sum, { frames }) => sum + frames, 0);
      // A page tells when its last packet ends. The file's first and last pages may tell less than they have: the first
      // begins at 0, and the last is cut.
      const isLast = at >= this.size;
      let begin = header.granule === -1 || (isLast && !isLost) ? next : header.granule - total;
      isLost = false;
      if (header.start === this.dataStart) begin = Math.max(0, begin);
      for (const { data, frames } of whole) {
        yield { data, frame: begin - this.preSkip, frames };
        begin += frames;
      }
      next = begin;
    }
  }

  /**
   * Return where a page begins, and the frame it begins with, from where another frame comes soon. The pre-skip counts.
   * @param {number} granule
   */
  async find(granule) {
    let low = { at: this.dataStart, granule: 0 };
    let high = { at: this.size, granule: Math.max(this.frames + this.preSkip, granule + 1) };
    let isAstray = false;
    for (let guess = 0; guess < MOST_GUESSES; guess++) {
      if (granule - low.granule <= 2 * NEAR_FRAMES || high.at - low.at <= READ_BYTES) break;
      // Where a stretch is damaged there is nothing to be learnt from: halving gets out of it.
      const share = isAstray ? 0.5 : (granule - NEAR_FRAMES - low.granule) / (high.granule - low.granule);
      const at = Math.max(low.at + 1, Math.floor(low.at + share * (high.at - low.at)));
      const page = await this.search(at, high.at);
      isAstray = !page;
      if (!page || page.granule > granule - OPUS_RATE / 10) high = { at, granule: page ? page.granule : high.granule };
      else low = { at: page.end, granule: page.granule };
    }
    return low;
  }

  /**
   * Return the first page from a place on on which a packet ends, or null when there is none near.
   * @param {number} from
   * @param {number} until
   */
  async search(from, until) {
    const end = Math.min(until, from + MOST_SEARCHED);
    for (let at = from; at < end; at += PROBE_BYTES) {
      const bytes = await this.file.read(at, Math.min(at + PROBE_BYTES + 300, this.size));
      for (let i = bytes.indexOf(0x4f); i >= 0 && i < PROBE_BYTES; i = bytes.indexOf(0x4f, i + 1)) {
        const page = pageAt(bytes, i, at);
        if (page && page.serial === this.serial && page.granule !== -1 && page.end - page.start <= LONGEST_PAGE)
          return page;
      }
    }
    return null;
  }

  /** Fetch no more. */
  close() {
    this.file.close();
  }
}

/**
 * Return the packets of a page; the last one may go on on the next page.
 * @param {Uint8Array} lacing
 * @param {Uint8Array} body
 */
function split(lacing, body) {
  /** @type {{data: Uint8Array, isWhole: boolean}[]} */
  const parts = [];
  let from = 0;
  let to = 0;
  for (const value of lacing) {
    to += value;
    if (value === 255) continue;
    parts.push({ data: body.subarray(from, to), isWhole: true });
    from = to;
  }
  if (to > from) parts.push({ data: body.subarray(from, to), isWhole: false });
  return parts;
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
