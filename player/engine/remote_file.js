/** A file on the server, of which only pieces are fetched; a player goes on when the network does. */

/** The unit that is kept. Who looks for a place in a file reads here and there, and needs no more at each. */
const PIECE = 16 * 1024;
/** Who reads on gets twice as many pieces at once each time, up to so many seconds of sound. */
const MOST_SECONDS = 2.5;
const MOST_BYTES = 1024 * 1024;
/** How many bytes are kept. The browser's own cache has the others. */
const KEPT_BYTES = 1024 * 1024;
const FIRST_WAIT_SECONDS = 0.25;
const LONGEST_WAIT_SECONDS = 2;
/** Who has sent no whole piece in this time is asked anew: a phone that changes networks hears of no broken connection. */
const PATIENCE_SECONDS = 20;

/** @typedef {import("./troubles.js").WaitingKind} Kind */
/** @typedef {{kind: Kind, isOver: boolean}} Trouble */

/**
 * Return what an answer's status means to somebody who listens, or null when it is an answer.
 * @param {number} status
 * @returns {Kind | null}
 */
export function meaning(status) {
  if (status < 400) return null;
  if (status === 401 || status === 403) return "expired";
  if (status === 404 || status === 410 || status === 416) return "gone";
  return "network";
}

/** A file that was not there from the beginning. */
export class Gone extends Error {}

/** Reads pieces of a file by HTTP ranges, again and again until they are there. */
export class RemoteFile {
  /**
   * @param {string} url
   * @param {number} duration seconds that its sound lasts
   * @param {(trouble: Trouble) => void} onTrouble called when something begins to be the matter, and when it is over
   * @param {number} size bytes, as far as known: an object store may not let us read how many there are
   */
  constructor(url, duration, onTrouble, size = 0) {
    this.url = url;
    this.duration = duration;
    this.onTrouble = onTrouble;
    this.size = size;
    this.isThere = false;
    /** Pieces by number, the one that was used last at the end. @type {Map<number, Promise<Uint8Array>>} */
    this.pieces = new Map();
    /** The piece after those that were fetched last, and how many those were. */
    this.next = 0;
    this.run = 1;
    this.closing = new AbortController();
  }

  /** Learn the file's size, with its first pieces. Raises Gone when there is none. */
  async open() {
    await this.get(0);
    return this.size;
  }

  /**
   * Return bytes from start to end (exclusive).
   * @param {number} start
   * @param {number} end
   */
  async read(start, end) {
    const out = new Uint8Array(end - start);
    for (let number = Math.floor(start / PIECE); number * PIECE < end; number++) {
      const bytes = await this.get(number);
      const begin = number * PIECE;
      const from = Math.max(start, begin);
      out.set(bytes.subarray(from - begin, end - begin), from - start);
    }
    return out;
  }

  /**
   * Return a piece, and fetch those after it with it when somebody is reading on.
   * @param {number} number
   * @returns {Promise<Uint8Array>}
   */
  get(number) {
    const known = this.pieces.get(number);
    if (known) {
      this.keep(number, known);
      return known;
    }
    const most = Math.min(MOST_BYTES, Math.max(PIECE, (this.size / Math.max(1, this.duration)) * MOST_SECONDS));
    this.run = number === this.next ? Math.min(2 * this.run, Math.ceil(most / PIECE)) : 1;
    this.next = number + this.run;
    const fetched = this.fetch(number * PIECE, this.next * PIECE);
    for (let i = 0; i < this.run; i++) {
      const piece = fetched.then((bytes) => bytes.subarray(i * PIECE, (i + 1) * PIECE));
      piece.catch(() => this.pieces.delete(number + i));
      this.keep(number + i, piece);
    }
    return /** @type {Promise<Uint8Array>} */ (this.pieces.get(number));
  }

  /**
   * @param {number} number
   * @param {Promise<Uint8Array>} piece
   */
  keep(number, piece) {
    this.pieces.delete(number);
    this.pieces.set(number, piece);
    for (const oldest of this.pieces.keys()) {
      if (this.pieces.size * PIECE <= KEPT_BYTES) break;
      this.pieces.delete(oldest);
    }
  }

  /**
   * Fetch a range; for as long as that fails, wait and try again.
   * @param {number} start
   * @param {number} end
   * @returns {Promise<Uint8Array>}
   */
  async fetch(start, end) {
    /** @type {Kind | null} */
    let kind = null;
    for (let wait = FIRST_WAIT_SECONDS; ; wait = Math.min(2 * wait, LONGEST_WAIT_SECONDS)) {
      const found = await this.attempt(start, end, kind ? "reload" : "default");
      if (typeof found !== "string") {
        if (kind) this.onTrouble({ kind, isOver: true });
        return found;
      }
      if (found === "gone" && !this.isThere) throw new Gone(this.url);
      kind = found;
      this.onTrouble({ kind, isOver: false });
      await pause(wait, this.closing.signal);
    }
  }

  /**
   * @param {number} start
   * @param {number} end
   * @param {RequestCache} cache after a failure what is cached, a redirect that has expired say, is not used again
   * @returns {Promise<Uint8Array | Kind>}
   */
  async attempt(start, end, cache) {
    const signal = AbortSignal.any([this.closing.signal, AbortSignal.timeout(1000 * PATIENCE_SECONDS)]);
    try {
      const headers = { Range: `bytes=${start}-${end - 1}` };
      const response = await fetch(this.url, { headers, cache, signal, credentials: "same-origin" });
      const trouble = meaning(response.status);
      if (trouble) {
        await response.body?.cancel();
        return trouble;
      }
      const bytes = new Uint8Array(await response.arrayBuffer());
      this.isThere = true;
      if (response.status === 206) {
        this.size = Number(/\/(\d+)$/.exec(response.headers.get("Content-Range") ?? "")?.[1] ?? this.size);
        return bytes;
      }
      // A server that knows no ranges has sent the whole file: the browser's cache may answer for it next time.
      this.size = bytes.length;
      return bytes.subarray(start, end);
    } catch (error) {
      if (this.closing.signal.aborted) throw error;
      return "network";
    }
  }

  /** Fetch no more. */
  close() {
    this.closing.abort();
  }
}

/**
 * @param {number} seconds
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, 1000 * seconds);
    signal.addEventListener("abort", stop, { once: true });
  });
}
