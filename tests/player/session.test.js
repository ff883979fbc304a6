/** What is kept of a session, what comes back, and links. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULTS } from "../../player/effects/chain.js";
import { changeStrip } from "../../player/mixer/model.js";
import { difference } from "../../player/mixer/saving.js";
import {
  freshSession,
  movedEdge,
  readSession,
  readSpan,
  readTheirs,
  writeSession,
} from "../../player/mixer/session.js";
import { readAddress, seconds, writeFragment } from "../../player/mixer/sharing.js";

const STEMS = [
  { type: "vocals", gainDb: -1.6 },
  { type: "drums", gainDb: 0 },
  { type: "a, b: 100%", gainDb: 2 },
];
const DURATION = 200;
const fresh = () => freshSession(STEMS, structuredClone(DEFAULTS));

/** A session in which everything is other than at the start. */
function used() {
  const session = fresh();
  let mix = changeStrip(session.mix, "vocals", { db: -6.5, solo: true, pan: -0.2 });
  mix = changeStrip(mix, "drums", { db: Number.NEGATIVE_INFINITY, safe: true });
  mix = changeStrip(mix, "a, b: 100%", { mute: true });
  mix.master = { ...mix.master, db: -2, reverb: { ...DEFAULTS.reverb, on: true, mix: 0.4 } };
  return {
    ...session,
    mix,
    speed: 80,
    transpose: -2,
    drumsStay: false,
    loop: { start: 60, end: 92.5 },
    loopOn: true,
    loops: { abc: { start: 60, end: 92.5, name: "Chorus" } },
    click: { on: true, bpm: 96.5, beatsPerBar: 3, offset: 1.25, gain: 0.4, countInBars: 2 },
    stepUp: { on: true, every: 2, by: 3, goal: 110 },
    part: "vocals",
    position: 83.5,
  };
}

test("everything that was set comes back", () => {
  const document = JSON.parse(JSON.stringify(writeSession(used())));
  assert.deepEqual(readSession(document, fresh(), DURATION), used());
});

test("what a database does to a document is no difference, and each band is one of its own", () => {
  const document = writeSession(used());
  // It sorts members by length, then by letters.
  const sorted = JSON.parse(JSON.stringify(document), (_key, value) =>
    value !== null && typeof value === "object"
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1)))
      : value,
  );
  const session = readSession(sorted, fresh(), DURATION);
  assert.equal(difference(sorted, writeSession(session)), undefined);
  const { master } = session.mix;
  const bands = master.eq.bands.map((/** @type {object} */ band, /** @type {number} */ at) =>
    at === 1 ? { ...band, gain: 9 } : band,
  );
  const louder = { ...session, mix: { ...session.mix, master: { ...master, eq: { ...master.eq, bands } } } };
  assert.deepEqual(difference(sorted, writeSession(louder)), { master: { eq: { bands: { 1: { gain: 9 } } } } });
});

test("the shortest loop comes back wherever it is, and no end leaves the recording", () => {
  for (let start = 0; start < 12; start += 0.01) {
    const loop = movedEdge({ start: 0, end: 12 }, "start", start, 12);
    const short = movedEdge(loop, "end", start, 12);
    assert.deepEqual(readSpan(short, 12), short);
    assert.deepEqual(readSession({ loop: short }, fresh(), 12).loop, short);
  }
  assert.deepEqual(movedEdge({ start: -4, end: 0 }, "end", 0, 12), { start: 0, end: 0.1 });
  assert.deepEqual(movedEdge({ start: 12, end: 16 }, "start", 12, 12), { start: 11.9, end: 12 });
});

test("nothing, nonsense and a newer version leave the recording as it starts", () => {
  for (const document of [null, undefined, 3, "x", [], { version: 99, speed: 50 }]) {
    assert.deepEqual(readSession(document, fresh(), DURATION), fresh());
  }
  const nonsense = {
    version: 1,
    speed: "fast",
    transpose: 400,
    loop: { start: 5, end: 5.01 },
    loopOn: true,
    loops: { x: 1, y: { start: 3 }, z: { start: 10, end: 20, name: "\u0000Ab\n" } },
    click: { bpm: -5, beatsPerBar: 3.4, gain: Number.POSITIVE_INFINITY },
    stepUp: "yes",
    strips: { nobody: { mute: true }, drums: 3 },
    master: { db: "loud", eq: { on: "yes", bands: "none" }, limiter: { ceiling: -3 } },
    position: 1e9,
  };
  const session = readSession(nonsense, fresh(), DURATION);
  assert.equal(session.speed, 100);
  assert.equal(session.transpose, 12);
  assert.deepEqual([session.loop, session.loopOn], [null, false]);
  assert.deepEqual(session.loops, { z: { start: 10, end: 20, name: "Ab" } });
  assert.deepEqual(session.click, { ...fresh().click, bpm: 20, beatsPerBar: 3 });
  assert.deepEqual(session.stepUp, fresh().stepUp);
  assert.deepEqual(session.mix.strips, fresh().mix.strips);
  assert.deepEqual(session.mix.master.eq, fresh().mix.master.eq);
  assert.equal(session.mix.master.limiter.ceiling, -3);
  assert.equal(session.position, DURATION);
});

