/** How a person finds the recording again: what was kept is loaded, what is changed is kept, a shared link is only tried. */

import { Saver } from "../mixer/saving.js";
import { readSession, readTheirs, writeSession } from "../mixer/session.js";
import { readAddress } from "../mixer/sharing.js";
import { gettext } from "../words.js";

/** How often the place is kept while it plays, in milliseconds. */
const PLACE_MS = 10_000;
/** Somebody who has heard all but this many seconds begins at the start the next time. */
const THE_END = 1;

/**
 * Load what was kept, or what the address says; from then on keep what the person changes.
 * @param {import("./desk.js").Desk} desk
 * @param {import("./sound.js").Sound} sound
 * @param {import("./notices.js").Notices} notices
 * @param {string} url of what is kept
 */
export async function keep(desk, sound, notices, url) {
  const saver = new Saver(url);
  /** Whether what is heard came with a link, and the person has changed nothing yet. */
  let isBorrowed = false;
  let isReady = false;
  /** What the person has changed before it was known what they had kept. @type {Partial<import("./desk.js").Session>} */
  let early = {};

  const offer = () => {
    if (isReady && !isBorrowed) saver.offer(writeSession({ ...desk.session, position: sound.position }));
  };
  desk.addEventListener("change", (event) => {
    const { byPerson, before } = /** @type {CustomEvent} */ (event).detail;
    if (byPerson && isBorrowed) endBorrowing();
    if (byPerson && !isReady) early = { ...early, ...changesOf(before, desk.session) };
    offer();
  });
  sound.addEventListener("state", () => {
    if (sound.state === "paused" || sound.state === "ended") offer();
  });
  setInterval(() => sound.state === "playing" && offer(), PLACE_MS);
  for (const name of ["pagehide", "visibilitychange"]) {
    addEventListener(name, () => {
      if (name === "visibilitychange" && document.visibilityState === "visible") return;
      offer();
      saver.flush({ isLast: true });
    });
  }
  saver.addEventListener("trouble", () => {
    notices.set("saving", { text: gettext("Your mix could not be kept. It is tried again until it works.") });
  });
  saver.addEventListener("clear", () => {
    notices.set("saving", null);
    notices.mention(gettext("Your mix is kept."));
  });

  /** What is heard is one's own from here on, also when the page is loaded again. */
  const endBorrowing = () => {
    isBorrowed = false;
    notices.set("mix", null);
    history.replaceState(null, "", location.pathname + location.search);
  };
  /**
   * Hear what a link speaks of; everything else stays one's own.
   * @param {import("./desk.js").Session} own
   * @param {import("./desk.js").Session} theirs
   */
  const borrow = (own, theirs) => {
    isBorrowed = true;
    desk.change({ ...own, ...onlyHeard(theirs) }, { byPerson: false });
    const takeBack = () => {
      endBorrowing();
      desk.change(own, { byPerson: false });
    };
    const text = gettext("This is a mix that somebody shared. Yours is kept as it was until you change something.");
    notices.set("mix", { text, button: gettext("Back to mine"), act: takeBack });
  };
  // A link to the recording that is open loads nothing anew.
  let mine = desk.session;
  addEventListener("hashchange", () => {
    const shared = readAddress(location, desk.fresh, desk.stems, desk.duration);
    if (!isReady || !shared || !("session" in shared)) return;
    if (!isBorrowed) {
      offer();
      mine = desk.session;
    }
    borrow(mine, shared.session);
    sound.seek(shared.session.position);
  });

  const shared = readAddress(location, desk.fresh, desk.stems, desk.duration);
  /** @type {import("../mixer/saving.js").Kept | null} */
  const kept = await load(saver, notices, desk);
  mine = ownSession(desk, kept);
  if (mine.position > desk.duration - THE_END) mine.position = 0;
  const hasChanged = Object.keys(early).length > 0;
  isReady = true;
  if (shared && "session" in shared) {
    borrow(mine, shared.session);
    if (hasChanged) desk.change(early);
    return shared.session.position;
  }
  desk.change({ ...mine, ...early }, { byPerson: false });
  if (hasChanged) offer();
  return shared ? shared.position : mine.position;
}

/**
 * @param {Saver} saver
 * @param {import("./notices.js").Notices} notices
 * @param {import("./desk.js").Desk} desk
 */
async function load(saver, notices, desk) {
  const understand = (/** @type {any} */ practice) => ({
    ...writeSession(readSession(practice, desk.fresh, desk.duration)),
    version: practice?.version ?? null,
  });
  for (const pause of [500, 2_000, 0]) {
    try {
      return await saver.load(understand);
    } catch {
      if (pause) await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
  notices.set("saving", { text: gettext("How you left this recording could not be loaded, so nothing is kept now.") });
  return null;
}

/**
 * @param {import("./desk.js").Desk} desk
 * @param {import("../mixer/saving.js").Kept | null} kept
 */
function ownSession(desk, kept) {
  const own = readSession(kept?.practice, desk.fresh, desk.duration);
  return kept?.is_theirs_newer ? readTheirs(kept, own, desk.duration) : own;
}

/**
 * Return what a link speaks of: one's list of loops, click and account's part are one's own.
 * @param {import("./desk.js").Session} session
 */
function onlyHeard({ mix, speed, transpose, drumsStay, loop, loopOn, position }) {
  return { mix, speed, transpose, drumsStay, loop, loopOn, position };
}

/**
 * @param {Record<string, any>} before
 * @param {Record<string, any>} after
 */
function changesOf(before, after) {
  return Object.fromEntries(Object.entries(after).filter(([name, value]) => before[name] !== value));
}
