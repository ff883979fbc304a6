/** Finding elements, with their kind checked once, and listening to them. */

/**
 * Return the element of an id.
 * @template {Element} E
 * @param {string} id
 * @param {new () => E} kind
 * @returns {E}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`#${id} is not there`);
  return found;
}

/**
 * Return the first element below another one that a selector finds.
 * @template {Element} E
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => E} kind
 * @returns {E}
 */
export function within(root, selector, kind) {
  const found = root.querySelector(selector);
  if (!(found instanceof kind)) throw new Error(`${selector} is not there`);
  return found;
}

/**
 * Return all elements below another one that a selector finds.
 * @template {Element} E
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => E} kind
 * @returns {E[]}
 */
export function allWithin(root, selector, kind) {
  return /** @type {E[]} */ ([...root.querySelectorAll(selector)].filter((one) => one instanceof kind));
}

/**
 * Make an element.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string>} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Write a text into an element, unless it is there already: what does not change costs nothing.
 * @param {Element} element
 * @param {string} text
 */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Show whether a button is on.
 * @param {Element} button
 * @param {boolean} isOn
 */
export function press(button, isOn) {
  const value = String(isOn);
  if (button.getAttribute("aria-pressed") !== value) button.setAttribute("aria-pressed", value);
}

/**
 * Set the value of a control, unless somebody is using it.
 * @param {HTMLInputElement | HTMLSelectElement} control
 * @param {string | number} value
 */
export function setValue(control, value) {
  const isTyping =
    control === document.activeElement && control instanceof HTMLInputElement && control.type === "number";
  if (!isTyping && control.value !== String(value)) control.value = String(value);
  if (control instanceof HTMLInputElement && control.type === "range") fill(control);
}

/**
 * Tell a range's stylesheet how far it is pulled: 0 … 1.
 * @param {HTMLInputElement} range
 */
export function fill(range) {
  const [value, least, most] = [range.value, range.min, range.max].map(Number);
  range.style.setProperty("--place", String((value - least) / (most - least || 1)));
}

/** Held longer than this many steps, a button takes larger ones. */
const PATIENT_STEPS = 12;

/**
 * Call back while a button is held: at once, after a moment again and again, and after a while in larger steps. Keys
 * repeat by themselves.
 * @param {HTMLElement} button
 * @param {(times: number) => void} step with 1, or 10 for a larger step
 */
export function whileHeld(button, step) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let count = 0;
  const stop = () => clearTimeout(timer);
  button.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    count = 0;
    const again = () => {
      count += 1;
      step(count > PATIENT_STEPS ? 10 : 1);
      timer = setTimeout(again, 80);
    };
    timer = setTimeout(again, 400);
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) button.addEventListener(end, stop);
  button.addEventListener("click", () => {
    stop();
    if (count === 0) step(1);
    count = 0;
  });
}
