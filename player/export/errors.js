/** Why an export did not become a file. */

/**
 * space: the browser has no room for the file; memory: there is no disk for it, and it is too large for memory;
 * too-large: stems would have to be decoded whole, and are too long for that; decoder: a stem cannot be decoded here;
 * gone, damaged: no stem can be read; format: this kind of file cannot be made here; failed: anything else.
 * @typedef {"space" | "memory" | "too-large" | "decoder" | "gone" | "damaged" | "format" | "failed"} Kind
 */

/** An export that failed, with what a page can tell people. */
export class ExportError extends Error {
  /**
   * @param {Kind} kind
   * @param {string} [detail]
   */
  constructor(kind, detail = kind) {
    super(detail);
    this.kind = kind;
  }
}

/**
 * Return what an error means.
 * @param {unknown} error
 * @returns {Kind}
 */
export function kindOf(error) {
  if (error instanceof ExportError) return error.kind;
  return error instanceof Error && error.name === "QuotaExceededError" ? "space" : "failed";
}
