/**
 * The existing client's effects as settings of ours, as far as ours can do the same.
 *
 * Its equaliser is the Web Audio API's, which has the same formulas as ours, except that its shelves have no quality. Its
 * "compressor" keeps the level below the threshold and then makes up for the threshold. Its reverb is a recording of a
 * room, and of the room we only know the name. Its stereo expander has no counterpart.
 */

/** @typedef {import("./model.js").Master} Master */

/** The steepest ratio that there is, for what holds a level. */
const STEEPEST = 20;
/** Rooms by what their names say, and how long they sound, in seconds: a guess. */
const ROOMS = /** @type {const} */ ([
  [/church|cathedral|silo/, 4],
  [/hall|arena|lodge|opera/, 2.4],
  [/room|studio|ambience/, 0.9],
]);

/**
 * Return the effects as the document says; what it does not say, or what makes no sense, stays as it was. The effects
 * themselves keep numbers within their ranges.
 * @param {any} theirs {eq, compressor, reverb, …}
 * @param {Master} master
 * @returns {Master}
 */
export function readTheirEffects(theirs, master) {
  return {
    ...master,
    eq: equaliser(theirs?.eq, master.eq),
    compressor: compressor(theirs?.compressor, master.compressor),
    reverb: reverb(theirs?.reverb, master.reverb),
  };
}

/**
 * @param {any} theirs {enabled, bands: [{frequency, type, gain, q}, …]} from low to high
 * @param {Master["eq"]} ours
 */
function equaliser(theirs, ours) {
  if (!Array.isArray(theirs?.bands)) return ours;
  const bands = ours.bands.map((/** @type {any} */ band, /** @type {number} */ place) => {
    const { frequency, gain, q, type } = theirs.bands[place] ?? {};
    return {
      frequency: finite(frequency, band.frequency),
      gain: finite(gain, band.gain),
      q: type === "peaking" ? finite(q, band.q) : band.q,
    };
  });
  // It is on from the start there. Flat it does nothing, and shall not look as if it did.
  const isOn = theirs.enabled === true && bands.some((/** @type {{gain: number}} */ { gain }) => gain !== 0);
  return { ...ours, on: isOn, bands };
}

/**
 * @param {any} theirs {enabled, preGain, threshold, attack, release}; dB and seconds
 * @param {Master["compressor"]} ours
 */
function compressor(theirs, ours) {
  if (!Number.isFinite(theirs?.threshold)) return ours;
  const { threshold } = theirs;
  // A gain before it is the same as a higher threshold and a gain behind it.
  const before = finite(theirs.preGain, 0);
  return {
    ...ours,
    on: theirs.enabled === true,
    detector: "peak",
    threshold: Math.min(0, threshold - before),
    ratio: STEEPEST,
    knee: 0,
    attack: finite(theirs.attack, ours.attack),
    release: finite(theirs.release, ours.release),
    makeup: Math.max(0, before - threshold),
  };
}

/**
 * @param {any} theirs {enabled, mix: 0 … 1, impulse: name}
 * @param {Master["reverb"]} ours
 */
function reverb(theirs, ours) {
  if (!Number.isFinite(theirs?.mix)) return ours;
  const wet = Math.min(1, Math.max(0, theirs.mix));
  const name = typeof theirs.impulse === "string" ? theirs.impulse : "";
  return {
    ...ours,
    on: theirs.enabled === true,
    // Its shares add up to 1, the powers of ours do; this gives the same relation of room and signal.
    mix: (2 / Math.PI) * Math.atan2(wet, 1 - wet),
    decay: ROOMS.find(([words]) => words.test(name))?.[1] ?? ours.decay,
  };
}

/**
 * @param {unknown} value
 * @param {number} otherwise
 */
function finite(value, otherwise) {
  return typeof value === "number" && Number.isFinite(value) ? value : otherwise;
}
