import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { heights, LOUDEST, mixedPowers, QUIETEST } from "../../player/waveform/loudness.js";
import { NoPeaks, Peaks, PIECE_POINTS } from "../../player/waveform/peaks.js";
import { serving } from "./http.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const SECONDS = 150;

// What the server's own code makes of 50 seconds of a tone, 50 of silence, and 50 of a wave that is not symmetrical.
const MAKE = `
import sys
from pathlib import Path
import numpy as np
from processing.audio.meter import Analyser
rate = 44100
time = np.arange(${SECONDS} * rate) / rate
saw = (time * 400) % 1 - 0.25
wave = np.where(time < 50, 0.5 * np.sin(2 * np.pi * 997 * time), np.where(time < 100, 0, saw)).astype(np.float32)
analyser = Analyser(frames=len(wave), peaks=Path(sys.argv[1]))
analyser.push(np.column_stack([wave, wave]))
analyser.finish()
`;

const folder = mkdtempSync(join(tmpdir(), "peaks-"));
const file = join(folder, "x.peaks");
execFileSync(join(root, ".venv/bin/python"), ["-c", MAKE, file], { cwd: root });
const bytes = new Uint8Array(readFileSync(file));
rmSync(folder, { recursive: true });

/**
 * @param {Float32Array} values
 * @param {number} expected
 * @param {number} within
 */
function allAbout(values, expected, within) {
  for (const value of values) assert.ok(Math.abs(value - expected) <= within, `${value} is not about ${expected}`);
}

/** @param {Peaks} peaks */
function loaded(peaks) {
  return new Promise((resolve) => peaks.addEventListener("load", resolve, { once: true }));
}

test("one small request is enough for the whole stem", async (t) => {
  const site = await serving(t, bytes);
  const peaks = await Peaks.open(site.url);
  assert.equal(site.requests.length, 1);
  assert.ok(site.sent <= 32 * 1024 && site.sent < bytes.length);
  assert.equal(peaks.duration, SECONDS);
  assert.ok(Math.abs(peaks.peak - 0.75) < 0.01);
  const shape = peaks.shape(0, SECONDS, 300);
  const part = (/** @type {"low" | "high" | "rms"} */ name, /** @type {number} */ third) =>
    shape[name].slice(third * 100 + 2, third * 100 + 98);
  allAbout(part("high", 0), 0.5, 0.01);
  allAbout(part("low", 0), -0.5, 0.01);
  allAbout(part("rms", 0), 0.5 * Math.SQRT1_2, 0.01);
  for (const name of /** @type {const} */ (["low", "high", "rms"])) allAbout(part(name, 1), 0, 0);
  allAbout(part("high", 2), 0.75, 0.02);
  allAbout(part("low", 2), -0.25, 0.02);
  assert.equal(peaks.loudness.length, SECONDS * 2);
  allAbout(Float32Array.from(peaks.loudness.slice(102, 199)), 0, 0);
});

test("beyond its ends a stem is silent", async (t) => {
  const peaks = await Peaks.open((await serving(t, bytes)).url);
  const { high } = peaks.shape(-10, SECONDS + 10, 170);
  allAbout(high.slice(0, 9), 0, 0);
  allAbout(high.slice(161), 0, 0);
  assert.ok(high[15] > 0.4 && high[155] > 0.7);
});

test("zoomed in, what is looked at is fetched more finely, once", async (t) => {
  const site = await serving(t, bytes);
  const peaks = await Peaks.open(site.url);
  const { rms: coarse } = peaks.shape(99.5, 100.5, 1000);
  peaks.want(99.5, 100.5, 1000);
  await loaded(peaks);
  assert.equal(site.requests.length, 2);
  const [from, to] = (/(\d+)-(\d+)/.exec(site.requests[1]) ?? []).slice(1).map(Number);
  assert.ok(to + 1 - from <= PIECE_POINTS * 3 * 2);
  // The wave begins within a few columns now; before it rose for longer than that.
  const rise = (/** @type {Float32Array} */ rms) =>
    rms.findIndex((value) => value > 0.25) - rms.findIndex((value) => value > 0.02);
  const { rms: fine, high } = peaks.shape(99.5, 100.5, 1000);
  assert.ok(rise(fine) < 12 && rise(coarse) > 24, `${rise(coarse)} ${rise(fine)}`);
  allAbout(fine.slice(0, 490), 0, 0);
  allAbout(high.slice(520), 0.74, 0.03);
  peaks.want(99.5, 100.5, 1000);
  peaks.want(99.8, 100.2, 1000);
  assert.equal(peaks.requests.size, 0);
});

test("between two zooms the coarsest level will do", async (t) => {
  const site = await serving(t, bytes);
  const peaks = await Peaks.open(site.url);
  peaks.want(0, SECONDS, 1000);
  assert.equal(peaks.requests.size, 0);
  const [coarsest, finest] = [peaks.levels[0], peaks.levels.at(-1)];
  assert.equal(peaks.levelFor(coarsest.framesPerPoint * 2), 0);
  assert.equal(peaks.levelFor(coarsest.framesPerPoint - 1), 1);
  assert.equal(peaks.levelFor(1), peaks.levels.length - 1);
  assert.equal(finest?.framesPerPoint, 256);
});

