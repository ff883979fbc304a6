"""The short-time Fourier transform that every built-in engine shares.

Frames of 4096 samples, 1024 apart, under a periodic Hann window on the way in and again on the way out: what the
Spleeter networks were trained on. Frame j covers the samples [j·HOP − LEAD, j·HOP − LEAD + FRAME), so that every
sample from 0 on lies in exactly four frames, where the squared windows add up to 1.5 (Griffin and Lim, "Signal
estimation from modified short-time Fourier transform", 1984, with w = Hann).
"""

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

type Samples = NDArray[np.float32]  # (channels, samples), full scale ±1
type Spectrum = NDArray[np.complex64]  # (channels, frames, BINS)
type Mask = NDArray[np.float32]  # (channels or 1, frames, BINS), each 0 to 1

FRAME = 4096
HOP = 1024
LEAD = FRAME - HOP
BINS = FRAME // 2 + 1

_OVERLAP = FRAME // HOP
_CHUNK = 32  # frames transformed at once: half a megabyte, which stays in a core's cache
_WINDOW = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)
_SYNTHESIS = (_WINDOW / 1.5).astype(np.float32)


def frame_count(samples: int) -> int:
    """Return how many frames it takes to give back the samples 0 to `samples` − 1 (0 for none)."""
    return -(-(samples + LEAD) // HOP) if samples else 0


def span(frames: int) -> int:
    """Return how many samples so many neighbouring frames cover (0 for none)."""
    return (frames - 1) * HOP + FRAME if frames else 0


def analyse(samples: Samples) -> Spectrum:
    """Transform.

    samples  (channels, span(n)), the first being the first of the first frame

    Returns (channels, n, BINS).
    """
    framed = sliding_window_view(samples, FRAME, axis=1)[:, ::HOP]
    spectrum = np.empty((*framed.shape[:2], BINS), np.complex64)
    for first in range(0, framed.shape[1], _CHUNK):
        part = slice(first, first + _CHUNK)
        spectrum[:, part] = scipy.fft.rfft(framed[:, part] * _WINDOW)
    return spectrum


def synthesise(spectrum: Spectrum) -> Samples:
    """Transform back and add up.

    spectrum  (channels, n, up to BINS); bins left out are silent

    Returns (channels, span(n)). Of these the first and last LEAD samples still lack what the frames before and
    after contribute; synthesise(analyse(x)) is x in between.
    """
    channels, frames, _ = spectrum.shape
    summed = np.zeros((channels, frames + _OVERLAP - 1, HOP), np.float32)
    for first in range(0, frames, _CHUNK):
        pieces = scipy.fft.irfft(spectrum[:, first : first + _CHUNK], n=FRAME)
        pieces *= _SYNTHESIS
        count = pieces.shape[1]
        for quarter in range(_OVERLAP):
            begin = first + quarter
            summed[:, begin : begin + count] += pieces[:, :, quarter * HOP : (quarter + 1) * HOP]
    return summed.reshape(channels, -1)
