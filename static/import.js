/** Follows a run of the importer: moves its bar, and shows the receipt when it is there. */

const POLL_MILLISECONDS = 1000;
const state = document.querySelector("#import-state");
const section = document.querySelector("#import-run[data-progress]");

if (section) follow(section);

/** Asks how far it is until it has ended. A site that does not answer for a while is asked again. */
async function follow(section) {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
    try {
      const answer = await fetch(section.dataset.progress, { redirect: "manual" });
      // Whoever is signed out meanwhile is sent to sign in, and then back.
      if (answer.type === "opaqueredirect") return location.reload();
      if (!answer.ok) throw new Error(answer.statusText);
      const progress = await answer.json();
      if (!progress.is_going) return await showReceipt(section);
      show(section, progress);
    } catch {
      say("The site does not answer; trying again");
    }
  }
}

function show(section, progress) {
  say(progress.state);
  const bar = section.querySelector("progress");
  if (progress.total) {
    bar.max = progress.total;
    bar.value = progress.done;
  }
  section.querySelector("[data-show=percent]").textContent = progress.percent === null ? "" : `${progress.percent} %`;
  section.querySelector("[data-show=left]").textContent = progress.left;
}

/** Takes the run's part of this page as it is now. */
async function showReceipt(section) {
  const answer = await fetch(location.href);
  if (!answer.ok) throw new Error(answer.statusText);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  section.replaceWith(page.querySelector("#import-run"));
  say(page.querySelector("#import-state").textContent);
}

/** Screen readers read out what changes in here, so it is only touched when it does. */
function say(words) {
  const text = words.charAt(0).toUpperCase() + words.slice(1);
  if (state.textContent !== text) state.textContent = text;
}
