/** Keeps lists of jobs as they are: asks the API, moves the bars, and takes rows anew from the page when jobs end. */

const BUSY_MILLISECONDS = 1000;
const IDLE_MILLISECONDS = 10_000;

let tag = "";
// How far this clock is behind the server's.
let behind = 0;

const list = () => document.querySelector("[data-poll]");
const isActive = (row) => row.dataset.kind === "active";

document.addEventListener("submit", press);
follow();

/** Asks again and again while the page is looked at: often while something is under way. */
async function follow() {
  for (;;) {
    const busy = [...(list()?.children ?? [])].some(isActive);
    await wait(busy ? BUSY_MILLISECONDS : IDLE_MILLISECONDS);
    if (!list()) continue;
    try {
      await look(list());
    } catch {
      tag = ""; // The site does not answer; it is asked again.
    }
  }
}

/** Waits so long, and then until somebody looks. */
async function wait(milliseconds) {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  if (document.hidden) {
    await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
  }
}

async function look(shown) {
  const answer = await fetch(shown.dataset.poll);
  // Whoever is signed out meanwhile is sent to sign in, and then back.
  if (answer.status === 401) return location.reload();
  if (answer.status === 404) return await renew(); // the page has no such number any more
  if (!answer.ok) throw new Error(answer.statusText);
  behind = Date.parse(answer.headers.get("Date") ?? "") - Date.now() || 0;
  if (answer.headers.get("ETag") !== tag) {
    const { results } = await answer.json();
    const rows = [...shown.children];
    const same = results.length === rows.length && results.every((job, place) => isRowOf(rows[place], job));
    if (!same) await renew();
    else for (const [place, job] of results.entries()) move(rows[place], job);
    tag = answer.headers.get("ETag");
  }
  for (const time of document.querySelectorAll("[data-since]")) write(time, clock(time.dataset.since));
}

function isRowOf(row, job) {
  return row.dataset.job === job.id && row.dataset.kind === kindOf(job);
}

function kindOf(job) {
  return ["complete", "error", "cancelled"].includes(job.state) ? job.state : "active";
}

/** Shows how far a job is. */
function move(row, job) {
  if (!isActive(row)) return;
  const percent = Math.round(100 * job.progress);
  row.querySelector("progress").value = percent;
  write(row.querySelector("[data-show=status]"), job.status);
  write(row.querySelector("[data-show=percent]"), job.started_at ? `${percent} %` : "");
  if (job.started_at) row.querySelector("[data-show=elapsed]").dataset.since = job.started_at;
}

/** Takes this page as it is now. */
async function renew() {
  const answer = await fetch(location.href, { redirect: "manual" });
  // Signed out meanwhile, or taken out of the band: the page itself says so.
  if (answer.type === "opaqueredirect" || answer.status === 404) return location.reload();
  if (!answer.ok) throw new Error(answer.statusText);
  take(await answer.text());
}

/** Puts a page's live parts in place of those that are shown. What somebody is reading or is on stays. */
function take(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  if (!page.querySelector("[data-live]")) return location.reload(); // it is another page: one for signing in
  const before = new Map([...document.querySelectorAll("[data-job]")].map((row) => [row.dataset.job, row]));
  const focused = document.activeElement?.closest("[data-job]")?.dataset.job;
  const said = [...page.querySelectorAll("[data-said] p")].map((line) => line.textContent);
  for (const row of page.querySelectorAll("[data-job]")) {
    const old = before.get(row.dataset.job);
    if (old && isActive(old) && !isActive(row)) said.push(inWords(row));
    if (old?.dataset.kind === row.dataset.kind && old.querySelector("details[open]")) row.replaceWith(old);
  }
  for (const part of document.querySelectorAll("[data-live]")) {
    part.replaceChildren(...(page.getElementById(part.id)?.childNodes ?? []));
  }
  if (focused) focus(document.querySelector(`[data-job="${focused}"]`));
  announce(said);
  tag = "";
}

/** Says what a row that has ended says. */
function inWords(row) {
  const text = (part) => row.querySelector(part)?.textContent.trim() ?? "";
  return [text("h2"), text(".job-how strong"), text(".error")].filter(Boolean).join(": ");
}

/** Screen readers read what changes in here; it stays where it is while the list is exchanged. */
function announce(lines) {
  const place = document.querySelector("#job-news");
  if (place && lines.length) place.textContent = lines.join(" ");
}

function focus(row) {
  const target = row?.querySelector("button") ?? row?.querySelector("h2");
  if (target?.tagName === "H2") target.tabIndex = -1;
  target?.focus({ preventScroll: true });
}

/** Presses a button of the list without leaving the page. */
async function press(event) {
  const form = event.target;
  if (!form.matches("[data-press]")) return;
  event.preventDefault();
  const button = form.querySelector("button");
  if (button.ariaDisabled === "true") return; // a second press
  button.ariaDisabled = "true";
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (!answer.ok) return location.reload();
    take(await answer.text());
  } catch {
    button.ariaDisabled = null;
    announce(["The site does not answer. Try again in a moment."]);
  }
}

/** Touches a text only if it changes. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Writes how long something has been going on, as the pages do. */
function clock(since) {
  const seconds = Math.max(0, Math.floor((Date.now() + behind - Date.parse(since)) / 1000));
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}
