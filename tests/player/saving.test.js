/** Keeping a document on a server that may be slow, away, or written to by another tab. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { difference, Saver } from "../../player/mixer/saving.js";

/** @param {any} document @param {any} patch */
function merged(document, patch) {
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) return patch;
  const outcome = document !== null && typeof document === "object" && !Array.isArray(document) ? { ...document } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete outcome[key];
    else outcome[key] = merged(outcome[key], value);
  }
  return outcome;
}

/** A server that does as ours does, and can be made to fail. */
class Server {
  constructor() {
    this.document = /** @type {any} */ (null);
    this.isAway = false;
    /** @type {any[]} */
    this.patches = [];
    this.options = /** @type {any[]} */ ([]);
  }

  fetch = async (/** @type {any} */ _url, /** @type {any} */ options = {}) => {
    await undefined;
    if (this.isAway) throw new TypeError("Failed to fetch");
    if (options.method === "PATCH") {
      const { practice } = JSON.parse(options.body);
      this.patches.push(practice);
      this.options.push(options);
      this.document = merged(this.document, practice);
    }
    return /** @type {Response} */ (
      /** @type {unknown} */ ({ ok: true, json: async () => ({ practice: this.document }) })
    );
  };
}

const QUICK = { quietMs: 5, retryMs: [10] };
const wait = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @param {() => boolean} condition */
async function until(condition) {
  for (let i = 0; i < 400 && !condition(); i++) await wait(5);
  assert.ok(condition());
}

/** @param {Server} server */
async function loaded(server) {
  const saver = new Saver("/x", { fetch: /** @type {any} */ (server.fetch), ...QUICK });
  await saver.load((practice) => practice ?? {});
  return saver;
}

test("the difference of two documents, applied to the first, gives the second", () => {
  const documents = [
    {},
    { a: 1 },
    { a: 2, b: { c: 1, d: [1, 2] } },
    { a: 2, b: { c: 1, d: [1, 3] }, e: null },
    { b: { d: [1, 2] } },
    { b: 5 },
    { b: { c: null, f: {} } },
  ];
  const clean = (/** @type {any} */ document) => merged({}, document);
  for (const from of documents) {
    for (const to of documents) {
      const patch = difference(clean(from), to);
      assert.deepEqual(merged(clean(from), patch ?? {}), clean(to), JSON.stringify([from, to]));
      if (JSON.stringify(clean(from)) === JSON.stringify(clean(to))) assert.equal(patch, undefined);
    }
  }
});

test("many changes become one request, of what has changed", async () => {
  const server = new Server();
  server.document = { speed: 100, strips: { drums: { db: 0, mute: false } } };
  const saver = await loaded(server);
  for (let db = 0; db > -10; db--) saver.offer({ speed: 100, strips: { drums: { db, mute: false } } });
  await until(() => server.patches.length > 0 && !saver.isPending);
  await wait(20);
  assert.deepEqual(server.patches, [{ strips: { drums: { db: -9 } } }]);
});

test("nothing is sent where nothing has changed, or before it is known what was kept", async () => {
  const server = new Server();
  server.document = { speed: 80 };
  const saver = new Saver("/x", { fetch: /** @type {any} */ (server.fetch), ...QUICK });
  saver.offer({ speed: 90 });
  await wait(20);
  assert.deepEqual(server.patches, []);
  await saver.load((practice) => practice);
  saver.offer({ speed: 80 });
  await wait(20);
  assert.deepEqual(server.patches, []);
});

test("two tabs do not undo each other", async () => {
  const server = new Server();
  server.document = { speed: 100, loops: { a: { name: "A" } }, strips: { drums: { db: 0 }, bass: { db: 0 } } };
  const [one, other] = [await loaded(server), await loaded(server)];
  one.offer({
    speed: 80,
    loops: { a: { name: "A" }, b: { name: "B" } },
    strips: { drums: { db: 0 }, bass: { db: 0 } },
  });
  await until(() => !one.isPending);
  other.offer({
    speed: 100,
    loops: { a: { name: "A" }, c: { name: "C" } },
    strips: { drums: { db: -6 }, bass: { db: 0 } },
  });
  await until(() => !other.isPending);
  assert.deepEqual(server.document, {
    speed: 80,
    loops: { a: { name: "A" }, b: { name: "B" }, c: { name: "C" } },
    strips: { drums: { db: -6 }, bass: { db: 0 } },
  });
});

test("two tabs that understand more than is kept do not undo each other either", async () => {
  const server = new Server();
  const understand = (/** @type {any} */ practice) => ({ speed: 100, pan: 0, ...practice });
  const tabs = [1, 2].map(() => new Saver("/x", { fetch: /** @type {any} */ (server.fetch), ...QUICK }));
  for (const tab of tabs) await tab.load(understand);
  tabs[0].offer({ speed: 80, pan: 0 });
  await until(() => !tabs[0].isPending);
  tabs[1].offer({ speed: 100, pan: 1 });
  await until(() => !tabs[1].isPending);
  assert.deepEqual(server.document, { speed: 80, pan: 1 });
});

test("a failure is said once, and tried again until it has arrived", async () => {
  const server = new Server();
  const saver = await loaded(server);
  /** @type {string[]} */
  const said = [];
  for (const name of ["trouble", "clear"]) saver.addEventListener(name, () => said.push(name));
  server.isAway = true;
  saver.offer({ speed: 80 });
  await until(() => saver.failures >= 3);
  assert.deepEqual(said, ["trouble"]);
  saver.offer({ speed: 70 });
  server.isAway = false;
  await until(() => !saver.isPending);
  assert.deepEqual(said, ["trouble", "clear"]);
  assert.deepEqual(server.document, { speed: 70 });
});

test("a page that is closed sends what is left, in a request that outlives it", async () => {
  const server = new Server();
  const saver = await loaded(server);
  saver.offer({ position: 12 });
  await saver.flush({ isLast: true });
  assert.deepEqual(server.document, { position: 12 });
  assert.equal(server.options[0].keepalive, true);
});

test("what changes while a request is under way is sent after it", async () => {
  const server = new Server();
  const saver = await loaded(server);
  saver.offer({ speed: 80 });
  const first = saver.flush();
  saver.offer({ speed: 70 });
  await first;
  await until(() => !saver.isPending);
  assert.deepEqual(server.patches, [{ speed: 80 }, { speed: 70 }]);
});