test("what is no longer looked at is not waited for", async (t) => {
  const site = await serving(t, bytes);
  const peaks = await Peaks.open(site.url);
  peaks.want(1, 2, 1000);
  const [first] = peaks.requests;
  peaks.want(1.5, 2.5, 1000); // the same piece
  assert.equal(first.stop.signal.aborted, false);
  assert.equal(peaks.requests.size, 1);
  peaks.want(120, 121, 1000);
  assert.equal(first.stop.signal.aborted, true);
  await loaded(peaks);
  assert.ok(peaks.shape(120, 121, 1000).high[500] > 0.7);
  const finest = peaks.levels.length - 1;
  assert.deepEqual([peaks.has(finest, 0), peaks.requests.size], [false, 0]);
});

test("what cannot be fetched leaves what is drawn, and is asked for again", async (t) => {
  const site = await serving(t, bytes);
  const peaks = await Peaks.open(site.url);
  const before = peaks.shape(10, 11, 500);
  for (const failure of /** @type {const} */ ([503, "cut"])) {
    site.failures.push(failure);
    peaks.want(10, 11, 500);
    while (peaks.requests.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(peaks.shape(10, 11, 500), before);
  }
  peaks.want(10, 11, 500);
  await loaded(peaks);
  assert.notDeepEqual(peaks.shape(10, 11, 500), before);
});

test("a server without ranges will do", async (t) => {
  const site = await serving(t, bytes, { knowsRanges: false });
  const peaks = await Peaks.open(site.url);
  assert.ok(peaks.shape(0, SECONDS, 300).high[250] > 0.7);
  peaks.want(120, 121, 1000);
  await loaded(peaks);
  assert.ok(peaks.has(peaks.levels.length - 1, 2));
});

test("what is no peaks file is refused for good, and a server in trouble is not", async (t) => {
  const site = await serving(t, new TextEncoder().encode(`<!doctype html>${"x".repeat(100)}`));
  await assert.rejects(Peaks.open(site.url), NoPeaks);
  site.failures.push(404, 503);
  await assert.rejects(Peaks.open(site.url), NoPeaks);
  await assert.rejects(Peaks.open(site.url), (error) => !(error instanceof NoPeaks));
  const newer = bytes.slice(0, 40_000);
  newer[8] = 2;
  await assert.rejects(Peaks.open((await serving(t, newer)).url), NoPeaks);
});

test("an empty stem is drawn as silence", async (t) => {
  const empty = new Uint8Array(48);
  empty.set(bytes.subarray(0, 16));
  const view = new DataView(empty.buffer);
  view.setUint16(10, 1, true);
  view.setUint32(32, 256, true);
  view.setUint32(40, 48, true);
  view.setUint32(44, 48, true);
  const peaks = await Peaks.open((await serving(t, empty)).url);
  assert.deepEqual([peaks.duration, peaks.peak], [0, 0]);
  allAbout(peaks.shape(0, 1, 10).high, 0, 0);
});

test("the loudness of a mix is that of its stems together", async (t) => {
  const peaks = await Peaks.open((await serving(t, bytes)).url);
  const track = peaks.loudness;
  // A sine of 997 Hz at full scale in both channels is 0 LUFS (BS.1770); this one is half as high.
  const at = (/** @type {number} */ seconds, /** @type {number[]} */ gains) =>
    10 * Math.log10(mixedPowers(gains.map((gain) => ({ track, gain })))[seconds * 2]);
  assert.ok(Math.abs(at(20, [1]) + 6) < 0.3);
  assert.ok(Math.abs(at(20, [1, 1]) - at(20, [1]) - 3.01) < 0.01);
  assert.ok(Math.abs(at(20, [0.5]) - at(20, [1]) + 6.02) < 0.01);
  assert.equal(at(20, [1, 0]), at(20, [1]));
  assert.equal(at(75, [1]), Number.NEGATIVE_INFINITY);
  assert.deepEqual(mixedPowers([]), new Float32Array(0));
});

test("loudness is drawn from the quietest to the loudest, at any zoom", () => {
  const half = 10 ** ((QUIETEST + LOUDEST) / 2 / 10);
  const powers = Float32Array.from([half, half, half, half, 0, 0, 0, 0]);
  allAbout(heights(powers, 0.5, 0, 2, 2), 0.5, 1e-6);
  assert.deepEqual([...heights(powers, 0.5, 2, 4, 3)], [0, 0, 0]);
  const zoomed = heights(powers, 0.5, 1.5, 2.5, 100);
  assert.ok(Math.abs(zoomed[0] - 0.5) < 1e-6 && zoomed[99] === 0);
  for (let i = 1; i < 100; i++) assert.ok(zoomed[i] <= zoomed[i - 1]);
  allAbout(heights(Float32Array.of(1000), 0.5, 0, 0.5, 1), 1, 0);
});
