import assert from "node:assert/strict";
import { test } from "node:test";
import { Reverb } from "../../player/effects/reverb.js";
import { above, db, peak, RATE, rms, through, tone } from "./effects.js";
import { noise } from "./signals.js";

/** @param {any} settings */
function reverb(settings) {
  const effect = new Reverb(RATE);
  effect.set({ on: true, mix: 1, damping: 0, preDelay: 0, ...settings });
  effect.settle();
  return effect;
}

/** @param {any} settings @param {number} seconds */
function response(settings, seconds) {
  const left = new Float32Array(seconds * RATE);
  left[0] = 1;
  return through(reverb(settings), left);
}

/**
 * Return the reverberation time by Schroeder's backward integration (ISO 3382), from -5 to -35 dB.
 * @param {Float32Array} signal
 */
function rt60(signal) {
  const energy = new Float64Array(signal.length + 1);
  for (let i = signal.length - 1; i >= 0; i--) energy[i] = energy[i + 1] + signal[i] ** 2;
  const when = (/** @type {number} */ level) => energy.findIndex((left) => 10 * Math.log10(left / energy[0]) <= level);
  return (2 * (when(-35) - when(-5))) / RATE;
}

/**
 * Return what is near a frequency.
 * @param {Float32Array} signal
 * @param {number} hz
 */
function near(signal, hz) {
  const w = (2 * Math.PI * hz) / RATE;
  const r = 1 - w / 20;
  const out = new Float32Array(signal.length);
  let [a, b] = [0, 0];
  for (let i = 0; i < out.length; i++) {
    out[i] = signal[i] + 2 * r * Math.cos(w) * a - r * r * b;
    [a, b] = [out[i], a];
  }
  return out;
}

test("sound dies in the time that it is told, within 15 %", () => {
  for (const decay of [0.3, 1, 2.5, 6]) {
    const { left, right } = response({ decay }, Math.max(1, 1.5 * decay));
    for (const side of [left, right]) {
      assert.ok(Math.abs(rt60(side) / decay - 1) < 0.15, `${rt60(side)} s, not ${decay}`);
    }
  }
});

test("damping shortens high tones and leaves low ones", () => {
  const { left } = response({ decay: 2, damping: 0.7 }, 4);
  const low = rt60(near(near(left, 200), 200));
  const high = rt60(near(near(near(left, 5000), 5000), 5000));
  assert.ok(Math.abs(low / 2 - 1) < 0.15, `low ${low} s`);
  assert.ok(Math.abs(high / (2 * (1 - 0.9 * 0.7)) - 1) < 0.15, `high ${high} s`);
});

test("the room is as loud as what goes in, whatever its decay", () => {
  for (const decay of [0.3, 1, 3, 8]) {
    const seconds = Math.ceil(decay) + 4;
    const into = noise(seconds * RATE, 1);
    const { left, right } = through(reverb({ decay }), into.slice(), noise(seconds * RATE, 2));
    const from = Math.ceil(decay) * RATE;
    for (const side of [left, right]) {
      assert.ok(Math.abs(db(rms(side, from) / rms(into, from))) < 1.5, `${db(rms(side, from) / rms(into, from))} dB`);
    }
  }
});

test("both sides hear another room", () => {
  const { left, right } = response({ decay: 2 }, 2);
  let product = 0;
  for (let i = 0; i < left.length; i++) product += left[i] * right[i];
  assert.ok(Math.abs(product / (left.length * rms(left) * rms(right))) < 0.3);
});

test("nothing is heard before the pre-delay, and echoes are dense soon", () => {
  const delay = 0.05 * RATE;
  const { left } = response({ preDelay: 0.05, decay: 2 }, 1);
  assert.ok(peak(left.subarray(0, delay)) < 1e-15);
  const later = left.subarray(delay + 0.15 * RATE, delay + 0.25 * RATE);
  const silent = later.filter((sample) => Math.abs(sample) < rms(later) / 100).length;
  assert.ok(silent < later.length / 20, `${silent} of ${later.length} are silent`);
});

test("ten minutes of noise leave it stable, with the longest decay", () => {
  const effect = reverb({ decay: 10, mix: 0.5 });
  const second = noise(RATE, 3);
  const levels = [];
  for (let i = 0; i < 600; i++) {
    const { left } = through(effect, second.slice());
    if (i % 60 === 59) levels.push(rms(left));
  }
  assert.ok(Math.max(...levels) / Math.min(...levels) < 1.3, levels.join(" "));
});

test("off it leaves every bit; after silence nothing is left of anything", () => {
  const signal = noise(RATE, 4);
  assert.deepEqual(through(new Reverb(RATE), signal.slice()).left, signal);
  const dry = reverb({ mix: 0 });
  assert.deepEqual(through(dry, signal.slice()).left, signal);
  const effect = reverb({ decay: 0.2 });
  through(effect, signal.slice());
  through(effect, new Float32Array(8 * RATE));
  for (const line of effect.lines) assert.equal(peak(line), 0);
});

test("changes make no click", () => {
  const changes = [{ mix: 0 }, { decay: 10 }, { damping: 1 }, { preDelay: 0.2 }, { preDelay: 0.001 }, { on: false }];
  for (const change of changes) {
    const effect = reverb({ mix: 0.5, decay: 1, preDelay: 0.02 });
    const signal = tone(2 * RATE, 100, 0.5);
    through(effect, signal.subarray(0, RATE));
    effect.set(change);
    through(effect, signal.subarray(RATE));
    assert.ok(db(peak(above(signal, 4000).subarray(RATE / 2))) < -85, `${JSON.stringify(change)}`);
  }
});

test("it tells how long it goes on", () => {
  assert.equal(new Reverb(RATE).tailSeconds, 0);
  assert.equal(reverb({ decay: 3, preDelay: 0.1 }).tailSeconds, 4.1);
});
