/**
 * Uploads a file straight into the bucket, a part at a time, each to an address that our server has signed.
 *
 * It is used as a `tus.Upload` is, and keeps its token where tus keeps its addresses, so that it goes on after a reload.
 */

const { tus } = globalThis;
const RETRY_MILLISECONDS = [1000, 3000, 5000, 10_000, 20_000, 30_000];
const BUSY_MILLISECONDS = 3000;
const ADDRESSES_AT_ONCE = 8;
// Who gets rid of no byte for so long has no connection; who does not get to sending, no way to the bucket.
const STALLED_MILLISECONDS = 60_000;
const UNREACHABLE_MILLISECONDS = 15_000;
const NO_ANSWER = 0;
const BUSY = 423;
const MAY_PASS = [NO_ANSWER, 409, 429, 500, 502, 503, 504];

/** What a server answered that was not what was hoped for; status 0 when there was no answer. */
class Trouble extends Error {
  constructor(status, words = "") {
    super(words);
    this.status = status;
  }
}

/** The browser cannot send to the bucket, though our server can be asked. */
class Unreachable extends Error {}

/** Asks our server, about uploads at `endpoint`. Throws Trouble. */
async function ask(endpoint, what, body, signal) {
  const asked = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal };
  let answer;
  let told;
  try {
    answer = await fetch(`${endpoint}${what}`, asked);
    told = answer.status === 204 ? {} : await answer.json();
  } catch {
    throw new Trouble(answer && !answer.ok ? answer.status : NO_ANSWER);
  }
  if (!answer.ok) throw new Trouble(answer.status, told.detail);
  return told;
}

/** Returns which part of the whole has arrived of an upload that was begun earlier, or null when it is over. */
export async function arrivedOf(endpoint, previous) {
  try {
    const { there } = await ask(endpoint, "/parts", { upload: previous.token, numbers: [] });
    return Math.min(1, (there.length * previous.partSize) / previous.size);
  } catch (error) {
    return error.status === 404 ? null : 0;
  }
}

/** Throws an upload away. */
export function abort(endpoint, token) {
  return ask(endpoint, "/abort", { upload: token });
}

export class DirectUpload {
  /**
   * options: endpoint; onProgress(sent, total); onChecking(); onSuccess(job id); onError(status, words);
   * onUnreachable() when the bucket cannot be reached from here, and nothing is left of the upload
   */
  constructor(file, options) {
    this.file = file;
    this.options = options;
    this.storage = tus.defaultOptions.urlStorage;
    this.url = null;
  }

  async findPreviousUploads() {
    return this.storage.findUploadsByFingerprint(await this.fingerprint());
  }

  resumeFromPreviousUpload(previous) {
    this.url = previous.token;
    this.partSize = previous.partSize;
    this.parts = previous.parts;
  }

