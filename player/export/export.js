/** Making a file of a mix, as a page sees it. */

import { Troubles } from "../engine/troubles.js";
import { decodeWhole, TooLarge } from "../engine/whole.js";
import { unlessCancelled } from "./cancelling.js";
import { exportsFolder, MOST_BYTES } from "./disk.js";
import { ExportError } from "./errors.js";
import { hold, removeLeftovers } from "./leftovers.js";

export { ExportError, MOST_BYTES, removeLeftovers };

/** The rate of stems that the browser decodes whole. */
const WHOLE_RATE = 48_000;

/** @typedef {"wav16" | "wav24" | "flac16" | "flac24" | "opus"} Format */
/** @typedef {{id: string, url: string, duration: number, gain: number, pan: number}} Stem  seconds; linear gain as it is to be heard; -1 … 1 */
/** @typedef {import("../effects/chain.js").Changes & {gain?: number}} Master */

/**
 * @typedef {object} Wish
 * @property {Stem[]} stems
 * @property {{export: string, stretch: string}} assets  addresses of the bundles
 * @property {Format} format
 * @property {string} title  what people call the recording
 * @property {Master} [master]
 * @property {number} [speed]  0.25 … 1.5
 * @property {{semitones: number, exempt?: Iterable<string>}} [transpose]  the ids of stems that stay
 * @property {{start: number, end: number} | null} [range]  seconds of the recording; without it all of it
 * @property {number} [bitrate]  bits per second, for Opus
 */

/**
 * @typedef {object} Progress
 * @property {(share: number) => void} [onProgress]  0 … 1, some times a second
 * @property {(kind: import("../engine/troubles.js").WaitingKind | null) => void} [onWait]  what is waited for; null: it goes on
 * @property {AbortSignal} [signal]  to cancel: what has been made of the file is removed
 */

/**
 * @typedef {object} Made
 * @property {File} file
 * @property {string} filename
 * @property {import("../engine/player.js").SilentStem[]} silent  stems that are silent in it because of their files
 */

/** What files can be called, and what they are. */
const KINDS = {
  wav16: { extension: "wav", type: "audio/wav" },
  wav24: { extension: "wav", type: "audio/wav" },
  flac16: { extension: "flac", type: "audio/flac" },
  flac24: { extension: "flac", type: "audio/flac" },
  opus: { extension: "opus", type: "audio/ogg" },
};

/** Lets go of the file that was made last. */
let forget = async () => {};

/**
 * Return the kinds of files that this browser can make.
 * @returns {Promise<Format[]>}
 */
export async function exportFormats() {
  /** @type {Format[]} */
  const formats = ["wav16", "wav24", "flac16", "flac24"];
  if ("AudioEncoder" in globalThis) {
    const config = { codec: "opus", sampleRate: 48_000, numberOfChannels: 2, bitrate: 160_000 };
    if ((await AudioEncoder.isConfigSupported(config)).supported) formats.push("opus");
  }
  return formats;
}

/**
 * Make a file of a mix. The file is there until the next export, or until the page is closed: offer it at once.
 * @param {Wish} wish
 * @param {Progress} [progress]
 * @returns {Promise<Made>} raises ExportError, and the signal's reason when it is cancelled
 */
export async function exportMix(wish, { onProgress = () => {}, onWait = () => {}, signal } = {}) {
  signal?.throwIfAborted();
  await forget();
  await removeLeftovers();
  const { extension, type } = KINDS[wish.format];
  const filename = filenameFor(wish, extension);
  const name = `${crypto.getRandomValues(new Uint32Array(4)).join("-")}.${extension}`;
  const release = await hold(name);
  forget = async () => {
    forget = async () => {};
    const folder = await exportsFolder();
    await folder?.removeEntry(name).catch(() => {});
    release();
  };
  const order = orderFor(wish, { name, type, filename });
  let troubles = new Troubles();
  const onTrouble = (/** @type {import("../engine/troubles.js").Trouble} */ trouble) => {
    if (troubles.note(trouble) && !("silent" in trouble)) onWait(troubles.hindrance?.kind ?? null);
  };
  const talk = { onProgress, onTrouble, signal };
  try {
    const file = await ask(wish.assets.export, order, talk).catch(async (error) => {
      if (!(error instanceof ExportError) || error.kind !== "decoder") throw error;
      troubles = new Troubles(); // what that worker cannot read, the browser's decoder may
      return ask(wish.assets.export, await unlessCancelled(decodedWhole(order, onTrouble), signal), talk);
    });
    return { file, filename, silent: silentIn(wish, troubles) };
  } catch (error) {
    await forget();
    throw error;
  }
}

