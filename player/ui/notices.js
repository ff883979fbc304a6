/** What is the matter, in words of a band member: one line above the transport. */

import { gettext } from "../words.js";
import { byId, make } from "./dom.js";

/** @typedef {{text: string, button?: string, act?: () => void}} Notice */

/** The most important first. */
const ORDER = ["sound", "mix", "saving", "said"];

/** Shows the most important of what there is to say. */
export class Notices {
  constructor() {
    this.element = byId("notice", HTMLElement);
    /** @type {Map<string, Notice>} */
    this.notices = new Map();
  }

  /**
   * Say something; null takes it back.
   * @param {"sound" | "mix" | "saving" | "said"} about
   * @param {Notice | null} notice
   */
  set(about, notice) {
    if (notice) this.notices.set(about, notice);
    else this.notices.delete(about);
    this.show();
  }

  /**
   * Say something that is no longer of interest after a while.
   * @param {string} text
   */
  mention(text) {
    this.set("said", { text });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.set("said", null), 5_000);
  }

  show() {
    const about = ORDER.find((name) => this.notices.has(name));
    const notice = about && this.notices.get(about);
    this.element.classList.toggle("is-shown", Boolean(notice));
    if (!notice) return;
    const parts = [make("span", {}, notice.text)];
    if (notice.button && notice.act) {
      const button = make("button", { type: "button" }, notice.button);
      button.addEventListener("click", notice.act);
      parts.push(button);
    }
    this.element.replaceChildren(...parts);
  }
}

/**
 * Return what to say when the sound is in trouble.
 * @param {import("../engine/player.js").TroubleKind} kind
 * @returns {Notice}
 */
export function troubleInWords(kind) {
  const reload = { button: gettext("Reload"), act: () => location.reload() };
  switch (kind) {
    case "network":
      return { text: gettext("Waiting for the network. All stems stop together and go on by themselves.") };
    case "expired":
      return { text: gettext("You have been signed out, or the links to the audio have run out."), ...reload };
    case "gone":
      return {
        text: gettext("The audio is not there any more. Perhaps the recording is being made again."),
        ...reload,
      };
    case "decoder":
      return {
        text: gettext(
          "This browser cannot decode the stems. A current Chrome, Edge, Firefox or Safari can. Each stem can be downloaded by the three dots beside its name.",
        ),
      };
    case "too-large":
      return {
        text: gettext(
          "This browser would have to load the whole recording at once, and it is too long for that. A current Chrome, Edge or Safari plays it.",
        ),
      };
    default:
      return { text: gettext("The player could not start."), ...reload };
  }
}
