/**
 * What the page says. Django's JavaScript catalogue translates it where the page has loaded one; otherwise it is as
 * written here. `make messages` collects these texts: they must stand in the calls as they are.
 */

/** @typedef {{gettext(text: string): string, ngettext(one: string, many: string, count: number): string}} Catalogue */

/** @returns {Catalogue | undefined} */
function catalogue() {
  return /** @type {any} */ (globalThis).django?.gettext ? /** @type {any} */ (globalThis).django : undefined;
}

/**
 * Return a text in the person's language.
 * @param {string} text
 */
export function gettext(text) {
  return catalogue()?.gettext(text) ?? text;
}

/**
 * Return the text for a number of things.
 * @param {string} one
 * @param {string} many
 * @param {number} count
 */
export function ngettext(one, many, count) {
  return catalogue()?.ngettext(one, many, count) ?? (count === 1 ? one : many);
}

/**
 * Put values into a text: `%(name)s`, as in Django.
 * @param {string} text
 * @param {Record<string, string | number>} values
 */
export function interpolate(text, values) {
  return text.replace(/%\((\w+)\)s/g, (_all, name) => String(values[name] ?? ""));
}