/**
 * Return the stems that one misses in a file: those that were to be heard in it.
 * @param {Wish} wish
 * @param {Troubles} troubles
 */
function silentIn({ stems, range }, troubles) {
  const { start, end } = range ?? { start: 0, end: Number.POSITIVE_INFINITY };
  return troubles.silent
    .map(({ stem, kind, spans }) => ({
      id: stems[stem].id,
      isHeard: stems[stem].gain > 0,
      kind,
      spans: spans.filter(({ from, to }) => from < end && to > start),
    }))
    .filter(({ isHeard, spans }) => isHeard && spans.length > 0);
}

/**
 * Return a name that every file system takes: "Harbour mix 80% +2.wav".
 * @param {Wish} wish
 * @param {string} extension
 */
export function filenameFor({ title, speed = 1, transpose, range }, extension) {
  const semitones = transpose?.semitones ?? 0;
  const words = [title, "mix"];
  if (range) words.push(`${clock(range.start)}-${clock(range.end)}`);
  if (speed !== 1) words.push(`${Math.round(100 * speed)}%`);
  if (semitones !== 0) words.push(`${semitones > 0 ? "+" : "-"}${Math.abs(semitones)}`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is to be taken out
  const safe = words.join(" ").replace(/[\u0000-\u001f\u007f<>:"/\\|?*]+/g, "_");
  return `${safe
    .replace(/^[.\s]+/, "")
    .slice(0, 120)
    .trim()}.${extension}`;
}

/** @param {number} seconds @returns {string} "3.07" for 3 minutes and 7 seconds: a colon is in no file's name */
function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}.${String(whole % 60).padStart(2, "0")}`;
}

/**
 * @param {Wish} wish
 * @param {{name: string, type: string, filename: string}} file
 */
function orderFor({ stems, assets, format, title, master = {}, speed = 1, transpose, range, bitrate }, file) {
  const { gain = 1, ...effects } = master;
  const exempt = new Set(transpose?.exempt ?? []);
  const whole = (/** @type {string} */ url) => new URL(url, location.href).href;
  return {
    ...file,
    stems: stems.map(({ url, duration }) => ({ url: whole(url), duration })),
    strips: stems.map(({ gain, pan }) => ({ gain, pan })),
    exempt: stems.flatMap(({ id }, number) => (exempt.has(id) ? [number] : [])),
    semitones: transpose?.semitones ?? 0,
    stretch: whole(assets.stretch),
    format,
    title,
    gain,
    effects: JSON.parse(JSON.stringify(effects)),
    speed,
    range: range ?? null,
    bitrate: bitrate ?? 160_000,
    /** @type {{port: MessagePort, frames: number, sampleRate: number} | null} stems that are decoded elsewhere */
    decoded: null,
  };
}

/** @typedef {ReturnType<typeof orderFor>} Order */

/**
 * For browsers that cannot decode in pieces: decode stems here, whole, if they are not too long.
 * @param {Order} order
 * @param {(trouble: import("../engine/troubles.js").Trouble) => void} onTrouble
 * @returns {Promise<Order>}
 */
async function decodedWhole(order, onTrouble) {
  try {
    const { frames, serve } = await decodeWhole(order.stems, new OfflineAudioContext(2, 1, WHOLE_RATE), onTrouble);
    const { port1, port2 } = new MessageChannel();
    serve(port1);
    return { ...order, decoded: { port: port2, frames, sampleRate: WHOLE_RATE } };
  } catch (error) {
    throw new ExportError(error instanceof TooLarge ? "too-large" : "decoder", String(error));
  }
}

/**
 * Have a worker do it.
 * @param {string} url of its bundle
 * @param {Order} order
 * @param {{onProgress: (share: number) => void, onTrouble: (trouble: import("../engine/troubles.js").Trouble) => void, signal?: AbortSignal}} talk
 * @returns {Promise<File>}
 */
async function ask(url, order, { onProgress, onTrouble, signal }) {
  const worker = new Worker(url, { type: "module" });
  const cancel = () => worker.postMessage({ cancel: true });
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => {
        if (data.share !== undefined) onProgress(data.share);
        else if (data.trouble) onTrouble(data.trouble);
        else if (data.file) resolve(data.file);
        else if (data.cancelled) reject(signal?.reason);
        else if (data.failed) reject(new ExportError(data.failed, data.detail));
      };
      worker.onerror = (event) => reject(new ExportError("failed", event.message));
      signal?.addEventListener("abort", cancel, { once: true });
      if (signal?.aborted) reject(signal.reason);
      worker.postMessage({ order }, order.decoded ? [order.decoded.port] : []);
    });
  } finally {
    signal?.removeEventListener("abort", cancel);
    worker.terminate();
  }
}
