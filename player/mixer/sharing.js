/**
 * Links that carry a place, a loop and a mix, in the part of the address that stays in the browser:
 * `#share=1&t=83.5&loop=60-92.5&speed=80&pitch=-2&mix=vocals:mute,drums:-3.5:solo:pan-20`, and in `master` what differs
 * from how everybody starts, as JSON.
 *
 * A link may have been typed or mutilated by whatever it was sent through: what makes no sense in it is left out.
 */

import { SILENT_DB } from "./levels.js";
import { freshStrip, readStrip } from "./model.js";
import { difference } from "./saving.js";
import { FASTEST, MOST_SEMITONES, readMaster, readSpan, SLOWEST, tidyName, writeMaster } from "./session.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./model.js").StemStart} StemStart */

const VERSION = "1";

/**
 * Return the fragment that says how a session sounds, without the `#`.
 * @param {Session} session
 * @param {Session} fresh
 * @param {StemStart[]} stems
 * @param {string} loopName
 */
export function writeFragment(session, fresh, stems, loopName = "") {
  const parts = [`share=${VERSION}`, `t=${short(session.position)}`];
  if (session.loop && session.loopOn) {
    parts.push(`loop=${short(session.loop.start)}-${short(session.loop.end)}`);
    if (loopName) parts.push(`name=${encodeURIComponent(loopName)}`);
  }
  if (session.speed !== 100) parts.push(`speed=${short(session.speed)}`);
  if (session.transpose) parts.push(`pitch=${session.transpose}${session.drumsStay ? "" : "-all"}`);
  const mix = stems.map((stem) => writeStem(session, stem)).filter(Boolean);
  if (mix.length) parts.push(`mix=${mix.join(",")}`);
  const master = difference(writeMaster(fresh.mix.master), writeMaster(session.mix.master));
  if (master) parts.push(`master=${encodeURIComponent(JSON.stringify(master))}`);
  return parts.join("&");
}

/**
 * @param {Session} session
 * @param {StemStart} stem
 */
function writeStem(session, { type, gainDb }) {
  const strip = session.mix.strips[type];
  const start = freshStrip(gainDb);
  const words = [];
  if (strip.db !== start.db) words.push(strip.db === SILENT_DB ? "off" : short(strip.db));
  for (const word of /** @type {const} */ (["mute", "solo", "safe"])) if (strip[word]) words.push(word);
  if (strip.pan) words.push(`pan${Math.round(strip.pan * 100)}`);
  return words.length ? [nameOf(type), ...words].join(":") : "";
}

/**
 * Return a stem's name as it stands in a link: what separates the words of a link is not in it, however it is encoded.
 * @param {string} type
 */
function nameOf(type) {
  return encodeURIComponent(type).replace(/%(3A|2C)/g, "~$1");
}

/**
 * Return the session that an address describes (everything it does not speak of is as it starts), and the name of its
 * loop; null if the address describes none. `?t=` alone is a place, and leaves the rest as the person had it.
 * @param {{hash: string, search: string}} address
 * @param {Session} fresh
 * @param {StemStart[]} stems
 * @param {number} duration
 * @returns {{session: Session, loopName: string} | {position: number} | null}
 */
export function readAddress(address, fresh, stems, duration) {
  const members = membersOf(address.hash);
  if (members.get("share") !== VERSION) {
    const time = new URLSearchParams(address.search).get("t");
    return time !== null && seconds(time) !== null ? { position: Math.min(seconds(time) ?? 0, duration) } : null;
  }
  const [start, end] = (members.get("loop") ?? "").split("-").map(seconds);
  const loop = readSpan({ start, end }, duration);
  const speed = Number(members.get("speed") ?? 100);
  const [, pitch, all] = /^([+-]?\d{1,2})(-all)?$/.exec(members.get("pitch") ?? "") ?? [null, "0", undefined];
  /** @type {Session} */
  const session = {
    ...fresh,
    mix: {
      strips: readStrips(members.get("mix") ?? "", fresh, stems),
      master: readMaster(parsed(members.get("master") ?? ""), fresh.mix.master),
    },
    speed: speed >= SLOWEST && speed <= FASTEST ? speed : 100,
    transpose: Math.min(MOST_SEMITONES, Math.max(-MOST_SEMITONES, Number(pitch))),
    drumsStay: !all,
    loop,
    loopOn: loop !== null,
    position: Math.min(seconds(members.get("t") ?? "") ?? loop?.start ?? 0, duration),
  };
  return { session, loopName: tidyName(members.get("name")) };
}

/**
 * @param {string} text
 * @param {Session} fresh
 * @param {StemStart[]} stems
 */
function readStrips(text, fresh, stems) {
  const strips = { ...fresh.mix.strips };
  for (const part of text.split(",")) {
    const [name, ...words] = part.split(":");
    const type = stems.find((stem) => decoded(nameOf(stem.type)) === decoded(name))?.type;
    if (type === undefined) continue;
    /** @type {Record<string, any>} */
    const said = {};
    for (const word of words) {
      if (word === "mute" || word === "solo" || word === "safe") said[word] = true;
      else if (word === "off") said.db = "off";
      else if (/^pan-?\d{1,3}$/.test(word)) said.pan = Number(word.slice(3)) / 100;
      else if (/^[+-]?\d{1,2}(\.\d+)?$/.test(word)) said.db = Number(word);
    }
    strips[type] = readStrip(said, strips[type]);
  }
  return strips;
}

/**
 * @param {string} hash
 * @returns {Map<string, string>}
 */
function membersOf(hash) {
  const pairs = hash.replace(/^#/, "").slice(0, 8192).split("&");
  return new Map(
    pairs.map((pair) => {
      const [name, ...value] = pair.split("=");
      const text = value.join("=");
      // Some messengers encode what separates the words of a mix.
      return [name, name === "mix" ? text.replace(/%3A/gi, ":").replace(/%2C/gi, ",") : decoded(text)];
    }),
  );
}

/** @param {string} text @returns {any} */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

/**
 * Return seconds from `83.5` or `1:23.5` or `1:02:03`; null for anything else.
 * @param {string} text
 */
export function seconds(text) {
  if (!/^(\d{1,6}|(\d{1,2}:)?\d{1,3}:\d{1,2})(\.\d{1,9})?$/.test(text)) return null;
  return text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
}

/** @param {number} value */
function short(value) {
  return String(Math.round(value * 100) / 100);
}
