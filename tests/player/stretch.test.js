import assert from "node:assert/strict";
import { before, test } from "node:test";
import { BLOCK } from "../../player/engine/deck.js";
import { Stretch } from "../../player/engine/stretch.js";
import { loaded, noise, RATE, rendered, sine } from "./signals.js";
import { loudestStep, pitch, powerAt } from "./spectrum.js";

/** @type {() => Promise<any>} */
let factory;
before(async () => {
  // The build's own bundle: what browsers get.
  factory = (await import(/** @type {any} */ ("../../static/player/stretch.js"))).default;
});

/**
 * @param {Float32Array[]} stems
 * @param {{speed?: number, semitones?: number, exempt?: number[]}} how
 */
async function playing(stems, { speed = 1, semitones = 0, exempt = [] }) {
  const deck = loaded(stems);
  deck.useStretch(await Stretch.create(factory, stems.length, RATE));
  deck.setSpeed(speed);
  deck.setTranspose(semitones, exempt);
  deck.settle();
  deck.play();
  deck.open();
  return deck;
}

for (const speed of [0.25, 0.5, 0.8, 1.25, 1.5]) {
  test(`at ${100 * speed} % the tempo is exact, and the pitch stays`, async () => {
    const clicks = new Float32Array(40 * RATE);
    for (let beat = 0; beat < 40; beat++) clicks.set(sine(480, 1000), beat * RATE + RATE / 2);
    const deck = await playing([clicks, sine(40 * RATE, 440)], { speed });
    deck.setStrip(1, { gain: 0, pan: 0 });
    deck.settle();
    const seconds = Math.min(30, 38 / speed);
    const { left } = rendered(deck, Math.round(seconds * RATE));
    const found = onsets(left);
    const first = found[1];
    const last = /** @type {number} */ (found.at(-1));
    const measured = (found.length - 2) / ((last - first) / RATE);
    assert.ok(Math.abs(measured / speed - 1) < 0.001, `${measured} beats a second instead of ${speed}`);
    // And in its place: the beat at 1.5 s of the recording is heard at 1.5 s / speed.
    assert.ok(Math.abs((first / RATE) * speed - 1.5) < 0.01, `${first / RATE} s instead of ${1.5 / speed}`);
    deck.setStrip(0, { gain: 0, pan: 0 });
    deck.setStrip(1, { gain: 1, pan: 0 });
    deck.settle();
    deck.seek(2 * RATE);
    const tone = rendered(deck, 4 * RATE).left.slice(RATE);
    const cents = 1200 * Math.log2(pitch(tone, RATE) / 440);
    assert.ok(Math.abs(cents) < 5, `${cents} cents off`);
  });
}

for (const semitones of [-12, -5, 1, 7, 12]) {
  test(`transposed by ${semitones} semitones, with a stem that stays`, async () => {
    const deck = await playing([sine(12 * RATE, 440), sine(12 * RATE, 330)], { semitones, exempt: [1] });
    only(deck, 0);
    const moved = rendered(deck, 3 * RATE).left.slice(RATE);
    only(deck, 1);
    const stays = rendered(deck, 3 * RATE).left.slice(RATE);
    assert.ok(Math.abs(1200 * Math.log2(pitch(moved, RATE) / 440) - 100 * semitones) < 5);
    assert.ok(Math.abs(1200 * Math.log2(pitch(stays, RATE) / 330)) < 5);
    assert.ok(Math.abs(deck.position - 6 * RATE) < 1);
  });
}

test("tones low and high keep their level and are in tune, at half speed and transposed", async () => {
  for (const [hz, semitones, speed] of [
    [82.4, -5, 0.5],
    [82.4, 7, 1.5],
    [220, -7, 1],
    [440, 3, 0.5],
    [880, -12, 1],
    [1500, 12, 0.8],
  ]) {
    const deck = await playing([sine(12 * RATE, hz)], { semitones, speed });
    const tone = rendered(deck, 3 * RATE).left.slice(RATE);
    const wanted = hz * 2 ** (semitones / 12);
    const cents = 1200 * Math.log2(pitch(tone, RATE) / wanted);
    assert.ok(Math.abs(cents) < 5, `${hz} Hz by ${semitones}: ${cents} cents off`);
    const level = 10 * Math.log10(powerAt(tone, wanted, RATE) / powerAt(sine(RATE, wanted), wanted, RATE));
    assert.ok(Math.abs(level) < 1, `${hz} Hz by ${semitones}: ${level} dB`);
  }
});

