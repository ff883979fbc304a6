"""Addresses in the settings become origins as browsers write them, or stop the start."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from stemset.origins import allowed_origins, is_cross_origin, origin_of


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("", ""),
        ("https://band.example", "https://band.example"),
        ("https://Band.Example/client/", "https://band.example"),
        ("https://band.example:443", "https://band.example"),
        ("http://band.example:80/", "http://band.example"),
        ("https://band.example:80", "https://band.example:80"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://[::1]:5173/x?y#z", "http://[::1]:5173"),
        ("https://Übung.example", "https://xn--bung-zra.example"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(address, origin):
    assert origin_of("NAME", address) == origin


@pytest.mark.parametrize(
    "address",
    ["band.example", "//band.example", "ftp://band.example", "https://", "https://*", "https://*.example", "*", "null",
     "https://user@band.example", "https://user:secret@band.example", "https://band.example:port", "https://[::1",
     "https://band.example:0", "https://a.example,https://b.example", "https://band example", "javascript:alert(1)"],
)  # fmt: skip
def test_what_is_none_is_named(address):
    with pytest.raises(ImproperlyConfigured, match="NAME must be an address"):
        origin_of("NAME", address)


def test_those_who_may_call_are_the_client_and_those_listed():
    assert allowed_origins("https://client.example/app", [" http://localhost:5173", "https://client.example"]) == [
        "https://client.example",
        "http://localhost:5173",
    ]
    assert allowed_origins("", []) == []
    with pytest.raises(ImproperlyConfigured, match="STEMSET_TRUSTED_ORIGINS"):
        allowed_origins("", ["*"])


@pytest.mark.parametrize(
    ("frontend", "backend", "crosses"),
    [
        ("", "", False),
        ("", "https://api.example", False),
        ("https://client.example", "", False),  # nobody knows; a system check asks for BACKEND_URL
        ("https://client.example", "https://client.example", False),
        ("https://client.example", "https://api.example", True),
        ("http://client.example", "https://client.example", True),
    ],
)
def test_a_client_is_at_another_origin_when_both_are_known_and_differ(frontend, backend, crosses):
    assert is_cross_origin(frontend, backend) is crosses
