"""How pages write down what was measured."""

import pytest

from catalog.templatetags.measures import clock, dbfs, gain, loudness_share, lufs


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.99, "0:59"), (60, "1:00"), (3599.9, "59:59"), (3600, "1:00:00")]
)
def test_clock(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize(("loudness", "text"), [(None, "silent"), (-23.04, "−23.0 LUFS"), (1.25, "1.2 LUFS")])
def test_lufs(loudness, text):
    assert lufs(loudness) == text


@pytest.mark.parametrize(
    ("amplitude", "text"), [(0, "−∞ dBFS"), (0.5, "−6.0 dBFS"), (0.9999, "0.0 dBFS"), (2, "6.0 dBFS")]
)
def test_dbfs(amplitude, text):
    assert dbfs(amplitude) == text


@pytest.mark.parametrize(("decibels", "text"), [(0, "0.0 dB"), (-0.01, "0.0 dB"), (6.02, "+6.0 dB"), (-12, "−12.0 dB")])
def test_gain(decibels, text):
    assert gain(decibels) == text


@pytest.mark.parametrize(("loudness", "units"), [(None, 0), (-90, 1), (-50, 1), (-29, 12), (-8, 24), (3, 24)])
def test_a_meter_shows_silence_as_nothing_and_anything_else_as_something(loudness, units):
    assert loudness_share(loudness, 24) == units
