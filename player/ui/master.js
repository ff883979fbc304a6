/** The strip of the sum: volume, meter, and the effects that are heard on everything. */

import { gettext, interpolate } from "../words.js";
import { allWithin, byId, say, setValue, within } from "./dom.js";
import { decibels } from "./format.js";
import { connectFader, showLevel } from "./lanes.js";

/** @typedef {import("./desk.js").Desk} Desk */
/** @typedef {"eq" | "compressor" | "reverb" | "limiter"} EffectName */

/**
 * Connect the master strip.
 * @param {Desk} desk
 * @param {import("./sound.js").Sound} sound
 */
export function connectMaster(desk, sound) {
  const fader = byId("master-fader", HTMLInputElement);
  const output = byId("master-db", HTMLElement);
  const reset = byId("reset-master", HTMLButtonElement);
  connectFader(fader, { level: () => desk.session.mix.master.db, start: 0, set: (db) => desk.changeMaster({ db }) });
  reset.addEventListener("click", () => desk.changeMaster(desk.fresh.mix.master));
  desk.watch(({ mix }, before) => {
    if (mix.master === before?.mix.master) return;
    showLevel(fader, output, mix.master.db);
    reset.disabled = JSON.stringify(mix.master) === JSON.stringify(desk.fresh.mix.master);
  });
  for (const box of allWithin(document, ".effect", HTMLElement)) connectEffect(desk, box);
  const limiter = allWithin(document, "[data-effect=limiter] .effect-says", HTMLElement)[0];
  sound.addEventListener("position", () => {
    const { limiter: settings } = desk.session.mix.master;
    const reduction = sound.isPlaying ? (sound.levels?.reductionDb ?? 0) : 0;
    if (limiter && settings.on) say(limiter, reduction > 0.1 ? `−${reduction.toFixed(1)} dB` : gettext("on"));
  });
}

/**
 * @param {Desk} desk
 * @param {HTMLElement} box
 */
function connectEffect(desk, box) {
  const name = /** @type {EffectName} */ (box.dataset.effect);
  const says = within(box, ".effect-says", HTMLElement);
  const inputs = allWithin(box, "[data-setting]", HTMLInputElement);
  const settings = () => desk.session.mix.master[name];

  for (const input of inputs) {
    const setting = input.dataset.setting ?? "";
    const scale = Number(input.dataset.scale ?? 1);
    input.addEventListener("input", () => {
      if (input.type === "checkbox") {
        desk.changeMaster({ [name]: { ...settings(), on: input.checked } });
        return;
      }
      const value = Number(input.value) / scale;
      // Somebody who moves a control wants to hear it.
      desk.changeMaster({ [name]: { ...settings(), on: true, [setting]: changed(settings()[setting], input, value) } });
    });
    input.addEventListener("dblclick", () => {
      if (input.type !== "range") return;
      const fresh = desk.fresh.mix.master[name][setting];
      const value = input.dataset.place === undefined ? fresh : fresh[Number(input.dataset.place)].gain;
      desk.changeMaster({ [name]: { ...settings(), [setting]: changed(settings()[setting], input, value) } });
    });
  }
  desk.watch(({ mix }, before) => {
    if (mix.master[name] === before?.mix.master[name]) return;
    say(says, mix.master[name].on ? gettext("on") : gettext("off"));
    for (const input of inputs) showSetting(input, mix.master[name]);
  });
}

/**
 * Return a setting with a value of it changed: bands are a list, of which an input has the gain of one.
 * @param {any} before
 * @param {HTMLInputElement} input
 * @param {number} value
 */
function changed(before, input, value) {
  if (input.dataset.place === undefined) return value;
  const place = Number(input.dataset.place);
  return before.map((/** @type {object} */ band, /** @type {number} */ at) =>
    at === place ? { ...band, gain: value } : band,
  );
}

/**
 * @param {HTMLInputElement} input
 * @param {import("../mixer/model.js").Effect} settings
 */
function showSetting(input, settings) {
  if (input.type === "checkbox") {
    input.checked = settings.on;
    return;
  }
  const { place, setting = "", scale, unit = "" } = input.dataset;
  const value = place === undefined ? settings[setting] : settings[setting][Number(place)].gain;
  const shown = Math.round(value * Number(scale) * 10) / 10;
  setValue(input, shown);
  const text = unit === "dB" ? decibels(shown) : interpolate("%(shown)s %(unit)s", { shown, unit });
  input.setAttribute("aria-valuetext", text);
  const output = input.parentElement?.querySelector("output");
  if (output) say(output, text);
}
