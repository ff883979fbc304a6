"""From however many channels to two."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_HALF_POWER = math.sqrt(0.5)
_BOTH = (_HALF_POWER, _HALF_POWER)
# ITU-R BS.775-3, annex 4: centre and surrounds enter at −3 dB; the low-frequency effects channel is left out.
_WEIGHTS = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "DL": (1.0, 0.0),
    "DR": (0.0, 1.0),
    "FC": _BOTH,
    "BC": (0.5, 0.5),
    "LFE": (0.0, 0.0),
    "LFE2": (0.0, 0.0),
}


def stereo_matrix(channels: Sequence[str]) -> NDArray[np.float32]:
    """The (channels, 2) matrix M for which `block @ M` is the stereo mix.

    `channels` are FFmpeg's channel names. Each output's weights are scaled to add up to at most 1, so that a mix
    of full-scale channels cannot overshoot; level is measured later and does not matter here. Without a known
    layout (names "NONE") channels are taken as pairs, odd ones left, even ones right, a last single one both:
    what multitrack field recorders write.
    """
    count = len(channels)
    if count == 1:
        return np.ones((1, 2), np.float32)
    matrix = np.zeros((count, 2), np.float32)
    if all(name in {"FL", "FR"} or name in _WEIGHTS or name[-1:] in {"L", "R", "C"} for name in channels):
        for row, name in enumerate(channels):
            side = {"L": (_HALF_POWER, 0.0), "R": (0.0, _HALF_POWER)}.get(name[-1:], _BOTH)
            matrix[row] = _WEIGHTS.get(name, side)
    else:
        matrix[0::2, 0] = 1
        matrix[1::2, 1] = 1
        if count % 2:
            matrix[-1] = _BOTH
    largest = float(matrix.sum(axis=0).max())
    if largest == 0:  # nothing but effects channels: better heard than lost
        return np.full((count, 2), 1 / count, np.float32)
    return matrix / np.float32(max(1.0, largest))


def to_stereo(block: NDArray[np.float32], channels: Sequence[str]) -> NDArray[np.float32]:
    """A float32 block of shape (frames, len(channels)) as a C-contiguous one of shape (frames, 2)."""
    if len(channels) == 2:
        return np.ascontiguousarray(block)
    if len(channels) == 1:
        return np.repeat(block, 2, axis=1)
    return np.ascontiguousarray(block @ stereo_matrix(channels))
