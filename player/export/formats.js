/** The kinds of files that a mix can become, written by mediabunny. */

import {
  AudioSample,
  AudioSampleSource,
  FlacOutputFormat,
  OggOutputFormat,
  Output,
  StreamTarget,
  WavOutputFormat,
} from "mediabunny";
import { Resampler } from "../engine/resample.js";
import { ExportError } from "./errors.js";
import { FLAC_RATES, useLibFlac } from "./flac.js";
import { OPUS_RATE, OpusTrack } from "./opus.js";
import { quantise } from "./quantise.js";

/** Files go to the disk in pieces of so many bytes. */
const CHUNK_BYTES = 1024 * 1024;
/** From here on a WAV file is RF64: the usual one counts its bytes in 32 bits. */
const LARGE_BYTES = 4e9;

/** @typedef {import("./export.js").Format} Format */
/** @typedef {import("./disk.js").Disk} Disk */
/** @typedef {{format: Format, sampleRate: number, frames: number, bitrate: number, title: string}} Sound */

/** Writes samples into a file. */
export class Encoder {
  /**
   * Begin a file. Raises ExportError "format" when this browser cannot make it.
   * @param {Sound} sound `frames`: how many there will be; `bitrate` in bits per second, for Opus
   * @param {Disk} disk
   */
  static async open(sound, disk) {
    const encoder = new Encoder(sound, disk);
    await encoder.start();
    return encoder;
  }

  /**
   * @param {Sound} sound
   * @param {Disk} disk
   */
  constructor({ format, sampleRate, frames, bitrate, title }, disk) {
    const { kind, bits } = FORMATS[format];
    this.kind = kind;
    this.bits = bits;
    this.rate = kind === "opus" ? OPUS_RATE : sampleRate;
    this.title = title;
    this.done = 0;
    this.frames = Math.round((frames * this.rate) / sampleRate);
    this.resampler = this.rate === sampleRate ? null : new Resampler(sampleRate, this.rate, 0);
    const writable = new WritableStream({ write: ({ data, position }) => disk.write(data, position) });
    const size = (frames * 2 * bits) / 8;
    this.opus = kind === "opus" ? new OpusTrack(bitrate) : null;
    this.source = new AudioSampleSource({ codec: kind === "flac" ? "flac" : bits === 16 ? "pcm-s16" : "pcm-s24" });
    this.output = new Output({
      format: outputFormat(kind, size),
      target: new StreamTarget(writable, { chunked: true, chunkSize: CHUNK_BYTES }),
    });
    this.output.addAudioTrack(this.opus?.source ?? this.source);
  }

  async start() {
    if (this.kind === "flac") {
      if (!FLAC_RATES.includes(this.rate)) throw new ExportError("format", `no FLAC of ${this.rate} Hz`);
      useLibFlac();
    }
    if (this.title) this.output.setMetadataTags({ title: this.title });
    await this.output.start();
  }

  /**
   * Take the next frames. Resolves when there is room for more.
   * @param {Float32Array} left
   * @param {Float32Array} right
   */
  async add(left, right) {
    const piece = this.resampler ? this.resampler.push(left, right) : { left, right };
    await this.put(piece.left, piece.right);
  }

  /**
   * @param {Float32Array} left
   * @param {Float32Array} right
   */
  async put(left, right) {
    // A resampler's last frame may be one too many.
    const count = Math.min(left.length, this.frames - this.done);
    if (count === 0) return;
    const timestamp = this.done / this.rate;
    this.done += count;
    if (this.opus) return this.opus.add(left.subarray(0, count), right.subarray(0, count));
    const sample = new AudioSample({
      data: quantise(left, right, this.bits),
      format: this.bits === 16 ? "s16" : "s32",
      numberOfChannels: 2,
      sampleRate: this.rate,
      timestamp,
    });
    try {
      await this.source.add(sample);
    } finally {
      sample.close();
    }
  }

  /** Write what is left, and the sizes in the header. */
  async finish() {
    if (this.resampler) {
      const rest = this.resampler.push(new Float32Array(0), new Float32Array(0), true);
      await this.put(rest.left, rest.right);
    }
    await this.opus?.finish();
    await this.output.finalize();
  }

  /** Stop, without a file worth having. */
  async cancel() {
    this.opus?.close();
    await this.output.cancel();
  }
}

/** @type {Record<Format, {kind: "wav" | "flac" | "opus", bits: 16 | 24}>} */
const FORMATS = {
  wav16: { kind: "wav", bits: 16 },
  wav24: { kind: "wav", bits: 24 },
  flac16: { kind: "flac", bits: 16 },
  flac24: { kind: "flac", bits: 24 },
  opus: { kind: "opus", bits: 24 },
};

/**
 * @param {"wav" | "flac" | "opus"} kind
 * @param {number} bytes
 */
function outputFormat(kind, bytes) {
  if (kind === "wav") return new WavOutputFormat({ large: bytes > LARGE_BYTES });
  return kind === "flac" ? new FlacOutputFormat() : new OggOutputFormat();
}
