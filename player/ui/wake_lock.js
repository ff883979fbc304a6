/** Keeps the screen on while it plays, if somebody wants that: a phone on a stand is touched by nobody. */

import { byId } from "./dom.js";
import { remember, remembered } from "./keyboard.js";

const STORE = "stemset.screen";

/** @param {import("./sound.js").Sound} sound */
export function connectWakeLock(sound) {
  if (!("wakeLock" in navigator)) return;
  const box = byId("wake", HTMLInputElement);
  byId("wake-row", HTMLElement).hidden = false;
  box.checked = remembered(STORE) === "on";
  /** @type {WakeLockSentinel | null} */
  let lock = null;
  let isAsking = false;

  const settle = async () => {
    const isWanted = box.checked && sound.isPlaying && document.visibilityState === "visible";
    if (!isWanted) {
      lock?.release();
      lock = null;
      return;
    }
    if (isAsking || (lock && !lock.released)) return;
    isAsking = true;
    // Refused when the battery is low, for instance; asked again at the next occasion.
    lock = await navigator.wakeLock.request("screen").catch(() => null);
    isAsking = false;
  };
  box.addEventListener("change", () => {
    remember(STORE, box.checked ? "on" : "off");
    settle();
  });
  sound.addEventListener("state", settle);
  document.addEventListener("visibilitychange", settle);
}
