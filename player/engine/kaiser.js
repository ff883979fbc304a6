/**
 * The window of Kaiser (1974), which limits the ideal filter in time: I0(beta * sqrt(1 - x²)) / I0(beta).
 * @param {number} beta greater: a deeper stop band, and a wider way to it
 * @returns {(x: number) => number} the window from -1 to 1, where it ends; 1 in the middle, 0 outside
 */
export function kaiserOf(beta) {
  const middle = bessel(beta);
  return (x) => (x > -1 && x < 1 ? bessel(beta * Math.sqrt(1 - x * x)) / middle : 0);
}

/** @param {number} x the modified Bessel function of the first kind, order 0, by its series */
function bessel(x) {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
