import assert from "node:assert/strict";
import { test } from "node:test";
import { Compressor, RANGES, reductionDb } from "../../player/effects/compressor.js";
import { above, db, factor, peak, RATE, rms, steady, through, tone } from "./effects.js";
import { noise } from "./signals.js";

/** @param {any} settings */
function compressor(settings) {
  const effect = new Compressor(RATE);
  effect.set({ on: true, attack: 0.001, release: 0.1, ...settings });
  effect.settle();
  return effect;
}

test("steady levels come out on the curve, within 0.2 dB", () => {
  for (const settings of [
    { threshold: -30, ratio: 4, knee: 0 },
    { threshold: -20, ratio: 2, knee: 12 },
    { threshold: -12, ratio: 20, knee: 6 },
    { threshold: -40, ratio: 1, knee: 6 },
  ]) {
    for (let level = -60; level <= 0; level += 3) {
      const expected = level - reductionDb(level, settings);
      for (const hz of [60, 997]) {
        const { left } = through(compressor(settings), tone(RATE, hz, factor(level)));
        const out = db(peak(left.subarray(RATE / 2)));
        assert.ok(Math.abs(out - expected) < 0.2, `${hz} Hz at ${level}: ${out} dB, not ${expected}`);
      }
      // By its mean square a sine is 3 dB below its peak.
      const { left } = through(compressor({ ...settings, detector: "rms" }), tone(RATE, 997, factor(level)));
      const out = db(rms(left, RATE / 2));
      const meant = level - 3.01 - reductionDb(level - 3.01, settings);
      assert.ok(Math.abs(out - meant) < 0.2, `rms at ${level}: ${out} dB, not ${meant}`);
    }
  }
});

test("the curve itself: nothing below the knee, the ratio above it, no corner between", () => {
  const settings = { threshold: -20, ratio: 4, knee: 10 };
  assert.equal(reductionDb(-25, settings), 0);
  assert.equal(reductionDb(0, settings), 15);
  assert.ok(Math.abs(reductionDb(-15, settings) - 0.75 * 5) < 1e-9);
  assert.ok(Math.abs(reductionDb(-20, settings) - 0.75 * (5 ** 2 / 20)) < 1e-9);
});

test("attack and release take the time they say, within 10 %", () => {
  for (const [attack, release] of [
    [0.005, 0.08],
    [0.03, 0.4],
    [0.2, 1.5],
  ]) {
    const effect = compressor({ threshold: -30, ratio: 4, knee: 0, attack, release });
    const [loud, quiet] = [factor(-6), factor(-50)];
    const rises = timeTo(effect, loud, (1 - Math.exp(-1)) * 18);
    assert.ok(Math.abs(rises / attack - 1) < 0.1, `attack ${rises} s, not ${attack}`);
    through(effect, steady(3 * RATE, loud));
    assert.ok(Math.abs(effect.gainReductionDb - 18) < 0.1, `${effect.gainReductionDb}`);
    // A peak counts for 10 ms; the time is from when it does no more.
    through(effect, steady(RATE / 100, quiet));
    const falls = timeTo(effect, quiet, Math.exp(-1) * 18);
    assert.ok(Math.abs(falls / release - 1) < 0.1, `release ${falls} s, not ${release}`);
  }
});

/**
 * Return how long it takes until the reduction has crossed a value, in seconds.
 * @param {Compressor} effect
 * @param {number} level
 * @param {number} reduction in dB
 */
function timeTo(effect, level, reduction) {
  const isBelow = effect.gainReductionDb < reduction;
  for (let frame = 1; ; frame++) {
    through(effect, steady(1, level), steady(1, level), 1);
    if (effect.gainReductionDb < reduction !== isBelow) return frame / RATE;
    assert.ok(frame < 10 * RATE);
  }
}

test("both sides are reduced by the same amount", () => {
  const { left, right } = through(compressor({ threshold: -30 }), tone(RATE, 500, 0.8), tone(RATE, 500, 0.01));
  assert.ok(Math.abs(left[40_000] / right[40_000] - 80) < 0.01);
});

test("makeup gain is added, and is not counted as reduction", () => {
  const effect = compressor({ threshold: 0, ratio: 1, makeup: 6 });
  const { left } = through(effect, steady(RATE, 0.1));
  assert.ok(Math.abs(db(left[RATE - 1] / 0.1) - 6) < 1e-4);
  assert.equal(effect.gainReductionDb, 0);
});

test("off, and below the threshold, it leaves every bit", () => {
  const signal = noise(RATE, 1);
  assert.deepEqual(through(new Compressor(RATE), signal.slice()).left, signal);
  assert.deepEqual(through(compressor({ threshold: 0 }), signal.slice()).left, signal);
  const effect = compressor({ threshold: -40 });
  through(effect, signal.slice());
  effect.set({ on: false });
  through(effect, signal.slice());
  assert.deepEqual(through(effect, signal.slice()).left, signal);
  assert.equal(effect.gainReductionDb, 0);
});

test("changes make no click", () => {
  for (const change of [{ threshold: -50 }, { ratio: 20 }, { makeup: 24 }, { on: false }, { knee: 30 }]) {
    const effect = compressor({ threshold: -20, attack: 0.02, release: 0.5 });
    const signal = tone(RATE, 100, 0.5);
    through(effect, signal.subarray(0, RATE / 2));
    effect.set(change);
    through(effect, signal.subarray(RATE / 2));
    assert.ok(db(peak(above(signal, 4000).subarray(RATE / 4))) < -70, JSON.stringify(change));
  }
});

test("settings are kept within their ranges, and what is none of them is ignored", () => {
  const effect = compressor({
    threshold: -999,
    ratio: Number.POSITIVE_INFINITY,
    knee: "soft",
    attack: 0,
    detector: "x",
  });
  assert.equal(effect.settings.threshold, RANGES.threshold[0]);
  assert.equal(effect.settings.ratio, 3);
  assert.equal(effect.settings.knee, 6);
  assert.equal(effect.settings.attack, RANGES.attack[0]);
  assert.equal(effect.settings.detector, "peak");
});
