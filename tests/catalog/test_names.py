"""Folder names: readable, safe in a path, the same on every file system."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.names import output_name

HASH = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("stem", "folder"),
    [
        ("Gig_20251019", "Gig_20251019_01234567"),
        ("take 3 (final).v2", "take_3_final_v2_01234567"),
        ("__a---b__", "a---b_01234567"),
        ("日本語 の歌", "日本語_の歌_01234567"),
        ("Ärger", "Ärger_01234567"),
        (unicodedata.normalize("NFD", "Ärger"), "Ärger_01234567"),
        ("🎸🎸", "unnamed_01234567"),
        ("", "unnamed_01234567"),
        ("..", "unnamed_01234567"),
    ],
)
def test_names(stem, folder):
    assert output_name(stem, HASH) == folder


@given(st.text())
def test_any_name_is_safe_in_a_path(stem):
    name = output_name(stem, HASH)
    assert name.endswith("_01234567")
    assert all(character.isalnum() or character in "-_" for character in name)
    assert "__" not in name
    assert len(name.encode()) <= 255
