import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { MasterChain } from "../../player/effects/chain.js";
import { factor, peak, RATE, through } from "./effects.js";
import { noise } from "./signals.js";

export const ALL_ON = {
  eq: { on: true, bands: [{ gain: 6 }, { gain: -6 }, { gain: 6 }, { gain: -6 }, { gain: 6 }] },
  compressor: { on: true, threshold: -30, makeup: 12 },
  reverb: { on: true, mix: 0.4 },
};

test("as it begins, it changes nothing below the ceiling", () => {
  const chain = new MasterChain(RATE);
  const signal = noise(RATE, 1);
  const { left } = through(chain, signal.slice());
  assert.deepEqual(left.subarray(chain.latencyFrames), signal.subarray(0, RATE - chain.latencyFrames));
  assert.equal(chain.gainReductionDb, 0);
  assert.equal(chain.tailSeconds, 0);
});

test("with everything on it stays below the ceiling", () => {
  const chain = new MasterChain(RATE);
  chain.set(ALL_ON);
  const { left, right } = through(chain, noise(5 * RATE, 2), noise(5 * RATE, 3));
  assert.ok(Math.max(peak(left), peak(right)) <= factor(-1));
  assert.ok(chain.gainReductionDb > 3);
});

test("what is not a number passes by without a trace", () => {
  const chain = new MasterChain(RATE);
  chain.set(ALL_ON);
  chain.settle();
  const signal = noise(RATE, 4);
  for (const [at, value] of [Number.NaN, Number.POSITIVE_INFINITY, -1e30, 1e-42].entries()) signal[1000 + at] = value;
  const { left, right } = through(chain, signal);
  assert.ok(left.every(Number.isFinite) && right.every(Number.isFinite));
  assert.ok(peak(left.subarray(RATE / 2)) > 0.01, "it goes on");
});

test("reset is a new beginning", () => {
  const chain = new MasterChain(RATE);
  chain.set(ALL_ON);
  chain.settle();
  const { left } = through(chain, noise(RATE, 5));
  chain.reset();
  assert.deepEqual(through(chain, noise(RATE, 5)).left, left);
});

test("nothing is allocated from block to block", () => {
  const script = fileURLToPath(new URL("allocations.js", import.meta.url));
  const options = ["--expose-gc", "--single-threaded", script];
  const bytes = Number(execFileSync(process.execPath, options, { encoding: "utf8" }));
  // 100,000 blocks: a single number object in each would be 1.6 MB.
  assert.ok(bytes < 200_000, `${bytes} bytes`);
});

test("silence after sound costs no more than sound: no denormal numbers", () => {
  const chain = new MasterChain(RATE);
  chain.set(ALL_ON);
  chain.settle();
  const work = (/** @type {number} */ seconds, /** @type {Float32Array} */ signal) => {
    for (let second = 0; second < seconds; second++) through(chain, signal.slice());
  };
  work(2, noise(RATE, 6));
  work(60, new Float32Array(RATE)); // enough for everything to fade to where such numbers are
  for (const thing of [...chain.eq.filters.map(({ z }) => z), chain.reverb.low, ...chain.reverb.lines]) {
    for (const value of thing) assert.ok(value === 0 || Math.abs(value) > 1e-30, `${value}`);
  }
  assert.ok(chain.compressor.reduction === 0 || chain.compressor.reduction > 1e-30);
  assert.ok(chain.compressor.mean.every((value) => value === 0 || value > 1e-37));
});
