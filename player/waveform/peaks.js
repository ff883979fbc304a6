/**
 * The shape of a stem, read piece by piece from its peaks file (docs/waveforms.md): the coarsest level at once, of the
 * others what is looked at.
 */

/** What is fetched first: the header, the coarsest level, and the loudness of almost three hours. */
const FIRST_BYTES = 32 * 1024;
/** What is fetched and kept at a time, in points. At the finest level these are 48 seconds. */
export const PIECE_POINTS = 8192;
/** How many pieces are kept: some screens full, at most 1.5 MB. */
const KEPT_PIECES = 64;
const POINT_BYTES = 3;
const HEADER_BYTES = 32;
const LEVEL_BYTES = 12;
const MAGIC = "STEMPEAK";
const VERSION = 1;

/** @typedef {{framesPerPoint: number, points: number, offset: number}} Level */
/** @typedef {{low: Float32Array, high: Float32Array, rms: Float32Array}} Shape  of each column: -1 … 1, -1 … 1, 0 … 1 */
/** @typedef {{level: number, first: number, last: number, stop: AbortController}} Request  pieces from first to last */

/** The file is not there, or is something else: to ask again would not help. */
export class NoPeaks extends Error {}

/** Events: "load", when there is more to be drawn. */
export class Peaks extends EventTarget {
  /**
   * Read what is needed to draw the whole stem. Rejects when that cannot be had, or makes no sense.
   * @param {string} url
   * @param {{signal?: AbortSignal}} options
   */
  static async open(url, { signal } = {}) {
    const bytes = await fetchBytes(url, 0, FIRST_BYTES, signal);
    const peaks = new Peaks(url, bytes);
    peaks.keep(0, bytes);
    const coarsest = peaks.levels[0];
    const isThere = peaks.piecesOf(0, 0, coarsest.points).every((piece) => peaks.has(0, piece));
    if (!isThere)
      peaks.keep(coarsest.offset, await fetchBytes(url, coarsest.offset, coarsest.points * POINT_BYTES, signal));
    peaks.peak = peaks.findPeak();
    const { offset, points } = peaks.loudnessAt;
    const { length } = bytes;
    peaks.loudness =
      offset + points <= length ? bytes.slice(offset, offset + points) : await fetchBytes(url, offset, points, signal);
    return peaks;
  }

  /**
   * @param {string} url
   * @param {Uint8Array} start the file's first bytes
   */
  constructor(url, start) {
    super();
    const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
    const magic = String.fromCharCode(...start.subarray(0, MAGIC.length));
    if (magic !== MAGIC || view.getUint16(8, true) !== VERSION) throw new NoPeaks(url);
    this.url = url;
    this.sampleRate = view.getUint32(12, true);
    this.frames = Number(view.getBigUint64(16, true));
    /** Seconds of a point of the loudness. */
    this.loudnessSeconds = view.getFloat32(28, true);
    /** Coarse to fine. @type {Level[]} */
    this.levels = [];
    const count = view.getUint16(10, true);
    for (let at = HEADER_BYTES; this.levels.length < count; at += LEVEL_BYTES) {
      const [framesPerPoint, points, offset] = [0, 4, 8].map((place) => view.getUint32(at + place, true));
      this.levels.push({ framesPerPoint, points, offset });
    }
    if (count === 0 || this.sampleRate === 0) throw new NoPeaks(url);
    this.loudnessAt = {
      offset: view.getUint32(HEADER_BYTES + count * LEVEL_BYTES, true),
      points: view.getUint32(24, true),
    };
    /** The largest sample, 0 … 1. */
    this.peak = 0;
    /** Half decibels above -100 LUFS of each point; 0 is silence. */
    this.loudness = new Uint8Array(0);
    /** The bytes of each level's pieces, by their numbers. @type {Map<number, Uint8Array>[]} */
    this.pieces = this.levels.map(() => new Map());
    /** Those of all levels but the coarsest, as they came. @type {{level: number, piece: number}[]} */
    this.kept = [];
    /** @type {Set<Request>} */
    this.requests = new Set();
  }

  /** How long the stem is, in seconds. */
  get duration() {
    return this.frames / this.sampleRate;
  }

