/** Print how many bytes the heap has grown by in 100,000 blocks of the chain. Run with --expose-gc. */

import { MasterChain } from "../../player/effects/chain.js";
import { noise } from "./signals.js";

const chain = new MasterChain(48_000);
chain.set({
  eq: { on: true, bands: [{ gain: 6 }, { gain: -6 }, { gain: 6 }, { gain: -6 }, { gain: 6 }] },
  compressor: { on: true, threshold: -30, makeup: 12 },
  reverb: { on: true },
});
const source = noise(128, 1);
const left = new Float32Array(128);
const right = new Float32Array(128);

/** @param {number} blocks */
function run(blocks) {
  for (let i = 0; i < blocks; i++) {
    left.set(source);
    right.set(source);
    chain.process(left, right, 128);
  }
}

run(20_000); // until everything is compiled
/** @type {any} */ (globalThis).gc();
const before = process.memoryUsage().heapUsed;
run(100_000);
console.log(process.memoryUsage().heapUsed - before);
