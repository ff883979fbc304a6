import assert from "node:assert/strict";
import { test } from "node:test";
import { Chunker } from "../../player/engine/chunker.js";
import { Feed } from "../../player/engine/feed.js";
import { framesOf, NotOggOpus, OggOpus } from "../../player/engine/ogg_opus.js";
import { Gone, RemoteFile } from "../../player/engine/remote_file.js";
import { Resampler } from "../../player/engine/resample.js";
import { CHUNK } from "../../player/engine/windows.js";
import { serving } from "./http.js";
import { oggOpus, PRE_SKIP } from "./ogg.js";
import { noise } from "./signals.js";

const silent = () => {};

/** @param {Uint8Array} packet */
const numberOf = (packet) => new DataView(packet.buffer, packet.byteOffset).getUint32(2, true);

test("any bytes of a file can be read, and reading on takes few requests", async (t) => {
  const bytes = Uint8Array.from({ length: 300_001 }, (_, i) => (i * 31 + (i >> 9)) & 255);
  const site = await serving(t, bytes);
  const file = new RemoteFile(site.url, 10, silent);
  assert.equal(await file.open(), bytes.length);
  for (let at = 0; at < bytes.length; at += 4096) {
    const end = Math.min(at + 4096, bytes.length);
    assert.deepEqual(await file.read(at, end), bytes.subarray(at, end));
  }
  assert.ok(site.requests.length <= 8, `${site.requests.length} requests`);
  for (const [from, to] of [
    [299_990, 300_001],
    [16_383, 16_385],
    [5, 6],
    [100_000, 190_000],
  ]) {
    assert.deepEqual(await file.read(from, to), bytes.subarray(from, to));
  }
});

test("a server without ranges will do", async (t) => {
  const bytes = Uint8Array.from({ length: 50_000 }, (_, i) => i & 255);
  const site = await serving(t, bytes, { knowsRanges: false });
  const file = new RemoteFile(site.url, 10, silent);
  assert.equal(await file.open(), 50_000);
  assert.deepEqual(await file.read(40_000, 50_000), bytes.subarray(40_000));
});

test("what fails is told and tried again until it is there", async (t) => {
  const bytes = new Uint8Array(100_000).fill(7);
  const site = await serving(t, bytes);
  /** @type {string[]} */
  const heard = [];
  const file = new RemoteFile(site.url, 10, ({ kind, isOver }) => heard.push(isOver ? "over" : kind));
  site.failures = [503];
  assert.equal(await file.open(), bytes.length);
  site.failures = ["cut", 403, 404];
  assert.deepEqual(await file.read(80_000, 80_100), bytes.subarray(0, 100));
  assert.deepEqual(heard, ["network", "over", "network", "expired", "gone", "over"]);
});

test("a file that is gone from the beginning is not waited for", async (t) => {
  const site = await serving(t, new Uint8Array(1000));
  site.failures = [503, 404];
  await assert.rejects(new RemoteFile(site.url, 10, silent).open(), Gone);
});

test("closing ends what is being waited for", async (t) => {
  const site = await serving(t, new Uint8Array(1000));
  site.failures = new Array(100).fill(503);
  const file = new RemoteFile(site.url, 10, silent);
  const reading = file.read(0, 10);
  setTimeout(() => file.close(), 50);
  await assert.rejects(reading, { name: "AbortError" });
});

for (const [name, options] of /** @type {[string, Parameters<typeof oggOpus>[1]][]} */ ([
  ["even packets", {}],
  ["packets of every size", { packetSize: (n) => 40 + ((n * 7919) % 1200), perPage: 17 }],
  ["packets that go on on the next page", { packetSize: (n) => 700 + (n % 500), perPage: 255 }],
  ["loud halves and quiet ones", { packetSize: (n) => (n % 4000 < 2000 ? 60 : 1200) }],
  ["tags over several pages", { tags: 200_000 }],
])) {
  test(`an Ogg Opus file is read from any place on: ${name}`, async (t) => {
    const packets = 9_000; // three minutes
    const site = await serving(t, oggOpus(packets, options));
    const opus = await OggOpus.open(new RemoteFile(site.url, 180, silent), 180);
    assert.equal(opus.preSkip, PRE_SKIP);
    for (const frame of [0, 1, 47_999, 1_000_000, 4_321_987, 8_600_000, 8_639_999]) {
      const before = site.requests.length;
      let expected = -1;
      let seen = 0;
      for await (const packet of opus.packets(frame)) {
        const number = numberOf(packet.data);
        if (expected < 0) {
          assert.ok(packet.frame <= frame, `begins at ${packet.frame} for ${frame}`);
          // In quiet music a read of the usual size is many seconds.
          assert.ok(frame - packet.frame < 12 * 48_000, `begins at ${packet.frame} for ${frame}`);
        } else assert.equal(number, expected);
        assert.equal(packet.frame, number * 960 - PRE_SKIP);
        assert.equal(packet.frames, 960);
        expected = number + 1;
        seen += 1;
        if (seen > 200) break;
      }
      if (frame > 8_600_000) assert.equal(expected, packets);
      const requests = site.requests.length - before;
      assert.ok(requests < 25, `${requests} requests for frame ${frame}`);
    }
  });
}

