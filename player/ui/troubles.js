/** What is the matter with the sound, in words of a band member. */

import { gettext, interpolate } from "../words.js";
import { clock } from "./format.js";

/** @typedef {import("../engine/player.js").SilentStem} SilentStem */

/** How long opening or a hiccup may take before it is spoken of, in milliseconds. */
const PATIENCE_MS = 1_500;
/** Silence that begins earlier than this, in seconds, begins at the start. */
const START_SECONDS = 0.5;

/**
 * Tell of the sound's troubles, and of waiting that takes longer than a blink.
 * @param {import("./sound.js").Sound} sound
 * @param {import("./notices.js").Notices} notices
 * @param {number} stems how many there are
 */
export function connectTroubles(sound, notices, stems) {
  /** @type {import("../engine/player.js").Matter} */
  let matter = { failure: null, hindrance: null, silent: [] };
  /** What was said of silent stems, and has been read. */
  let read = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const reload = { button: gettext("Reload"), act: () => location.reload() };
  const network = { text: hindranceInWords({ kind: "network", ids: [] }, stems) };

  const showSound = () => {
    clearTimeout(timer);
    const { failure, hindrance } = matter;
    const isWaiting = sound.state === "waiting" || (sound.state === "loading" && sound.isPlaying);
    if (failure) {
      const isOfBrowser = failure === "decoder" || failure === "too-large";
      notices.set("sound", { text: failureInWords(failure), ...(isOfBrowser ? {} : reload) });
    } else if (hindrance?.kind === "network") notices.set("sound", network);
    else if (hindrance) notices.set("sound", { text: hindranceInWords(hindrance, stems), ...reload });
    else if (isWaiting) timer = setTimeout(() => notices.set("sound", network), PATIENCE_MS);
    else notices.set("sound", null);
  };
  const showSilence = () => {
    const text = silenceInWords(matter.silent);
    const putAway = () => {
      read = text;
      showSilence();
    };
    notices.set("stems", text && text !== read ? { text, button: gettext("OK"), act: putAway } : null);
  };
  sound.addEventListener("trouble", (event) => {
    matter = /** @type {CustomEvent} */ (event).detail;
    showSound();
    showSilence();
  });
  sound.addEventListener("state", showSound);
}

/**
 * Return what to say of stems that are silent because of their files; "" if there are none.
 * @param {SilentStem[]} silent
 */
export function silenceInWords(silent) {
  return silent.map(sentence).join(" ");
}

/** @param {SilentStem} stem */
function sentence({ id, kind, spans }) {
  const [{ from, to }] = spans;
  const values = { stem: nameOf(id), time: clock(from) };
  if (kind === "gone")
    return interpolate(gettext("The audio of %(stem)s is not there any more: it is silent."), values);
  if (to !== Number.POSITIVE_INFINITY) {
    return interpolate(gettext("The audio of %(stem)s is damaged: a part of it is silent, at %(time)s."), values);
  }
  return from < START_SECONDS
    ? interpolate(gettext("The audio of %(stem)s is damaged: it is silent."), values)
    : interpolate(gettext("The audio of %(stem)s is damaged: it is silent from %(time)s on."), values);
}

/**
 * Return a stem's name as its lane has it.
 * @param {string} id
 */
function nameOf(id) {
  return id.charAt(0).toUpperCase() + id.slice(1);
}

/**
 * Return what to say of what all stems wait for.
 * @param {{kind: import("../engine/player.js").WaitingKind, ids: string[]}} hindrance
 * @param {number} stems how many there are
 */
export function hindranceInWords({ kind, ids }, stems) {
  if (kind === "network") return gettext("Waiting for the network. All stems stop together and go on by themselves.");
  if (kind === "expired") return gettext("You have been signed out, or the links to the audio have run out.");
  if (ids.length === stems) {
    return gettext("The audio is not there any more. Perhaps the recording is being made again.");
  }
  return interpolate(
    gettext("The audio of %(stems)s is not there any more. Perhaps the recording is being made again."),
    {
      stems: ids.map(nameOf).join(", "),
    },
  );
}

/**
 * Return why nothing can be played.
 * @param {import("../engine/player.js").Failure} failure
 */
export function failureInWords(failure) {
  switch (failure) {
    case "gone":
      return gettext("The audio is not there any more. Perhaps the recording is being made again.");
    case "damaged":
      return gettext("The audio is damaged: none of the stems can be read.");
    case "decoder":
      return gettext(
        "This browser cannot decode the stems. A current Chrome, Edge, Firefox or Safari can. Each stem can be downloaded by the three dots beside its name.",
      );
    case "too-large":
      return gettext(
        "This browser would have to load the whole recording at once, and it is too long for that. A current Chrome, Edge or Safari plays it.",
      );
    default:
      return gettext("The player could not start.");
  }
}
