/** The practice panel: loops, speed, transposing, click, step-up. */

import { MOST_LOOPS, tidyName } from "../mixer/session.js";
import { gettext, interpolate, ngettext } from "../words.js";
import { allWithin, byId, make, press, say, setValue, whileHeld, within } from "./dom.js";
import { clock, percentOf, semitonesOf } from "./format.js";

/** @typedef {import("./desk.js").Desk} Desk */
/** @typedef {import("./sound.js").Sound} Sound */

/**
 * Connect the practice panel.
 * @param {Desk} desk
 * @param {Sound} sound
 */
export function connectPractice(desk, sound) {
  connectLoop(desk, sound);
  connectLoopList(desk, sound);
  connectSpeed(desk);
  connectTranspose(desk);
  connectClick(desk, sound);
  connectStepUp(desk, sound);
}

/**
 * @param {Desk} desk
 * @param {Sound} sound
 */
function connectLoop(desk, sound) {
  const rows = allWithin(document, ".edge-row", HTMLElement);
  for (const row of rows) {
    const edge = row.dataset.edge === "start" ? "start" : "end";
    within(row, ".set", HTMLElement).addEventListener("click", () => desk.moveEdge(edge, sound.position));
    for (const button of allWithin(row, ".nudge", HTMLElement)) {
      whileHeld(button, (times) => {
        const { loop } = desk.session;
        if (loop) desk.moveEdge(edge, loop[edge] + times * Number(button.dataset.nudge));
      });
    }
  }
  const clear = byId("clear-loop", HTMLButtonElement);
  clear.addEventListener("click", () => desk.setLoop(null));
  desk.watch(({ loop }) => {
    for (const row of rows) {
      const edge = row.dataset.edge === "start" ? "start" : "end";
      say(within(row, "output", HTMLElement), loop ? clock(loop[edge], 2) : "–:––");
      for (const button of allWithin(row, ".nudge", HTMLButtonElement)) button.disabled = !loop;
    }
    clear.disabled = !loop;
  });
}

/**
 * @param {Desk} desk
 * @param {Sound} sound
 */
function connectLoopList(desk, sound) {
  const list = byId("loops", HTMLUListElement);
  const form = byId("keep-loop", HTMLFormElement);
  const name = byId("loop-name", HTMLInputElement);
  const keep = within(form, "[type=submit]", HTMLButtonElement);
  /** @type {string | null} the loop whose name is being written in the form */
  let renamed = null;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { loop, loops } = desk.session;
    const said = tidyName(name.value);
    if (renamed && loops[renamed]) {
      desk.change({ loops: { ...loops, [renamed]: { ...loops[renamed], name: said || loops[renamed].name } } });
    } else if (loop && Object.keys(loops).length < MOST_LOOPS) {
      desk.change({ loops: { ...loops, [newId()]: { ...loop, name: said || nextName(loops) } } });
    }
    name.value = "";
    renamed = null;
    show();
  });

  const show = () => {
    const { loop, loops } = desk.session;
    say(keep, renamed ? gettext("Rename it") : gettext("Keep it"));
    keep.disabled = renamed === null && (!loop || Object.keys(loops).length >= MOST_LOOPS);
    const sorted = Object.entries(loops).sort(([, one], [, other]) => one.start - other.start);
    list.replaceChildren(
      ...sorted.map(([id, kept]) => {
        const isThis = loop?.start === kept.start && loop.end === kept.end;
        const times = `${clock(kept.start, 1)} – ${clock(kept.end, 1)}`;
        const go = make("button", { type: "button", class: "go", "aria-pressed": String(isThis) });
        go.append(make("b", {}, kept.name), " ", make("span", { class: "dim" }, times));
        go.addEventListener("click", () => {
          desk.setLoop({ start: kept.start, end: kept.end });
          sound.seek(kept.start);
          focusIn(id, ".go");
        });
        const words = { name: kept.name };
        const rename = make(
          "button",
          { type: "button", class: "quiet rename", "aria-label": interpolate(gettext("Rename %(name)s"), words) },
          "✎",
        );
        rename.addEventListener("click", () => {
          renamed = id;
          name.value = kept.name;
          show();
          name.focus();
          name.select();
        });
        const remove = make(
          "button",
          { type: "button", class: "quiet remove", "aria-label": interpolate(gettext("Delete %(name)s"), words) },
          "✕",
        );
        remove.addEventListener("click", () => {
          const { [id]: _gone, ...rest } = desk.session.loops;
          if (renamed === id) renamed = null;
          desk.change({ loops: rest });
          (list.querySelector("button") ?? name).focus();
        });
        return make("li", { "data-id": id }, go, rename, remove);
      }),
    );
  };
  /**
   * Put the focus back where it was: the list has been made anew.
   * @param {string} id
   * @param {string} selector
   */
  const focusIn = (id, selector) => {
    const row = [...list.children].find((one) => one.getAttribute("data-id") === id);
    row?.querySelector(selector)?.dispatchEvent(new Event("focus"));
    if (row) within(row, selector, HTMLElement).focus({ preventScroll: true });
  };
  desk.watch((session, before) => {
    if (session.loops !== before?.loops || session.loop !== before?.loop) show();
  });
}

