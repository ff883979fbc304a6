/**
 * What is the matter with the files of stems. There are two kinds of it: all stems wait for a file that does not come,
 * and a stem whose file cannot be read is silent while the others play.
 */

/** @typedef {"network" | "expired" | "gone"} WaitingKind */
/** Seconds of the recording; to its end where `to` is Infinity. @typedef {{from: number, to: number}} Span */
/** All stems wait for this one, or do so no longer. @typedef {{stem: number, kind: WaitingKind, isOver: boolean}} Waiting */
/** A stem is silent where it should not be. @typedef {{stem: number, kind: "gone" | "damaged", silent: Span}} Silence */
/** What is told of a stem, from who reads it up to the page. @typedef {Waiting | Silence} Trouble */

/** All of a recording. @type {Span} */
export const EVERYWHERE = { from: 0, to: Number.POSITIVE_INFINITY };
/** Silences that are nearer to each other than this, in seconds, are one. */
const NEAR_SECONDS = 1;
/** The one that needs a person first. @type {WaitingKind[]} */
const ORDER = ["gone", "expired", "network"];

/** Keeps what is the matter now. Stems are numbers. */
export class Troubles {
  constructor() {
    /** @type {Map<number, WaitingKind>} */
    this.waiting = new Map();
    /** @type {Map<number, {kind: "gone" | "damaged", spans: Span[]}>} */
    this.silences = new Map();
  }

  /**
   * Take what is told of a stem. Returns whether there is something else to say now.
   * @param {Trouble} trouble
   */
  note(trouble) {
    const { stem, kind } = trouble;
    if ("silent" in trouble) {
      const before = this.silences.get(stem)?.spans ?? [];
      const spans = merged([...before, trouble.silent]);
      this.silences.set(stem, { kind: trouble.kind, spans });
      return JSON.stringify(spans) !== JSON.stringify(before);
    }
    if (trouble.isOver) return this.waiting.delete(stem);
    if (this.waiting.get(stem) === kind) return false;
    this.waiting.set(stem, trouble.kind);
    return true;
  }

  /** What all wait for, and because of which stems; null when they do not. */
  get hindrance() {
    const kinds = [...this.waiting.values()];
    const kind = ORDER.find((one) => kinds.includes(one));
    if (!kind) return null;
    return { kind, stems: [...this.waiting].filter(([, other]) => other === kind).map(([stem]) => stem) };
  }

  /** The stems that are silent, and where they are so. */
  get silent() {
    return [...this.silences]
      .map(([stem, { kind, spans }]) => ({ stem, kind, spans }))
      .sort((one, other) => one.stem - other.stem);
  }
}

/** @param {Span[]} spans @returns {Span[]} in order, none touching another */
function merged(spans) {
  /** @type {Span[]} */
  const all = [];
  for (const { from, to } of spans.toSorted((one, other) => one.from - other.from)) {
    const last = all.at(-1);
    if (last && from <= last.to + NEAR_SECONDS) last.to = Math.max(last.to, to);
    else all.push({ from, to });
  }
  return all;
}
