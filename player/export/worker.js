/**
 * The worker that makes a file of a mix: stems are decoded, mixed and encoded in pieces, straight to the disk.
 *
 * From the page: {order} (see export.js), {cancel}. To the page: {share} some times a second, {trouble} (see engine/troubles.js), and in the end
 * {file}, {cancelled} or {failed, detail}.
 */

import { MasterChain } from "../effects/chain.js";
import * as formats from "../engine/any_source.js";
import { Deck } from "../engine/deck.js";
import { Damaged, NoDecoder, openStems } from "../engine/decoding.js";
import { Feed } from "../engine/feed.js";
import { Gone } from "../engine/remote_file.js";
import { Stretch } from "../engine/stretch.js";
import { unlessCancelled } from "./cancelling.js";
import { createFile } from "./disk.js";
import { ExportError, kindOf } from "./errors.js";
import { Encoder } from "./formats.js";
import { framesAtSpeed, renderMix } from "./render.js";

/** @typedef {import("./export.js").Order} Order */
/** @typedef {{sampleRate: number, frames: number, serve(deck: Deck, onChunk: () => void, onError: (error: unknown) => void): (ranges: import("../engine/windows.js").Range[]) => void, close(): void}} Stems */

const TELL_MS = 100;
const cancelling = new AbortController();

self.onmessage = async ({ data }) => {
  if (data.cancel) cancelling.abort();
  if (!data.order) return;
  try {
    self.postMessage({ file: await make(data.order, cancelling.signal) });
  } catch (error) {
    if (cancelling.signal.aborted) self.postMessage({ cancelled: true });
    else self.postMessage({ failed: kindOf(error), detail: String(error) });
  }
};

/**
 * @param {Order} order
 * @param {AbortSignal} signal
 * @returns {Promise<File>}
 */
async function make(order, signal) {
  const stems = order.decoded ? elsewhere(order.decoded) : await unlessCancelled(here(order), signal);
  try {
    const plan = await planned(order, stems);
    const frames = plan.frames + plan.tail;
    const disk = await createFile(order.name, bytesOf(order, frames, stems.sampleRate));
    try {
      const encoder = await Encoder.open({ ...order, sampleRate: stems.sampleRate, frames }, disk);
      await encode(plan, stems, encoder, frames, signal);
      return await disk.finish(order.type, order.filename);
    } catch (error) {
      await disk.remove();
      throw error;
    }
  } finally {
    stems.close();
  }
}

/**
 * @param {import("./render.js").Plan} plan
 * @param {Stems} stems
 * @param {Encoder} encoder
 * @param {number} frames
 * @param {AbortSignal} signal
 */
async function encode(plan, stems, encoder, frames, signal) {
  let done = 0;
  let told = 0;
  try {
    for await (const { left, right } of renderMix(plan, feeding(plan.deck, stems, signal), signal)) {
      await encoder.add(left, right);
      done += left.length;
      if (performance.now() - told > TELL_MS) {
        told = performance.now();
        self.postMessage({ share: done / frames });
      }
      await breath();
    }
    await encoder.finish();
  } catch (error) {
    await encoder.cancel().catch(() => {});
    throw error;
  }
}

/**
 * @param {Order} order
 * @returns {Promise<Stems>}
 */
async function here({ stems }) {
  try {
    const opened = await openStems(stems, { formats, onTrouble: (trouble) => self.postMessage({ trouble }) });
    /** @type {Feed[]} */
    let feeds = [];
    return {
      sampleRate: opened.sampleRate,
      frames: opened.frames,
      serve: (deck, onChunk, onError) => {
        feeds = opened.stems.map(
          (stem, number) =>
            new Feed(stem, ({ index, left, right }) => {
              deck.put(number, index, left, right);
              onChunk();
            }),
        );
        for (const feed of feeds) feed.run().catch(onError);
        return (ranges) => {
          for (const feed of feeds) feed.want(ranges);
        };
      },
      close: () => {
        for (const stem of opened.stems) stem.close();
      },
    };
  } catch (error) {
    if (error instanceof NoDecoder) throw new ExportError("decoder", String(error));
    if (error instanceof Damaged) throw new ExportError("damaged", String(error));
    throw error instanceof Gone ? new ExportError("gone", String(error)) : error;
  }
}

/**
 * @param {{port: MessagePort, frames: number, sampleRate: number}} decoded
 * @returns {Stems}
 */
function elsewhere({ port, frames, sampleRate }) {
  return {
    sampleRate,
    frames,
    serve: (deck, onChunk) => {
      port.onmessage = ({ data: { stem, index, left, right } }) => {
        deck.put(stem, index, left, right);
        onChunk();
      };
      return (ranges) => port.postMessage({ ranges });
    },
    close: () => port.close(),
  };
}

/**
 * @param {Order} order
 * @param {Stems} stems
 * @returns {Promise<import("./render.js").Plan>}
 */
async function planned(order, { sampleRate, frames }) {
  const chain = new MasterChain(sampleRate);
  chain.set(order.effects);
  const deck = new Deck({ sampleRate, stems: order.strips.length, frames });
  order.strips.forEach((strip, number) => {
    deck.setStrip(number, strip);
  });
  deck.setMaster(order.gain);
  deck.setSpeed(order.speed);
  deck.setTranspose(order.semitones, order.exempt);
  if (deck.needsStretch) {
    const { default: factory } = await import(order.stretch);
    deck.useStretch(await Stretch.create(factory, order.strips.length, sampleRate));
  }
  const from = order.range ? Math.min(frames, Math.max(0, Math.round(order.range.start * sampleRate))) : 0;
  const to = order.range ? Math.min(frames, Math.max(from, Math.round(order.range.end * sampleRate))) : frames;
  const tail = Math.round(chain.tailSeconds * sampleRate);
  return { deck, chain, from, frames: framesAtSpeed(to - from, deck.speed), tail };
}

/**
 * Return how large the file will be, about; FLAC and Opus come out smaller than this.
 * @param {Order} order
 * @param {number} frames
 * @param {number} sampleRate
 */
function bytesOf({ format, bitrate }, frames, sampleRate) {
  if (format === "opus") return ((frames / sampleRate) * bitrate * 1.2) / 8;
  return frames * (format.endsWith("24") ? 6 : 4);
}

/**
 * Return what feeds a deck: it tells the stems what is wanted, and waits for it if that is needed.
 * @param {Deck} deck
 * @param {Stems} stems
 * @param {AbortSignal} signal
 * @returns {(isNeeded: boolean) => Promise<void> | void}
 */
function feeding(deck, stems, signal) {
  /** @type {unknown} */
  let failure = null;
  let wake = () => {};
  const want = stems.serve(
    deck,
    () => wake(),
    (error) => {
      failure = error;
      wake();
    },
  );
  signal.addEventListener("abort", () => wake());
  return (isNeeded) => {
    const ranges = deck.wanted();
    deck.windows.keep(ranges);
    want(ranges);
    if (!isNeeded) return;
    return new Promise((resolve, reject) => {
      wake = () => (failure ? reject(failure) : resolve());
      if (failure || signal.aborted) wake();
    });
  };
}

/** Let messages and decoders have their turn. @returns {Promise<void>} */
function breath() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
