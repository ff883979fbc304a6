/** How loud the mix is over time, from the loudness of its stems: unrelated sounds add their powers. */

/** What the lowest and the highest place of the picture stand for, in LUFS. */
export const QUIETEST = -50;
export const LOUDEST = -5;
/** Of a byte of a peaks file. */
const STEPS_PER_DB = 2;
const FLOOR_DB = 100;
/** The power of each byte; 0 is silence. */
const POWERS = Float32Array.from({ length: 256 }, (_, byte) =>
  byte === 0 ? 0 : 10 ** ((byte / STEPS_PER_DB - FLOOR_DB) / 10),
);

/** @typedef {{track: Uint8Array, gain: number}} Part  a stem's loudness (Peaks.loudness) and its linear gain */

/**
 * Return the power of a mix at each point of its stems' loudness: 1 is 0 LUFS. A stem that ends earlier is silent then.
 * @param {Part[]} parts
 */
export function mixedPowers(parts) {
  const powers = new Float32Array(Math.max(0, ...parts.map(({ track }) => track.length)));
  for (const { track, gain } of parts) {
    if (gain === 0) continue;
    const share = gain * gain;
    for (let point = 0; point < track.length; point++) powers[point] += share * POWERS[track[point]];
  }
  return powers;
}

/**
 * Return how high a part of the loudness is in each column, 0 … 1: the mean power of the points in it, or the line
 * between the two next to it where a point is wider.
 * @param {Float32Array} powers
 * @param {number} seconds of a point
 * @param {number} from seconds
 * @param {number} to seconds
 * @param {number} columns
 */
export function heights(powers, seconds, from, to, columns) {
  const found = new Float32Array(columns);
  const width = (to - from) / seconds / columns;
  for (let column = 0; column < columns; column++) {
    const start = from / seconds + column * width;
    if (width < 1) {
      const place = Math.min(powers.length - 1, Math.max(0, start + width / 2 - 0.5));
      const left = Math.floor(place);
      const right = Math.min(powers.length - 1, left + 1);
      const share = place - left;
      found[column] = heightOf(powers[left]) * (1 - share) + heightOf(powers[right]) * share;
      continue;
    }
    const first = Math.max(0, Math.floor(start));
    const end = Math.min(powers.length, Math.ceil(start + width));
    let sum = 0;
    for (let point = first; point < end; point++) sum += powers[point];
    found[column] = end > first ? heightOf(sum / (end - first)) : 0;
  }
  return found;
}

/** @param {number} power */
function heightOf(power) {
  if (!(power > 0)) return 0;
  return Math.min(1, Math.max(0, (10 * Math.log10(power) - QUIETEST) / (LOUDEST - QUIETEST)));
}
