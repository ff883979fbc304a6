/** Measures of signals. */

/**
 * Return the frequency of a tone in Hz: the peak of its spectrum near the count of its zero crossings, refined.
 * @param {Float32Array} signal
 * @param {number} rate
 */
export function pitch(signal, rate) {
  let crossings = 0;
  for (let i = 1; i < signal.length; i++) if (signal[i - 1] < 0 && signal[i] >= 0) crossings += 1;
  const guess = (crossings * rate) / signal.length;
  let [low, high] = [guess * 0.94, guess * 1.06];
  for (let round = 0; round < 4; round++) {
    const step = (high - low) / 40;
    let best = low;
    let most = -1;
    for (let hz = low; hz <= high; hz += step) {
      const power = powerAt(signal, hz, rate);
      if (power > most) [best, most] = [hz, power];
    }
    [low, high] = [best - step, best + step];
  }
  return (low + high) / 2;
}

/**
 * Return the power of a signal at one frequency, under a Hann window.
 * @param {Float32Array} signal
 * @param {number} hz
 * @param {number} rate
 */
export function powerAt(signal, hz, rate) {
  const length = Math.min(signal.length, rate);
  const turn = (2 * Math.PI * hz) / rate;
  let [re, im] = [0, 0];
  for (let i = 0; i < length; i++) {
    const value = signal[i] * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / length));
    re += value * Math.cos(turn * i);
    im += value * Math.sin(turn * i);
  }
  return re * re + im * im;
}

/**
 * Return the largest step between neighbouring samples.
 * @param {Float32Array} signal
 */
export function loudestStep(signal) {
  let most = 0;
  for (let i = 1; i < signal.length; i++) most = Math.max(most, Math.abs(signal[i] - signal[i - 1]));
  return most;
}
