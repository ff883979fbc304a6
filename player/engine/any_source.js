/**
 * Stems of other kinds, from other days: WAV, FLAC, AAC, MP3, and Opus that is laid out unusually. A bundle of its own,
 * for mediabunny, which can read them all, is ten times as large as the rest of the reader.
 */

import { ADTS, AudioSampleSink, CustomSource, FLAC, Input, MP3, MP4, OGG, WAVE } from "mediabunny";

const FORMATS = [WAVE, MP4, ADTS, FLAC, MP3, OGG];
/** Decoders that begin in the middle of a stream need a while until they are right. */
const PRE_ROLL_SECONDS = 0.12;
/** How many bytes mediabunny keeps of what RemoteFile gives it. */
const KEPT_BYTES = 256 * 1024;
/** What an AudioContext can have, in Hz: what a file says beyond this is not meant. */
const LOWEST_RATE = 3_000;
const HIGHEST_RATE = 768_000;

/** @typedef {import("./opus_source.js").Piece} Piece */

/** A stem's file. */
export class AnySource {
  /**
   * Open a file.
   * @param {import("./remote_file.js").RemoteFile} file
   * @returns {Promise<AnySource | "damaged" | "no decoder">} "damaged": no sound is found in it
   */
  static async open(file) {
    const source = new CustomSource({
      getSize: () => file.open(),
      read: (start, end) => file.read(start, end),
      dispose: () => file.close(),
      maxCacheSize: KEPT_BYTES,
      handleUnhandledError: () => {},
    });
    const input = new Input({ source, formats: FORMATS });
    const track = await input.getPrimaryAudioTrack().catch(() => null);
    const rate = await track?.getSampleRate().catch(() => 0);
    if (!track || !rate || rate < LOWEST_RATE || rate > HIGHEST_RATE) return "damaged";
    return (await track.canDecode()) ? new AnySource(input, track, rate) : "no decoder";
  }

  /**
   * @param {Input} input
   * @param {import("mediabunny").InputAudioTrack} track
   * @param {number} rate Hz
   */
  constructor(input, track, rate) {
    this.input = input;
    this.sink = new AudioSampleSink(track);
    this.rate = rate;
  }

  /**
   * Yield pieces from one that begins at or before a frame, in order.
   * @param {number} from
   * @returns {AsyncGenerator<Piece, void, void>}
   */
  async *pieces(from) {
    for await (const sample of this.sink.samples(Math.max(0, from / this.rate - PRE_ROLL_SECONDS))) {
      const frame = Math.round(sample.timestamp * this.rate);
      const left = plane(sample, 0);
      const right = sample.numberOfChannels > 1 ? plane(sample, 1) : left;
      sample.close();
      yield { frame, left, right };
    }
  }

  /** Fetch no more. */
  close() {
    this.input.dispose();
  }
}

/**
 * @param {import("mediabunny").AudioSample} sample
 * @param {number} planeIndex
 */
function plane(sample, planeIndex) {
  const samples = new Float32Array(sample.numberOfFrames);
  sample.copyTo(samples, { planeIndex, format: "f32-planar" });
  return samples;
}
