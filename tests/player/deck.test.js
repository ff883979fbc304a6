import assert from "node:assert/strict";
import { test } from "node:test";
import { BLOCK, CHUNK, Deck } from "../../player/engine/deck.js";
import { SEAM } from "../../player/engine/tape.js";
import { loaded, noise, RATE, rendered } from "./signals.js";

/** @param {Deck} deck */
function started(deck) {
  deck.settle();
  deck.play();
  deck.open();
  return deck;
}

/**
 * @param {Float32Array[]} stems
 * @param {number} at
 */
const sum = (stems, at) => Math.fround(stems.reduce((all, stem) => Math.fround(all + (stem[at] ?? 0)), 0));

test("at full speed the sum of the stems comes out, sample by sample", () => {
  const stems = [noise(3 * CHUNK + 77, 1), noise(3 * CHUNK + 77, 2), noise(CHUNK, 3)];
  const deck = started(loaded(stems));
  const { left, right } = rendered(deck, 3 * CHUNK + 77);
  for (let i = 0; i < left.length; i++) {
    assert.equal(left[i], sum(stems, i), `frame ${i}`);
    assert.equal(right[i], left[i]);
  }
  assert.equal(deck.ended, true);
});

test("after a seek it goes on exactly there, whatever was heard before", () => {
  const stems = [noise(20 * CHUNK, 1), noise(20 * CHUNK, 2)];
  const deck = started(loaded(stems));
  for (let n = 0; n < 50; n++) {
    const place = (n * 12_347) % (18 * CHUNK);
    rendered(deck, 3 * BLOCK);
    deck.seek(place);
    rendered(deck, BLOCK); // closes
    assert.equal(deck.position, place);
    const { left } = rendered(deck, 4 * BLOCK); // the first block opens
    for (let i = BLOCK; i < left.length; i++) assert.equal(left[i], sum(stems, place + i), `seek ${n}, frame ${i}`);
  }
});

test("what is thrown away at a seek is not missed before the sound is closed", () => {
  const level = new Float32Array(40 * CHUNK).fill(0.5);
  const deck = started(loaded([level]));
  const { left: before } = rendered(deck, CHUNK - BLOCK); // at the end of a chunk
  assert.ok(before.every((value) => value === 0.5));
  deck.seek(30 * CHUNK);
  deck.windows.keep([...deck.wanted(), deck.behind()]);
  const { left } = rendered(deck, BLOCK);
  for (let i = 1; i < BLOCK; i++) assert.ok(left[i - 1] - left[i] < 0.005, `frame ${i}`);
  assert.equal(left[BLOCK - 1], 0);
});

test("a loop comes back to the frame, and stays in step for a thousand rounds", () => {
  const stems = [noise(4 * CHUNK, 1), noise(4 * CHUNK, 2)];
  const deck = started(loaded(stems));
  const [start, end] = [5_001, 5_001 + 3_333];
  deck.seek(start);
  deck.setLoop(start, end);
  rendered(deck, 2 * BLOCK);
  let at = deck.position - start;
  for (let round = 0; round < 1000; round++) {
    const { left } = rendered(deck, BLOCK * 26);
    for (let i = 0; i < left.length; i++) {
      const place = (at + i) % 3_333;
      if (place < 3_333 - SEAM) assert.equal(left[i], sum(stems, start + place), `round ${round}, frame ${i}`);
    }
    at += left.length;
  }
  assert.equal(deck.seams, Math.floor(at / 3_333));
});

test("a seam leads from the loop's last frame to its first without a step", () => {
  const length = 4 * CHUNK;
  const slope = Float32Array.from({ length }, (_, i) => i / length);
  const deck = started(loaded([slope]));
  deck.setLoop(10_000, 20_000);
  const { left } = rendered(deck, 40_000);
  for (let i = 1; i < left.length; i++) assert.ok(Math.abs(left[i] - left[i - 1]) < 0.002, `frame ${i}`);
  assert.equal(deck.seams, 3);
});

test("where one stem lacks a chunk all are silent together, and go on where they were", () => {
  const stems = [noise(30 * CHUNK, 1), noise(30 * CHUNK, 2)];
  const deck = started(loaded(stems));
  const chunks = deck.windows.stems[1];
  const late = [...chunks].filter(([index]) => index > 0);
  for (const [index] of late) chunks.delete(index);
  const { left } = rendered(deck, 2 * CHUNK);
  assert.equal(deck.waiting, true);
  assert.ok(left.slice(CHUNK).every((value) => value === 0));
  const place = deck.position;
  assert.ok(place <= CHUNK && place > CHUNK - 4 * BLOCK);
  for (const [index, chunk] of late) chunks.set(index, chunk);
  const { left: after } = rendered(deck, 4 * BLOCK);
  assert.equal(deck.waiting, false);
  for (let i = BLOCK; i < after.length; i++) assert.equal(after[i], sum(stems, place + i), `frame ${i}`);
});

