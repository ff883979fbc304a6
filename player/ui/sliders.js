/** Sliders below fingers. */

/**
 * Tell a finger that sets a slider from one that begins to scroll the page on it. The browser sets the slider as soon as
 * it is touched, and takes nothing back when the page scrolls: what it says is held back until it is known.
 * @param {HTMLElement} root
 */
export function forgiveScrolling(root) {
  /** @type {{slider: HTMLInputElement, before: string, x: number, y: number} | null} touched, not known yet what for */
  let touched = null;
  root.addEventListener("pointerdown", ({ target, pointerType, clientX: x, clientY: y }) => {
    const isSlider = target instanceof HTMLInputElement && target.type === "range";
    touched = isSlider && pointerType === "touch" ? { slider: target, before: target.value, x, y } : null;
  });
  root.addEventListener(
    "input",
    (event) => {
      if (event.isTrusted && event.target === touched?.slider) event.stopPropagation();
    },
    { capture: true },
  );
  root.addEventListener("pointermove", ({ clientX, clientY }) => {
    if (touched && Math.abs(clientX - touched.x) > Math.abs(clientY - touched.y)) touched = null;
  });
  root.addEventListener("pointerup", () => {
    touched?.slider.dispatchEvent(new Event("input", { bubbles: true }));
    touched = null;
  });
  root.addEventListener("pointercancel", () => {
    if (touched) touched.slider.value = touched.before;
    touched = null;
  });
}
