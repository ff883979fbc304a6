import assert from "node:assert/strict";
import { test } from "node:test";
import { Chunker } from "../../player/engine/chunker.js";
import { StemReader } from "../../player/engine/decoding.js";
import { Feed } from "../../player/engine/feed.js";
import { checksumOf, framesOf, NotOggOpus, OggOpus } from "../../player/engine/ogg_opus.js";
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

test("a page's checksum is that of other programs", () => {
  // The last page of a file of FFmpeg's.
  const page = Buffer.from("4f676753000458030000000000000000000002000000e3f925260103fcfffe", "hex");
  assert.equal(checksumOf(page), page.readUInt32LE(22));
});

/**
 * Return the numbers of the packets from a frame on of a file of two minutes, some of which were damaged.
 * @param {import("node:test").TestContext} t
 * @param {(bytes: Uint8Array) => Uint8Array} damage
 * @param {number} from
 */
async function packetsOf(t, damage, from = 0) {
  const site = await serving(t, damage(oggOpus(6_000)));
  const opus = await OggOpus.open(new RemoteFile(site.url, 120, silent), 120);
  const numbers = [];
  for await (const { data, frame } of opus.packets(from)) {
    assert.equal(frame, numberOf(data) * 960 - PRE_SKIP);
    numbers.push(numberOf(data));
  }
  return { numbers, requests: site.requests.length };
}

test("damaged pages of an Ogg Opus file are left out, and what follows is where it belongs", async (t) => {
  const all = Array.from({ length: 6_000 }, (_, n) => n);
  const without = (/** @type {number} */ from, /** @type {number} */ to) => all.filter((n) => n < from || n >= to);
  const one = await packetsOf(t, (bytes) => bytes.fill(0, 1_000_000, 1_000_100));
  const lost = all.filter((n) => !one.numbers.includes(n));
  assert.equal(lost.length, 50); // a page
  assert.deepEqual(one.numbers, without(lost[0], lost[0] + 50));

  const { numbers } = await packetsOf(t, (bytes) => bytes.fill(0, 1_000_000, 1_300_000));
  const gap = all.filter((n) => !numbers.includes(n));
  assert.ok(gap.length * 480 > 300_000 && gap.length * 480 < 350_000, `${gap.length} packets`);
  assert.deepEqual(numbers, without(gap[0], gap[0] + gap.length));
  for (const frame of [(gap[0] - 20) * 960, (gap[100] - 20) * 960, (gap[0] + gap.length + 200) * 960]) {
    const found = await packetsOf(t, (bytes) => bytes.fill(0, 1_000_000, 1_300_000), frame);
    assert.deepEqual(found.numbers, without(gap[0], gap[0] + gap.length).slice(-found.numbers.length));
    assert.ok(found.numbers[0] <= frame / 960 + 1 || found.numbers[0] === gap[0] + gap.length);
  }
});

test("of an Ogg Opus file that ends too early, or in zeros, nothing is read beyond that", async (t) => {
  for (const damage of [
    (/** @type {Uint8Array} */ bytes) => bytes.subarray(0, 1_000_000),
    (/** @type {Uint8Array} */ bytes) => bytes.fill(0, 1_000_000),
  ]) {
    const whole = await packetsOf(t, damage);
    assert.ok(whole.numbers.length > 2000 && whole.numbers.length * 480 < 1_000_000);
    const beyond = await packetsOf(t, damage, 100 * 48_000);
    assert.ok(beyond.numbers.length < 500, `${beyond.numbers.length} packets`);
    assert.ok(beyond.requests < 150, `${beyond.requests} requests`);
  }
});

/**
 * Read all of a stem of ten seconds at 48 kHz whose source yields a second at a time.
 * @param {(second: number) => boolean | "broken"} has whether it has a second, or breaks off there
 * @param {{rate?: number, from?: number}} options
 */
async function heardOf(has, { rate = 48_000, from = 0 } = {}) {
  const source = {
    rate,
    /** @param {number} at */
    async *pieces(at) {
      for (let second = Math.max(0, Math.floor(at / rate)); second < 10; second++) {
        if (has(second) === "broken") throw new Error("it cannot be decoded");
        const samples = new Float32Array(rate).fill(0.5);
        if (has(second)) yield { frame: second * rate, left: samples, right: samples };
      }
    },
    close() {},
  };
  /** @type {[number, number][]} */
  const told = [];
  const stem = new StemReader(source, 10, ({ from, to }) => told.push([from, to]));
  stem.sampleRate = 48_000;
  stem.frames = 480_000;
  const heard = new Float32Array(480_000);
  for await (const { index, left } of stem.chunks(from * 48_000)) heard.set(left, index * CHUNK);
  return {
    told,
    seconds: Array.from({ length: 10 }, (_, second) => Math.abs(heard[(second + 0.5) * 48_000] - 0.5) < 0.01),
  };
}

test("where a stem cannot be read there is silence, and that is told", async () => {
  const seconds = (/** @type {number[]} */ ...silent) => Array.from({ length: 10 }, (_, n) => !silent.includes(n));
  for (const rate of [48_000, 44_100]) {
    assert.deepEqual(await heardOf(() => true, { rate }), { told: [], seconds: seconds() });
    const gap = (/** @type {number} */ second) => second !== 4 && second !== 5;
    assert.deepEqual(await heardOf(gap, { rate }), { told: [[4, 6]], seconds: seconds(4, 5) });
    const short = (/** @type {number} */ second) => second < 7;
    assert.deepEqual(await heardOf(short, { rate }), { told: [[7, Infinity]], seconds: seconds(7, 8, 9) });
    const broken = (/** @type {number} */ second) => second !== 2 || "broken";
    assert.deepEqual(await heardOf(broken, { rate }), { told: [[2, 3]], seconds: seconds(2) });
    const atLast = (/** @type {number} */ second) => second < 6 || "broken";
    const { told, seconds: found } = await heardOf(atLast, { rate });
    assert.deepEqual(found, seconds(6, 7, 8, 9));
    assert.deepEqual([told[0][0], told.at(-1)?.[1]], [6, Infinity]);
    assert.deepEqual((await heardOf(short, { rate, from: 9 })).told.at(-1)?.[1], Infinity);
  }
  // Times are rounded, and a stem's end is not known to the sample.
  assert.deepEqual((await heardOf((second) => second < 9)).told, []);
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