  /** Return the largest sample of the coarsest level, 0 … 1. */
  findPeak() {
    let peak = 0;
    for (const piece of this.piecesOf(0, 0, this.levels[0].points)) {
      const bytes = this.pieces[0].get(piece);
      if (!bytes) continue;
      const points = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
      for (let at = 0; at < points.length; at += POINT_BYTES) peak = Math.max(peak, -points[at], points[at + 1]);
    }
    return peak / 127;
  }

  /**
   * Return the level that shows everything at a zoom and no more: the coarsest with a point for every column.
   * @param {number} framesPerColumn
   */
  levelFor(framesPerColumn) {
    const found = this.levels.findIndex(({ framesPerPoint }) => framesPerPoint <= framesPerColumn);
    return found < 0 ? this.levels.length - 1 : found;
  }

  /**
   * Fetch what a part of the stem needs at a zoom and is not there yet, and no longer what is under way for another
   * part. What cannot be had now is asked for again the next time.
   * @param {number} from seconds
   * @param {number} to seconds
   * @param {number} columns pixels between the two
   */
  want(from, to, columns) {
    const [start, end] = [from * this.sampleRate, to * this.sampleRate];
    const level = this.levelFor((end - start) / columns);
    const { framesPerPoint, points } = this.levels[level];
    // A point more on either side, to which lines lead.
    const first = Math.max(0, Math.floor(start / framesPerPoint) - 1);
    const pieces = this.piecesOf(level, first, Math.min(points, Math.ceil(end / framesPerPoint) + 1));
    for (const request of this.requests) {
      if (!pieces.some((piece) => isFor(request, level, piece))) request.stop.abort();
    }
    const missing = pieces.filter(
      (piece) => !this.has(level, piece) && ![...this.requests].some((request) => isFor(request, level, piece)),
    );
    for (let at = 0; at < missing.length; ) {
      let last = at;
      while (missing[last + 1] === missing[last] + 1) last += 1;
      this.fetch({ level, first: missing[at], last: missing[last], stop: new AbortController() });
      at = last + 1;
    }
  }

  /** Fetch nothing more. */
  close() {
    for (const request of this.requests) request.stop.abort();
  }

  /**
   * @param {Request} request
   */
  async fetch(request) {
    const { level, first, last, stop } = request;
    const { points, offset } = this.levels[level];
    const start = first * PIECE_POINTS;
    const length = Math.min(points, (last + 1) * PIECE_POINTS) - start;
    this.requests.add(request);
    try {
      const at = offset + start * POINT_BYTES;
      this.keep(at, await fetchBytes(this.url, at, length * POINT_BYTES, stop.signal));
      this.dispatchEvent(new Event("load"));
    } catch {
      // What is drawn stays: it is coarser, but true.
    } finally {
      this.requests.delete(request);
    }
  }

  /**
   * Keep the pieces that are whole in some bytes of the file.
   * @param {number} at where in the file they begin
   * @param {Uint8Array} bytes
   */
  keep(at, bytes) {
    for (const [level, { points, offset }] of this.levels.entries()) {
      for (const piece of this.piecesOf(level, 0, points)) {
        const from = offset + piece * PIECE_POINTS * POINT_BYTES - at;
        const to = Math.min(from + PIECE_POINTS * POINT_BYTES, offset + points * POINT_BYTES - at);
        if (from < 0 || to > bytes.length || this.has(level, piece)) continue;
        this.pieces[level].set(piece, bytes.slice(from, to));
        if (level > 0) this.kept.push({ level, piece });
      }
    }
    for (const { level, piece } of this.kept.splice(0, this.kept.length - KEPT_PIECES))
      this.pieces[level].delete(piece);
  }

  /**
   * @param {number} level
   * @param {number} piece
   */
  has(level, piece) {
    return this.pieces[level].has(piece);
  }

  /**
   * Return the numbers of the pieces that hold a level's points from first to end (exclusive).
   * @param {number} level
   * @param {number} first
   * @param {number} end
   */
  piecesOf(level, first, end) {
    const numbers = [];
    const stop = Math.min(end, this.levels[level].points);
    for (let piece = Math.floor(first / PIECE_POINTS); piece * PIECE_POINTS < stop; piece++) numbers.push(piece);
    return numbers;
  }

