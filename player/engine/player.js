/** The player as a page sees it: it opens the stems of a recording and plays them in step. */

import { Troubles } from "./troubles.js";
import { decodeWhole, TooLarge, Undecodable } from "./whole.js";

/** @typedef {{id: string, type: string, url: string, gainDb: number, duration: number, size: number}} Stem */
/** @typedef {{worklet: string, reader: string, formats: string, stretch: string}} Assets  addresses of the bundles */
/** @typedef {"idle" | "loading" | "playing" | "paused" | "waiting" | "ended" | "failed"} State */
/** Why nothing can be played. @typedef {"gone" | "damaged" | "decoder" | "too-large" | "failed"} Failure */
/** @typedef {import("./troubles.js").WaitingKind} WaitingKind */
/** @typedef {import("./troubles.js").Span} Span */
/** A stem that is silent in some places because of its file. @typedef {{id: string, kind: "gone" | "damaged", spans: Span[]}} SilentStem */
/** What is the matter now: why nothing plays; what all wait for, and for which stems' sake; who is silent.
 * @typedef {{failure: Failure | null, hindrance: {kind: WaitingKind, ids: string[]} | null, silent: SilentStem[]}} Matter */

/** How often the page is told the position for its text, in milliseconds. */
const POSITION_MS = 250;
/** The rate for stems that the browser decodes whole. */
const WHOLE_RATE = 48_000;
/** In place of a stem's number, where what does not come is no stem. */
const NO_STEM = -1;

/**
 * Plays the stems of a recording.
 *
 * Events: "state"; "position", about four times a second; "seam" with detail.count, when a loop begins again; "trouble"
 * with what is the matter from now on (Matter) as its detail.
 */
export class Player extends EventTarget {
  /** @param {{stems: Stem[], duration: number, assets: Assets}} options `duration` in seconds */
  constructor({ stems, duration, assets }) {
    super();
    this.stems = stems;
    this.duration = duration;
    this.assets = assets;
    /** @type {State} */
    this.state = "loading";
    this.troubles = new Troubles();
    /** @type {Failure | null} */
    this.failure = null;
    /** What is shown by meters: linear peaks of the last thirtieth of a second. */
    this.levels = {
      stems: new Map(stems.map(({ id }) => [id, 0])),
      /** @type {[number, number]} */
      master: [0, 0],
      reductionDb: 0,
    };
    /** @type {AudioContext | null} */
    this.context = null;
    /** @type {AudioWorkletNode | null} */
    this.node = null;
    /** @type {Worker | null} */
    this.worker = null;
    /** @type {Promise<void> | null} */
    this.stretch = null;
    /** What the audio thread said last. @type {any} */
    this.report = { position: 0, at: 0, speed: 1, isMoving: false, playing: false, seams: 0 };
    /** How often the audio thread was told to play, to pause or to go elsewhere. */
    this.turns = 0;
    this.rate = WHOLE_RATE;
    this.numbers = new Map(stems.map(({ id }, number) => [id, number]));
    this.timer = setInterval(() => this.tellPosition(), POSITION_MS);
  }

  /**
   * Open the files and build the audio graph: one node. Nothing is heard, and little is fetched, before play().
   * What cannot be played at all ends in state "failed"; `failure` says why.
   */
  async load() {
    try {
      const { rate, frames, serve } = await this.openFiles();
      this.rate = rate;
      this.duration = frames / rate;
      await this.build(frames, serve);
      this.setState("idle");
    } catch (error) {
      this.fail(error);
    }
  }

