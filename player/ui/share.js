/** Sharing a place with its loop and mix. */

import { writeFragment } from "../mixer/sharing.js";
import { gettext } from "../words.js";
import { byId, say } from "./dom.js";

/**
 * Connect the button that shares.
 * @param {import("./desk.js").Desk} desk
 * @param {import("./sound.js").Sound} sound
 * @param {string} title of the recording
 */
export function connectShare(desk, sound, title) {
  const button = byId("share", HTMLButtonElement);
  const said = byId("share-said", HTMLElement);
  // A phone has a sheet for this; at a desk one pastes.
  const hasSheet = "share" in navigator && matchMedia("(pointer: coarse)").matches;
  if (hasSheet) say(button, gettext("Share a link"));
  button.addEventListener("click", async () => {
    const session = { ...desk.session, position: sound.position };
    const loop = session.loop;
    const name = Object.values(session.loops).find((one) => one.start === loop?.start && one.end === loop?.end)?.name;
    const url = new URL(location.pathname, location.href);
    url.hash = writeFragment(session, desk.fresh, desk.stems, name);
    try {
      if (hasSheet) await navigator.share({ title, url: url.href });
      else {
        await navigator.clipboard.writeText(url.href);
        say(said, gettext("The link is on the clipboard."));
      }
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return; // they changed their mind
      showLink(said, url.href);
    }
  });
}

/**
 * Show a link to be copied by hand, where the clipboard is closed to us: without HTTPS, for instance.
 * @param {HTMLElement} said
 * @param {string} href
 */
function showLink(said, href) {
  const input = document.createElement("input");
  input.value = href;
  input.readOnly = true;
  input.setAttribute("aria-label", gettext("The link"));
  said.replaceChildren(input);
  input.focus();
  input.select();
}
