/** Stems in Ogg Opus, which is what Stemset makes: decoded by the browser (WebCodecs), a few packets ahead. */

import { OggOpus, OPUS_RATE } from "./ogg_opus.js";

/** Decoders that begin within a stream are right after so long (RFC 7845, 4.6). */
const PRE_ROLL_FRAMES = 0.12 * OPUS_RATE;
/** The shortest packet there is. */
const SHORTEST_PACKET_FRAMES = 0.0025 * OPUS_RATE;
/** How many packets wait for the decoder at most. */
const MOST_WAITING = 16;

/** A piece of a stem; its arrays are used again for the next one. @typedef {{frame: number, left: Float32Array, right: Float32Array}} Piece */

/** A stem's file. */
export class OpusSource {
  /**
   * Open a file. Raises NotOggOpus.
   * @param {import("./remote_file.js").RemoteFile} file
   * @param {number} duration seconds
   */
  static async open(file, duration) {
    return new OpusSource(await OggOpus.open(file, duration));
  }

  /** Return whether this browser can decode Opus. */
  static async isSupported() {
    if (!("AudioDecoder" in globalThis)) return false;
    const config = { codec: "opus", sampleRate: OPUS_RATE, numberOfChannels: 2 };
    return (await AudioDecoder.isConfigSupported(config)).supported === true;
  }

  /** @param {OggOpus} opus */
  constructor(opus) {
    this.opus = opus;
    this.rate = OPUS_RATE;
  }

  /**
   * Yield pieces from one that begins at or before a frame, in order.
   * @param {number} from
   * @returns {AsyncGenerator<Piece, void, void>}
   */
  async *pieces(from) {
    let decoded = new Decoded(this.opus);
    try {
      const first = Math.max(0, from - PRE_ROLL_FRAMES);
      let next = first;
      for await (const { data, frame, frames } of this.opus.packets(first)) {
        if (frame + frames <= first) continue; // the page begins before
        if (frame - next >= SHORTEST_PACKET_FRAMES) {
          // Packets are missing. Decoders count on from the first timestamp, whatever the others say.
          await decoded.decoder.flush();
          yield* decoded.take();
          decoded.close();
          decoded = new Decoded(this.opus);
        }
        next = frame + frames;
        const timestamp = Math.round((frame * 1e6) / OPUS_RATE);
        decoded.decoder.decode(new EncodedAudioChunk({ type: "key", timestamp, data }));
        while (decoded.decoder.decodeQueueSize >= MOST_WAITING) await decoded.news();
        yield* decoded.take();
      }
      await decoded.decoder.flush();
      yield* decoded.take();
    } finally {
      decoded.close();
    }
  }

  /** Fetch no more. */
  close() {
    this.opus.close();
  }
}

/** What a decoder has put out and nobody has taken yet. */
class Decoded {
  /** @param {OggOpus} opus */
  constructor(opus) {
    this.gain = opus.gain;
    this.left = new Float32Array(0);
    this.right = new Float32Array(0);
    /** @type {AudioData[]} */
    this.waiting = [];
    /** @type {unknown} */
    this.error = null;
    this.wake = () => {};
    this.decoder = new AudioDecoder({
      output: (data) => {
        this.waiting.push(data);
        this.wake();
      },
      error: (error) => {
        this.error = error;
        this.wake();
      },
    });
    this.decoder.addEventListener("dequeue", () => this.wake());
    // Without a description it puts out all there is: what comes before the first frame is ours to leave out.
    this.decoder.configure({ codec: "opus", sampleRate: OPUS_RATE, numberOfChannels: opus.channels });
  }

  /** Wait until the decoder has done something. @returns {Promise<void>} */
  news() {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }

  /** @returns {Generator<Piece>} raises what the decoder complained of */
  *take() {
    if (this.error) throw this.error;
    for (let data = this.waiting.shift(); data; data = this.waiting.shift()) {
      const frame = Math.round((data.timestamp * OPUS_RATE) / 1e6);
      const frames = data.numberOfFrames;
      if (this.left.length < frames) {
        this.left = new Float32Array(frames);
        this.right = new Float32Array(frames);
      }
      const left = this.plane(data, 0, this.left);
      const right = data.numberOfChannels > 1 ? this.plane(data, 1, this.right) : left;
      data.close();
      yield { frame, left, right };
    }
  }

  close() {
    for (const data of this.waiting) data.close();
    this.waiting = [];
    if (this.decoder.state !== "closed") this.decoder.close();
  }

  /**
   * @param {AudioData} data
   * @param {number} planeIndex
   * @param {Float32Array} array
   */
  plane(data, planeIndex, array) {
    const samples = array.subarray(0, data.numberOfFrames);
    data.copyTo(samples, { planeIndex, format: "f32-planar" });
    if (this.gain !== 1) for (let i = 0; i < samples.length; i++) samples[i] *= this.gain;
    return samples;
  }
}
