/**
 * The audio thread's end of the engine: a deck that is told what to do by the page and gets its chunks from the reader.
 *
 * From the page: {do: name of a deck's method, with: arguments}. To the page, about 30 times a second: how it stands.
 */

import { MasterChain } from "../effects/chain.js";
import { BLOCK, Deck } from "./deck.js";
import { Stretch } from "./stretch.js";

/** After how many blocks the page is told, and the reader asked. */
const REPORT = 12;
const ASK = 40;
/** What the page may call. */
const COMMANDS = new Set([
  "setStrip",
  "setMaster",
  "setSpeed",
  "setTranspose",
  "setClick",
  "setLoop",
  "seek",
  "play",
  "pause",
]);
/** Those of them that the page shows before this thread has heard of them. */
const TURNS = new Set(["seek", "play", "pause"]);

class DeckProcessor extends AudioWorkletProcessor {
  /** @param {{processorOptions: {stems: number, frames: number}}} options */
  constructor({ processorOptions: { stems, frames } }) {
    super();
    this.chain = new MasterChain(sampleRate);
    this.deck = new Deck({ sampleRate, stems, frames, chain: this.chain });
    /** @type {MessagePort | null} */
    this.reader = null;
    this.blocks = 0;
    /** How often it was told to play, to pause or to go elsewhere: the page knows by it which reports are of before. */
    this.turns = 0;
    this.isClosed = false;
    this.port.onmessage = ({ data }) => this.take(data);
  }

  /** @param {any} message from the page */
  take(message) {
    if (TURNS.has(message.do)) this.turns += 1;
    if (message.reader) {
      this.reader = message.reader;
      message.reader.onmessage = (/** @type {MessageEvent} */ { data }) => {
        this.deck.put(data.stem, data.index, data.left, data.right);
      };
    } else if (message.stretch) this.addStretch();
    else if (message.effects) this.chain.set(message.effects);
    else if (message.close) this.isClosed = true;
    else if (COMMANDS.has(message.do)) /** @type {any} */ (this.deck)[message.do](...message.with);
    this.ask();
    this.report();
  }

  /** Take the stretchers that the page has loaded into this thread. */
  async addStretch() {
    const factory = /** @type {any} */ (globalThis).stemsetStretch;
    this.deck.useStretch(await Stretch.create(factory, this.deck.lefts.length, sampleRate));
    this.port.postMessage({ stretch: true });
    this.ask();
  }

  /** Tell the reader what is needed, and give it back what is not. */
  ask() {
    if (!this.reader) return;
    const ranges = this.deck.wanted();
    const kept = [...ranges, this.deck.behind()];
    const free = this.deck.windows.keep(kept).map(({ buffer }) => buffer);
    this.reader.postMessage({ ranges, kept, free }, free);
  }

  /** Tell the page how it stands. */
  report() {
    const { deck } = this;
    this.port.postMessage({
      position: deck.position,
      at: currentTime,
      speed: deck.speed,
      isMoving: deck.gate === 1 && deck.target === null,
      playing: deck.playing,
      waiting: deck.waiting,
      counting: deck.counting > 0,
      ended: deck.ended,
      seams: deck.seams,
      turns: this.turns,
      peaks: Array.from(deck.peaks),
      loudest: Array.from(deck.loudest),
      reduction: this.chain.gainReductionDb,
    });
    deck.peaks.fill(0);
    deck.loudest.fill(0);
  }

  /**
   * @param {Float32Array[][]} _inputs
   * @param {Float32Array[][]} outputs
   */
  process(_inputs, outputs) {
    const [left, right] = outputs[0];
    const wasWaiting = this.deck.waiting;
    const wasPlaying = this.deck.playing;
    for (let at = 0; at < left.length; at += BLOCK) {
      if (left.length <= BLOCK) this.deck.render(left, right, left.length);
      else this.deck.render(left.subarray(at, at + BLOCK), right.subarray(at, at + BLOCK), BLOCK);
    }
    this.blocks += 1;
    if (this.blocks % ASK === 0) this.ask();
    const isNews = this.deck.waiting !== wasWaiting || this.deck.playing !== wasPlaying;
    if (isNews || this.blocks % REPORT === 0) this.report();
    return !this.isClosed;
  }
}

registerProcessor("stemset-deck", /** @type {any} */ (DeckProcessor));
