/** From floating point to whole numbers, as files have them. */

/**
 * Return samples as interleaved whole numbers, rounded to the nearest; beyond full scale they are clipped.
 *
 * There is no dither: what was made of 16 bits comes out as the same 16 bits.
 * @param {Float32Array} left full scale is 1
 * @param {Float32Array} right
 * @param {16 | 24} bits 24 are the upper ones of 32
 */
export function quantise(left, right, bits) {
  const scale = 2 ** (bits - 1);
  const out = bits === 16 ? new Int16Array(2 * left.length) : new Int32Array(2 * left.length);
  const shift = bits === 16 ? 1 : 256;
  for (let i = 0; i < left.length; i++) {
    out[2 * i] = shift * Math.max(-scale, Math.min(scale - 1, Math.round(left[i] * scale)));
    out[2 * i + 1] = shift * Math.max(-scale, Math.min(scale - 1, Math.round(right[i] * scale)));
  }
  return out;
}
