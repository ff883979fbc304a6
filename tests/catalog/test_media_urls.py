"""The addresses of audio and waveforms in answers."""

from urllib.parse import unquote

import pytest

from catalog.media_urls import media_prefix, media_url

WAVEFORM = "band/take/vocals_waveform.png"


@pytest.fixture
def elsewhere(settings):
    """A client whose pages are at another origin."""
    settings.CROSS_ORIGIN_CLIENT = True
    settings.BACKEND_URL = "https://api.band.example"


def test_they_are_paths_where_the_client_is_at_our_origin():
    assert media_prefix() == "/media/"
    assert media_url("band/take/vocals.opus") == "/media/band/take/vocals.opus"
    assert media_url(WAVEFORM, is_waveform=True) == f"/media/{WAVEFORM}"


def test_they_are_whole_where_it_is_not(elsewhere):
    assert media_prefix() == "https://api.band.example/media/"
    assert media_url("band/take/vocals.opus") == "https://api.band.example/media/band/take/vocals.opus"


@pytest.mark.parametrize("name", ["Übung & 100%?#", "夜\nneu", "a b", "+;=:@!$'()*,[x]~\\", '"<>`{}|^', "%41"])
def test_every_name_comes_back_as_it_was(name):
    url = media_url(f"band/{name}/{name}.opus")

    assert unquote(url) == f"/media/band/{name}/{name}.opus"
    assert url.isascii()
    assert url.count("/") == 4
    assert not set(url) & set('?#\n "<>\\^`{|}')


def test_the_same_path_gets_the_same_key_for_ever(elsewhere):
    first = media_url(WAVEFORM, is_waveform=True)

    assert first == media_url(WAVEFORM, is_waveform=True)
    address, _, key = first.partition("?key=")
    assert address.endswith(WAVEFORM)
    assert len(key) == 32


def test_keys_differ_by_path_and_by_secret(elsewhere, settings):
    key = media_url(WAVEFORM, is_waveform=True).partition("?key=")[2]

    assert key not in media_url("band/take/drums_waveform.png", is_waveform=True)
    settings.SECRET_KEY = "another"
    assert key not in media_url(WAVEFORM, is_waveform=True)
