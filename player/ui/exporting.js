/** A file of the mix as it sounds now. */

import { ExportError, exportFormats, exportMix, MOST_BYTES, removeLeftovers } from "../export/export.js";
import { gainOf } from "../mixer/levels.js";
import { heardGain } from "../mixer/model.js";
import { gettext, interpolate } from "../words.js";
import { allWithin, byId, say } from "./dom.js";
import { failureInWords, silenceInWords } from "./troubles.js";

/** @typedef {import("./desk.js").Desk} Desk */

/**
 * Connect the form that makes files.
 * @param {Desk} desk
 * @param {import("./sound.js").Sound} sound
 * @param {{title: string, assets: import("../export/export.js").Wish["assets"]}} options
 */
export function connectExport(desk, sound, { title, assets }) {
  const form = byId("export", HTMLFormElement);
  const format = byId("export-format", HTMLSelectElement);
  const range = byId("export-range", HTMLSelectElement);
  const start = byId("export-start", HTMLButtonElement);
  const progress = byId("export-progress", HTMLElement);
  const share = byId("export-share", HTMLProgressElement);
  const said = byId("export-said", HTMLElement);
  /** @type {AbortController | null} */
  let under = null;

  removeLeftovers();
  exportFormats().then((formats) => {
    for (const option of allWithin(format, "option", HTMLOptionElement)) {
      if (!formats.some((one) => one === option.value)) option.remove();
    }
  });
  desk.watch(({ loop }) => {
    range.disabled = !loop;
    if (!loop) range.value = "whole";
  });
  byId("export-cancel", HTMLButtonElement).addEventListener("click", () => under?.abort());
  addEventListener("beforeunload", (event) => {
    if (under) event.preventDefault(); // an export takes a while, and would be lost
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (under) return;
    under = new AbortController();
    start.disabled = true;
    progress.hidden = false;
    share.value = 0;
    say(said, gettext("It is being made. You can go on listening."));
    try {
      const wish = wishOf(desk, sound, range.value === "loop");
      const kind = /** @type {import("../export/export.js").Format} */ (format.value);
      const { file, filename, silent } = await exportMix(
        { ...wish, format: kind, title, assets },
        {
          signal: under.signal,
          onProgress: (value) => {
            share.value = value;
          },
          onWait: (kind) => say(said, kind ? hindrance(kind) : gettext("It goes on.")),
        },
      );
      offer(file, filename);
      const done = interpolate(gettext("%(filename)s is in your downloads."), { filename });
      say(said, [done, silenceInWords(silent)].join(" ").trim());
    } catch (error) {
      say(said, under.signal.aborted ? gettext("Cancelled.") : wordsFor(error));
    }
    under = null;
    start.disabled = false;
    progress.hidden = true;
  });
}

/**
 * Return what is to be made: what is heard.
 * @param {Desk} desk
 * @param {import("./sound.js").Sound} sound
 * @param {boolean} isOfLoop
 */
function wishOf({ session, stems }, sound, isOfLoop) {
  const { mix, speed, transpose, drumsStay, loop } = session;
  const { db, ...effects } = mix.master;
  return {
    stems: stems.map(({ id, url, type, duration }) => ({
      id,
      url,
      duration,
      gain: heardGain(mix, type),
      pan: mix.strips[type].pan,
    })),
    master: { gain: gainOf(db), ...effects },
    speed: speed / 100,
    transpose: { semitones: transpose, exempt: drumsStay ? sound.drums : [] },
    range: isOfLoop ? loop : null,
  };
}

/**
 * Give a file to the browser's downloads.
 * @param {File} file
 * @param {string} filename
 */
function offer(file, filename) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = filename;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** @param {import("../engine/troubles.js").WaitingKind} kind */
function hindrance(kind) {
  if (kind === "network") return gettext("Waiting for the network. It goes on by itself.");
  return kind === "gone"
    ? gettext("The audio is not there any more. Perhaps the recording is being made again.")
    : gettext("You have been signed out, or the links to the audio have run out.");
}

/** @param {unknown} error */
function wordsFor(error) {
  const kind = error instanceof ExportError ? error.kind : "failed";
  switch (kind) {
    case "space":
      return gettext("There is not enough room on this device.");
    case "memory":
      return interpolate(
        gettext(
          "It is too long: without a disk to write to, as in a private window, a file has at most %(megabytes)s MB. Make Opus, or only the loop.",
        ),
        { megabytes: String(MOST_BYTES / 1e6) },
      );
    case "too-large":
      return gettext("It is too long for this browser. A current Chrome or Edge can make it.");
    case "decoder":
      return gettext("This browser cannot decode the stems. A current Chrome, Edge, Firefox or Safari can.");
    case "gone":
    case "damaged":
      return failureInWords(kind);
    default:
      console.error(error);
      return gettext("The file could not be made. Try again, or take another format.");
  }
}
