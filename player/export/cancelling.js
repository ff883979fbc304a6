/** Waiting that can be given up. */

/**
 * Return what a promise brings, unless the signal comes first: raises its reason then.
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export function unlessCancelled(promise, signal) {
  if (!signal) return promise;
  const cancelled = new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  return Promise.race([promise, /** @type {Promise<never>} */ (cancelled)]);
}
