import assert from "node:assert/strict";
import { test } from "node:test";
import { EVERYWHERE, Troubles } from "../../player/engine/troubles.js";
import { hindranceInWords, silenceInWords } from "../../player/ui/troubles.js";

test("what all wait for is over when it is over for the last stem", () => {
  const troubles = new Troubles();
  assert.equal(troubles.hindrance, null);
  assert.equal(troubles.note({ stem: 1, kind: "network", isOver: false }), true);
  assert.equal(troubles.note({ stem: 1, kind: "network", isOver: false }), false);
  troubles.note({ stem: 3, kind: "gone", isOver: false });
  assert.deepEqual(troubles.hindrance, { kind: "gone", stems: [3] });
  troubles.note({ stem: 3, kind: "gone", isOver: true });
  assert.deepEqual(troubles.hindrance, { kind: "network", stems: [1] });
  troubles.note({ stem: 1, kind: "network", isOver: true });
  assert.equal(troubles.hindrance, null);
});

test("silences of a stem that touch are one, in whatever order they are found", () => {
  const troubles = new Troubles();
  const silent = (/** @type {number} */ from, /** @type {number} */ to) =>
    troubles.note({ stem: 0, kind: "damaged", silent: { from, to } });
  assert.equal(silent(30, Infinity), true);
  assert.equal(silent(60, Infinity), false);
  silent(5, 6);
  silent(6, 8);
  assert.deepEqual(troubles.silent, [
    {
      stem: 0,
      kind: "damaged",
      spans: [
        { from: 5, to: 8 },
        { from: 30, to: Infinity },
      ],
    },
  ]);
  silent(7, 31);
  assert.deepEqual(troubles.silent[0].spans, [{ from: 5, to: Infinity }]);
});

test("each stem that is silent is told by its name, and where", () => {
  assert.equal(silenceInWords([]), "");
  assert.equal(
    silenceInWords([
      { id: "drums", kind: "damaged", spans: [EVERYWHERE] },
      { id: "bass", kind: "damaged", spans: [{ from: 65.4, to: Infinity }] },
      { id: "other", kind: "damaged", spans: [{ from: 3, to: 4 }] },
      { id: "vocals", kind: "gone", spans: [EVERYWHERE] },
    ]),
    "The audio of Drums is damaged: it is silent. The audio of Bass is damaged: it is silent from 1:05 on. " +
      "The audio of Other is damaged: a part of it is silent, at 0:03. " +
      "The audio of Vocals is not there any more: it is silent.",
  );
});

test("of what is waited for, the stems are named unless it is all", () => {
  assert.match(hindranceInWords({ kind: "gone", ids: ["bass", "drums"] }, 4), /^The audio of Bass, Drums is not there/);
  assert.match(hindranceInWords({ kind: "gone", ids: ["bass", "drums"] }, 2), /^The audio is not there/);
});