test("stems that are transposed and stems that are not stay together", async () => {
  for (const speed of [0.75, 1, 1.4]) {
    const beats = new Float32Array(20 * RATE);
    for (let beat = 0; beat < 18; beat++) beats.set(sine(960, 1000), beat * RATE + RATE / 2);
    const deck = await playing([beats, beats], { semitones: 7, speed, exempt: [1] });
    only(deck, 0);
    const moved = middles(rendered(deck, 8 * RATE).left);
    deck.seek(0);
    rendered(deck, BLOCK);
    only(deck, 1);
    const stays = middles(rendered(deck, 8 * RATE).left);
    assert.equal(moved.length, stays.length);
    moved.forEach((at, i) => {
      assert.ok(Math.abs(at - stays[i]) < 0.006 * RATE, `beat ${i} at ${speed}: ${at - stays[i]} frames apart`);
    });
  }
});

test("stems that are the same stay the same at any speed: their difference is silence", async () => {
  const stem = noise(20 * RATE, 5);
  const minus = stem.map((value) => -value);
  const deck = await playing([stem, minus], { speed: 0.7, semitones: 3 });
  const { left } = rendered(deck, 8 * RATE);
  deck.seek(5 * RATE);
  deck.setSpeed(1.3);
  const after = rendered(deck, 4 * RATE).left;
  for (const signal of [left, after]) assert.ok(signal.every((value) => Math.abs(value) < 1e-6));
});

test("a seam of a slowed loop does not click", async () => {
  const deck = await playing([sine(20 * RATE, 200)], { speed: 0.5 });
  deck.seek(2 * RATE);
  deck.setLoop(2 * RATE, 3 * RATE + 77);
  const { left } = rendered(deck, 10 * RATE);
  assert.ok(deck.seams >= 4); // reading is ahead of hearing
  // A sine of 200 Hz and amplitude 0.5 moves by 0.0131 a sample; a click would be a multiple.
  assert.ok(loudestStep(left.slice(1000)) < 0.02, `${loudestStep(left.slice(1000))}`);
});

test("between full speed and another it is silent for a moment only, and goes on in place", async () => {
  const deck = await playing([noise(40 * RATE, 3)], {});
  rendered(deck, RATE);
  assert.equal(deck.stretching, false);
  const place = deck.position;
  deck.setSpeed(0.5);
  rendered(deck, 2 * BLOCK);
  assert.equal(deck.stretching, true);
  assert.ok(Math.abs(deck.position - place - BLOCK * 1.5) < 2);
  deck.setSpeed(1);
  rendered(deck, 2 * BLOCK);
  assert.equal(deck.stretching, false);
});

/**
 * Leave one stem of two.
 * @param {import("../../player/engine/deck.js").Deck} deck
 * @param {number} stem
 */
function only(deck, stem) {
  deck.setStrip(stem, { gain: 1, pan: 0 });
  if (deck.lefts.length > 1) deck.setStrip(1 - stem, { gain: 0, pan: 0 });
  deck.settle();
}

/**
 * Return where sounds begin after silence, in samples.
 * @param {Float32Array} signal
 */
function onsets(signal) {
  const peak = signal.reduce((all, value) => Math.max(all, Math.abs(value)), 0);
  /** @type {number[]} */
  const found = [];
  for (let i = 0; i < signal.length; i++) {
    if (Math.abs(signal[i]) > 0.3 * peak && i - (found.at(-1) ?? -1e9) > 0.3 * RATE) found.push(i);
  }
  return found;
}

/**
 * Return where the energy of each sound lies, in samples.
 * @param {Float32Array} signal
 */
function middles(signal) {
  return onsets(signal).map((at) => {
    let [energy, moment] = [0, 0];
    for (let i = Math.max(0, at - RATE / 10); i < Math.min(signal.length, at + RATE / 10); i++) {
      energy += signal[i] ** 2;
      moment += i * signal[i] ** 2;
    }
    return moment / energy;
  });
}
