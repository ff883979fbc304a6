/**
 * Files of exports that nobody needs any more. A page holds a lock for each of its files; the browser lets go of it when
 * the page is closed or crashes, so a file without a lock is a leftover.
 */

import { exportsFolder } from "./disk.js";

const PREFIX = "stemset-export ";

/**
 * Hold a file until `release` is called or the page is gone.
 * @param {string} name
 * @returns {Promise<() => void>} release
 */
export async function hold(name) {
  if (!navigator.locks) return () => {};
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(PREFIX + name, () => new Promise((release) => resolve(() => release(undefined))))
      .catch(reject);
  });
}

/**
 * Remove what pages that are gone have left.
 * @returns {Promise<number>} how many files that were
 */
export async function removeLeftovers() {
  const folder = navigator.locks && (await exportsFolder());
  if (!folder) return 0;
  let removed = 0;
  // TypeScript's DOM does not know that folders can be walked.
  for await (const name of /** @type {any} */ (folder).keys()) {
    await navigator.locks.request(PREFIX + name, { ifAvailable: true }, async (lock) => {
      if (!lock) return;
      // Another page may have been faster, and a worker that is just ending may hold it open: next time.
      await folder.removeEntry(name).then(
        () => {
          removed += 1;
        },
        () => {},
      );
    });
  }
  return removed;
}
