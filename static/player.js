/** Makes the waveforms of a recording's stems part of their players: click or drag to seek, and one plays at a time. */

const WAVE_WIDTH = 1920;
const lanes = [...document.querySelectorAll(".lane")].map(connect);

/** Ties a lane's waveform to its audio element and returns the audio element. */
function connect(lane) {
  const audio = lane.querySelector("audio");
  const wave = lane.querySelector(".wave");
  const played = lane.querySelector(".played");
  const playhead = lane.querySelector(".playhead");
  // Known before the audio is loaded, so that one can choose where it will start.
  const duration = Number(lane.dataset.duration);

  function draw() {
    const x = duration > 0 ? Math.min(audio.currentTime / duration, 1) * WAVE_WIDTH : 0;
    played.setAttribute("width", x);
    playhead.setAttribute("x1", x);
    playhead.setAttribute("x2", x);
  }

  function drawWhilePlaying() {
    draw();
    if (!audio.paused) requestAnimationFrame(drawWhilePlaying);
  }

  function seek(event) {
    const box = wave.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    audio.preload = "metadata"; // so that the player's own slider follows
    audio.currentTime = share * duration;
    draw();
  }

  wave.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    wave.setPointerCapture(event.pointerId);
    seek(event);
  });
  wave.addEventListener("pointermove", (event) => {
    if (wave.hasPointerCapture(event.pointerId)) seek(event);
  });
  audio.addEventListener("timeupdate", draw);
  audio.addEventListener("seeked", draw);
  audio.addEventListener("play", () => {
    for (const other of lanes) if (other !== audio) other.pause();
    if (matchMedia("(prefers-reduced-motion: no-preference)").matches) drawWhilePlaying();
  });
  return audio;
}
