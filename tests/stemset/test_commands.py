"""What goes to a terminal cannot steer it."""

import pytest

from stemset.commands import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Übung 日本 🎸.wav", "Übung 日本 🎸.wav"),
        ("\x1b[31mred\x1b]0;pwn\x07.wav", r"\x1b[31mred\x1b]0;pwn\x07.wav"),
        ("take.wav\ncreated  other.wav", r"take.wav\ncreated  other.wav"),
        ("right\u202eto left", r"right\u202eto left"),
    ],
)
def test_printable(text, shown):
    assert printable(text) == shown
