/** Stems as streams of chunks, from any place on, all at one sample rate and length. */

import { Chunker } from "./chunker.js";
import { NotOggOpus } from "./ogg_opus.js";
import { OpusSource } from "./opus_source.js";
import { Gone, RemoteFile } from "./remote_file.js";
import { Resampler } from "./resample.js";
import { EVERYWHERE } from "./troubles.js";
import { CHUNK } from "./windows.js";

/** What this browser cannot decode a piece at a time. */
export class NoDecoder extends Error {}
/** A file in which no sound is found. */
export class Damaged extends Error {}

/** How many seconds may be missing within a file, and at its end, before it is called damaged: times are rounded. */
const GAP_SECONDS = 0.25;
const END_SECONDS = 1;
/** How many seconds are left out first where a decoder gives up; twice as many each time. */
const LEAP_SECONDS = 1;

/** @typedef {import("./troubles.js").Trouble} Trouble */
/** @typedef {import("./chunker.js").NumberedChunk} NumberedChunk */
/** @typedef {import("./opus_source.js").Piece} Piece */
/** any_source.js, or where its bundle is. @typedef {string | typeof import("./any_source.js")} Formats */
/** @typedef {{rate: number, pieces(from: number): AsyncGenerator<Piece, void, void>, close(): void}} Source */

/** One stem. */
export class StemReader {
  /**
   * @param {Source} source
   * @param {number} duration seconds
   * @param {(silent: import("./troubles.js").Span) => void} onDamage called where there should be sound and is none
   */
  constructor(source, duration, onDamage = () => {}) {
    this.source = source;
    this.duration = duration;
    this.onDamage = onDamage;
    this.isClosed = false;
    /** The rate of what comes out, in Hz. */
    this.sampleRate = source.rate;
    /** How many frames come out: the recording's, silence included. */
    this.frames = Math.round(duration * source.rate);
    /** Arrays of chunks that nobody needs any more. @type {Float32Array<ArrayBuffer>[]} */
    this.spare = [];
  }

  /**
   * Yield chunks from the one that has frame `from` in it until the end of the recording.
   * @param {number} from
   * @returns {AsyncGenerator<NumberedChunk, void, void>}
   */
  async *chunks(from) {
    const first = Math.floor(from / CHUNK) * CHUNK;
    const chunker = new Chunker(first, this.frames, this.spare);
    for await (const { frame, left, right } of this.pieces(first)) yield* chunker.take(frame, left, right);
    yield* chunker.rest();
  }

  /**
   * @param {number} first
   * @returns {AsyncGenerator<Piece, void, void>}
   */
  pieces(first) {
    return this.source.rate === this.sampleRate ? this.readable(first) : this.resampled(first);
  }

  /**
   * Yield what can be decoded of the source, in its own frames, and tell where it is damaged: nothing is yielded there.
   * @param {number} first
   * @returns {AsyncGenerator<Piece, void, void>}
   */
  async *readable(first) {
    const { rate } = this.source;
    const end = this.duration * rate;
    const tell = (/** @type {number} */ from, to = Number.POSITIVE_INFINITY) =>
      this.onDamage({ from: from / rate, to: to / rate });
    let at = first;
    for (let leap = LEAP_SECONDS * rate, isOver = false; !isOver; leap *= 2) {
      try {
        for await (const piece of this.source.pieces(at)) {
          if (piece.frame - at > GAP_SECONDS * rate) tell(at, piece.frame);
          yield piece;
          at = Math.max(at, piece.frame + piece.left.length);
        }
        isOver = true;
        if (end - at > END_SECONDS * rate) tell(at);
      } catch (error) {
        if (this.isClosed) throw error;
        isOver = at + leap >= end - END_SECONDS * rate;
        if (end - at > END_SECONDS * rate) tell(at, isOver ? undefined : at + leap);
        at += leap;
      }
    }
  }