/** Return a name for a loop that no other tab will give: letters and digits. */
function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {Record<string, import("../mixer/session.js").NamedSpan>} loops */
function nextName(loops) {
  const taken = new Set(Object.values(loops).map((loop) => loop.name));
  let number = Object.keys(loops).length + 1;
  const named = () => interpolate(gettext("Loop %(number)s"), { number });
  while (taken.has(named())) number += 1;
  return named();
}

/** @param {Desk} desk */
function connectSpeed(desk) {
  const slider = byId("speed", HTMLInputElement);
  const usual = allWithin(document, "[data-speed-to]", HTMLButtonElement);
  slider.addEventListener("input", () => desk.setSpeed(Number(slider.value)));
  slider.addEventListener("dblclick", () => desk.setSpeed(100));
  for (const button of usual) button.addEventListener("click", () => desk.setSpeed(Number(button.dataset.speedTo)));
  desk.watch(({ speed }) => {
    setValue(slider, speed);
    slider.setAttribute("aria-valuetext", percentOf(speed));
    say(byId("speed-big", HTMLElement), percentOf(speed));
    for (const button of usual) press(button, Number(button.dataset.speedTo) === speed);
  });
}

/** @param {Desk} desk */
function connectTranspose(desk) {
  const slider = byId("transpose", HTMLInputElement);
  const stay = byId("drums-stay", HTMLInputElement);
  slider.addEventListener("input", () => desk.setTranspose(Number(slider.value)));
  slider.addEventListener("dblclick", () => desk.setTranspose(0));
  stay.addEventListener("change", () => desk.change({ drumsStay: stay.checked }));
  desk.watch(({ transpose, drumsStay }) => {
    setValue(slider, transpose);
    const said = interpolate(ngettext("%(count)s semitone", "%(count)s semitones", Math.abs(transpose)), {
      count: transpose,
    });
    slider.setAttribute("aria-valuetext", said);
    say(byId("transpose-big", HTMLElement), semitonesOf(transpose));
    stay.checked = drumsStay;
  });
}

/** Taps further apart than this begin anew, in milliseconds. */
const TAP_PAUSE_MS = 2_500;

/**
 * @param {Desk} desk
 * @param {Sound} sound
 */
