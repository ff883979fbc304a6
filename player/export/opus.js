/**
 * Opus by the browser's encoder, of exactly the length that was put in.
 *
 * Encoders begin with samples that are none of the sound's (the pre-skip in their header) and fill up the last packet.
 * The end of the sound is told by the last packet's length (RFC 7845, section 4.4), which a file has only if somebody
 * works it out.
 */

import { EncodedAudioPacketSource, EncodedPacket } from "mediabunny";
import { ExportError } from "./errors.js";

/** What Opus is always decoded to, in Hz. */
export const OPUS_RATE = 48_000;
/** Where the header has its pre-skip (RFC 7845, section 5.1). */
const PRE_SKIP_AT = 10;
/** How many blocks may wait for the encoder. */
const MOST_WAITING = 8;
/** The longest packet that encoders make of themselves; more silence than any pre-skip. */
const SILENCE = 2880;

/** A track of a file. Raises ExportError "format" where there is no encoder. */
export class OpusTrack {
  /** @param {number} bitrate in bits per second */
  constructor(bitrate) {
    this.source = new EncodedAudioPacketSource("opus");
    /** @type {{chunk: EncodedAudioChunk, meta?: EncodedAudioChunkMetadata}[]} */
    this.waiting = [];
    /** Frames that were put in, and that packets were written of. */
    this.done = 0;
    this.written = 0;
    this.preSkip = 0;
    this.end = Number.POSITIVE_INFINITY;
    this.wake = () => {};
    /** @type {unknown} */
    this.failure = null;
    if (!("AudioEncoder" in globalThis)) throw new ExportError("format", "no Opus");
    this.encoder = new AudioEncoder({
      output: (chunk, meta) => this.waiting.push({ chunk, meta }),
      error: (error) => {
        this.failure = error.name === "NotSupportedError" ? new ExportError("format", error.message) : error;
        this.wake();
      },
    });
    this.encoder.configure({ codec: "opus", sampleRate: OPUS_RATE, numberOfChannels: 2, bitrate });
  }

  /**
   * Take the next frames, at 48 kHz. Resolves when there is room for more.
   * @param {Float32Array} left
   * @param {Float32Array} right
   */
  async add(left, right) {
    if (this.failure) throw this.failure;
    this.encode(left, right);
    this.done += left.length;
    while (this.encoder.encodeQueueSize > MOST_WAITING && !this.failure) await this.taken();
    await this.write();
  }

  /** Write what is left. */
  async finish() {
    this.encode(new Float32Array(SILENCE), new Float32Array(SILENCE));
    await this.encoder.flush();
    this.end = this.done;
    await this.write();
    this.source.close();
    this.close();
  }

  /** Encode no more. */
  close() {
    if (this.encoder.state !== "closed") this.encoder.close();
  }

  /**
   * @param {Float32Array} left
   * @param {Float32Array} right
   */
  encode(left, right) {
    const data = new Float32Array(2 * left.length);
    data.set(left);
    data.set(right, left.length);
    const audio = new AudioData({
      format: "f32-planar",
      sampleRate: OPUS_RATE,
      numberOfFrames: left.length,
      numberOfChannels: 2,
      timestamp: Math.round((1e6 * this.done) / OPUS_RATE),
      data,
    });
    this.encoder.encode(audio);
    audio.close();
  }

  /** Resolves when the encoder has taken something, or has failed. @returns {Promise<void>} */
  taken() {
    return new Promise((resolve) => {
      this.wake = resolve;
      this.encoder.addEventListener("dequeue", () => resolve(), { once: true });
    });
  }

  /** Write the packets that have come; what is after the end is dropped. */
  async write() {
    if (this.failure) throw this.failure;
    for (const { chunk, meta } of this.waiting.splice(0)) {
      const header = meta?.decoderConfig?.description;
      if (header) this.preSkip = preSkipOf(header);
      const frames = Math.round(((chunk.duration ?? 20_000) * OPUS_RATE) / 1e6);
      const left = this.end + this.preSkip - this.written;
      if (left <= 0) break;
      const packet = EncodedPacket.fromEncodedChunk(chunk).clone({
        timestamp: this.written / OPUS_RATE,
        duration: Math.min(frames, left) / OPUS_RATE,
      });
      this.written += frames;
      await this.source.add(packet, meta);
    }
  }
}

/** @param {AllowSharedBufferSource} header @returns {number} frames */
function preSkipOf(header) {
  const view = ArrayBuffer.isView(header)
    ? new DataView(header.buffer, header.byteOffset, header.byteLength)
    : new DataView(header);
  return view.getUint16(PRE_SKIP_AT, true);
}
