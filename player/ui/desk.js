/** What the page shows and changes: one session, and everybody who wants to know when it is another one. */

import { changeStrip } from "../mixer/model.js";
import { movedEdge, SHORTEST_LOOP } from "../mixer/session.js";

/** @typedef {import("../mixer/session.js").Session} Session */
/** @typedef {import("../engine/player.js").Stem & {picture: string, peaks: string | null}} Stem */

/** Events: "change", with detail.before (a session) and detail.byPerson. */
export class Desk extends EventTarget {
  /**
   * @param {Stem[]} stems
   * @param {number} duration seconds
   * @param {Session} fresh where everybody starts
   */
  constructor(stems, duration, fresh) {
    super();
    this.stems = stems;
    this.types = stems.map(({ type }) => type);
    this.duration = duration;
    this.fresh = fresh;
    this.session = fresh;
  }

  /**
   * Change some of it.
   * @param {Partial<Session>} part
   * @param {{byPerson?: boolean}} options
   */
  change(part, { byPerson = true } = {}) {
    const before = this.session;
    this.session = { ...before, ...part };
    this.dispatchEvent(new CustomEvent("change", { detail: { before, byPerson } }));
  }

  /**
   * Change something about one stem.
   * @param {string} type
   * @param {Partial<import("../mixer/model.js").Strip>} change
   */
  changeStrip(type, change) {
    this.change({ mix: changeStrip(this.session.mix, type, change) });
  }

  /**
   * Turn one of a stem's switches.
   * @param {string} type
   * @param {"mute" | "solo" | "safe"} name
   */
  toggle(type, name) {
    this.changeStrip(type, { [name]: !this.session.mix.strips[type][name] });
  }

  /**
   * Change something about the master.
   * @param {Partial<import("../mixer/model.js").Master>} change
   */
  changeMaster(change) {
    const { mix } = this.session;
    this.change({ mix: { ...mix, master: { ...mix.master, ...change } } });
  }

  /** @param {number} percent */
  setSpeed(percent) {
    this.change({ speed: Math.min(150, Math.max(25, Math.round(percent))) });
  }

  /** @param {number} semitones */
  setTranspose(semitones) {
    this.change({ transpose: Math.min(12, Math.max(-12, Math.round(semitones))) });
  }

  /**
   * Loop from here, or to here. Where there is no loop yet it is as long as fits, up to four seconds; in a recording
   * that is shorter than any loop there is none.
   * @param {"start" | "end"} edge
   * @param {number} to seconds
   */
  moveEdge(edge, to) {
    if (this.duration < SHORTEST_LOOP) return;
    const four = edge === "start" ? { start: to, end: to + 4 } : { start: to - 4, end: to };
    this.setLoop(movedEdge(this.session.loop ?? four, edge, to, this.duration));
  }

  /** @param {import("../mixer/session.js").Span | null} loop */
  setLoop(loop) {
    this.change({ loop, loopOn: loop !== null });
  }

  /**
   * Loop, or do not. Returns false when there is no loop to be turned on.
   */
  toggleLoop() {
    const { loop, loopOn } = this.session;
    if (!loop) return false;
    this.change({ loopOn: !loopOn });
    return true;
  }

  /**
   * Call back now and after each change.
   * @param {(session: Session, before: Session | null) => void} show
   */
  watch(show) {
    show(this.session, null);
    this.addEventListener("change", (event) => show(this.session, /** @type {CustomEvent} */ (event).detail.before));
  }
}
