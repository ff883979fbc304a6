/**
 * What fingers and mice do on the waveforms and the ruler: go there, draw a loop, drag its ends, zoom and scroll.
 *
 * A finger that moves up or down scrolls the page as everywhere (touch-action in the stylesheet sees to that); it is
 * therefore taken for a tap only when it is lifted, and for dragging only when it has moved sideways.
 */

import { readSpan } from "../mixer/session.js";
import { allWithin } from "./dom.js";

/** How far a pointer moves before it drags, in pixels. */
const DRAG_PX = 6;

/** @typedef {{id: number, kind: "seek" | "loop" | "start" | "end", x: number, at: number, isDragging: boolean}} Drag */

/**
 * Follow the pointers.
 * @param {import("./desk.js").Desk} desk
 * @param {import("./sound.js").Sound} sound
 * @param {import("./view.js").View} view
 * @param {{lanes: HTMLElement, ruler: HTMLElement, width: () => number, drawPlayhead: (seconds: number) => void}} places
 */
export function followPointers(desk, sound, view, { lanes, ruler, width, drawPlayhead }) {
  /** @type {Map<number, number>} where each finger is */
  const fingers = new Map();
  /** @type {Drag | null} */
  let drag = null;
  let pinch = 0;

  const secondsAt = (/** @type {number} */ x) => view.secondsAt((x - ruler.getBoundingClientRect().left) / width());
  const surfaceOf = (/** @type {EventTarget | null} */ target) =>
    target instanceof Element ? target.closest(".wave, .ruler") : null;

  // Chromium gives a touch to what can be clicked nearby, unless what is below the finger can be clicked as well.
  for (const surface of allWithin(lanes, ".wave, .ruler", HTMLElement)) surface.addEventListener("click", () => {});

  lanes.addEventListener("pointerdown", (event) => {
    const surface = surfaceOf(event.target);
    if (!(surface instanceof HTMLElement) || event.button !== 0) return;
    fingers.set(event.pointerId, event.clientX);
    if (fingers.size === 2) {
      drag = null;
      const [one, other] = fingers.values();
      pinch = Math.abs(one - other);
      return;
    }
    if (fingers.size > 2) return;
    const edge = event.target instanceof HTMLElement ? event.target.dataset.edge : undefined;
    const kind = edge === "start" || edge === "end" ? edge : surface === ruler ? "loop" : "seek";
    drag = { id: event.pointerId, kind, x: event.clientX, at: secondsAt(event.clientX), isDragging: false };
    surface.setPointerCapture(event.pointerId);
    if (event.target instanceof HTMLElement && event.target.tabIndex >= 0) event.target.focus({ preventScroll: true });
    event.preventDefault(); // no selecting of text
  });

  lanes.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = [...fingers.values()];
    fingers.set(event.pointerId, event.clientX);
    if (fingers.size === 2) {
      pinchTo(before, [...fingers.values()]);
      return;
    }
    if (!drag || drag.id !== event.pointerId) return;
    if (!drag.isDragging && Math.abs(event.clientX - drag.x) < DRAG_PX) return;
    drag.isDragging = true;
    const to = secondsAt(event.clientX);
    if (drag.kind === "seek") drawPlayhead(to);
    else if (drag.kind === "loop") {
      const loop = readSpan({ start: drag.at, end: to }, desk.duration);
      if (loop) desk.setLoop(loop);
    } else desk.moveEdge(drag.kind, to);
  });

  /** @param {PointerEvent} event */
  const lift = (event) => {
    if (!fingers.delete(event.pointerId)) return;
    if (!drag || drag.id !== event.pointerId) return;
    const { kind, isDragging } = drag;
    drag = null;
    if (event.type === "pointercancel") drawPlayhead(sound.position);
    else if (kind === "seek" || (kind === "loop" && !isDragging)) sound.seek(secondsAt(event.clientX));
  };
  lanes.addEventListener("pointerup", lift);
  lanes.addEventListener("pointercancel", lift);

  /**
   * @param {number[]} before where the two fingers were
   * @param {number[]} now and are
   */
  const pinchTo = (before, now) => {
    const apart = Math.max(20, Math.abs(now[0] - now[1]));
    const middle = (now[0] + now[1]) / 2;
    view.scroll((((before[0] + before[1]) / 2 - middle) / width()) * view.span);
    if (pinch > 0) view.zoom(Math.max(20, pinch) / apart, secondsAt(middle));
    pinch = apart;
  };

  lanes.addEventListener(
    "wheel",
    (event) => {
      if (!surfaceOf(event.target)) return;
      // Control and the wheel is also what browsers make of two fingers on a touchpad.
      if (event.ctrlKey) {
        event.preventDefault();
        view.zoom(Math.exp(Math.min(1, Math.max(-1, event.deltaY * 0.01))), secondsAt(event.clientX));
        return;
      }
      const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
      if (view.isWhole || Math.abs(sideways) < Math.abs(event.shiftKey ? 0 : event.deltaY)) return;
      event.preventDefault();
      view.scroll((sideways / width()) * view.span);
    },
    { passive: false },
  );

  return {
    /** Whether somebody is dragging or pinching. */
    get isBusy() {
      return fingers.size > 0;
    },
    /** Whether the playhead is where a finger is. */
    get isScrubbing() {
      return drag?.kind === "seek" && drag.isDragging;
    },
  };
}