  /**
   * @param {number} first
   * @returns {AsyncGenerator<Piece, void, void>}
   */
  async *resampled(first) {
    const resampler = new Resampler(this.source.rate, this.sampleRate, first);
    let frame = first;
    let at = resampler.needs;
    for await (const piece of this.readable(at)) {
      const gap = piece.frame - at;
      if (-gap >= piece.left.length) continue;
      const input =
        gap > 0 ? padded(piece, gap) : { left: piece.left.subarray(-gap), right: piece.right.subarray(-gap) };
      const made = resampler.push(input.left, input.right);
      yield { frame, ...made };
      frame += made.left.length;
      at = piece.frame + piece.left.length;
    }
    yield { frame, ...resampler.push(new Float32Array(0), new Float32Array(0), true) };
  }

  /** Fetch no more. */
  close() {
    this.isClosed = true;
    this.source.close();
  }
}

/**
 * @param {Piece} piece
 * @param {number} silence frames before it
 */
function padded({ left, right }, silence) {
  const all = { left: new Float32Array(silence + left.length), right: new Float32Array(silence + left.length) };
  all.left.set(left, silence);
  all.right.set(right, silence);
  return all;
}

/**
 * Open stems; they come out at one sample rate and length: the highest rate, the greatest length of them.
 * @param {{url: string, duration: number, size?: number}[]} stems `duration` in seconds, `size` in bytes
 * @param {{formats: Formats, onTrouble?: (trouble: Trouble) => void}} options
 * @returns {Promise<{stems: StemReader[], sampleRate: number, frames: number}>} a stem that cannot be read is silent,
 *   which `onTrouble` is told
 * Raises NoDecoder when this browser cannot decode one of them a piece at a time; when none can be read, Gone if there are
 * none, else Damaged.
 */
export async function openStems(stems, { formats, onTrouble = () => {} }) {
  const hasOpus = await OpusSource.isSupported();
  const found = await Promise.all(
    stems.map(async ({ url, duration, size }, stem) => {
      const file = new RemoteFile(url, duration, (trouble) => onTrouble({ stem, ...trouble }), size);
      try {
        const source = await openSource(file, duration, hasOpus, formats);
        return new StemReader(source, duration, (silent) => onTrouble({ stem, kind: "damaged", silent }));
      } catch (error) {
        if (!(error instanceof Gone || error instanceof Damaged)) throw error;
        onTrouble({ stem, kind: error instanceof Gone ? "gone" : "damaged", silent: EVERYWHERE });
        return error;
      }
    }),
  );
  const rate = found.find((reader) => reader instanceof StemReader)?.source.rate;
  if (!rate) throw found.find((reader) => reader instanceof Damaged) ?? new Gone(stems[0].url);
  const readers = found.map((reader) => (reader instanceof StemReader ? reader : new StemReader(silence(rate), 0)));
  const sampleRate = Math.max(...readers.map((reader) => reader.source.rate));
  const frames = Math.round(Math.max(...readers.map((reader) => reader.duration)) * sampleRate);
  for (const reader of readers) {
    reader.sampleRate = sampleRate;
    reader.frames = frames;
  }
  return { stems: readers, sampleRate, frames };
}

/**
 * @param {number} rate
 * @returns {Source}
 */
function silence(rate) {
  return { rate, async *pieces() {}, close() {} };
}

/**
 * @param {RemoteFile} file
 * @param {number} duration
 * @param {boolean} hasOpus
 * @param {Formats} formats
 * @returns {Promise<Source>}
 */
async function openSource(file, duration, hasOpus, formats) {
  await file.open();
  if (hasOpus) {
    try {
      return await OpusSource.open(file, duration);
    } catch (error) {
      if (!(error instanceof NotOggOpus)) throw error;
    }
  }
  const { AnySource } = typeof formats === "string" ? await import(formats) : formats;
  const source = await AnySource.open(file);
  if (source === "damaged") throw new Damaged(file.url);
  if (source === "no decoder") throw new NoDecoder(file.url);
  return source;
}
