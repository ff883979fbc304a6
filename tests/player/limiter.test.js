import assert from "node:assert/strict";
import { test } from "node:test";
import { Limiter } from "../../player/effects/limiter.js";
import { SlidingMax } from "../../player/effects/sliding_max.js";
import { db, factor, peak, RATE, rms, steady, through, tone } from "./effects.js";
import { noise } from "./signals.js";

/** @param {any} settings */
function limiter(settings = {}) {
  const effect = new Limiter(RATE);
  effect.set(settings);
  effect.settle();
  return effect;
}

/** @param {number} length @param {number} seed  bursts of noise up to +30 dB, between silence and single clicks */
function bursts(length, seed) {
  const signal = noise(length, seed);
  const gains = noise(1 + length / 500, seed + 1);
  for (let i = 0; i < length; i++) {
    const gain = gains[Math.floor(i / 500)];
    signal[i] *= gain > 0 ? factor(120 * gain - 24) : 0;
  }
  for (let i = 777; i < length; i += 9973) signal[i] = i % 2 ? 50 : -50;
  return signal;
}

test("nothing is ever above the ceiling", () => {
  for (const ceiling of [-12, -1, -0.3, 0]) {
    for (const release of [0.01, 1]) {
      const { left, right } = through(limiter({ ceiling, release }), bursts(5 * RATE, 1), bursts(5 * RATE, 7));
      assert.ok(peak(left) <= factor(ceiling), `${peak(left)}`);
      assert.ok(peak(right) <= factor(ceiling), `${peak(right)}`);
      assert.ok(db(peak(left)) > ceiling - 0.01, "and it goes up to there");
    }
  }
});

test("what is below the ceiling comes out as it went in, 2 ms later", () => {
  const effect = limiter();
  assert.equal(effect.latencyFrames, 96);
  const signal = noise(RATE, 2).map((sample) => sample * 1.7);
  assert.ok(peak(signal) < factor(-1) && peak(signal) > factor(-1.5));
  const { left } = through(effect, signal.slice());
  assert.deepEqual(left.subarray(96), signal.subarray(0, RATE - 96));
  assert.deepEqual(left.subarray(0, 96), new Float32Array(96));
});

test("after a peak it is exactly transparent again", () => {
  const effect = limiter({ release: 0.05 });
  const signal = noise(4 * RATE, 3);
  signal[1000] = 20;
  const { left } = through(effect, signal.slice());
  assert.equal(effect.gainReductionDb, 0);
  assert.deepEqual(left.subarray(3 * RATE + 96), signal.subarray(3 * RATE, 4 * RATE - 96));
});

test("off it only delays, and switching leaves no gap", () => {
  const effect = limiter({ on: false });
  const signal = bursts(RATE, 4);
  const { left } = through(effect, signal.slice());
  assert.deepEqual(left.subarray(96), signal.subarray(0, RATE - 96));
  const quiet = tone(RATE, 100, 0.5);
  const out = quiet.slice();
  through(effect, out.subarray(0, RATE / 2));
  effect.set({ on: true });
  through(effect, out.subarray(RATE / 2));
  assert.deepEqual(out.subarray(96), quiet.subarray(0, RATE - 96));
});

test("a steady tone is turned down without being bent", () => {
  const effect = limiter({ release: 1 });
  const { left } = through(effect, tone(2 * RATE, 500, 2));
  assert.ok(Math.abs(effect.gainReductionDb - (db(2) + 1)) < 0.02, `${effect.gainReductionDb}`);
  const settled = left.subarray(RATE);
  const pure = tone(RATE, 500, peak(settled));
  // In phase: 96 frames are a whole period of 500 Hz.
  const rest = settled.map((sample, i) => sample - pure[i]);
  assert.ok(db(rms(rest) / rms(settled)) < -60, `${db(rms(rest) / rms(settled))}`);
});

test("it comes back in the time that it is told", () => {
  const effect = limiter({ release: 0.2 });
  through(effect, steady(RATE, 2));
  through(effect, steady(96, 0.1));
  const before = 1 - factor(-effect.gainReductionDb);
  through(effect, steady(0.2 * RATE, 0.1));
  const after = 1 - factor(-effect.gainReductionDb);
  assert.ok(Math.abs(after / before - Math.exp(-1)) < 0.02, `${after / before}`);
});

test("blocks of any size give the same", () => {
  const signal = bursts(RATE, 5);
  const { left } = through(limiter(), signal.slice());
  assert.deepEqual(through(limiter(), signal.slice(), undefined, 4096).left, left);
});

test("the largest of a window is found", () => {
  const window = new SlidingMax(7);
  const values = noise(5000, 6).map(Math.abs);
  for (let i = 0; i < values.length; i++) {
    assert.equal(window.push(values[i]), Math.max(...values.subarray(Math.max(0, i - 6), i + 1)));
  }
});
