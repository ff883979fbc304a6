"""Harmonic/percussive separation by median filtering.

A sustained tone is a line along time in a spectrogram, a stroke a line along frequency; a median over enough frames
keeps the one, a median over enough bins the other (D. FitzGerald, "Harmonic/percussive separation using median
filtering", DAFx 2010).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from processing.audio import SAMPLE_RATE
from processing.separators.stft import FRAME, Mask

TIME_FRAMES = 31  # 0.7 s
BINS_LOW = 7  # 75 Hz: a wider median would take two partials of a bass for the spectrum of a stroke
BINS_HIGH = 17  # 183 Hz
POWER_LOW = 3  # harder than above, for a kick and a bass seldom share a cell evenly
POWER_HIGH = 2  # Wiener's

_LOW = round(1300 * FRAME / SAMPLE_RATE)  # the first bin of BINS_HIGH and POWER_HIGH
_TINY = np.float32(1e-20)


def percussive_mask(magnitude: NDArray[np.float32]) -> Mask:
    """Return the strokes' share, 0 to 1, of every cell of a magnitude spectrogram (frames, bins); 0 in silence.

    Frames less than TIME_FRAMES // 2 from either end see a reflection of their neighbours.
    """
    harmonic = median_columns(magnitude, TIME_FRAMES)
    low, high = slice(0, _LOW), slice(_LOW, None)
    mask = np.empty_like(magnitude)
    strokes = median_rows(magnitude[:, : _LOW + BINS_LOW // 2], BINS_LOW)
    mask[:, low] = share(strokes[:, low], harmonic[:, low], POWER_LOW)
    strokes = median_rows(magnitude, BINS_HIGH)
    mask[:, high] = share(strokes[:, high], harmonic[:, high], POWER_HIGH)
    return mask


def share(wanted: NDArray[np.float32], rest: NDArray[np.float32], power: int) -> Mask:
    """Return wantedᵖ / (wantedᵖ + restᵖ) of two magnitudes, 0 where both are 0; the Wiener gain for p = 2."""
    wanted = wanted**power
    mask: Mask = wanted / (wanted + rest**power + _TINY)
    return mask


def median_columns(columns: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return the running median over `size` (odd) neighbours along the first axis of (length, n); edges reflect."""
    return np.ascontiguousarray(median_rows(np.ascontiguousarray(columns.T), size).T)


def median_rows(rows: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return the running median over `size` (odd) neighbours along the last axis of (n, length); edges reflect.

    The padded rows are joined and filtered as one: scipy has a fast rank filter for one dimension only.
    """
    half = size // 2
    count, length = rows.shape
    padded = np.pad(rows, ((0, 0), (half, half)), mode="symmetric")
    filtered = median_filter(padded.reshape(-1), size, mode="constant")
    return np.ascontiguousarray(filtered.reshape(count, length + 2 * half)[:, half : half + length])
