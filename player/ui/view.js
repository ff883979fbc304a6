/** Which part of the recording the waveforms show. */

/** Nobody needs to see less, in seconds. */
const SHORTEST = 0.5;

/** Events: "change". */
export class View extends EventTarget {
  /** @param {number} duration seconds */
  constructor(duration) {
    super();
    this.duration = duration;
    this.from = 0;
    this.to = duration;
  }

  /** How many seconds are shown. */
  get span() {
    return this.to - this.from;
  }

  get isWhole() {
    return this.from <= 0 && this.to >= this.duration;
  }

  /**
   * Show another part, as near to the wanted one as there is.
   * @param {number} from seconds
   * @param {number} span seconds
   */
  show(from, span) {
    const length = Math.min(this.duration, Math.max(Math.min(SHORTEST, this.duration), span));
    const start = Math.min(Math.max(0, from), this.duration - length);
    if (start === this.from && start + length === this.to) return;
    this.from = start;
    this.to = start + length;
    this.dispatchEvent(new Event("change"));
  }

  /**
   * Show more or less, while a place stays where it is.
   * @param {number} factor of what is shown: less than 1 zooms in
   * @param {number} around seconds
   */
  zoom(factor, around) {
    const share = (around - this.from) / this.span;
    const span = Math.min(this.duration, Math.max(SHORTEST, this.span * factor));
    this.show(around - share * span, span);
  }

  /** @param {number} seconds */
  scroll(seconds) {
    this.show(this.from + seconds, this.span);
  }

  /**
   * Turn the page when a place has left what is shown.
   * @param {number} seconds
   */
  follow(seconds) {
    if (seconds < this.from || seconds > this.to) this.show(seconds - this.span * 0.05, this.span);
  }

  /**
   * Return where a place is, in widths of the view: 0 … 1 is visible.
   * @param {number} seconds
   */
  shareOf(seconds) {
    return (seconds - this.from) / this.span;
  }

  /**
   * Return the place at a share of the width.
   * @param {number} share
   */
  secondsAt(share) {
    return Math.min(Math.max(0, this.from + share * this.span), this.duration);
  }
}

/**
 * Return the times that a ruler shows: round ones, about as many as wanted.
 * @param {number} from seconds
 * @param {number} to seconds
 * @param {number} count
 */
export function ticks(from, to, count) {
  const rough = (to - from) / Math.max(1, count);
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
  const step = steps.find((one) => one >= rough) ?? 3600;
  const times = [];
  for (let number = Math.ceil(from / step - 1e-9); number * step <= to; number++) times.push(number * step);
  return { step, times };
}
