/**
 * Controls on the lock screen and on headphones, and sound on an iPhone whose silent switch is on.
 *
 * Browsers show such controls only for a page with a playing media element, and our sound comes from Web Audio, which has
 * none: so a silent element plays along. An iPhone mutes Web Audio by its silent switch as if it were a game's effects;
 * `navigator.audioSession` says that this is music. Safari has it since 16.4, the oldest one that this page is built for.
 * Where it is missing, the playing element makes the page one that plays media, which has the same effect.
 */

import { SKIP_SECONDS } from "./transport.js";

/** Chromium shows no controls for media shorter than five seconds. */
const SILENCE_SECONDS = 10;

/**
 * Connect the lock screen.
 * @param {import("./desk.js").Desk} desk
 * @param {import("./sound.js").Sound} sound
 * @param {{title: string, band: string}} words
 */
export function connectLockScreen(desk, sound, { title, band }) {
  const session = /** @type {any} */ (navigator).audioSession;
  if (session) session.type = "playback";
  if (!("mediaSession" in navigator)) return;
  const { mediaSession } = navigator;
  const silence = new Audio();
  silence.loop = true;

  mediaSession.metadata = new MediaMetadata({ title, artist: band, album: "Stemset" });
  const skip = (/** @type {MediaSessionActionDetails} */ details, /** @type {number} */ way) =>
    sound.skip(way * (details.seekOffset ?? SKIP_SECONDS));
  /** @type {[MediaSessionAction, MediaSessionActionHandler][]} */
  const actions = [
    ["play", () => sound.play()],
    ["pause", () => sound.pause()],
    ["stop", () => sound.pause()],
    ["seekbackward", (details) => skip(details, -1)],
    ["seekforward", (details) => skip(details, 1)],
    ["seekto", ({ seekTime }) => seekTime !== undefined && sound.seek(seekTime)],
    ["previoustrack", () => sound.seek(desk.session.loopOn ? (desk.session.loop?.start ?? 0) : 0)],
  ];
  for (const [action, handler] of actions) {
    try {
      mediaSession.setActionHandler(action, handler);
    } catch {
      // an action that this browser does not know
    }
  }

  const showPosition = () => {
    const position = Math.min(sound.position, desk.duration);
    mediaSession.setPositionState?.({ duration: desk.duration, playbackRate: desk.session.speed / 100, position });
  };
  sound.addEventListener("state", () => {
    const { isPlaying } = sound;
    mediaSession.playbackState = isPlaying ? "playing" : "paused";
    if (isPlaying) {
      silence.src ||= URL.createObjectURL(silentFile());
      silence.play().catch(() => {}); // no gesture yet: the next one will do
    } else silence.pause();
    showPosition();
  });
  sound.addEventListener("seek", showPosition);
  desk.addEventListener("change", showPosition);
}

/** Return a WAV file in which nothing is heard. */
function silentFile() {
  const rate = 8000;
  const count = rate * SILENCE_SECONDS;
  const header = new DataView(new ArrayBuffer(44));
  const text = (/** @type {number} */ at, /** @type {string} */ word) =>
    [...word].forEach((letter, place) => {
      header.setUint8(at + place, letter.charCodeAt(0));
    });
  text(0, "RIFF");
  header.setUint32(4, 36 + count, true);
  text(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true);
  header.setUint16(22, 1, true);
  header.setUint32(24, rate, true);
  header.setUint32(28, rate, true);
  header.setUint16(32, 1, true);
  header.setUint16(34, 8, true);
  text(36, "data");
  header.setUint32(40, count, true);
  return new Blob([header, new Uint8Array(count).fill(128)], { type: "audio/wav" });
}
