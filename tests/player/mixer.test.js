/** What a mix is and what can be done to it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { dbAt, dbOf, gainOf, LOUDEST_DB, placeOf, SILENT_DB, stepped, tidyDb } from "../../player/mixer/levels.js";
import {
  applyPreset,
  changeStrip,
  freshMix,
  heardGain,
  isAudible,
  isFresh,
  presetOf,
  readStrip,
  resetStrips,
  stemOfPart,
  writeStrip,
} from "../../player/mixer/model.js";

const STEMS = [
  { type: "vocals", gainDb: -1.6 },
  { type: "drums", gainDb: 0 },
  { type: "bass", gainDb: 6 },
  { type: "other", gainDb: -12 },
];
const EFFECTS = { eq: { on: false }, compressor: { on: false }, reverb: { on: false }, limiter: { on: true } };
const fresh = () => freshMix(STEMS, EFFECTS);
const heard = (/** @type {import("../../player/mixer/model.js").Mix} */ mix) =>
  STEMS.filter(({ type }) => heardGain(mix, type) > 0).map(({ type }) => type);

test("a fader goes from silence to +12 dB and has 0 dB three quarters up", () => {
  assert.equal(dbAt(0), SILENT_DB);
  assert.ok(Math.abs(dbAt(1) - LOUDEST_DB) < 1e-9);
  assert.ok(Math.abs(dbAt(0.75)) < 1e-9);
  // The upper half is for mixing, the lower end for fading out.
  assert.ok(dbAt(0.5) > -20 && dbAt(0.5) < -10);
  assert.ok(dbAt(0.25) < -40);
});

test("places and levels on a fader are each other's inverse, and rise together", () => {
  let last = SILENT_DB;
  for (let place = 0.15; place <= 1; place += 0.01) {
    assert.ok(Math.abs(placeOf(dbAt(place)) - place) < 1e-9, String(place));
    assert.ok(dbAt(place) > last);
    last = dbAt(place);
  }
  assert.equal(placeOf(SILENT_DB), 0);
  assert.equal(placeOf(99), 1);
});

test("levels and gains", () => {
  assert.equal(gainOf(0), 1);
  assert.ok(Math.abs(gainOf(6) - 1.995) < 0.001);
  assert.equal(gainOf(SILENT_DB), 0);
  assert.equal(dbOf(0), SILENT_DB);
  assert.equal(tidyDb(-1.2499), -1.2);
  assert.equal(tidyDb(99), LOUDEST_DB);
  assert.ok(Object.is(tidyDb(-0.01), 0));
  assert.equal(tidyDb(Number.NaN), SILENT_DB);
  assert.equal(stepped(SILENT_DB, -0.5), SILENT_DB);
  assert.ok(Number.isFinite(stepped(SILENT_DB, 0.5)));
  assert.equal(stepped(11.8, 0.5), LOUDEST_DB);
});

test("every fader starts at its stem's gain", () => {
  const mix = fresh();
  for (const { type, gainDb } of STEMS) assert.equal(mix.strips[type].db, gainDb);
  assert.ok(Math.abs(heardGain(mix, "bass") - 10 ** (6 / 20)) < 1e-9);
  assert.ok(isFresh(mix, STEMS));
});

test("solos add up, what is muted stays silent, what is safe stays heard", () => {
  let mix = changeStrip(fresh(), "vocals", { solo: true });
  assert.deepEqual(heard(mix), ["vocals"]);
  mix = changeStrip(mix, "bass", { solo: true });
  assert.deepEqual(heard(mix), ["vocals", "bass"]);
  mix = changeStrip(mix, "drums", { safe: true });
  assert.deepEqual(heard(mix), ["vocals", "drums", "bass"]);
  mix = changeStrip(mix, "drums", { mute: true });
  mix = changeStrip(mix, "bass", { mute: true });
  assert.deepEqual(heard(mix), ["vocals"]);
  mix = changeStrip(mix, "vocals", { solo: false });
  assert.ok(!isAudible(mix, "vocals"), "bass is still soloed, though muted");
  mix = changeStrip(mix, "bass", { solo: false, mute: false });
  assert.deepEqual(heard(mix), ["vocals", "bass", "other"]);
});

test("changing a strip keeps it within its ranges and leaves the mix before alone", () => {
  const before = fresh();
  const after = changeStrip(before, "drums", { db: 40, pan: -3 });
  assert.deepEqual([after.strips.drums.db, after.strips.drums.pan], [12, -1]);
  assert.deepEqual(before, fresh());
  assert.equal(changeStrip(before, "nobody", { mute: true }), before);
});

test("presets start from the stems' own gains, keep pans, and are recognised", () => {
  const panned = changeStrip(changeStrip(fresh(), "vocals", { db: -30, solo: true }), "drums", { mute: true });
  const without = applyPreset(panned, STEMS, "without", "bass");
  assert.deepEqual(heard(without), ["vocals", "drums", "other"]);
  assert.equal(without.strips.vocals.db, -1.6);
  assert.equal(presetOf(without, STEMS, "bass"), "without");
  assert.equal(presetOf(without, STEMS, "drums"), "");

  const only = applyPreset(without, STEMS, "only", "bass");
  assert.deepEqual(heard(only), ["bass"]);
  assert.equal(presetOf(only, STEMS, "bass"), "only");

  const louder = applyPreset(only, STEMS, "louder", "bass");
  assert.deepEqual(heard(louder), ["vocals", "drums", "bass", "other"]);
  assert.ok(louder.strips.bass.db > 6 && louder.strips.vocals.db < -1.6);
  assert.equal(presetOf(louder, STEMS, "bass"), "louder");

  const moved = changeStrip(louder, "drums", { pan: 0.5 });
  assert.equal(applyPreset(moved, STEMS, "without", "bass").strips.drums.pan, 0.5);
  assert.ok(isFresh(resetStrips(moved, STEMS), STEMS));
});

test("one's part is the stem of that name, else the one that holds the rest", () => {
  const types = STEMS.map(({ type }) => type);
  assert.equal(stemOfPart(types, "bass"), "bass");
  assert.equal(stemOfPart(types, "guitar"), "other");
  assert.equal(stemOfPart(types, ""), "");
  assert.equal(stemOfPart(["vocals", "accompaniment"], "guitar"), "");
});

test("a strip survives being kept, and nonsense does not get in", () => {
  const start = { db: -3, mute: false, solo: false, safe: false, pan: 0 };
  const strip = { db: SILENT_DB, mute: true, solo: false, safe: true, pan: -0.25 };
  assert.deepEqual(readStrip(JSON.parse(JSON.stringify(writeStrip(strip))), start), strip);
  for (const nonsense of [null, undefined, 7, "x", [], { db: "loud", mute: 1, pan: null }, { db: Number.NaN }]) {
    assert.deepEqual(readStrip(nonsense, start), start);
  }
  assert.deepEqual(readStrip({ db: 1e9, pan: 7 }, start), { ...start, db: 12, pan: 1 });
});
