import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.audio.gains import relative_gains

LOUDNESS = st.floats(-70, 5)


def test_target_is_minus_23():
    assert relative_gains({"vocals": -20.0, "drums": -26.5}) == pytest.approx({"vocals": -3.0, "drums": 3.5})


def test_all_shift_down_together_at_the_upper_limit():
    assert relative_gains({"a": -33.0, "b": -23.0}) == pytest.approx({"a": 6.02, "b": 6.02 - 10})


def test_all_shift_up_together_at_the_lower_limit():
    assert relative_gains({"a": -8.0, "b": -12.0}) == pytest.approx({"a": -12.0, "b": -8.0})


def test_when_no_shift_fits_the_loudest_is_held_at_the_lower_limit():
    gains = relative_gains({"bass": -45.0, "other": -30.0, "drums": -15.0})
    assert gains == pytest.approx({"bass": 6.02, "other": 6.02 - 15, "drums": -12.0})


def test_silence_gets_0_and_moves_nothing():
    assert relative_gains({"a": None, "b": -33.0}) == pytest.approx({"a": 0.0, "b": 6.02})
    assert relative_gains({"a": None}) == {"a": 0.0}
    assert relative_gains({}) == {}


@given(st.dictionaries(st.text(max_size=3), st.none() | LOUDNESS, max_size=8))
def test_limits_balance_and_order(lufs):
    gains = relative_gains(lufs)
    assert list(gains) == list(lufs)
    heard = {stem: value for stem, value in lufs.items() if value is not None}
    assert all(gains[stem] == 0 for stem in lufs if stem not in heard)
    assert all(-12 <= gain <= 6.02 for gain in gains.values())
    for one, other in itertools.combinations(heard, 2):
        # the quieter stem never gets less gain
        assert (gains[one] - gains[other]) * (heard[other] - heard[one]) >= -1e-9
        # and the balance is exact unless a stem was held at the lower limit
        if -12 not in (gains[one], gains[other]):
            assert gains[one] - gains[other] == pytest.approx(heard[other] - heard[one])
    wanted = {stem: -23 - value for stem, value in heard.items()}
    if all(-12 <= gain <= 6.02 for gain in wanted.values()):
        assert all(gains[stem] == wanted[stem] for stem in heard)
    if heard and max(heard.values()) - min(heard.values()) <= 18:
        # a shift alone is enough, so every stem keeps its balance to the first
        shifts = [gains[stem] - wanted[stem] for stem in heard]
        assert max(shifts) - min(shifts) < 1e-9
