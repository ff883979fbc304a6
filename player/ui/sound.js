/** The player behind the page: it is told what the session says, and is there before it has opened its files. */

import { Player } from "../engine/player.js";
import { gainOf } from "../mixer/levels.js";
import { heardGain } from "../mixer/model.js";

/** @typedef {import("./desk.js").Desk} Desk */
/** @typedef {import("../mixer/session.js").Session} Session */

/** Events: "state", "position", "seam", "seek", and "trouble" (its detail is the player's Matter). */
export class Sound extends EventTarget {
  /**
   * @param {Desk} desk
   * @param {import("../engine/player.js").Assets} assets
   */
  constructor(desk, assets) {
    super();
    this.desk = desk;
    this.assets = assets;
    /** @type {Player | null} */
    this.player = null;
    /** Where it will begin, while there is no player yet. */
    this.start = 0;
    /** Whether somebody wants to hear it, while there is no player yet. */
    this.isAwaited = false;
    /** Drums, which may stay when the rest is transposed. */
    this.drums = new Set(desk.stems.filter(({ type }) => /drum|percussion/i.test(type)).map(({ id }) => id));
    desk.addEventListener("change", (event) => {
      if (this.player) this.tell(this.player, desk.session, /** @type {CustomEvent} */ (event).detail.before);
    });
  }

  /** Open the files. */
  async open() {
    const player = new Player({ stems: this.desk.stems, duration: this.desk.duration, assets: this.assets });
    for (const name of ["state", "position"]) {
      player.addEventListener(name, () => this.dispatchEvent(new Event(name)));
    }
    for (const name of ["seam", "trouble"]) {
      player.addEventListener(name, (event) => {
        this.dispatchEvent(new CustomEvent(name, { detail: /** @type {CustomEvent} */ (event).detail }));
      });
    }
    await player.load();
    this.player = player;
    this.tell(player, this.desk.session, null);
    player.seek(this.start);
    this.dispatchEvent(new Event("state"));
    if (this.isAwaited) this.play();
  }

  /** @returns {import("../engine/player.js").State} */
  get state() {
    return this.player?.state ?? "loading";
  }

  /** Whether it plays, or would if the network let it. */
  get isPlaying() {
    return this.player ? this.state === "playing" || this.state === "waiting" : this.isAwaited;
  }

  /** The place that is heard now, in seconds. */
  get position() {
    return this.player ? this.player.position : this.start;
  }

  /** How loud it is. */
  get levels() {
    return this.player?.levels ?? null;
  }

  /** Play; what is not open yet plays when it is. */
  play() {
    this.isAwaited = true;
    this.enterLoop();
    if (this.player) this.player.play();
    else this.dispatchEvent(new Event("state"));
  }

  /** Stop, and stay there. */
  pause() {
    this.isAwaited = false;
    if (this.player) this.player.pause();
    else this.dispatchEvent(new Event("state"));
  }

  /** Play, or pause. */
  toggle() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  /** @param {number} seconds */
  seek(seconds) {
    const to = Math.min(Math.max(0, seconds), this.desk.duration);
    if (this.player) this.player.seek(to);
    else this.start = to;
    this.dispatchEvent(new Event("seek"));
  }

  /** @param {number} seconds */
  skip(seconds) {
    this.seek(this.position + seconds);
  }

  /** Go to the start of the loop from beyond its end: from there it would never be heard. */
  enterLoop() {
    const { loop, loopOn } = this.desk.session;
    if (loop && loopOn && this.position >= loop.end) this.seek(loop.start);
  }

  /**
   * Tell the player what differs from before.
   * @param {Player} player
   * @param {Session} now
   * @param {Session | null} before
   */
  tell(player, now, before) {
    if (now.mix !== before?.mix) {
      for (const { id, type } of this.desk.stems) {
        const strip = { gain: heardGain(now.mix, type), pan: now.mix.strips[type].pan };
        const last = before && { gain: heardGain(before.mix, type), pan: before.mix.strips[type].pan };
        if (strip.gain !== last?.gain || strip.pan !== last?.pan) player.setStrip(id, strip);
      }
    }
    if (now.mix.master !== before?.mix.master) {
      const { db, ...effects } = now.mix.master;
      player.setMaster({ gain: gainOf(db), ...effects });
    }
    if (now.speed !== (before?.speed ?? 100)) player.setSpeed(now.speed / 100);
    if (now.transpose !== (before?.transpose ?? 0) || (now.transpose && now.drumsStay !== before?.drumsStay)) {
      player.setTranspose(now.transpose, { exempt: now.drumsStay ? this.drums : new Set() });
    }
    if (now.click !== before?.click) player.setClick(now.click);
    const loop = now.loopOn ? now.loop : null;
    const lastLoop = before?.loopOn ? before.loop : null;
    if (loop?.start === lastLoop?.start && loop?.end === lastLoop?.end) return;
    player.setLoop(loop);
    if (this.isPlaying) this.enterLoop();
  }
}
