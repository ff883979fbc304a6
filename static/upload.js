/**
 * Uploads recordings, several at once, and follows their jobs: straight into the bucket where there is one that can be
 * reached, else by the tus protocol.
 *
 * Each file has a row: it waits, is sent, can be paused, breaks off and goes on, and at last leads to its recording.
 * What was begun before a reload is shown again; it goes on when the same file is chosen once more.
 */

const { tus } = globalThis;
const CHUNK_BYTES = 8 * 1024 * 1024; // proxies in between dislike large bodies
const AT_ONCE = 2;
const RETRY_MILLISECONDS = [0, 1000, 3000, 5000, 10_000, 20_000, 30_000];
const POLL_MILLISECONDS = 1000;
const ASK = { "Tus-Resumable": "1.0.0" };
const CONFUSED = "The server did not answer as it should. Try again in a moment.";
const LOST = "The connection was lost. It goes on when there is one again.";
// Answers after which the same may succeed: somebody else has the upload's lock, or the server is in trouble.
const MAY_PASS = [409, 423, 429, 460, 500, 502, 503, 504];

// The same, but only when somebody has done something: signed in again, or made room.
const KEEP = [...MAY_PASS, 401, 507];

const drop = document.querySelector("#drop");
const input = document.querySelector("#files");
const list = document.querySelector("#uploads");
const news = document.querySelector("#news");
const { endpoint, jobs, recording, suffixes, kinds } = drop.dataset;
const maxBytes = Number(drop.dataset.maxBytes);
const storage = tus.defaultOptions.urlStorage;
const rows = new Set();
// Where uploads into the bucket begin; empty where there is none, or when it turned out that it cannot be reached.
let { direct } = drop.dataset;
const { abort, arrivedOf, DirectUpload } = direct ? await import(drop.dataset.directScript) : {};

drop.hidden = !tus.isSupported;
input.addEventListener("change", () => {
  addAll(input.files);
  input.value = "";
});
for (const kind of ["dragenter", "dragover"]) {
  addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    drop.classList.add("over");
  });
}
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  addAll(event.dataTransfer.files);
});
addEventListener("online", () => {
  for (const row of rows) if (row.state === "broken") wait(row);
});
document.addEventListener("visibilitychange", stayAwake);
showUnfinished();

function addAll(files) {
  for (const file of files) add(file);
  startWaiting();
}

/** Adds a file, or says why it cannot be taken. */
function add(file) {
  for (const row of rows) if (row.state === "earlier" && row.name === file.name && row.size === file.size) remove(row);
  const row = newRow(file.name, file.size);
  row.file = file;
  const suffix = file.name.includes(".") ? `.${file.name.split(".").pop().toLowerCase()}` : "";
  if (!suffixes.split(",").includes(suffix))
    return fail(row, `Not a recording. These kinds can be uploaded: ${kinds}.`);
  if (file.size === 0) return fail(row, "The file is empty: nothing was recorded, or the copy failed.");
  if (file.size > maxBytes) return fail(row, `Too large: up to ${readable(maxBytes)} can be uploaded.`);
  row.upload = newUpload(row);
  document.querySelector("#hint").hidden = false;
  wait(row);
}

function newUpload(row) {
  return direct ? newDirectUpload(row) : newTusUpload(row);
}

function newDirectUpload(row) {
  return new DirectUpload(row.file, {
    endpoint: direct,
    onProgress: (sent, total) => show(row, sent / total),
    onChecking: () => word(row, "Being checked"),
    onSuccess: (job) => arrived(row, job),
    onError: (status, words) => stopped(row, status, words || CONFUSED),
    onUnreachable: async () => {
      direct = "";
      await forget(row);
      row.upload = newTusUpload(row);
      if (row.state === "sending") send(row);
    },
  });
}

function newTusUpload(row) {
  return new tus.Upload(row.file, {
    endpoint,
    chunkSize: CHUNK_BYTES,
    retryDelays: RETRY_MILLISECONDS,
    metadata: { filename: row.file.name },
    onShouldRetry: (error) => navigator.onLine && [0, ...MAY_PASS].includes(statusOf(error)),
    onProgress: (sent, total) => show(row, sent / total),
    onSuccess: ({ lastResponse }) => arrived(row, lastResponse.getHeader("Stemset-Job")),
    onError: (error) => stopped(row, statusOf(error), detailOf(error.originalResponse?.getBody())),
  });
}

