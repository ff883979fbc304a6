"""Writing metadata.json (V8) and .processed_hashes.json, so that the older version reads them again.

What is written starts from what was read: unknown keys, the order of keys, stems whose files are gone and numbers that
say the same are given back as they were. A document that says nothing new is given back character for character.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from catalog.legacy.metadata import Metadata, StemEntry, UnreadableMetadata, parse_metadata, storable_name
from catalog.legacy.paths import find, spellings

# Decimals that the older version wrote.
DIGITS = {"measured_lufs": 2, "peak_amplitude": 4, "stem_gain_adjustment_db": 2}
STEM_KEYS = {"stem_type", *DIGITS, "stem_url", "waveform_url"}
# Where a recording made by this version keeps what the older one had no place for.
RESTORE_KEY = "stemset"


@dataclass(frozen=True, slots=True)
class StemState:
    """A stem as the catalogue has it; `audio` and `waveform` are the names of its files in the folder."""

    stem_type: str
    measured_lufs: float | None
    peak_amplitude: float
    stem_gain_adjustment_db: float
    audio: str
    waveform: str


def same(field: str, one: float | None, other: float | None) -> bool:
    """Return whether two measurements are the same at the precision of the store. None is silence."""
    if one is None or other is None:
        return one is other
    return abs(one - other) <= 0.5000001 * 10.0 ** -DIGITS[field]


def render_metadata(
    base_text: str,
    display_name: str,
    stems: Iterable[StemState],
    extra: Mapping[str, Any] | None = None,
    *,
    complete: bool = False,
) -> str:
    """Return the text of a recording's metadata.json.

    base_text  the one that it had last, or nothing
    extra      keys to add at the top level, after all others
    complete   whether these stems are all there are; others that the base lists are then left out
    """
    base = _parse(base_text)
    document = _frame(base)
    entries: dict[str, Any] = document["stems"]
    said = base.stems if base else {}
    written = {stem.stem_type: _entry(entries.get(stem.stem_type), said.get(stem.stem_type), stem) for stem in stems}
    entries.update(written)
    if complete:
        document["stems"] = {name: entry for name, entry in entries.items() if name in written}
    stated = document.get("display_name")
    # An absent name means the folder's name, as an empty one does.
    if base is None or storable_name(stated if isinstance(stated, str) else "") != display_name:
        document["display_name"] = display_name
    document.update(extra or {})
    if base is not None and document == base.document:
        return base.text
    return to_json(document)


def extras(metadata: Metadata) -> dict[str, Any]:
    """Return what a metadata.json of any generation says beyond what the catalogue has columns for."""
    document = _frame(metadata)
    known = {"stems", "display_name", RESTORE_KEY}
    result: dict[str, Any] = {name: value for name, value in document.items() if name not in known}
    for name, entry in document["stems"].items():
        unknown = (
            {key: value for key, value in entry.items() if key not in STEM_KEYS} if isinstance(entry, dict) else entry
        )
        if unknown:
            result[f"stems.{name}"] = unknown
    return result


def render_index(base_text: str, hashes: Iterable[tuple[str, str]]) -> str:
    """Return the text of a profile's .processed_hashes.json: what it had, then what came to it.

    hashes  (SHA-256, folder) of recordings to be found in it
    """
    base = _parse_index(base_text) or {}
    new = {digest: folder for digest, folder in hashes if digest not in base}
    return to_json({**base, **new}) if new or not base_text else base_text


def read_index(text: str) -> dict[str, str] | None:
    """Return the entries of a .processed_hashes.json, or None when it cannot be read (it may be cut off)."""
    index = _parse_index(text)
    if index is None:
        return None
    return {digest: folder for digest, folder in index.items() if isinstance(folder, str)}


def to_json(document: Mapping[str, Any]) -> str:
    """Return JSON as the older version wrote it."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, from an escape
        return json.dumps(document, indent=2)
    return text


def _parse(text: str) -> Metadata | None:
    try:
        return parse_metadata(text) if text else None
    except UnreadableMetadata:
        return None


def _parse_index(text: str) -> dict[str, Any] | None:
    try:
        index = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None
    return index if isinstance(index, dict) else None


def _frame(base: Metadata | None) -> dict[str, Any]:
    """The document to fill in: the base itself, or for flat generations its stems one level deeper."""
    if base is None:
        return {"stems": {}}
    stems = base.document.get("stems")
    if isinstance(stems, dict) and base.generation not in {"V1", "V2"}:
        return {**base.document, "stems": dict(stems)}
    if isinstance(stems, list):
        by_name = {str(stem["stem_type"]): stem for stem in stems if isinstance(stem, dict) and "stem_type" in stem}
        return {**base.document, "stems": by_name}
    stems = {name: base.document[name] for name in base.stems}
    others = {name: value for name, value in base.document.items() if name not in stems and name != "stems"}
    return {"stems": stems, **others}


def _entry(base: Any, said: StemEntry | None, stem: StemState) -> dict[str, Any]:
    """The base's entry with what the catalogue knows otherwise; `said` is how the base is read."""
    entry: dict[str, Any] = dict(base) if isinstance(base, dict) else {}
    entry.setdefault("stem_type", stem.stem_type)
    for name, digits in DIGITS.items():
        value = getattr(stem, name)
        if said is None or not _says(said, name, value) or _is_infinite(entry.get(name)):
            entry[name] = None if value is None else round(value, digits) + 0.0  # never -0.0
    for name, file in (("stem_url", stem.audio), ("waveform_url", stem.waveform)):
        if not _means(entry.get(name), file):
            entry[name] = file
    return entry


def _is_infinite(value: Any) -> bool:
    """Return whether a number is one that strict readers of JSON refuse; the last generations wrote null instead."""
    return isinstance(value, float) and not math.isfinite(value)


def _says(said: StemEntry, field: str, value: float | None) -> bool:
    """Return whether a measurement, however it was written, is this value."""
    if value is None:
        return said.silent
    stated = {"measured_lufs": said.lufs, "peak_amplitude": said.peak, "stem_gain_adjustment_db": said.gain_db}[field]
    return stated is not None and same(field, stated, value)


def _means(url: Any, file: str) -> bool:
    """Return whether a URL means this file of the folder."""
    return isinstance(url, str) and (url == file or find(spellings(url), [file]) is not None)