  /**
   * Return the shape of a part of the stem, column by column, as finely as it is known. Beyond the ends is silence.
   * @param {number} from seconds
   * @param {number} to seconds
   * @param {number} columns
   * @returns {Shape}
   */
  shape(from, to, columns) {
    const shape = {
      low: new Float32Array(columns),
      high: new Float32Array(columns),
      rms: new Float32Array(columns),
    };
    const framesPerColumn = ((to - from) * this.sampleRate) / columns;
    const best = this.levelFor(framesPerColumn);
    for (let column = 0; column < columns; column++) {
      const start = from * this.sampleRate + column * framesPerColumn;
      const end = start + framesPerColumn;
      if (end <= 0 || start >= this.frames) continue;
      for (let level = best; level >= 0; level--) {
        if (this.fill(shape, column, level, start, end)) break;
      }
    }
    return shape;
  }

  /**
   * Fill a column of a shape from a level; return whether its points are there.
   * @param {Shape} shape
   * @param {number} column
   * @param {number} level
   * @param {number} start frames
   * @param {number} end frames
   */
  fill(shape, column, level, start, end) {
    const { framesPerPoint, points } = this.levels[level];
    if (end - start < framesPerPoint) return this.between(shape, column, level, (start + end) / 2);
    const first = Math.max(0, Math.floor(start / framesPerPoint));
    const stop = Math.min(points, Math.ceil(end / framesPerPoint));
    let [low, high, energy] = [127, -128, 0];
    let bytes = this.pieces[level].get(Math.floor(first / PIECE_POINTS));
    for (let point = first; point < stop; point++) {
      if (point % PIECE_POINTS === 0) bytes = this.pieces[level].get(point / PIECE_POINTS);
      if (!bytes) return false;
      const at = (point % PIECE_POINTS) * POINT_BYTES;
      low = Math.min(low, signed(bytes[at]));
      high = Math.max(high, signed(bytes[at + 1]));
      energy += bytes[at + 2] * bytes[at + 2];
    }
    if (stop <= first) return false;
    shape.low[column] = low / 127;
    shape.high[column] = high / 127;
    shape.rms[column] = Math.sqrt(energy / (stop - first)) / 255;
    return true;
  }

  /**
   * Fill a column that is narrower than a point: on the line from the middle of one point to the middle of the next.
   * @param {Shape} shape
   * @param {number} column
   * @param {number} level
   * @param {number} middle frames
   */
  between(shape, column, level, middle) {
    const { framesPerPoint, points } = this.levels[level];
    const place = Math.min(points - 1, Math.max(0, middle / framesPerPoint - 0.5));
    const left = Math.floor(place);
    const right = Math.min(points - 1, left + 1);
    const one = this.pieces[level].get(Math.floor(left / PIECE_POINTS));
    const other = this.pieces[level].get(Math.floor(right / PIECE_POINTS));
    if (!one || !other) return false;
    const [i, j] = [(left % PIECE_POINTS) * POINT_BYTES, (right % PIECE_POINTS) * POINT_BYTES];
    const share = place - left;
    shape.low[column] = mixed(signed(one[i]), signed(other[j]), share) / 127;
    shape.high[column] = mixed(signed(one[i + 1]), signed(other[j + 1]), share) / 127;
    shape.rms[column] = mixed(one[i + 2], other[j + 2], share) / 255;
    return true;
  }
}

/** @param {number} byte */
function signed(byte) {
  return byte < 128 ? byte : byte - 256;
}

/**
 * @param {number} one
 * @param {number} other
 * @param {number} share of the other
 */
function mixed(one, other, share) {
  return one + (other - one) * share;
}

/**
 * @param {Request} request
 * @param {number} level
 * @param {number} piece
 */
function isFor(request, level, piece) {
  return request.level === level && piece >= request.first && piece <= request.last;
}

/**
 * Return bytes of a file; fewer where it ends.
 * @param {string} url
 * @param {number} start
 * @param {number} length
 * @param {AbortSignal} [signal]
 */
async function fetchBytes(url, start, length, signal) {
  if (length === 0) return new Uint8Array(0);
  // Sound goes first.
  const answer = await fetch(url, {
    headers: { Range: `bytes=${start}-${start + length - 1}` },
    priority: "low",
    signal,
  });
  if (answer.status >= 400 && answer.status < 500) throw new NoPeaks(url);
  if (!answer.ok) throw new Error(`${url} is not to be had: ${answer.status}`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  // A server may not know of ranges, and then sends everything.
  return answer.status === 206 ? bytes : bytes.subarray(start, start + length);
}
