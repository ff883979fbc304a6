"""Rates in the environment: read strictly, like everything there."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from stemset.rates import request_rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("1200/minute", "1200/minute"),
        (" 5/Second ", "5/second"),
        ("1/hour", "1/hour"),
        ("10000/day", "10000/day"),
        ("unlimited", None),
    ],
)
def test_a_rate_is_a_number_in_a_time(text, rate):
    assert request_rate("STEMSET_API_RATE", text) == rate


@pytest.mark.parametrize("text", ["", "0/minute", "-1/minute", "1200", "1200/min", "1,200/minute", "x/day", "1/month"])
def test_anything_else_stops_the_start_and_is_named(text):
    with pytest.raises(ImproperlyConfigured, match="STEMSET_API_RATE must be a number of requests"):
        request_rate("STEMSET_API_RATE", text)