/** An upload came to an end before its time: `status` is that of the answer, 0 when there was none. */
function stopped(row, status, words) {
  if (status === 0) broke(row, LOST);
  else if (KEEP.includes(status)) broke(row, words);
  else fail(row, words);
}

/* What becomes of a row */

function wait(row) {
  become(row, "waiting", "Waiting for its turn", ["pause", "cancel"]);
  startWaiting();
}

function startWaiting() {
  const sending = [...rows].filter((row) => row.state === "sending").length;
  const waiting = [...rows].filter((row) => row.state === "waiting");
  for (const row of waiting.slice(0, Math.max(0, AT_ONCE - sending))) send(row);
  stayAwake();
}

async function send(row) {
  become(row, "sending", "Uploading", ["pause", "cancel"]);
  const [previous] = (await row.upload.findPreviousUploads()).sort((a, b) =>
    a.creationTime < b.creationTime ? 1 : -1,
  );
  if (row.state !== "sending") return;
  if (previous && !row.upload.url) row.upload.resumeFromPreviousUpload(previous);
  row.upload.start();
}

function pause(row) {
  row.upload.abort();
  become(row, "paused", "Paused", ["resume", "cancel"]);
  startWaiting();
}

function broke(row, words) {
  become(row, "broken", words, ["resume", "cancel"]);
  startWaiting();
}

function resume(row) {
  if (row.arrivedAt) return finish(row);
  wait(row);
}

/** Throws an upload away, here and on the server. */
async function cancel(row) {
  const { state } = row;
  remove(row);
  say(`${row.name}: cancelled`);
  startWaiting();
  if (state === "earlier") {
    await storage.removeUpload(row.previous.urlStorageKey);
    if (row.previous.token) await abort(row.previous.endpoint, row.previous.token).catch(() => {});
    else await fetch(row.previous.uploadUrl, { method: "DELETE", headers: ASK }).catch(() => {});
  } else if (row.upload) {
    await row.upload.abort(true).catch(() => {});
    await forget(row);
  }
}

/** Everything is on the server. Without a job it could not take it just then, and is asked once more. */
async function arrived(row, job) {
  row.arrivedAt = row.upload.url;
  show(row, 1);
  startWaiting();
  if (!job) return finish(row);
  await forget(row);
  follow(row, job);
}

async function finish(row) {
  become(row, "arriving", "Being checked", []);
  startWaiting();
  const headers = { ...ASK, "Upload-Offset": String(row.size), "Content-Type": "application/offset+octet-stream" };
  try {
    const answer = await fetch(row.arrivedAt, { method: "PATCH", headers, body: new Blob() });
    const job = answer.headers.get("Stemset-Job");
    if (job) {
      await forget(row);
      return follow(row, job);
    }
    const words = detailOf(await answer.text());
    return KEEP.includes(answer.status) ? broke(row, words) : fail(row, words);
  } catch {
    broke(row, LOST);
  }
}

/** Shows how far a job is until it is over. A tab that nobody sees asks nothing. */
async function follow(row, job) {
  become(row, "working", "Waiting to be separated", []);
  show(row, 0);
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
    if (document.hidden) continue;
    try {
      const answer = await fetch(jobs.replace("JOB", job));
      const body = await answer.json();
      if (!answer.ok) return fail(row, body.detail);
      if (body.status === "error") return fail(row, body.error);
      if (body.status === "complete") return complete(row, body.output_name);
      if (body.progress > 0) word(row, "Being separated");
      show(row, body.progress);
    } catch {
      word(row, "The site does not answer; trying again");
    }
  }
}

function complete(row, name) {
  show(row, 1);
  const link = row.element.querySelector(".open");
  link.href = recording.replace(/NAME$/, encodeURIComponent(name));
  link.setAttribute("aria-label", `Open ${row.name}`);
  become(row, "complete", "Ready", ["open"]);
}

function fail(row, words) {
  become(row, "failed", words, []);
  startWaiting();
  if (row.upload) forget(row);
}

/** Forgets where an upload was on the server: there is nothing to go on with. */
async function forget(row) {
  for (const { urlStorageKey } of await row.upload.findPreviousUploads()) await storage.removeUpload(urlStorageKey);
}