test("only what is around the playhead is kept", () => {
  const seconds = 600;
  const deck = new Deck({ sampleRate: RATE, stems: 4, frames: seconds * RATE });
  deck.play();
  let most = 0;
  let blocks = 0;
  const [left, right] = [new Float32Array(BLOCK), new Float32Array(BLOCK)];
  while (!deck.ended) {
    if (blocks % 40 === 0) {
      const ranges = deck.wanted();
      deck.windows.keep(ranges);
      for (const [from, to] of ranges) {
        for (let index = Math.floor(from / CHUNK); index * CHUNK < to; index++) {
          const length = Math.min(CHUNK, deck.frames - index * CHUNK);
          for (let stem = 0; stem < 4; stem++) {
            if (deck.windows.stems[stem].has(index)) continue;
            deck.put(stem, index, new Float32Array(length), new Float32Array(length));
          }
        }
      }
      const chunks = deck.windows.stems.reduce((all, { size }) => all + size, 0);
      most = Math.max(most, 8 * CHUNK * chunks);
    }
    assert.equal(deck.render(left, right, BLOCK), true);
    blocks += 1;
  }
  assert.ok(most < 20e6, `${most} bytes`);
  assert.equal(blocks, Math.ceil((seconds * RATE) / BLOCK));
});

test("faders glide to the value and are then exact", () => {
  const ones = new Float32Array(20 * CHUNK).fill(0.25);
  const deck = started(loaded([ones]));
  deck.setStrip(0, { gain: 0.5, pan: 0 });
  const { left } = rendered(deck, 100 * BLOCK);
  let last = 0.25;
  for (const value of left) {
    assert.ok(value <= last + 1e-7 && last - value < 0.001);
    last = value;
  }
  assert.equal(left.at(-1), 0.125);
  deck.setStrip(0, { gain: 1, pan: -1 });
  const panned = rendered(deck, 100 * BLOCK);
  assert.equal(panned.left.at(-1), 0.5);
  assert.equal(panned.right.at(-1), 0);
});

test("clicks come on the beats of the recording, and counting in leads to them", () => {
  const deck = loaded([new Float32Array(10 * RATE)]);
  deck.settle();
  deck.setClick({ on: true, bpm: 120, beatsPerBar: 4, offset: 0.1, gain: 0.5, countInBars: 1 });
  deck.seek(0.35 * RATE); // half a beat past the first one
  deck.play();
  const { left } = rendered(deck, 4 * RATE);
  /** @type {number[]} */
  const begins = [];
  for (let i = 1; i < left.length; i++) {
    if (left[i] !== 0 && left.slice(Math.max(0, i - 400), i).every((value) => value === 0)) begins.push(i);
  }
  const gaps = begins.slice(1).map((at, i) => at - begins[i]);
  assert.ok(
    gaps.every((gap) => Math.abs(gap - RATE / 2) <= 1),
    `${gaps}`,
  );
  // Three and a half beats of counting in, then the recording: four clicks come before the beat at 0.6 s.
  const start = Math.ceil((3.5 * RATE) / 2 / BLOCK) * BLOCK;
  assert.ok(
    begins.some((at) => Math.abs(at - 1 - (start + RATE / 4)) <= 1),
    `${begins}`,
  );
  assert.equal(begins.filter((at) => at < start).length, 4);
});

test("who pauses and plays within a moment hears neither a gap nor a count-in later", () => {
  const deck = started(loaded([new Float32Array(20 * CHUNK).fill(0.5)]));
  rendered(deck, 10 * BLOCK);
  deck.setClick({ on: false, bpm: 120, beatsPerBar: 4, offset: 0, gain: 1, countInBars: 1 });
  deck.pause();
  deck.play();
  const { left } = rendered(deck, 4 * BLOCK);
  assert.ok(left.every((value) => value === 0.5));
  deck.seek(10 * CHUNK);
  const { left: after } = rendered(deck, 3 * BLOCK);
  assert.equal(after.at(-1), 0.5);
});

test("a pause is silent at once, without a step, and playing goes on there", () => {
  const ones = new Float32Array(20 * CHUNK).fill(0.5);
  const deck = started(loaded([ones]));
  rendered(deck, 1000);
  deck.pause();
  const { left } = rendered(deck, 4 * BLOCK);
  for (let i = 1; i < left.length; i++) assert.ok(Math.abs(left[i] - left[i - 1]) < 0.01);
  assert.ok(left.slice(BLOCK).every((value) => value === 0));
  const place = deck.position;
  deck.play();
  rendered(deck, 10 * BLOCK);
  assert.equal(deck.position, place + 10 * BLOCK);
});
