/** The bar that is always there: play, position, loop, speed, transpose. */

import { gettext } from "../words.js";
import { allWithin, byId, fill, press, say, setValue, within } from "./dom.js";
import { clock, percentOf, semitonesOf, spoken } from "./format.js";

export const SKIP_SECONDS = 5;

/**
 * Connect the transport.
 * @param {import("./desk.js").Desk} desk
 * @param {import("./sound.js").Sound} sound
 * @param {import("./notices.js").Notices} notices
 */
export function connectTransport(desk, sound, notices) {
  const bar = byId("transport", HTMLElement);
  const play = byId("play", HTMLButtonElement);
  const seek = byId("seek", HTMLInputElement);
  const now = byId("now", HTMLElement);
  const loop = byId("loop-toggle", HTMLButtonElement);
  const span = within(bar, ".seek-loop", HTMLElement);
  let isSeeking = false;

  play.addEventListener("click", () => sound.toggle());
  byId("back", HTMLButtonElement).addEventListener("click", () => sound.skip(-SKIP_SECONDS));
  byId("forward", HTMLButtonElement).addEventListener("click", () => sound.skip(SKIP_SECONDS));
  loop.addEventListener("click", () => turnLoop(desk, notices));
  for (const button of allWithin(bar, "[data-speed]", HTMLButtonElement)) {
    button.addEventListener("click", () => desk.setSpeed(desk.session.speed + Number(button.dataset.speed)));
  }
  for (const button of allWithin(bar, "[data-transpose]", HTMLButtonElement)) {
    const by = Number(button.dataset.transpose);
    button.addEventListener("click", () => desk.setTranspose(desk.session.transpose + by));
  }

  // While somebody drags, only the text follows; the sound goes there when they let go.
  seek.addEventListener("input", () => {
    isSeeking = true;
    fill(seek);
    say(now, clock(Number(seek.value), 1));
  });
  seek.addEventListener("change", () => {
    if (isSeeking) sound.seek(Number(seek.value));
    isSeeking = false;
  });
  // Whoever lets go where they began has changed nothing, and no "change" comes; it comes after "pointerup" otherwise.
  const letGo = () => {
    if (!isSeeking) return;
    isSeeking = false;
    showPosition();
  };
  addEventListener("pointerup", () => setTimeout(letGo));
  seek.addEventListener("pointercancel", letGo);

  const showPosition = () => {
    if (isSeeking) return;
    const position = sound.position;
    setValue(seek, position.toFixed(3));
    say(now, clock(position, 1));
    // Somebody who listens to the slider does not want to be told four times a second.
    if (!sound.isPlaying || document.activeElement !== seek) seek.setAttribute("aria-valuetext", spoken(position));
  };
  const title = document.title;
  const showState = () => {
    const { isPlaying, state } = sound;
    bar.dataset.state = isPlaying && state === "loading" ? "waiting" : state;
    bar.classList.toggle("is-playing", isPlaying);
    play.setAttribute("aria-label", isPlaying ? gettext("Pause") : gettext("Play"));
    play.disabled = state === "failed";
    document.title = isPlaying ? `${state === "playing" ? "▶" : "…"} ${title}` : title;
    showPosition();
  };
  for (const name of ["position", "seek"]) sound.addEventListener(name, showPosition);
  sound.addEventListener("state", showState);
  showState();

  desk.watch((session, before) => {
    say(byId("speed-now", HTMLElement), percentOf(session.speed));
    say(byId("transpose-now", HTMLElement), semitonesOf(session.transpose));
    press(loop, session.loopOn);
    if (session.loop === before?.loop && session.loopOn === before?.loopOn) return;
    span.hidden = !session.loop;
    span.classList.toggle("is-on", session.loopOn);
    if (!session.loop) return;
    const [start, end] = [session.loop.start, session.loop.end].map((seconds) => seconds / desk.duration);
    span.style.setProperty("--from", String(start));
    span.style.setProperty("--share", String(end - start));
  });
}

/**
 * Turn the loop on or off; say how to make one where there is none.
 * @param {import("./desk.js").Desk} desk
 * @param {import("./notices.js").Notices} notices
 */
export function turnLoop(desk, notices) {
  if (desk.toggleLoop()) return;
  notices.mention(gettext("No loop yet: set its start and its end, or draw it along the times above the waveforms."));
}
