"""The Wiener filter uses what a mask cannot: where in the stereo image a source is."""

import numpy as np
import pytest
from numpy.typing import NDArray

from processing.separators.wiener import wiener

SHAPE = (200, 40)  # frames, bins


def noise(seed: int) -> NDArray[np.complex64]:
    """Return a source whose power varies from cell to cell, as music's does."""
    generator = np.random.default_rng(seed)
    power = generator.gamma(0.3, 1, SHAPE)
    cells = generator.normal(size=SHAPE) + 1j * generator.normal(size=SHAPE)
    return (cells * np.sqrt(power)).astype(np.complex64)


def panned(source: NDArray[np.complex64], left: float, right: float) -> NDArray[np.complex64]:
    return np.stack([source * np.float32(left), source * np.float32(right)])


def sdr(truth: NDArray[np.complex64], estimate: NDArray[np.complex64]) -> float:
    return float(10 * np.log10(np.vdot(truth, truth).real / np.vdot(truth - estimate, truth - estimate).real))


@pytest.fixture
def scene() -> tuple[NDArray[np.complex64], NDArray[np.complex64], NDArray[np.float32]]:
    wanted, rest = panned(noise(1), 1.0, 1.0), panned(noise(2), 1.2, 0.3)
    blurred = np.random.default_rng(3).uniform(0.5, 2, (2, *SHAPE)).astype(np.float32)
    share = np.abs(wanted) / (np.abs(wanted) + np.abs(rest) * blurred)
    return wanted, wanted + rest, share


def test_it_beats_the_mask_it_was_given(
    scene: tuple[NDArray[np.complex64], NDArray[np.complex64], NDArray[np.float32]],
) -> None:
    wanted, mix, share = scene
    ratio = share**2 / (share**2 + (1 - share) ** 2)
    assert sdr(wanted, wiener(mix, share)) > sdr(wanted, mix * ratio) + 3


def test_both_sources_sum_to_the_mix(
    scene: tuple[NDArray[np.complex64], NDArray[np.complex64], NDArray[np.float32]],
) -> None:
    _, mix, share = scene
    np.testing.assert_allclose(wiener(mix, share) + wiener(mix, 1 - share), mix, atol=1e-3 * np.abs(mix).max())


def test_without_stereo_it_is_the_ratio_of_powers() -> None:
    wanted, rest = noise(1), noise(2)
    mix = panned(wanted + rest, 1, 1)
    share = np.abs(panned(wanted, 1, 1)) / (np.abs(panned(wanted, 1, 1)) + np.abs(panned(rest, 1, 1)))
    ratio = share**2 / (share**2 + (1 - share) ** 2)
    np.testing.assert_allclose(wiener(mix, share), mix * ratio, atol=2e-2 * np.abs(mix).max())


def test_silence_and_extreme_masks_stay_finite() -> None:
    mix = panned(noise(1), 1, 0)
    mix[:, 50:60] = 0
    for share in (0.0, 1.0):
        estimate = wiener(mix, np.full((2, *SHAPE), share, np.float32))
        np.testing.assert_allclose(estimate, mix * share, atol=2e-2)
        assert not estimate[:, 50:60].any()
