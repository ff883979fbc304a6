/** The page of a recording: everything that is on it, connected. */

import { DEFAULTS } from "./effects/chain.js";
import { freshSession } from "./mixer/session.js";
import { Desk } from "./ui/desk.js";
import { byId } from "./ui/dom.js";
import { connectExport } from "./ui/exporting.js";
import { keep } from "./ui/keeping.js";
import { connectKeyboard } from "./ui/keyboard.js";
import { connectLanes } from "./ui/lanes.js";
import { connectLockScreen } from "./ui/lock_screen.js";
import { connectMaster } from "./ui/master.js";
import { Notices } from "./ui/notices.js";
import { connectParts } from "./ui/parts.js";
import { connectPractice } from "./ui/practice.js";
import { connectShare } from "./ui/share.js";
import { forgiveScrolling } from "./ui/sliders.js";
import { Sound } from "./ui/sound.js";
import { connectTimeline } from "./ui/timeline.js";
import { connectTransport } from "./ui/transport.js";
import { connectTroubles } from "./ui/troubles.js";
import { View } from "./ui/view.js";
import { connectWakeLock } from "./ui/wake_lock.js";
import { connectWaveforms } from "./waveform/waveforms.js";

const root = byId("mixer", HTMLElement);
const {
  duration,
  title = "",
  band = "",
  myPart = "",
  practice = "",
  worklet = "",
  reader = "",
  formats = "",
  stretch = "",
  export: exporter = "",
} = root.dataset;
/** @type {import("./ui/desk.js").Stem[]} */
const stems = JSON.parse(byId("stems", HTMLScriptElement).textContent ?? "[]");
const fresh = freshSession(stems, structuredClone(DEFAULTS));

const desk = new Desk(stems, Number(duration), fresh);
const sound = new Sound(desk, { worklet, reader, formats, stretch });
const view = new View(desk.duration);
const notices = new Notices();

const lanes = connectLanes(desk);
connectTransport(desk, sound, notices);
connectTimeline(desk, sound, view);
connectWaveforms(desk, view);
connectParts(desk, notices, myPart);
connectPractice(desk, sound);
connectMaster(desk, sound);
connectShare(desk, sound, title);
connectExport(desk, sound, { title, assets: { export: exporter, stretch } });
connectKeyboard(desk, sound, notices, lanes);
connectLockScreen(desk, sound, { title, band });
connectWakeLock(sound);
forgiveScrolling(root);
connectTroubles(sound, notices, stems.length);
root.classList.add("is-live");

// The person may press "play" before either is done. Files are opened while what was kept is loaded.
const opened = sound.open();
keep(desk, sound, notices, practice).then((position) => {
  if (!sound.isPlaying) sound.seek(position);
});
await opened;
root.dataset.ready = "";
// For whoever looks from outside: the measurements in benchmarks/, and the curious.
/** @type {any} */ (globalThis).stemset = { player: sound.player };
