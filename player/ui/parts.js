/** Which part is one's own, and what can be done with it at a tap. */

import { applyPreset, isFresh, presetOf, resetStrips, stemOfPart } from "../mixer/model.js";
import { gettext } from "../words.js";
import { allWithin, byId, press } from "./dom.js";

/** @typedef {import("../mixer/model.js").Preset} Preset */

/**
 * Connect the presets.
 * @param {import("./desk.js").Desk} desk
 * @param {import("./notices.js").Notices} notices
 * @param {string} myPart what the account says that the person plays; "" if nothing
 */
export function connectParts(desk, notices, myPart) {
  const select = byId("part", HTMLSelectElement);
  const buttons = allWithin(document, "[data-preset]", HTMLButtonElement);
  const reset = byId("reset-mix", HTMLButtonElement);
  const mine = () => stemOfPart(desk.types, desk.session.part) || stemOfPart(desk.types, myPart);

  select.addEventListener("change", () => {
    const preset = presetOf(desk.session.mix, desk.stems, mine());
    desk.change({ part: select.value });
    // Somebody who hears a preset of one part and takes another one wants the same of that.
    if (preset && mine()) desk.change({ mix: applyPreset(desk.session.mix, desk.stems, preset, mine()) });
  });
  for (const button of buttons) {
    const preset = /** @type {Preset} */ (button.dataset.preset);
    button.addEventListener("click", () => {
      const { mix } = desk.session;
      if (!mine()) {
        select.focus();
        notices.mention(gettext("Choose first what you play, under “My part”."));
        return;
      }
      const isOn = presetOf(mix, desk.stems, mine()) === preset;
      desk.change({ mix: isOn ? resetStrips(mix, desk.stems) : applyPreset(mix, desk.stems, preset, mine()) });
    });
  }
  reset.addEventListener("click", () => desk.change({ mix: resetStrips(desk.session.mix, desk.stems) }));

  desk.watch(({ mix }) => {
    if (select.value !== mine()) select.value = mine();
    const preset = presetOf(mix, desk.stems, mine());
    for (const button of buttons) press(button, button.dataset.preset === preset);
    reset.disabled = isFresh(mix, desk.stems);
  });
}
