/** What the existing client kept of its effects, in ours. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULTS, MasterChain } from "../../player/effects/chain.js";
import { freshSession, readTheirs } from "../../player/mixer/session.js";
import { readTheirEffects } from "../../player/mixer/their_effects.js";
import { RATE, sine } from "./signals.js";

const fresh = () => freshSession([{ type: "vocals", gainDb: 0 }], structuredClone(DEFAULTS));
const BANDS = [
  { id: "low", frequency: 80, type: "lowshelf", gain: 4, q: 1 },
  { id: "lowmid", frequency: 250, type: "peaking", gain: 0, q: 1 },
  { id: "mid", frequency: 1000, type: "peaking", gain: -3, q: 2 },
  { id: "highmid", frequency: 3500, type: "peaking", gain: 0, q: 1 },
  { id: "high", frequency: 10_000, type: "highshelf", gain: 0, q: 1 },
];
const THEIRS = {
  eq: { enabled: true, bands: BANDS },
  compressor: { enabled: true, preGain: -3, threshold: -12, attack: 0.005, hold: 0.02, release: 0.1 },
  reverb: { enabled: true, mix: 0.5, impulse: "gothic-church" },
  stereoExpander: { enabled: true, expLow: 1.5 },
};

/**
 * Return the level of a steady tone behind the effects, in dBFS, with the limiter out of the way.
 * @param {object} settings
 * @param {number} hertz
 * @param {number} db its level before them
 */
function heard(settings, hertz, db) {
  const chain = new MasterChain(RATE);
  chain.set({ ...settings, limiter: { on: false } });
  chain.settle();
  const left = sine(RATE, hertz).map((sample) => 2 * sample * 10 ** (db / 20));
  const right = Float32Array.from(left);
  chain.process(left, right, RATE);
  return 20 * Math.log10(Math.max(...left.subarray(RATE / 2)));
}

test("its equaliser has the same bands", () => {
  const { eq } = readTheirEffects(THEIRS, fresh().mix.master);
  assert.equal(eq.on, true);
  assert.deepEqual(
    eq.bands.map((/** @type {any} */ band) => [band.frequency, band.gain]),
    BANDS.map(({ frequency, gain }) => [frequency, gain]),
  );
  assert.equal(eq.bands[2].q, 2);
  // The Web Audio API's shelves do not know a quality: they are as steep as this.
  assert.equal(eq.bands[0].q, Math.SQRT1_2);
  assert.ok(Math.abs(heard({ eq }, 1000, -20) - (-23 + 0.02)) < 0.1);
});

test("its compressor holds the threshold and makes up for it", () => {
  const { compressor } = readTheirEffects(THEIRS, fresh().mix.master);
  // Below: only the gain before it, and what makes up for the threshold.
  assert.ok(Math.abs(heard({ compressor }, 1000, -30) - (-30 - 3 + 12)) < 0.1);
  // Above: full scale, nearly.
  assert.ok(Math.abs(heard({ compressor }, 1000, -3)) < 0.5);
});

test("its reverb keeps the relation of room and signal", () => {
  const { reverb } = readTheirEffects(THEIRS, fresh().mix.master);
  assert.deepEqual([reverb.on, reverb.mix, reverb.decay], [true, 0.5, 4]);
  const none = readTheirEffects({ reverb: { enabled: false, mix: 0, impulse: 3 } }, fresh().mix.master).reverb;
  assert.deepEqual(none, { ...DEFAULTS.reverb, on: false, mix: 0 });
});

test("what is off or flat is off", () => {
  const flat = BANDS.map((band) => ({ ...band, gain: 0 }));
  const { eq, compressor } = readTheirEffects(
    { eq: { enabled: true, bands: flat }, compressor: { ...THEIRS.compressor, enabled: false } },
    fresh().mix.master,
  );
  assert.deepEqual([eq.on, compressor.on], [false, false]);
});

test("it is part of how the recording is found again, and nonsense changes nothing", () => {
  assert.equal(readTheirs({ effects: THEIRS }, fresh(), 60).mix.master.reverb.on, true);
  const eq = { enabled: true, bands: [null, { gain: "loud" }] };
  for (const effects of [
    null,
    undefined,
    3,
    "x",
    [],
    {},
    { eq: 1, compressor: [], reverb: { mix: Number.NaN } },
    { eq },
  ]) {
    assert.deepEqual(readTheirs({ effects }, fresh(), 60), fresh());
  }
});
