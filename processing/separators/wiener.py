"""The multichannel Wiener filter: sharper stems from what is known of loudness and of place in the stereo image.

Every source is taken for Gaussian with a power that varies from cell to cell and a spatial covariance that does not
vary over a window: its panning. The filter is the best linear estimate under that model (A. Liutkus et al.,
"Gaussian processes for underdetermined source separation", IEEE TSP 59(7), 2011; A. Nugraha et al., "Multichannel
audio source separation with deep neural networks", IEEE/ACM TASLP 24(9), 2016), with one estimate of both from what
a network masked, as open-unmix does.
"""

import numpy as np
from numpy.typing import NDArray

from processing.separators.stft import Mask, Spectrum

_DIFFUSE = np.float32(1e-3)  # of every source's power comes from nowhere in particular, or the inverse would not exist
_TINY = np.float32(1e-20)

_CHUNK = 32  # frames worked on at once, to stay near a core's cache

type _Matrix = tuple[NDArray[np.float32], NDArray[np.complex64], NDArray[np.float32]]  # LL, LR, RR of every bin


def wiener(mix: Spectrum, share: Mask) -> Spectrum:
    """Return the wanted source of a stereo mix of two.

    mix    (2, frames, bins)
    share  (2, frames, bins): the magnitude of the wanted source over the sum of both magnitudes, 0 to 1

    Returns (2, frames, bins). What it leaves of the mix is the same filter's estimate of the other source.
    """
    chunks = [slice(first, first + _CHUNK) for first in range(0, mix.shape[1], _CHUNK)]
    bins = mix.shape[2]
    wanted, rest = _Covariance(bins), _Covariance(bins)
    for part in chunks:
        wanted.add(mix[:, part] * share[:, part])
        rest.add(mix[:, part] * (1 - share[:, part]))
    estimate = np.empty_like(mix)
    for part in chunks:
        estimate[:, part] = _filter(mix[:, part], share[:, part], wanted.mean(), rest.mean())
    return estimate


class _Covariance:
    """Covariance of both channels, summed over frames, relative to their mean power; its trace is 2."""

    def __init__(self, bins: int) -> None:
        self._ll = np.zeros(bins, np.float32)
        self._rr = np.zeros(bins, np.float32)
        self._lr = np.zeros(bins, np.complex64)

    def add(self, spectrum: Spectrum) -> None:
        left, right = spectrum
        self._ll += _squares(left).sum(axis=0)
        self._rr += _squares(right).sum(axis=0)
        self._lr += (left * right.conj()).sum(axis=0)

    def mean(self) -> _Matrix:
        scale = np.asarray(2 / (self._ll + self._rr + _TINY), np.float32)
        ll = np.asarray(self._ll * scale + _DIFFUSE, np.float32)
        rr = np.asarray(self._rr * scale + _DIFFUSE, np.float32)
        return ll, np.asarray(self._lr * scale, np.complex64), rr


def _filter(mix: Spectrum, share: Mask, wanted: _Matrix, rest: _Matrix) -> Spectrum:
    """Return power · covariance of the wanted source · (covariance of the mix)⁻¹ · mix, cell by cell."""
    wanted_power = _squares(mix * share).sum(axis=0)
    rest_power = _squares(mix * (1 - share)).sum(axis=0)
    part = wanted_power / (wanted_power + rest_power + _TINY)
    mix_ll, mix_lr, mix_rr = (part * one + (1 - part) * other for one, other in zip(wanted, rest, strict=True))
    scale = part / (mix_ll * mix_rr - _squares(mix_lr))  # the inverse of a 2×2 matrix, by its determinant
    left, right = mix
    white_left = (mix_rr * left - mix_lr * right) * scale
    white_right = (mix_ll * right - mix_lr.conj() * left) * scale
    ll, lr, rr = wanted
    return np.stack([ll * white_left + lr * white_right, lr.conj() * white_left + rr * white_right])


def _squares(spectrum: NDArray[np.complex64]) -> NDArray[np.float32]:
    return np.square(spectrum.real) + np.square(spectrum.imag)
