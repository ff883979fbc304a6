"""Integrated loudness after ITU-R BS.1770-4, in one pass and constant memory per second of audio."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

ABSOLUTE_GATE = -70.0  # LUFS
RELATIVE_GATE = -10.0  # LU
MIN_RATE = 4_000  # Hz; below, the shelf's corner passes half the sampling rate
_OFFSET = -0.691
_HOPS_PER_BLOCK = 4  # blocks of 400 ms every 100 ms
_HOPS_PER_POINT = 5  # half a second
_CHUNK_FRAMES = 1 << 14  # small enough that a chunk stays in the processor's cache
_TINY = 1e-30  # −600 dB


def k_weighting(sample_rate: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Numerator and denominator (five coefficients each) of the K-weighting filter at any sample rate.

    BS.1770 prints coefficients for 48 kHz only. They are the bilinear transform of two analog second-order
    sections, a high shelf and a high pass, whose corner frequencies, Q and gain follow from the printed numbers;
    transforming these for another rate gives the standard's own coefficients at 48 kHz to 1e-11.
    """
    # high shelf: the head
    k = math.tan(math.pi * 1681.974450955533 / sample_rate)
    q = 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    norm = 1 + k / q + k * k
    shelf_b = [(high + band * k / q + k * k) / norm, 2 * (k * k - high) / norm, (high - band * k / q + k * k) / norm]
    shelf_a = [1.0, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm]
    # high pass: how we hear bass
    k = math.tan(math.pi * 38.13547087602444 / sample_rate)
    q = 0.5003270373238773
    norm = 1 + k / q + k * k
    pass_a = [1.0, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm]
    return np.convolve(shelf_b, [1.0, -2.0, 1.0]), np.convolve(shelf_a, pass_a)


def channel_weights(channels: int) -> NDArray[np.float64]:
    """BS.1770's weight per channel in WAV order: surrounds +1.5 dB, the effects channel not at all.

    Five channels are L R C Ls Rs, six L R C LFE Ls Rs; any other number counts every channel once.
    """
    known = {5: [1, 1, 1, 1.41, 1.41], 6: [1, 1, 1, 0, 1.41, 1.41]}
    return np.array(known.get(channels, [1] * channels), np.float64)


class LoudnessMeter:
    """Push float blocks of shape (frames, channels), then ask for `integrated()`.

    The samples must be finite.
    """

    def __init__(self, *, sample_rate: int, channels: int) -> None:
        if sample_rate < MIN_RATE:
            raise ValueError(f"loudness needs a sample rate of at least {MIN_RATE} Hz")
        self._b, self._a = k_weighting(sample_rate)
        self._state = np.zeros((channels, 4))
        self._weights = channel_weights(channels)
        self._rate = sample_rate
        self._hop = (sample_rate + 5) // 10  # 100 ms
        self._filled = 0
        self._energy = 0.0
        self._hops: list[float] = []

    def push(self, block: NDArray[np.float32]) -> None:
        for start in range(0, len(block), _CHUNK_FRAMES):
            chunk = block[start : start + _CHUNK_FRAMES].T.astype(np.float64, order="C")
            weighted, self._state = lfilter(self._b, self._a, chunk, zi=self._state)
            # In silence the filter would ring down into denormal numbers, which are many times slower.
            self._state[np.abs(self._state) < _TINY] = 0
            self._collect(weighted)

    def _collect(self, weighted: NDArray[np.float64]) -> None:
        position = 0
        frames = weighted.shape[1]
        while position < frames:
            end = min(frames, position + self._hop - self._filled)
            for weight, channel in zip(self._weights, weighted, strict=True):
                part = channel[position:end]
                self._energy += float(weight * np.dot(part, part))
            self._filled += end - position
            position = end
            if self._filled == self._hop:
                self._hops.append(self._energy / self._hop)
                self._filled, self._energy = 0, 0.0

    def integrated(self) -> float | None:
        """LUFS of everything pushed, or None: shorter than 400 ms, silent, or nowhere above −70 LUFS."""
        if len(self._hops) < _HOPS_PER_BLOCK:
            return None
        blocks = np.convolve(self._hops, np.full(_HOPS_PER_BLOCK, 1 / _HOPS_PER_BLOCK), "valid")
        audible = blocks[blocks > _power(ABSOLUTE_GATE)]
        if not audible.size:
            return None
        gate = float(audible.mean()) * 10 ** (RELATIVE_GATE / 10)
        return loudness_of(float(audible[audible > gate].mean()))

    @property
    def point_seconds(self) -> float:
        """Length of a point of `over_time`: half a second, but for a rate that has no whole number of frames in it."""
        return _HOPS_PER_POINT * self._hop / self._rate

    def over_time(self) -> NDArray[np.float64]:
        """K-weighted mean square of every half second that was pushed; the last one may be a shorter rest."""
        energy = np.array([*(power * self._hop for power in self._hops), *([self._energy] if self._filled else [])])
        if not energy.size:
            return energy
        starts = np.arange(0, len(energy), _HOPS_PER_POINT)
        frames = np.full(len(energy), self._hop)
        if self._filled:
            frames[-1] = self._filled
        mean: NDArray[np.float64] = np.add.reduceat(energy, starts) / np.add.reduceat(frames, starts)
        return mean


def loudness_of(power: float) -> float:
    """LUFS of a K-weighted mean square greater than 0."""
    return _OFFSET + 10 * math.log10(power)


def _power(loudness: float) -> float:
    return float(10 ** ((loudness - _OFFSET) / 10))
