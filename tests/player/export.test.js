import assert from "node:assert/strict";
import { test } from "node:test";
import { MasterChain } from "../../player/effects/chain.js";
import { Stretch } from "../../player/engine/stretch.js";
import { filenameFor } from "../../player/export/export.js";
import { quantise } from "../../player/export/quantise.js";
import { framesAtSpeed, renderMix } from "../../player/export/render.js";
import { loaded, noise, RATE, sine } from "./signals.js";
import { pitch } from "./spectrum.js";

/**
 * Render a mix of stems that are all there.
 * @param {any} deck
 * @param {{from?: number, frames: number, effects?: object}} options
 */
async function mixed(deck, { from = 0, frames, effects = {} }) {
  const chain = new MasterChain(RATE);
  chain.set(effects);
  const tail = Math.round(chain.tailSeconds * RATE);
  const left = new Float32Array(frames + tail);
  let at = 0;
  for await (const piece of renderMix({ deck, chain, from, frames, tail }, () => {})) {
    left.set(piece.left, at);
    at += piece.left.length;
  }
  assert.equal(at, frames + tail);
  return left;
}

test("a mix is the sum of its stems from the first frame to the last", async () => {
  for (const length of [128 * 300, 40_001]) {
    const stems = [1, 2, 3].map((seed) => noise(length, seed).map((sample) => sample * 0.5));
    const left = await mixed(loaded(stems), { frames: length });
    for (let i = 0; i < length; i++) {
      assert.ok(Math.abs(left[i] - (stems[0][i] + stems[1][i] + stems[2][i])) < 2e-7, `${i}`);
    }
  }
});

test("a part of it is exactly that part", async () => {
  const stem = noise(2 * RATE, 4);
  const left = await mixed(loaded([stem]), { from: 10_001, frames: 30_003 });
  assert.deepEqual(left, stem.subarray(10_001, 40_004));
});

test("what effects still put out comes after the end, without what follows in the recording", async () => {
  const stem = noise(2 * RATE, 5);
  const reverb = { on: true, decay: 1, mix: 0.5 };
  const left = await mixed(loaded([stem]), { frames: RATE, effects: { reverb } });
  assert.ok(left.length > 2 * RATE);
  const level = (/** @type {number} */ from) => Math.hypot(...left.subarray(from, from + 1000));
  assert.ok(level(RATE + 5000) > 0.01);
  assert.ok(level(left.length - 1000) < level(0) / 1000);
});

test("slower and higher it has the right length and pitch", async () => {
  const deck = loaded([sine(2 * RATE, 440)]);
  deck.setSpeed(0.8);
  deck.setTranspose(5, []);
  const { default: factory } = await import(/** @type {any} */ ("../../static/player/stretch.js"));
  deck.useStretch(await Stretch.create(factory, 1, RATE));
  const frames = framesAtSpeed(2 * RATE, 0.8);
  const left = await mixed(deck, { frames });
  assert.equal(frames, 120_000);
  const cents = 1200 * Math.log2(pitch(left.subarray(30_000, 90_000), RATE) / (440 * 2 ** (5 / 12)));
  assert.ok(Math.abs(cents) < 5, `${cents}`);
  const level = Math.hypot(...left.subarray(0, 4800)) / Math.hypot(...left.subarray(48_000, 52_800));
  assert.ok(level > 0.8, "it does not fade in");
});

test("whole numbers: to the nearest, clipped at full scale", () => {
  const left = Float32Array.of(0, 1, -1, 2, -2, 0.4 / 32768, 0.6 / 32768, -0.6 / 32768);
  const right = new Float32Array(8);
  const pick = (/** @type {Int16Array | Int32Array} */ all) => Array.from(all).filter((_, i) => i % 2 === 0);
  assert.deepEqual(pick(quantise(left, right, 16)), [0, 32767, -32768, 32767, -32768, 0, 1, -1]);
  const upper = quantise(left, right, 24);
  assert.equal(upper[2], 8388607 * 256);
  assert.ok(upper.every((value) => value % 256 === 0));
  const same = Int16Array.from({ length: 65_536 }, (_, i) => i - 32_768);
  const back = quantise(
    Float32Array.from(same, (value) => value / 32_768),
    new Float32Array(65_536),
    16,
  );
  assert.deepEqual(pick(back), Array.from(same));
});

test("files have names that every system takes", () => {
  const wish = /** @type {any} */ ({ title: 'AC/DC: "Live"\n', speed: 0.8, transpose: { semitones: -2 } });
  assert.equal(filenameFor(wish, "wav"), "AC_DC_ _Live_ mix 80% -2.wav");
  assert.equal(filenameFor({ ...wish, title: "../x", speed: 1, transpose: undefined }, "flac"), "_x mix.flac");
  const range = { start: 7.5, end: 187 };
  assert.equal(filenameFor(/** @type {any} */ ({ title: "Größe", range }), "opus"), "Größe mix 0.07-3.07.opus");
});