/* What was begun before this page was loaded */

async function showUnfinished() {
  for (const previous of await storage.findAllUploads()) {
    if (previous.token) {
      await showEarlierDirect(previous);
      continue;
    }
    const place = new URL(previous.uploadUrl, location.href).pathname;
    if (!place.startsWith(`${endpoint}/`)) continue;
    const answer = await fetch(place, { method: "HEAD", headers: ASK }).catch(() => null);
    if (answer?.ok) showEarlier(previous, answer.headers);
    else if (answer?.status === 404) await storage.removeUpload(previous.urlStorageKey);
  }
}

async function showEarlierDirect(previous) {
  if (previous.endpoint !== direct) return;
  const arrived = await arrivedOf(direct, previous);
  if (arrived === null) return storage.removeUpload(previous.urlStorageKey);
  const row = newRow(previous.metadata.filename, previous.size);
  row.previous = previous;
  show(row, arrived);
  becomeEarlier(row);
}

async function showEarlier(previous, headers) {
  const offset = Number(headers.get("Upload-Offset"));
  const row = newRow(previous.metadata.filename, previous.size);
  row.previous = previous;
  show(row, offset / previous.size);
  if (headers.has("Stemset-Job")) {
    await storage.removeUpload(previous.urlStorageKey);
    return follow(row, headers.get("Stemset-Job"));
  }
  becomeEarlier(row);
}

function becomeEarlier(row) {
  become(row, "earlier", "Broken off. Choose the same file again, and it goes on.", ["cancel"]);
}

/* Drawing */

function newRow(name, size) {
  const element = document.querySelector("#row").content.firstElementChild.cloneNode(true);
  const row = { element, name, size, state: "" };
  element.querySelector("h2").textContent = name;
  element.querySelector(".size").textContent = readable(size);
  element.querySelector("progress").setAttribute("aria-label", name);
  for (const [choice, act] of Object.entries({ pause, resume, cancel })) {
    const button = element.querySelector(`.${choice}`);
    button.setAttribute("aria-label", `${button.textContent} ${name}`);
    button.addEventListener("click", () => act(row));
  }
  rows.add(row);
  list.append(element);
  return row;
}

function remove(row) {
  row.state = "removed";
  rows.delete(row);
  const hadFocus = row.element.contains(document.activeElement);
  row.element.remove();
  if (hadFocus) input.focus();
}

function become(row, state, words, choices) {
  if (row.state === "removed") return;
  const hadFocus = row.element.querySelector(".choices").contains(document.activeElement);
  row.state = state;
  row.element.className = state;
  word(row, words);
  for (const choice of row.element.querySelectorAll(".choices > *")) {
    choice.hidden = !choices.some((name) => choice.classList.contains(name));
  }
  // Whoever presses Pause by the keyboard can press Resume next.
  if (hadFocus) row.element.querySelector(".choices > :not([hidden])")?.focus();
}

/** Screen readers hear what changes, and not every percent. */
function word(row, words) {
  const place = row.element.querySelector(".state");
  if (place.textContent === words) return;
  place.textContent = words;
  say(`${row.name}: ${words}`);
}

/** Has screen readers say something. */
function say(words) {
  news.textContent = words;
}

function show(row, fraction) {
  row.element.querySelector("progress").value = fraction;
  row.element.querySelector(".percent").textContent = `${Math.floor(fraction * 100)} %`;
}

function readable(bytes) {
  if (bytes < 1024 ** 2) return `${Math.ceil(bytes / 1024)} KB`;
  const mib = bytes / 1024 ** 2;
  return mib < 1024 ? `${mib < 10 ? mib.toFixed(1) : Math.round(mib)} MB` : `${(mib / 1024).toFixed(1)} GB`;
}

/* Small things */

function statusOf(error) {
  return error.originalResponse?.getStatus() ?? 0;
}

function detailOf(text) {
  try {
    return JSON.parse(text).detail;
  } catch {
    return CONFUSED;
  }
}

let lock = null;

/** Keeps a phone's screen on while something is sent: one that sleeps sends nothing. */
async function stayAwake() {
  const busy = [...rows].some((row) => row.state === "sending");
  if (!busy) {
    lock?.release();
    lock = null;
  } else if (!lock || lock.released) {
    lock = await navigator.wakeLock?.request("screen").catch(() => null);
  }
}