function connectClick(desk, sound) {
  const on = byId("click-on", HTMLButtonElement);
  const bpm = byId("bpm", HTMLInputElement);
  const beats = byId("beats", HTMLSelectElement);
  const countIn = byId("count-in", HTMLSelectElement);
  const gain = byId("click-gain", HTMLInputElement);
  const change = (/** @type {Partial<import("../mixer/session.js").Click>} */ part) =>
    desk.change({ click: { ...desk.session.click, ...part } });
  const setTempo = (/** @type {number} */ tempo) => {
    if (Number.isFinite(tempo)) change({ bpm: Math.round(Math.min(400, Math.max(20, tempo)) * 10) / 10 });
  };

  on.addEventListener("click", () => change({ on: !desk.session.click.on }));
  bpm.addEventListener("change", () => {
    setTempo(bpm.valueAsNumber);
    bpm.value = String(desk.session.click.bpm);
  });
  beats.addEventListener("change", () => change({ beatsPerBar: Number(beats.value) }));
  countIn.addEventListener("change", () => change({ countInBars: Number(countIn.value) }));
  gain.addEventListener("input", () => change({ gain: Number(gain.value) / 100 }));
  byId("first-beat", HTMLButtonElement).addEventListener("click", () => change({ offset: sound.position }));

  /** @type {number[]} */
  let taps = [];
  byId("tap", HTMLButtonElement).addEventListener("pointerdown", (event) => tap(event.timeStamp));
  byId("tap", HTMLButtonElement).addEventListener("click", (event) => {
    if (event.detail === 0) tap(event.timeStamp); // by key: there was no pointer
  });
  const tap = (/** @type {number} */ time) => {
    if (time - (taps.at(-1) ?? 0) > TAP_PAUSE_MS) taps = [];
    taps = [...taps, time].slice(-9);
    if (taps.length < 3) return;
    // What was tapped is what was heard: slowed down, the recording's own tempo is higher.
    const beat = (taps[taps.length - 1] - taps[0]) / (taps.length - 1);
    setTempo(((60_000 / beat) * 100) / (sound.isPlaying ? desk.session.speed : 100));
    bpm.value = String(desk.session.click.bpm);
  };

  desk.watch(({ click }) => {
    press(on, click.on);
    setValue(bpm, click.bpm);
    setValue(beats, click.beatsPerBar);
    setValue(countIn, click.countInBars);
    setValue(gain, Math.round(click.gain * 100));
  });
}

/**
 * @param {Desk} desk
 * @param {Sound} sound
 */
function connectStepUp(desk, sound) {
  const on = byId("step-on", HTMLButtonElement);
  const says = byId("step-says", HTMLElement);
  /** @type {["every" | "by" | "goal", HTMLInputElement][]} */
  const inputs = [
    ["every", byId("step-every", HTMLInputElement)],
    ["by", byId("step-by", HTMLInputElement)],
    ["goal", byId("step-goal", HTMLInputElement)],
  ];
  let seams = 0;
  const change = (/** @type {Partial<import("../mixer/session.js").StepUp>} */ part) =>
    desk.change({ stepUp: { ...desk.session.stepUp, ...part } });

  on.addEventListener("click", () => {
    seams = 0;
    change({ on: !desk.session.stepUp.on });
  });
  for (const [name, input] of inputs) {
    input.addEventListener("change", () => {
      const value = Math.round(input.valueAsNumber);
      if (Number.isFinite(value)) {
        change({ [name]: Math.min(Number(input.max), Math.max(Number(input.min), value)) });
      }
      input.value = String(desk.session.stepUp[name]);
    });
  }
  sound.addEventListener("seam", () => {
    const { stepUp, speed } = desk.session;
    if (!stepUp.on) return;
    seams += 1;
    if (seams >= stepUp.every && speed < stepUp.goal) {
      seams = 0;
      desk.change({ speed: Math.min(stepUp.goal, speed + stepUp.by) }, { byPerson: false });
    }
    show();
  });
  const show = () => {
    const { stepUp, speed } = desk.session;
    const left = stepUp.every - seams;
    const values = {
      count: left,
      next: percentOf(Math.min(stepUp.goal, speed + stepUp.by)),
      goal: percentOf(stepUp.goal),
    };
    if (!stepUp.on) say(says, gettext("The loop becomes faster by itself."));
    else if (speed >= stepUp.goal) say(says, interpolate(gettext("The goal of %(goal)s is reached."), values));
    else {
      const words = ngettext("%(next)s after %(count)s more loop", "%(next)s after %(count)s more loops", left);
      say(says, interpolate(words, values));
    }
  };
  desk.watch(({ stepUp, loop }, before) => {
    if (before && loop !== before.loop) seams = 0;
    press(on, stepUp.on);
    for (const [name, input] of inputs) setValue(input, stepUp[name]);
    show();
  });
}
