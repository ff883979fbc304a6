/**
 * Keeps a document on the server: what changed is sent, a moment after the last change, and again until it has arrived.
 *
 * Only differences are sent (RFC 7396), so two tabs that change two things do not undo each other.
 */

/** How long after a change it is sent, how long changes may go on before some are, and how long retries wait. */
const QUIET_MS = 800;
const PATIENCE_MS = 5_000;
const RETRY_MS = [2_000, 5_000, 15_000, 60_000];

/**
 * Return the merge patch that makes one document of another, or undefined if they are the same.
 * @param {any} from
 * @param {any} to
 * @returns {any}
 */
export function difference(from, to) {
  if (!isObject(from) || !isObject(to)) return JSON.stringify(from) === JSON.stringify(to) ? undefined : to;
  /** @type {Record<string, any>} */
  const patch = {};
  for (const key of Object.keys(from)) if (!(key in to) || to[key] === null) patch[key] = null;
  for (const [key, value] of Object.entries(to)) {
    if (value === null) continue;
    const change = key in from && from[key] !== null ? difference(from[key], value) : value;
    if (change !== undefined) patch[key] = change;
  }
  // What is nowhere needs not be taken out.
  for (const key of Object.keys(patch)) if (patch[key] === null && from[key] === null) delete patch[key];
  return Object.keys(patch).length ? patch : undefined;
}

/** @param {any} value */
function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** @typedef {{practice: any, is_theirs_newer: boolean, playbackPosition: any, stems: any, effects: any}} Kept */

/** Events: "trouble" when something could not be kept (said once), "clear" when everything has been after all. */
export class Saver extends EventTarget {
  /**
   * @param {string} url of the document
   * @param {{fetch?: typeof globalThis.fetch, quietMs?: number, retryMs?: number[]}} options for tests
   */
  constructor(url, { fetch = globalThis.fetch.bind(globalThis), quietMs = QUIET_MS, retryMs = RETRY_MS } = {}) {
    super();
    this.url = url;
    this.fetch = fetch;
    this.quietMs = quietMs;
    this.retryMs = retryMs;
    /** What the server has of ours, as far as we know: what differs from it is sent. @type {Record<string, any>} */
    this.saved = {};
    /** What it is to have. @type {Record<string, any> | null} */
    this.wanted = null;
    this.isLoaded = false;
    this.isSending = false;
    this.failures = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.waitingSince = 0;
  }

  /**
   * Return what was kept. Rejects when it cannot be had; nothing is sent then before it could.
   * @param {(practice: any) => Record<string, any>} understand returns the document that is meant by what was kept, be
   *   it nothing, part of one or nonsense: what this page has not changed is not sent, as another may have meanwhile
   * @returns {Promise<Kept>}
   */
  async load(understand) {
    const answer = await this.fetch(this.url, { headers: { Accept: "application/json" }, cache: "no-store" });
    if (!answer.ok) throw new Error(`${answer.status}`);
    const kept = await answer.json();
    this.saved = understand(kept.practice);
    this.isLoaded = true;
    return kept;
  }

  /**
   * Say what is to be kept.
   * @param {Record<string, any>} document
   */
  offer(document) {
    const now = Date.now();
    if (!this.isPending) this.waitingSince = now;
    this.wanted = document;
    if (this.failures) return; // a retry is on its way and takes this along
    const patience = Math.max(0, this.waitingSince + PATIENCE_MS - now);
    this.wait(Math.min(this.quietMs, patience));
  }

  /** Whether something has not arrived yet. */
  get isPending() {
    return this.wanted !== null && difference(this.saved, this.wanted) !== undefined;
  }

  /**
   * Send what has changed. With `isLast` the page is going: the request outlives it, and nothing is waited for.
   * @param {{isLast?: boolean}} options
   */
  async flush({ isLast = false } = {}) {
    clearTimeout(this.timer);
    if (!this.wanted || !this.isLoaded || (this.isSending && !isLast)) return;
    const wanted = structuredClone(this.wanted);
    const patch = difference(this.saved, wanted);
    if (patch === undefined) return;
    this.isSending = true;
    try {
      const answer = await this.fetch(this.url, {
        method: "PATCH",
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify({ practice: patch }),
        keepalive: isLast,
      });
      if (!answer.ok) throw new Error(`${answer.status}`);
      this.saved = wanted;
      if (this.failures) this.dispatchEvent(new Event("clear"));
      this.failures = 0;
    } catch (error) {
      if (this.failures === 0) this.dispatchEvent(new CustomEvent("trouble", { detail: error }));
      this.failures += 1;
    } finally {
      this.isSending = false;
    }
    if (this.failures) this.wait(this.retryMs[Math.min(this.failures, this.retryMs.length) - 1]);
    else if (this.isPending) this.wait(this.quietMs);
  }

  /** @param {number} ms */
  wait(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), ms);
  }

  /** Forget what is to be kept: the person does not want it. */
  drop() {
    clearTimeout(this.timer);
    this.wanted = null;
  }
}
