import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULTS, Equaliser, KINDS, RANGES, responseDb } from "../../player/effects/eq.js";
import { above, db, factor, gainAt, peak, RATE, rms, through, tone } from "./effects.js";
import { noise } from "./signals.js";

const BANDS = [
  { frequency: 80, gain: 6, q: Math.SQRT1_2 },
  { frequency: 300, gain: -9, q: 2 },
  { frequency: 1200, gain: 12, q: 0.5 },
  { frequency: 5000, gain: -4, q: 4 },
  { frequency: 9000, gain: -12, q: Math.SQRT1_2 },
];

/** @param {any} settings */
function equaliser(settings) {
  const eq = new Equaliser(RATE);
  eq.set({ on: true, ...settings });
  eq.settle();
  return eq;
}

/**
 * The formula as the cookbook has it in the analogue domain, at the frequency that the bilinear transform takes there.
 * @param {string} kind
 * @param {{frequency: number, gain: number, q: number}} band
 * @param {number} hz
 */
function prototypeDb(kind, { frequency, gain, q }, hz) {
  const a = 10 ** (gain / 40);
  const w = Math.tan((Math.PI * hz) / RATE) / Math.tan((Math.PI * frequency) / RATE);
  const size = (/** @type {number} */ re, /** @type {number} */ im) => re * re + im * im;
  if (kind === "peaking") return 10 * Math.log10(size(1 - w * w, (w * a) / q) / size(1 - w * w, w / (a * q)));
  const root = Math.sqrt(a) / q;
  const top = kind === "lowshelf" ? size(a - w * w, root * w) : size(1 - a * w * w, root * w);
  const bottom = kind === "lowshelf" ? size(1 - a * w * w, root * w) : size(a - w * w, root * w);
  return 10 * Math.log10((a * a * top) / bottom);
}

test("frequencies are raised and lowered as the formulas say, within 0.1 dB", () => {
  for (const settings of [BANDS, BANDS.map((band) => ({ ...band, gain: -band.gain })), DEFAULTS.bands]) {
    const impulse = new Float32Array(RATE);
    impulse[0] = 1;
    const { left } = through(equaliser({ bands: settings }), impulse);
    for (let hz = 20; hz < 0.49 * RATE; hz *= 1.31) {
      const expected = KINDS.reduce((sum, kind, i) => sum + prototypeDb(kind, settings[i], hz), 0);
      assert.ok(Math.abs(gainAt(left, hz) - expected) < 0.1, `${hz} Hz: ${gainAt(left, hz)} dB, not ${expected}`);
      const drawn = KINDS.reduce((sum, kind, i) => sum + responseDb(kind, settings[i], RATE, hz), 0);
      assert.ok(Math.abs(drawn - expected) < 1e-6, "the curve for drawing");
    }
  }
});

test("both sides are filtered alike and apart", () => {
  const [l, r] = [noise(4096, 1), noise(4096, 2)];
  const { left, right } = through(equaliser({ bands: BANDS }), l.slice(), r.slice());
  assert.deepEqual(through(equaliser({ bands: BANDS }), l.slice()).right, left);
  assert.deepEqual(through(equaliser({ bands: BANDS }), r.slice()).left, right);
});

test("switched off, and flat, it leaves every bit", () => {
  const signal = noise(RATE, 3);
  assert.deepEqual(through(new Equaliser(RATE), signal.slice()).left, signal);
  assert.deepEqual(through(equaliser({}), signal.slice()).left, signal);
  const eq = equaliser({ bands: BANDS });
  through(eq, signal.slice());
  eq.set({ on: false });
  through(eq, signal.slice());
  assert.deepEqual(through(eq, signal.slice()).left, signal);
});

test("moving a band or the switch makes no click", () => {
  const changes = [{ bands: [null, null, { gain: 18 }] }, { bands: [{ gain: -18 }] }, { on: false }, { on: true }];
  for (const change of [...changes, { bands: [null, { frequency: 8000, q: 10, gain: 18 }] }]) {
    const eq = equaliser({ bands: BANDS });
    if ("on" in change && change.on) eq.set({ on: false });
    const signal = tone(RATE, 100, 0.5);
    through(eq, signal.subarray(0, RATE / 2));
    eq.set(change);
    through(eq, signal.subarray(RATE / 2));
    // A click is heard by what it has far above the tone.
    assert.ok(db(peak(above(signal, 4000).subarray(RATE / 4))) < -85, `${JSON.stringify(change)}`);
  }
});

test("settings are kept within their ranges, and what is none of them is ignored", () => {
  const eq = equaliser({ bands: [{ frequency: 1e9, gain: Number.NaN, q: 0 }, "loud", null, { gain: 99 }] });
  assert.deepEqual(eq.filters[0].wanted, { frequency: RANGES.frequency[1], gain: 0, q: RANGES.q[0] });
  assert.equal(eq.filters[3].wanted.gain, RANGES.gain[1]);
  through(eq, noise(RATE, 4));
});

test("the most extreme settings stay within what they add", () => {
  for (const frequency of RANGES.frequency) {
    for (const q of RANGES.q) {
      const eq = equaliser({ bands: KINDS.map(() => ({ frequency, gain: 3, q })) });
      const { left } = through(eq, noise(4 * RATE, 5));
      assert.ok(rms(left, 3 * RATE) < rms(noise(RATE, 5)) * factor(15.1));
    }
  }
});
