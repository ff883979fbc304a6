"""Reading metadata.json of every generation.

| generation | shape |
|---|---|
| V1 | flat, stem → `stem_type, measured_lufs, target_lufs, stem_gain_adjustment_db`; `null` means the analysis failed |
| V2 | flat, stem → `stem_type, measured_lufs` |
| V3 | `{"stems": {stem: {stem_type, measured_lufs, waveform_url}}}`; from here on `null` means silence |
| V4 | + `peak_amplitude, stem_gain_adjustment_db`; `waveform_url` is an API path |
| V5 | as V4, `waveform_url` is a file name |
| V6 | as V4 |
| V7 | + `stem_url`; both URLs are file names |
| V8 | + `display_name` at the top |

Reading goes by the fields that are there, so mixtures and hand-made files are read too.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from catalog.legacy import Note

STEM_FIELDS = frozenset(
    {
        "stem_type",
        "measured_lufs",
        "peak_amplitude",
        "stem_gain_adjustment_db",
        "stem_url",
        "waveform_url",
        "target_lufs",
        "original_lufs",
        "normalization_gain_db",
        "total_gain_db",
    }
)


class StemEntry(NamedTuple):
    """What metadata.json says about one stem. `None` is what it does not say, and has to be measured.

    `silent` tells an unmeasurable loudness from an unknown one.
    """

    name: str
    lufs: float | None
    silent: bool
    peak: float | None
    gain_db: float | None
    audio: str
    waveform: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """A metadata.json that could be read: `text` is the file, character for character."""

    text: str
    generation: str
    document: dict[str, Any]
    stems: dict[str, StemEntry]
    display_name: str
    notes: list[Note] = field(default_factory=list)


class UnreadableMetadata(ValueError):
    """It is no metadata.json of any generation; the message says why."""


def read_metadata(raw: bytes) -> Metadata:
    """Read the bytes of a metadata.json. Raises UnreadableMetadata."""
    text, notes = _decode(raw)
    return parse_metadata(text, notes)


def parse_metadata(text: str, notes: list[Note] | None = None) -> Metadata:
    """Read the text of a metadata.json. Raises UnreadableMetadata."""
    notes = [] if notes is None else notes
    try:
        document = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_Pairs(notes))
    except RecursionError:
        raise UnreadableMetadata("is nested too deeply") from None
    except ValueError as error:
        if not text.strip("\ufeff \t\r\n\0"):
            raise UnreadableMetadata("is empty") from None
        if "set_int_max_str_digits" in str(error):
            raise UnreadableMetadata("has a number with thousands of digits") from None
        raise UnreadableMetadata(f"is not JSON ({error})") from None
    entries, nested = _entries(document)
    stems = {name: _entry(name, entry, nested, notes) for name, entry in entries.items()}
    return Metadata(
        text, _generation(document, entries, nested), document, stems, _display_name(document, notes), notes
    )


class _Pairs:
    """Objects as dicts, noting a key that stands there twice (the last one counts, as for every JSON reader)."""

    def __init__(self, notes: list[Note]) -> None:
        self._notes = notes

    def __call__(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            self._notes.append(Note("duplicate_key", "has a key twice; the last one counts", "metadata.json"))
        return result


def _decode(raw: bytes) -> tuple[str, list[Note]]:
    """Text of a file that may have been saved by any editor."""
    encoding = json.detect_encoding(raw)
    if encoding.startswith(("utf-16", "utf-32")):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            raise UnreadableMetadata("is not text") from None
        return text, [Note("other_encoding", f"was read as {encoding}", "metadata.json")]
    try:
        return raw.decode(), []
    except UnicodeDecodeError:
        pass
    try:
        return raw.decode("cp1252"), [Note("other_encoding", "was read as Windows-1252", "metadata.json")]
    except UnicodeDecodeError:
        return raw.decode("latin-1"), [Note("other_encoding", "was read as Latin-1", "metadata.json")]


def _entries(document: Any) -> tuple[dict[str, dict[str, Any]], bool]:
    """The stems as name → fields, and whether they are nested below `stems`."""
    if not isinstance(document, dict):
        raise UnreadableMetadata("is JSON, but not an object")
    stems = document.get("stems")
    if isinstance(stems, list):
        stems = {
            str(stem["stem_type"]): stem
            for stem in stems
            if isinstance(stem, dict) and stem.get("stem_type") is not None
        }
    if isinstance(stems, dict) and not _looks_like_a_stem(stems):
        # A stem of which nothing is said is one all the same.
        return {name: entry if isinstance(entry, dict) else {} for name, entry in stems.items()}, True
    flat = {name: entry for name, entry in document.items() if isinstance(entry, dict) and _looks_like_a_stem(entry)}
    if not flat:
        raise UnreadableMetadata("is JSON, but describes no stems")
    return flat, False


def _looks_like_a_stem(entry: Mapping[str, Any]) -> bool:
    return any(name in entry and not isinstance(entry[name], dict) for name in STEM_FIELDS)


def _entry(name: str, entry: dict[str, Any], nested: bool, notes: list[Note]) -> StemEntry:
    lufs, silent = _loudness(entry, nested)
    peak = _number(entry.get("peak_amplitude"))
    return StemEntry(
        name=name,
        lufs=lufs,
        silent=silent,
        peak=peak if peak is not None and peak >= 0 else None,
        gain_db=_number(entry.get("stem_gain_adjustment_db")),
        audio=_text(entry.get("stem_url")),
        waveform=_text(entry.get("waveform_url")),
    )


def _loudness(entry: dict[str, Any], nested: bool) -> tuple[float | None, bool]:
    """Loudness, and whether the stem is silent. Minus infinity was written for silence, as a number or as text."""
    if "measured_lufs" not in entry:
        return None, False
    value = entry["measured_lufs"]
    if value is None:
        return None, nested
    number = _float(value)
    return _number(value), number == -math.inf


def _float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _number(value: Any) -> float | None:
    """A finite number, however it was written; None for everything else."""
    number = _float(value)
    return number if number is not None and math.isfinite(number) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _display_name(document: dict[str, Any], notes: list[Note]) -> str:
    value = document.get("display_name")
    if value is not None and not isinstance(value, str):
        notes.append(
            Note("display_name_not_text", f"display_name is {value!r:.40}, not text; not used", "metadata.json")
        )
        return ""
    return storable_name(value or "")


def storable_name(text: str) -> str:
    """Return a display name as the catalogue keeps it: only blanks mean none, what no database can hold is replaced."""
    if not text.strip():
        return ""
    return text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _generation(document: dict[str, Any], entries: dict[str, dict[str, Any]], nested: bool) -> str:
    """Name the generation, for reports only."""
    fields = {name for entry in entries.values() for name in entry}
    if not nested:
        return "V1" if fields & {"target_lufs", "stem_gain_adjustment_db"} else "V2"
    if "display_name" in document:
        return "V8"
    if "stem_url" in fields or not entries:
        return "V7"
    if "peak_amplitude" not in fields:
        return "V3"
    waveforms = [_text(entry.get("waveform_url")) for entry in entries.values()]
    return "V4–V6" if any("/" in waveform for waveform in waveforms) else "V5"