test("what is no Ogg Opus file is said to be none", async (t) => {
  const site = await serving(t, new Uint8Array(5000).fill(79));
  await assert.rejects(OggOpus.open(new RemoteFile(site.url, 1, silent), 1), NotOggOpus);
});

test("an Opus packet tells its length", () => {
  assert.equal(framesOf(new Uint8Array([31 << 3])), 960);
  assert.equal(framesOf(new Uint8Array([(31 << 3) | 1])), 1920);
  assert.equal(framesOf(new Uint8Array([(16 << 3) | 3, 5])), 600);
  assert.equal(framesOf(new Uint8Array([3 << 3])), 2880);
  assert.equal(framesOf(new Uint8Array()), 0);
});

test("pieces of any length become chunks, with silence where there is none", () => {
  const frames = 2 * CHUNK + 500;
  const sound = noise(frames, 4);
  const chunker = new Chunker(CHUNK, frames);
  const found = [];
  for (let at = CHUNK - 700; at < frames - 200; at += 960) {
    const piece = sound.slice(at, Math.min(at + 960, frames - 200));
    found.push(...chunker.take(at, piece, piece));
  }
  found.push(...chunker.rest());
  assert.deepEqual(
    found.map(({ index, left }) => [index, left.length]),
    [
      [1, CHUNK],
      [2, 500],
    ],
  );
  assert.deepEqual(found[0].left, sound.slice(CHUNK, 2 * CHUNK));
  assert.deepEqual(found[1].left.slice(0, 300), sound.slice(2 * CHUNK, 2 * CHUNK + 300));
  assert.ok(found[1].left.slice(300).every((value) => value === 0));
});

test("a feed sends what is wanted, in order, each once, and goes elsewhere when that is wanted", async () => {
  const frames = 100 * CHUNK;
  /** @type {number[]} */
  const begun = [];
  const stem = {
    frames,
    /** @param {number} from */
    async *chunks(from) {
      begun.push(from / CHUNK);
      for (let index = from / CHUNK; index < 100; index++) {
        yield { index, left: new Float32Array(1), right: new Float32Array(1) };
      }
    },
  };
  /** @type {number[]} */
  const sent = [];
  const feed = new Feed(stem, ({ index }) => sent.push(index));
  feed.run();
  const settled = () => new Promise((resolve) => setTimeout(resolve, 10));
  feed.want([[0, 5 * CHUNK]]);
  await settled();
  assert.deepEqual(sent.splice(0), [0, 1, 2, 3, 4]);
  feed.want([[2 * CHUNK, 7 * CHUNK]]);
  await settled();
  assert.deepEqual(sent.splice(0), [5, 6]);
  feed.want([
    [80 * CHUNK, 82 * CHUNK],
    [2 * CHUNK, 3 * CHUNK],
  ]);
  await settled();
  assert.deepEqual(sent.splice(0), [80, 81]);
  feed.want([[0, 3 * CHUNK]]);
  await settled();
  assert.deepEqual(sent.splice(0), [0, 1]);
  assert.deepEqual(begun, [0, 80, 0]);
  await feed.close();
});

test("other sample rates are converted without delay, piece by piece as in one go", () => {
  const [from, to] = [44_100, 48_000];
  const tone = Float32Array.from({ length: from }, (_, i) => Math.sin((2 * Math.PI * 1000 * i) / from));
  const resampler = new Resampler(from, to);
  /** @type {number[]} */
  const out = [];
  for (let at = 0; at < tone.length; at += 1234) {
    const piece = tone.subarray(at, at + 1234);
    out.push(...resampler.push(piece, piece).left);
  }
  out.push(...resampler.push(new Float32Array(0), new Float32Array(0), true).left);
  assert.ok(Math.abs(out.length - to) <= 1, `${out.length}`);
  for (let i = 200; i < to - 200; i++) {
    const ideal = Math.sin((2 * Math.PI * 1000 * i) / to);
    assert.ok(Math.abs(out[i] - ideal) < 1e-3, `frame ${i}: ${out[i]} instead of ${ideal}`);
  }
  const later = new Resampler(from, to, 20_000);
  const rest = tone.subarray(later.needs);
  const { left } = later.push(rest, rest);
  for (let i = 0; i < 1000; i++) assert.ok(Math.abs(left[i] - out[20_000 + i]) < 1e-6);
});