test("what another client kept is understood as far as it can be", () => {
  const theirs = {
    playbackPosition: { position: 12.5 },
    stems: { vocals: { gain: 0.5, muted: true }, drums: { volume: 1, solo: true }, gone: { gain: 1 } },
  };
  const session = readTheirs(theirs, fresh(), DURATION);
  assert.equal(session.position, 12.5);
  assert.deepEqual([session.mix.strips.vocals.db, session.mix.strips.vocals.mute], [-6, true]);
  assert.deepEqual([session.mix.strips.drums.db, session.mix.strips.drums.solo], [0, true]);
  assert.deepEqual(readTheirs({ stems: [{ stem_type: "drums", gain: 2 }] }, fresh(), DURATION).mix.strips.drums.db, 6);
  for (const stems of [null, 3, "x", [], [null], { vocals: null }, { vocals: { gain: -1, muted: "no" } }]) {
    assert.deepEqual(readTheirs({ playbackPosition: { position: "x" }, stems }, fresh(), DURATION), fresh());
  }
});

test("loops stay within the recording, in order and long enough", () => {
  assert.deepEqual(readSpan({ start: 20, end: 10 }, DURATION), { start: 10, end: 20 });
  assert.deepEqual(readSpan({ start: -5, end: 1e9 }, DURATION), { start: 0, end: DURATION });
  assert.equal(readSpan({ start: 3, end: 3.05 }, DURATION), null);
  const loop = { start: 10, end: 20 };
  assert.deepEqual(movedEdge(loop, "start", 25, DURATION), { start: 25, end: 25.1 });
  assert.deepEqual(movedEdge(loop, "end", 5, DURATION), { start: 4.9, end: 5 });
  assert.deepEqual(movedEdge(loop, "end", 999, DURATION), { start: 10, end: DURATION });
  assert.deepEqual(movedEdge(loop, "start", 999, DURATION), { start: DURATION - 0.1, end: DURATION });
});

test("a link carries time, loop and mix, and can be read by people", () => {
  const fragment = writeFragment(used(), fresh(), STEMS, "Chorus & coda");
  assert.match(
    fragment,
    /^share=1&t=83\.5&loop=60-92\.5&name=Chorus%20%26%20coda&speed=80&pitch=-2-all&mix=vocals:-6\.5:solo:pan-20,drums:off:safe,/,
  );
  const { session, loopName } = /** @type {any} */ (
    readAddress({ hash: `#${fragment}`, search: "" }, fresh(), STEMS, DURATION)
  );
  const { mix, speed, transpose, drumsStay, loop, position } = used();
  assert.equal(loopName, "Chorus & coda");
  assert.deepEqual(session.mix, mix);
  assert.deepEqual(
    [session.speed, session.transpose, session.drumsStay, session.loop, session.loopOn, session.position],
    [speed, transpose, drumsStay, loop, true, position],
  );
});

test("a link survives what messengers do to it", () => {
  const fragment = writeFragment({ ...used(), loopOn: false }, fresh(), STEMS)
    .replace(/:/g, "%3A")
    .replace(/,/g, "%2C");
  const { session } = /** @type {any} */ (readAddress({ hash: `#${fragment}`, search: "" }, fresh(), STEMS, DURATION));
  assert.deepEqual(session.mix.strips.vocals, used().mix.strips.vocals);
});

test("a link that says little leaves the rest as it starts", () => {
  const { session } = /** @type {any} */ (readAddress({ hash: "#share=1", search: "" }, fresh(), STEMS, DURATION));
  assert.deepEqual(session, fresh());
});

test("nonsense in a link is left out", () => {
  const hash =
    "#share=1&t=x&loop=9-&speed=1000&pitch=99&master=%7B%22db&mix=vocals:999:mute:pan999:??,nobody:mute,:,%E0%A4%A:mute";
  const { session } = /** @type {any} */ (readAddress({ hash, search: "" }, fresh(), STEMS, DURATION));
  assert.deepEqual(session.mix.strips.vocals, { ...fresh().mix.strips.vocals, mute: true, pan: 1 });
  assert.deepEqual([session.speed, session.transpose, session.loop, session.position], [100, 12, null, 0]);
  assert.deepEqual(session.mix.master, fresh().mix.master);
  assert.equal(readAddress({ hash: "#main", search: "" }, fresh(), STEMS, DURATION), null);
  assert.equal(readAddress({ hash: "#share=2&t=5", search: "" }, fresh(), STEMS, DURATION), null);
});

test("the older client's links are places", () => {
  assert.deepEqual(readAddress({ hash: "", search: "?t=83.5&source=qr" }, fresh(), STEMS, DURATION), {
    position: 83.5,
  });
  assert.deepEqual(readAddress({ hash: "", search: "?t=1:23" }, fresh(), STEMS, DURATION), { position: 83 });
  assert.equal(readAddress({ hash: "", search: "?t=soon" }, fresh(), STEMS, DURATION), null);
  assert.deepEqual(readAddress({ hash: "", search: "?t=9999" }, fresh(), STEMS, DURATION), { position: DURATION });
});

test("times are read as clocks write them", () => {
  assert.deepEqual(["5", "83.5", "1:23.5", "1:02:03", "", "1:2:3:4", "-5", "1e3"].map(seconds), [
    5,
    83.5,
    83.5,
    3723,
    null,
    null,
    null,
    null,
  ]);
});
