"""The engines that need no weights: masks from what drums, bass and voices look like in a spectrogram.

dsp:drums-bass-other  on what the vocals leave: drums are what is percussive, bass is what is low and not drums
dsp:hpss              the same percussive mask, and what it leaves
dsp:lowband           everything below about 210 Hz, and what it leaves
dsp:4stems            drums and bass as above, and vocals by a guess: what is neither, lies in the middle of the
                      stereo image and does not hold its pitch for seconds. That finds a lead voice over sustained
                      chords, and as readily a solo guitar; much of "other" comes with it. Fit for turning the voice
                      down, not for listening to it alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from processing.audio import SAMPLE_RATE, Progress
from processing.separators.hpss import TIME_FRAMES, median_columns, percussive_mask, share
from processing.separators.stft import BINS, FRAME, Mask, Spectrum
from processing.separators.streaming import split

_HERTZ = np.arange(BINS, dtype=np.float32) * (SAMPLE_RATE / FRAME)
_BASS = (210.0, 20.0)  # Hz: up to where bass outweighs the rest, and how gradually that changes
_VOICE = (6000.0, 500.0)
_STEADY_FRAMES = 95  # 2.2 s, about a bar: chords hold so long, a voice does not
_TINY = np.float32(1e-20)


def load(name: str) -> "DspSeparator":
    """Return the engine for a name of the registry."""
    return DspSeparator(name)


class DspSeparator:
    """Stems by masks computed from the spectrum alone; see processing.separators.Separator."""

    version = "dsp/1"

    def __init__(self, name: str, *, workers: int | None = None) -> None:
        self.name = name
        self._engine = _ENGINES[name]
        self.outputs = self._engine.outputs
        self._workers = workers

    def check(self) -> None:
        """Nothing to check: there are no weights."""

    def separate(self, source: Path, destination: Path, progress: Progress) -> dict[str, Path]:
        """Split `source` into `destination`; the last output is the source minus the others."""
        return split(
            source,
            destination,
            self.outputs,
            lambda spectrum: (spectrum * mask for mask in self._engine.masks(spectrum)),
            progress=progress,
            context=self._engine.context,
            workers=self._workers,
        )


def _drums_bass(spectrum: Spectrum) -> list[Mask]:
    drums = percussive_mask(_mono(spectrum))
    return [drums[np.newaxis], ((1 - drums) * _below(*_BASS))[np.newaxis]]


def _vocals_drums_bass(spectrum: Spectrum) -> list[Mask]:
    magnitude = _mono(spectrum)
    drums, bass = _drums_bass(spectrum)
    steady = median_columns(magnitude, _STEADY_FRAMES)
    gliding = share(np.maximum(magnitude - steady, 0), steady, 1)
    vocals = (1 - drums - bass) * _below(*_VOICE) * gliding * _centred(spectrum)
    return [vocals, drums, bass]


def _harmonic(spectrum: Spectrum) -> list[Mask]:
    return [1 - percussive_mask(_mono(spectrum))[np.newaxis]]


def _lowband(spectrum: Spectrum) -> list[Mask]:
    return [np.broadcast_to(_below(*_BASS), (1, spectrum.shape[1], BINS))]


def _mono(spectrum: Spectrum) -> NDArray[np.float32]:
    """Return the mean of the channels' magnitudes, (frames, BINS)."""
    return np.asarray(np.abs(spectrum).mean(axis=0), np.float32)


def _centred(spectrum: Spectrum) -> Mask:
    """Return what left and right have in common, |L + R|² / 2(|L|² + |R|²): 1 in the middle, ½ at a side."""
    left, right = spectrum
    total = 2 * (np.square(np.abs(left)) + np.square(np.abs(right)))
    common = np.square(np.abs(left + right)) / (total + _TINY)
    return np.asarray(common[np.newaxis], np.float32)


def _below(hertz: float, slope: float) -> NDArray[np.float32]:
    """Return a gain of 1 below and 0 above a frequency, as a logistic curve of (BINS,)."""
    return np.asarray(expit((hertz - _HERTZ) / slope), np.float32)


@dataclass(frozen=True)
class _Engine:
    """What a name stands for: its outputs, the masks of all but the last, and how far a mask looks aside."""

    outputs: tuple[str, ...]
    masks: Callable[[Spectrum], Sequence[Mask]]
    context: int


_ENGINES = {
    "dsp:drums-bass-other": _Engine(("drums", "bass", "other"), _drums_bass, TIME_FRAMES // 2),
    "dsp:4stems": _Engine(("vocals", "drums", "bass", "other"), _vocals_drums_bass, _STEADY_FRAMES // 2),
    "dsp:hpss": _Engine(("harmonic", "percussive"), _harmonic, TIME_FRAMES // 2),
    "dsp:lowband": _Engine(("bass", "rest"), _lowband, 0),
}