  /** @returns {Promise<{rate: number, frames: number, serve: (port: MessagePort) => void}>} */
  async openFiles() {
    const worker = new Worker(this.assets.reader, { type: "module" });
    this.worker = worker;
    const files = this.stems.map(({ url, ...facts }) => ({ url: new URL(url, location.href).href, ...facts }));
    const answer = new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => {
        if (data.trouble) this.note(data.trouble);
        else if (data.opened) resolve(data.opened);
        else if (data.failed) {
          reject(data.failed);
          if (this.state !== "loading") this.fail(data.failed);
        }
      };
      worker.onerror = () => reject("the reader cannot be loaded");
    });
    worker.postMessage({ stems: files, formats: new URL(this.assets.formats, location.href).href });
    try {
      const { sampleRate, frames } = await answer;
      return { rate: sampleRate, frames, serve: (port) => worker.postMessage({ port }, [port]) };
    } catch (reason) {
      if (reason !== "decoder") throw reason;
      worker.terminate();
      this.troubles = new Troubles(); // what this browser's reader cannot read, its decoder may
      const context = new OfflineAudioContext(2, 1, WHOLE_RATE);
      return { rate: WHOLE_RATE, ...(await decodeWhole(files, context, (trouble) => this.note(trouble))) };
    }
  }

  /**
   * @param {number} frames
   * @param {(port: MessagePort) => void} serve
   */
  async build(frames, serve) {
    const context = new AudioContext({ sampleRate: this.rate, latencyHint: "playback" });
    this.context = context;
    await context.audioWorklet.addModule(this.assets.worklet);
    const node = new AudioWorkletNode(context, "stemset-deck", {
      numberOfInputs: 0,
      outputChannelCount: [2],
      processorOptions: { stems: this.stems.length, frames },
    });
    node.port.onmessage = ({ data }) => this.hear(data);
    node.onprocessorerror = () => this.fail("the audio thread failed");
    node.connect(context.destination);
    this.node = node;
    const { port1, port2 } = new MessageChannel();
    node.port.postMessage({ reader: port1 }, [port1]);
    serve(port2);
  }

  // --- what it is told ----------------------------------------------------------------------------------------------

  /** Begin to play. It must be called by a tap, a click or a key, or browsers keep it silent. */
  async play() {
    if (!this.context || this.state === "failed") return;
    this.turn({ playing: true, ended: false }, "play");
    await this.context.resume();
  }

  /** Stop, and stay where it is. */
  pause() {
    if (this.state === "failed") return;
    this.turn({ position: this.position * this.rate, isMoving: false, playing: false, waiting: false }, "pause");
  }

  /** @param {number} seconds */
  seek(seconds) {
    const frame = Math.round(Math.min(Math.max(0, seconds), this.duration) * this.rate);
    this.turn({ position: frame, isMoving: false, ended: false }, "seek", frame);
  }

  /** @param {{start: number, end: number} | null} loop seconds */
  setLoop(loop) {
    if (loop) this.command("setLoop", Math.round(loop.start * this.rate), Math.round(loop.end * this.rate));
    else this.command("setLoop", null);
  }

  /** @param {number} speed 0.25 … 1.5 */
  setSpeed(speed) {
    if (speed !== 1) this.loadStretch();
    this.command("setSpeed", speed);
  }

  /**
   * @param {number} semitones -12 … 12
   * @param {{exempt?: Set<string>}} options the ids of stems that stay as they are
   */
  setTranspose(semitones, { exempt = new Set() } = {}) {
    if (semitones !== 0) this.loadStretch();
    this.command(
      "setTranspose",
      semitones,
      [...exempt].map((id) => this.numbers.get(id)),
    );
  }

  /**
   * @param {string} id
   * @param {{gain: number, pan: number}} strip `gain` linear from 0 as it is to be heard, `pan` -1 … 1
   */
  setStrip(id, { gain, pan }) {
    this.command("setStrip", this.numbers.get(id), { gain, pan });
  }

  /** @param {{gain?: number, eq?: object, compressor?: object, reverb?: object, limiter?: object}} settings */
  setMaster({ gain, ...effects }) {
    if (gain !== undefined) this.command("setMaster", gain);
    if (Object.keys(effects).length) this.node?.port.postMessage({ effects });
  }

  /** @param {import("./click.js").ClickSettings} settings */
  setClick(settings) {
    this.command("setClick", settings);
  }

  /** Let go of everything. */
  async close() {
    clearInterval(this.timer);
    this.node?.port.postMessage({ close: true });
    this.worker?.terminate();
    if (this.context?.state !== "closed") await this.context?.close();
  }

  // --- what it tells ------------------------------------------------------------------------------------------------

  /** The place in the recording that is heard now, in seconds. */
  get position() {
    const { position, at, isMoving, speed } = this.report;
    const place = position / this.rate;
    if (!isMoving || !this.context) return Math.min(place, this.duration);
    const heard = this.context.currentTime - (this.context.outputLatency || 0) - at;
    return Math.min(Math.max(0, place + heard * speed), this.duration);
  }

  // --- inside -------------------------------------------------------------------------------------------------------

  /**
   * @param {string} method a method of the deck
   * @param {...any} args
   */
  command(method, ...args) {
    this.node?.port.postMessage({ do: method, with: args });
  }

  /**
   * Tell the audio thread to do what shows at once: until it has heard of it, what it reports is of before.
   * @param {object} change of the report
   * @param {"play" | "pause" | "seek"} method
   * @param {...any} args
   */
  turn(change, method, ...args) {
    this.report = { ...this.report, ...change };
    if (!this.node) return;
    this.turns += 1;
    this.command(method, ...args);
    if (this.state !== "failed") this.setState(this.stateOf(this.report));
  }

  /** Load the stretchers into the audio thread, once. */
  loadStretch() {
    const note = (/** @type {boolean} */ isOver) => this.note({ stem: NO_STEM, kind: "network", isOver });
    this.stretch ??= this.context
      ? this.context.audioWorklet.addModule(this.assets.stretch).then(
          () => {
            this.node?.port.postMessage({ stretch: true });
            note(true);
          },
          () => {
            this.stretch = null;
            note(false);
          },
        )
      : null;
  }

  /** @param {any} report from the audio thread */
  hear(report) {
    if (report.stretch) {
      this.dispatchEvent(new Event("stretch"));
      return;
    }
    if (report.turns < this.turns) return; // it was sent before the last turn arrived
    const before = this.report;
    this.report = report;
    for (const [id, number] of this.numbers) this.levels.stems.set(id, report.peaks[number]);
    this.levels.master = report.loudest;
    this.levels.reductionDb = report.reduction;
    if (report.seams > before.seams) {
      this.dispatchEvent(new CustomEvent("seam", { detail: { count: report.seams } }));
    }
    if (this.state !== "failed") this.setState(this.stateOf(report));
  }

  /**
   * @param {any} report
   * @returns {State}
   */
  stateOf({ playing, waiting, ended, position }) {
    if (playing) return waiting ? "waiting" : "playing";
    if (ended) return "ended";
    return this.state === "idle" && position === 0 ? "idle" : "paused";
  }

  /** @param {State} state */
  setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
    this.tellPosition();
  }

  tellPosition() {
    this.dispatchEvent(new Event("position"));
  }

  /** @param {import("./troubles.js").Trouble} trouble */
  note(trouble) {
    if (this.state !== "failed" && this.troubles.note(trouble)) this.tellMatter();
  }

  /** What is the matter now. @returns {Matter} */
  get matter() {
    const id = (/** @type {number} */ stem) => this.stems[stem].id;
    const { hindrance, silent } = this.troubles;
    return {
      failure: this.failure,
      hindrance: hindrance && { kind: hindrance.kind, ids: hindrance.stems.filter((stem) => stem !== NO_STEM).map(id) },
      silent: silent.map(({ stem, ...rest }) => ({ id: id(stem), ...rest })),
    };
  }

  tellMatter() {
    this.dispatchEvent(new CustomEvent("trouble", { detail: this.matter }));
  }

  /** @param {unknown} error */
  fail(error) {
    console.error(error);
    this.command("pause"); // who cannot press "pause" any more is not to go on hearing something
    this.failure = failureOf(error);
    this.troubles = new Troubles();
    this.setState("failed");
    this.tellMatter();
  }
}

/**
 * @param {unknown} error
 * @returns {Failure}
 */
function failureOf(error) {
  if (error instanceof TooLarge) return "too-large";
  if (error instanceof Undecodable) return "decoder";
  return error === "gone" || error === "damaged" ? error : "failed";
}
