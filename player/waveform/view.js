/** Drawing on a canvas: a lane's waveform, and the loudness below the lanes. Colours are the canvas's own `color`. */

/** How opaque the extent of the samples is; their root mean square in its middle is solid. */
const BODY_ALPHA = 0.5;

/** @typedef {import("./peaks.js").Shape} Shape */

/**
 * Draw the shape of a stem, a column for each of the canvas's pixels. Silence is a thin line.
 * @param {HTMLCanvasElement} canvas
 * @param {Shape} shape
 * @param {number} peak the sample that fills the height, 0 … 1
 */
export function drawShape(canvas, shape, peak) {
  const { context, width, height } = cleared(canvas);
  if (!context) return;
  const middle = height / 2;
  const reach = middle / Math.max(peak, 1 / 127);
  const line = Math.max(1, Math.round(devicePixelRatio)) / 2;
  const up = (/** @type {number} */ value) => middle - Math.max(line, Math.min(middle, value * reach));
  const down = (/** @type {number} */ value) => middle + Math.max(line, Math.min(middle, value * reach));
  context.globalAlpha = BODY_ALPHA;
  fillBand(
    context,
    width,
    (x) => up(shape.high[x]),
    (x) => down(-shape.low[x]),
  );
  context.globalAlpha = 1;
  fillBand(
    context,
    width,
    (x) => up(shape.rms[x]),
    (x) => down(shape.rms[x]),
  );
}

/**
 * Draw the loudness of the mix.
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array} heights of each column, 0 … 1
 */
export function drawLoudness(canvas, heights) {
  const { context, width, height } = cleared(canvas);
  if (!context) return;
  fillBand(
    context,
    width,
    (x) => height * (1 - heights[x]),
    () => height,
  );
}

/** @param {HTMLCanvasElement} canvas */
function cleared(canvas) {
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  if (context) {
    context.clearRect(0, 0, width, height);
    context.globalAlpha = 1;
    context.fillStyle = getComputedStyle(canvas).color;
  }
  return { context, width, height };
}

/**
 * Fill what is between two lines, of which each column has a level of its own.
 * @param {CanvasRenderingContext2D} context
 * @param {number} width
 * @param {(column: number) => number} top
 * @param {(column: number) => number} bottom
 */
function fillBand(context, width, top, bottom) {
  context.beginPath();
  for (let x = 0; x < width; x++) context.lineTo(x + 0.5, top(x));
  for (let x = width - 1; x >= 0; x--) context.lineTo(x + 0.5, bottom(x));
  context.fill();
}
