/**
 * How much of a core the master effects take while playing, against the chain as it begins (only the limiter, which has
 * nothing to do).
 *
 *     node benchmarks/player_dsp.mjs [seconds of sound]
 *
 * Blocks of 128 frames at 48 kHz, as an AudioWorklet gets them. Shares are processor time, so other programs change them
 * little; the longest block is time by the clock, to be compared with the 2.67 ms that a block lasts, and on a busy
 * computer says more of the others than of us. The effects take turns, five times, and the median counts.
 */

import { Compressor } from "../player/effects/compressor.js";
import { Equaliser } from "../player/effects/eq.js";
import { Limiter } from "../player/effects/limiter.js";
import { Reverb } from "../player/effects/reverb.js";
import { MasterChain } from "../player/effects/chain.js";

const RATE = 48_000;
const BLOCK = 128;
const seconds = Number(process.argv[2] ?? 20);
const blocks = Math.round((seconds * RATE) / BLOCK);
const ON = {
  eq: { on: true, bands: [6, -6, 6, -6, 6].map((gain) => ({ gain })) },
  compressor: { on: true, threshold: -30, makeup: 12 },
  reverb: { on: true },
};

const source = new Float32Array(BLOCK * 512);
for (let i = 0; i < source.length; i++) source[i] = Math.random() - 0.5;
const left = new Float32Array(BLOCK);
const right = new Float32Array(BLOCK);

const effects = {
  "copying the blocks": { process() {} },
  "equaliser, five bands": setUp(new Equaliser(RATE), ON.eq),
  compressor: setUp(new Compressor(RATE), ON.compressor),
  reverb: setUp(new Reverb(RATE), ON.reverb),
  "limiter, nothing to do": setUp(new Limiter(RATE), {}),
  "limiter, at work": setUp(new Limiter(RATE), { ceiling: -12 }),
  "the chain as it begins": new MasterChain(RATE),
  "the chain, all on": setUp(new MasterChain(RATE), ON),
  "the chain, all on, silence": setUp(new MasterChain(RATE), ON),
};
const names = Object.keys(effects);

/** @template {{set(settings: object): void}} E @param {E} effect @param {object} settings */
function setUp(effect, settings) {
  effect.set({ on: true, ...settings });
  return effect;
}

/** Return seconds of processor time for `blocks` blocks, and the longest block's milliseconds. */
function measure(name) {
  const effect = effects[name];
  const isSilent = name.endsWith("silence");
  let longest = 0;
  const begin = process.cpuUsage();
  let before = performance.now();
  for (let i = 0; i < blocks; i++) {
    const at = (i % 512) * BLOCK;
    left.set(source.subarray(at, at + BLOCK));
    right.set(source.subarray(at, at + BLOCK));
    if (isSilent) {
      left.fill(0);
      right.fill(0);
    }
    effect.process(left, right, BLOCK);
    const now = performance.now();
    longest = Math.max(longest, now - before);
    before = now;
  }
  return { time: process.cpuUsage(begin).user / 1e6, longest };
}

const times = Object.fromEntries(names.map((name) => [name, []]));
const longest = Object.fromEntries(names.map((name) => [name, []]));
for (const name of names) measure(name);
for (let round = 0; round < 5; round++) {
  for (const name of names) {
    const result = measure(name);
    times[name].push(result.time);
    longest[name].push(result.longest);
  }
}
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const baseline = median(times["the chain as it begins"]);
console.log(`${seconds} s of stereo at ${RATE} Hz, node ${process.version}\n`);
console.log("| | share of a core | times the chain as it begins | longest block, ms |");
console.log("|---|---|---|---|");
for (const name of names) {
  const time = median(times[name]);
  const share = ((100 * time) / seconds).toFixed(2);
  console.log(`| ${name} | ${share} % | ${(time / baseline).toFixed(1)} | ${median(longest[name]).toFixed(2)} |`);
}
