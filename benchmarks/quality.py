"""How well the built-in strategies separate songs whose stems are known.

    python benchmarks/quality.py [--without-weights]

Prints SDR and SI-SDR in dB per stem (higher is better) of

- the strategies, as trees of the built-in models;
- the mix itself, taken for every stem: what doing nothing scores;
- the ideal ratio mask, computed from the true stems: the bound of what any mask on this spectrogram can score.

The songs are benchmarks/data/harbour and two remixes of its stems, shifted against each other, panned and resampled
by ±7 %, so that a setting that merely fits the one arrangement shows.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stemset.settings")

from processing.audio import SAMPLE_RATE, no_progress  # noqa: E402
from processing.errors import ModelError  # noqa: E402
from processing.separators import get_separator  # noqa: E402
from processing.separators.stft import LEAD, analyse, frame_count, span, synthesise  # noqa: E402

STEMS = ("vocals", "drums", "bass", "other")
# Every step names a model and the output of the step before that it is fed with.
STRATEGIES = {
    "four_stems": (("spleeter:2stems", None), ("dsp:drums-bass-other", "accompaniment")),
    "four_stems, best vocals": (("spleeter:2stems-best", None), ("dsp:drums-bass-other", "accompaniment")),
    "four_stems_dsp": (("dsp:4stems", None),),
}

type Audio = NDArray[np.float32]  # (samples, 2)
type Stems = dict[str, Audio]


def main() -> None:
    parser = argparse.ArgumentParser(description="SDR and SI-SDR of the built-in strategies, in dB.")
    parser.add_argument("--without-weights", action="store_true", help="leave out what needs fetch_models")
    arguments = parser.parse_args()
    for name, truth in songs().items():
        mix = sum(truth.values())
        rows = {"the mix as every stem": dict.fromkeys(STEMS, mix)}
        for strategy, steps in STRATEGIES.items():
            if not (arguments.without_weights and any("spleeter" in model for model, _ in steps)):
                rows[strategy] = separate(mix, steps)
        rows["ideal ratio mask"] = ideal(truth, mix)
        print(f"\n| {name}: SDR / SI-SDR | " + " | ".join(STEMS) + " |")
        print("|---" * (len(STEMS) + 1) + "|")
        for row, stems in rows.items():
            scores = (f"{sdr(truth[stem], stems[stem]):.2f} / {si_sdr(truth[stem], stems[stem]):.2f}" for stem in STEMS)
            print(f"| {row} | " + " | ".join(scores) + " |", flush=True)


def songs() -> dict[str, Stems]:
    folder = ROOT / "benchmarks/data/harbour"
    harbour = {stem: soundfile.read(folder / f"{stem}.flac", dtype="float32")[0] for stem in STEMS}
    up = remix(harbour, 1.07, (5.0, 2.5, 7.5, 10.0), ((0.8, 0.8), (0.8, 0.8), (1.1, 1.1), (1.4, 0.9)))
    down = remix(harbour, 0.93, (12.0, 0.0, 2.5, 5.0), ((1.2, 1.2), (1.2, 1.2), (0.8, 0.8), (0.7, 1.2)))
    return {"harbour": harbour, "remix, slower": up, "remix, faster": down}


def remix(stems: Stems, stretch: float, seconds: tuple[float, ...], gains: tuple[tuple[float, float], ...]) -> Stems:
    """Return the stems shifted in time (the end wraps), weighted left and right, and resampled."""
    mixed = {}
    for (stem, audio), shift, gain in zip(stems.items(), seconds, gains, strict=True):
        moved = np.roll(audio, round(shift * SAMPLE_RATE), axis=0) * np.array(gain, np.float32)
        mixed[stem] = soxr.resample(moved, SAMPLE_RATE, SAMPLE_RATE * stretch).astype(np.float32)
    return mixed


def separate(mix: Audio, steps: tuple[tuple[str, str | None], ...]) -> Stems:
    stems: Stems = {}
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "mix.wav"
        soundfile.write(source, mix, SAMPLE_RATE, subtype="FLOAT")
        files: dict[str, Path] = {}
        for number, (model, fed_with) in enumerate(steps):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            files |= get_separator(model).separate(files[fed_with] if fed_with else source, folder, no_progress)
        for stem in STEMS:
            stems[stem] = soundfile.read(files[stem], dtype="float32")[0]
    return stems


def ideal(truth: Stems, mix: Audio) -> Stems:
    def spectrum(audio: Audio) -> NDArray[np.complex64]:
        padded = np.zeros((2, span(frame_count(len(audio)))), np.float32)
        padded[:, LEAD : LEAD + len(audio)] = audio.T
        return analyse(padded)

    power = {stem: np.square(np.abs(spectrum(audio))) for stem, audio in truth.items()}
    total = sum(power.values()) + np.float32(1e-20)
    whole = spectrum(mix)
    return {stem: synthesise(whole * (power[stem] / total))[:, LEAD : LEAD + len(mix)].T for stem in truth}


def sdr(truth: Audio, estimate: Audio) -> float:
    """Return the energy of the truth over the energy of the error, both channels together, in dB."""
    error = truth.astype(np.float64) - estimate
    return float(10 * np.log10(np.vdot(truth, truth) / np.vdot(error, error)))


def si_sdr(truth: Audio, estimate: Audio) -> float:
    """Return the SDR, truth scaled to fit (J. Le Roux et al., "SDR – half-baked or well done?", 2019), in dB."""
    wide = truth.astype(np.float64)
    return sdr(wide * (np.vdot(wide, estimate) / np.vdot(wide, wide)), estimate)


if __name__ == "__main__":
    try:
        main()
    except ModelError as error:
        sys.exit(str(error))
