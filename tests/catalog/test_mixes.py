"""What is kept of a mix: any document of the player's, as long as the database can hold it."""

import pytest

from catalog.models import Mix
from tests.factories import make_recording


@pytest.mark.parametrize("text", ["\\u0000", "C:\\u0000\\", "\\\\\\u0000", "€ 夜 \\"])
def test_the_text_of_an_escape_is_a_text(client, bob, demo_band, text):
    """Backslashes before `u0000` make a NUL of it only if they are an odd number in JSON."""
    path = f"/api/recordings/{make_recording(demo_band).pk}/config"
    client.force_login(bob)

    answer = client.patch(path, {"key": "stems", "value": {"preset": text}}, content_type="application/json")

    assert (answer.status_code, answer.json()["stems"]) == (200, {"preset": text})
    assert client.get(path).json()["stems"] == {"preset": text}


@pytest.mark.parametrize("value", [{"a": "\0"}, {"a\0": 1}, {"a": ["\\\0"]}, {"a": {"b": "x\\\\\0"}}])
def test_a_nul_is_refused_in_words(client, bob, demo_band, value):
    path = f"/api/recordings/{make_recording(demo_band).pk}/config"
    client.force_login(bob)

    answer = client.patch(path, {"key": "stems", "value": value}, content_type="application/json")

    assert answer.status_code == 400
    assert "NUL" in answer.json()["detail"]
    assert not Mix.objects.exists()
