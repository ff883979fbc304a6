"""The contract's File: as a dictionary, and, for lists of thousands, as text that is made once for many recordings.

A band's recordings nearly all have stems of the same names. So the text of a recording with such stems is written once,
from the dictionaries that say what a File looks like, with holes where the values of each recording go.
"""

import uuid
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import orjson

from catalog.media_urls import media_url

# Stand-ins for values and for the folder's address, which nobody's name has in it by chance or by guess.
_HOLE, _FOLDER = uuid.uuid4().hex, uuid.uuid4().hex
_NUMBERS = 5
_KEY = "?key="


def file(key: str, name: str, display_name: str, created_at: Any, stems: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a File."""
    return {
        "id": key,
        "name": name,
        "display_name": display_name,
        "created_at": created_at,
        "status": "complete",  # a recording is in the catalogue when it is complete, and not before
        "stems": stems,
    }


def stem(stem_type: str, audio_url: str, waveform_url: str, numbers: Iterable[Any]) -> dict[str, Any]:
    """Return a Stem; `numbers` are its loudness, peak, gain, size and duration."""
    lufs, peak, gain_db, size, duration = numbers
    return {
        "stem_type": stem_type,
        "measured_lufs": lufs,
        "peak_amplitude": peak,
        "stem_gain_adjustment_db": gain_db,
        "audio_url": audio_url,
        "waveform_url": waveform_url,
        "file_size_bytes": size,
        "duration_seconds": duration,
    }


def file_text(profile_name: str, row: tuple[Any, ...]) -> bytes:
    """Return a File as JSON.

    A row is all bytes: the recording's output_name; then, as JSON, its id, display_name and created_at, the names of
    its stems ([type, audio file, waveform file] of each; None without any) and all their numbers, comma-separated.
    """
    output_name, key, display_name, created_at, names, numbers = row[0].decode(), *row[1:]
    folder = media_url(f"{profile_name}/{output_name}/")
    values = numbers.split(b",") if numbers else []
    pattern, waveforms = _pattern(names or b"[]", _waveforms_have_keys())
    if waveforms:
        values = _with_keys(values, [f"{profile_name}/{output_name}/{waveform}" for waveform in waveforms])
    text: bytes = pattern % (key, orjson.dumps(output_name), display_name, created_at, *values)
    return text.replace(_FOLDER.encode(), folder.encode())


@lru_cache(maxsize=1024)
def _pattern(names: bytes, has_keys: bool) -> tuple[bytes, tuple[str, ...]]:
    """Return the text with %b for every value, and the waveforms if each of their addresses ends in its own key."""
    found: list[list[str]] = orjson.loads(names)
    key = _KEY + _HOLE if has_keys else ""
    stems = [
        stem(stem_type, _FOLDER + quote(audio), _FOLDER + quote(waveform) + key, [_HOLE] * _NUMBERS)
        for stem_type, audio, waveform in found
    ]
    text = orjson.dumps(file(_HOLE, _HOLE, _HOLE, _HOLE, stems)).decode().replace("%", "%%")
    text = text.replace(f'"{_HOLE}"', "%b").replace(_HOLE, "%b")
    return text.encode(), tuple(waveform for _type, _audio, waveform in found) if has_keys else ()


def _waveforms_have_keys() -> bool:
    return _KEY in media_url("", is_waveform=True)


def _with_keys(values: list[bytes], waveforms: list[str]) -> list[bytes]:
    """Put each waveform's key where it comes in the text of a Stem: behind loudness, peak and gain."""
    keyed = []
    for place, path in enumerate(waveforms):
        of_stem = values[place * _NUMBERS : (place + 1) * _NUMBERS]
        key = media_url(path, is_waveform=True).partition(_KEY)[2].encode()
        keyed += [*of_stem[:3], key, *of_stem[3:]]
    return keyed