  /** Sends what has not arrived. */
  async start() {
    this.stopping = new AbortController();
    const { signal } = this.stopping;
    try {
      const job = await this.run(signal);
      if (!signal.aborted) this.options.onSuccess(job);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Unreachable) this.options.onUnreachable();
      else this.options.onError(error.status ?? NO_ANSWER, error.message);
    }
  }

  /** Stops sending. With `forGood` what has arrived is thrown away. */
  async abort(forGood = false) {
    this.stopping?.abort();
    if (!forGood || !this.url) return;
    const token = this.url;
    this.url = null;
    await this.again(() => abort(this.options.endpoint, token));
  }

  fingerprint() {
    return tus.defaultOptions.fingerprint(this.file, this.options);
  }

  async run(signal) {
    const there = new Set(await this.arrived(signal));
    this.show(there, 0);
    const missing = Array.from({ length: this.parts }, (_, index) => index + 1).filter((part) => !there.has(part));
    let urls = {};
    for (const [index, number] of missing.entries()) {
      await this.again(async () => {
        if (!urls[number]) urls = (await this.addresses(missing.slice(index, index + ADDRESSES_AT_ONCE), signal)).urls;
        const url = urls[number];
        delete urls[number]; // whatever was wrong, the next try gets a new one
        await this.put(url, number, there, signal);
      }, signal);
      there.add(number);
      this.show(there, 0);
    }
    this.options.onChecking();
    const job = await this.again(() => this.ask("/complete", { upload: this.url }, signal), signal);
    return job.job_id;
  }

  /** Returns the numbers of the parts that are there; what was begun too long ago begins anew. */
  async arrived(signal) {
    if (this.url) {
      try {
        return (await this.again(() => this.addresses([], signal), signal)).there;
      } catch (error) {
        if (error.status !== 404) throw error;
        for (const { urlStorageKey } of await this.findPreviousUploads())
          await this.storage.removeUpload(urlStorageKey);
      }
    }
    await this.begin(signal);
    return [];
  }

  async begin(signal) {
    const { file } = this;
    const wanted = { filename: file.name, size: file.size };
    const begun = await this.again(() => this.ask("", wanted, signal), signal);
    if (signal.aborted) return this.again(() => abort(this.options.endpoint, begun.upload));
    const kept = {
      size: file.size,
      metadata: { filename: file.name },
      creationTime: new Date().toString(),
      endpoint: this.options.endpoint,
      token: begun.upload,
      partSize: begun.part_size,
      parts: begun.parts,
    };
    this.resumeFromPreviousUpload(kept);
    await this.storage.addUpload(await this.fingerprint(), kept);
  }

  ask(what, body, signal) {
    return ask(this.options.endpoint, what, body, signal);
  }

  addresses(numbers, signal) {
    return this.ask("/parts", { upload: this.url, numbers }, signal);
  }

  /** Does something until it succeeds, fails for good or has failed too often. */
  async again(act, signal) {
    for (let failures = 0; ; ) {
      try {
        return await act();
      } catch (error) {
        const { status } = error;
        const isBusy = status === BUSY;
        if (signal?.aborted || !(isBusy || MAY_PASS.includes(status)) || !navigator.onLine) throw error;
        if (!isBusy && failures >= RETRY_MILLISECONDS.length) throw error;
        await new Promise((resolve) => setTimeout(resolve, isBusy ? BUSY_MILLISECONDS : RETRY_MILLISECONDS[failures]));
        if (signal?.aborted) throw error;
        if (!isBusy) failures += 1;
      }
    }
  }

  async put(url, number, there, signal) {
    const begin = (number - 1) * this.partSize;
    const part = this.file.slice(begin, begin + this.partSize);
    const isFirst = there.size === 0;
    try {
      await send(url, part, signal, (sent) => this.show(there, sent));
    } catch (error) {
      if (signal.aborted || !isFirst || error.status >= 500) throw error.status >= 500 ? error : new Trouble(NO_ANSWER);
      // Nothing has ever come through: if our own server answers, the bucket is what cannot be reached.
      await this.ask("/abort", { upload: this.url }, signal);
      this.url = null;
      throw new Unreachable();
    }
  }

  show(there, sent) {
    const last = this.file.size - (this.parts - 1) * this.partSize;
    const whole = there.has(this.parts) ? (there.size - 1) * this.partSize + last : there.size * this.partSize;
    this.options.onProgress(whole + sent, this.file.size);
  }
}

/** PUTs a part; only XMLHttpRequest tells how much of it is sent. Throws Trouble. */
function send(url, part, signal, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let stalled;
    const wait = (patience) => {
      clearTimeout(stalled);
      stalled = setTimeout(() => request.abort(), patience);
    };
    const stop = () => request.abort();
    request.upload.addEventListener("progress", (event) => {
      wait(STALLED_MILLISECONDS);
      onProgress(event.loaded);
    });
    request.addEventListener("loadend", () => {
      clearTimeout(stalled);
      signal.removeEventListener("abort", stop);
      if (request.status >= 200 && request.status < 300) resolve();
      else reject(new Trouble(request.status));
    });
    signal.addEventListener("abort", stop);
    request.open("PUT", url);
    request.send(part);
    wait(UNREACHABLE_MILLISECONDS);
  });
}
