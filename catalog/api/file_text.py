"""The contract's File as text. Most of it is the same for every recording of a list, so it is written once for many.

A band's recordings nearly all have stems of the same names. The text of a recording with such stems is made from the
dictionaries that say what a File looks like, with holes where the values of each recording go.
"""

import uuid
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import orjson

from catalog.media_urls import media_url

# A stand-in for values, which nobody's name has in it by chance or by guess; and one for the folder's address, a single
# byte, because it is looked for in all that text. JSON escapes such characters, so no name has it either.
_HOLE, _FOLDER, _FOLDER_BYTE = uuid.uuid4().hex, uuid.uuid4().hex, b"\x01"
_NUMBERS = 5
SEPARATOR = "\x1f"  # ASCII's own; a CHECK of the table keeps it out of names
_KEY = "?key="

# The recording's output_name and id; as JSON, its display_name and created_at; the names of its stems (type, audio
# file, waveform file of each, separated by SEPARATOR; None without any) and all their numbers, separated by commas.
Row = tuple[bytes, bytes, bytes, bytes, bytes | None, bytes | None]


def file(key: str, name: str, display_name: str, created_at: str, stems: list[dict[str, Any]]) -> dict[str, Any]:
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


def file_texts(profile_name: str, rows: Iterable[Row]) -> list[bytes]:
    """Return each row's File as JSON."""
    root = media_url(f"{profile_name}/")
    has_keys = _KEY in media_url("", is_waveform=True)
    texts = []
    for output_name, key, display_name, created_at, names, numbers in rows:
        pattern, waveforms = _pattern(names or b"", has_keys)
        values = numbers.split(b",") if numbers else []
        if waveforms:
            folder = f"{profile_name}/{output_name.decode()}"
            values = _with_keys(values, [f"{folder}/{waveform}" for waveform in waveforms])
        name, address = _names(output_name, root)
        text = pattern % (key, name, display_name, created_at, *values)
        texts.append(text.replace(_FOLDER_BYTE, address))
    return texts


@lru_cache(maxsize=16_384)
def _names(output_name: bytes, root: str) -> tuple[bytes, bytes]:
    """Return a recording's name as JSON, and the address of its folder."""
    name = output_name.decode()
    return orjson.dumps(name), f"{root}{quote(name, safe='')}/".encode()


@lru_cache(maxsize=1024)
def _pattern(names: bytes, has_keys: bool) -> tuple[bytes, tuple[str, ...]]:
    """Return the text with %b for every value, and the waveforms if each of their addresses ends in its own key."""
    parts = names.decode().split(SEPARATOR) if names else []
    found = list(zip(parts[::3], parts[1::3], parts[2::3], strict=True))
    key = _KEY + _HOLE if has_keys else ""
    stems = [
        stem(stem_type, _FOLDER + quote(audio), _FOLDER + quote(waveform) + key, [_HOLE] * _NUMBERS)
        for stem_type, audio, waveform in found
    ]
    text = orjson.dumps(file(_HOLE + _HOLE, _HOLE, _HOLE, _HOLE, stems)).decode().replace("%", "%%")
    # The id needs no escaping and keeps its quotes; what else is a whole value brings its own or needs none.
    text = text.replace(_HOLE + _HOLE, "%b").replace(f'"{_HOLE}"', "%b").replace(_HOLE, "%b")
    pattern = text.encode().replace(_FOLDER.encode(), _FOLDER_BYTE)
    return pattern, tuple(waveform for _type, _audio, waveform in found) if has_keys else ()


def _with_keys(values: list[bytes], waveforms: list[str]) -> list[bytes]:
    """Put each waveform's key where it comes in the text of a Stem: behind loudness, peak and gain."""
    keyed = []
    for place, path in enumerate(waveforms):
        of_stem = values[place * _NUMBERS : (place + 1) * _NUMBERS]
        key = media_url(path, is_waveform=True).partition(_KEY)[2].encode()
        keyed += [*of_stem[:3], key, *of_stem[3:]]
    return keyed
