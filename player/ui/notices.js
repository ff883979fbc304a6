/** What there is to be told, one below the other, above the transport. */

import { byId, make } from "./dom.js";

/** @typedef {{text: string, button?: string, act?: () => void}} Notice */
/** @typedef {"sound" | "stems" | "mix" | "saving" | "said"} About */

/** In which order they stand. @type {About[]} */
const ORDER = ["sound", "stems", "mix", "saving", "said"];

/** Shows all that there is to say. */
export class Notices {
  constructor() {
    this.element = byId("notice", HTMLElement);
    /** @type {Map<About, {notice: Notice, line: HTMLElement}>} */
    this.shown = new Map();
  }

  /**
   * Say something; null takes it back.
   * @param {About} about
   * @param {Notice | null} notice
   */
  set(about, notice) {
    const before = this.shown.get(about);
    if (notice?.text === before?.notice.text) {
      // Who listens to the page is not told the same again, and who is about to press the button still finds it.
      if (notice && before) before.notice = notice;
      return;
    }
    before?.line.remove();
    this.shown.delete(about);
    if (notice) this.add(about, notice);
    this.element.classList.toggle("is-shown", this.shown.size > 0);
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

  /**
   * @param {About} about
   * @param {Notice} notice
   */
  add(about, notice) {
    const line = make("div", { class: "notice-line" }, make("span", {}, notice.text));
    if (notice.button) {
      const button = make("button", { type: "button" }, notice.button);
      button.addEventListener("click", () => this.shown.get(about)?.notice.act?.());
      line.append(button);
    }
    const next = ORDER.slice(ORDER.indexOf(about)).find((other) => this.shown.has(other));
    this.element.insertBefore(line, (next && this.shown.get(next)?.line) ?? null);
    this.shown.set(about, { notice, line });
  }
}
