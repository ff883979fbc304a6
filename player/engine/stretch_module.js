/**
 * signalsmith-stretch's WebAssembly (MIT), loaded only by those who change speed or pitch.
 *
 * In an AudioWorklet, which has no import(), it is found by its global name.
 */

import createStretch from "signalsmith-stretch";

/** @type {any} */ (globalThis).stemsetStretch = createStretch;
export default createStretch;
