"""What a file in storage says and the catalogue has not been told: nobody writes over that unasked.

The older version, and people with an editor, change files in storage while the catalogue is in use. What the catalogue
knew of a file last is the base. A file may be written over if everything it says stands in the base or in what is about
to be written, in whatever formatting and spelling.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from catalog.exporting.targets import Refused
from catalog.legacy.metadata import Metadata, StemEntry, UnreadableMetadata, parse_metadata, read_metadata
from catalog.legacy.paths import folded, last_part
from catalog.legacy.rendering import DIGITS, RESTORE_KEY, extras, read_index

STORE_CHANGED = "store_changed"
# Of many differences, so many are named.
NAMED = 3
# What an empty or wiped file consists of.
_BLANKS = b" \t\r\n\0\xef\xbb\xbf"


def pending_metadata(there: bytes, base: str, text: str, *, made_here: bool) -> Refused | None:
    """Return why a metadata.json must not be written over, if so.

    there      the file in storage
    base       what the catalogue knew of it last, or nothing
    text       what is to be written
    made_here  whether this version made the recording
    """
    if there in {base.encode(), text.encode()} or _says_nothing(there):
        return None
    try:
        found = read_metadata(there)
        said = _said(found)
    except (UnreadableMetadata, RecursionError) as error:
        return _damaged(str(error))
    if made_here and not base and RESTORE_KEY in found.document:
        return None  # ours; whoever wrote it was killed before that could be noted
    return _changed(said, _said_by(base), _said_by(text))


def pending_index(there: bytes, base: str, text: str) -> Refused | None:
    """Return why a .processed_hashes.json must not be written over, if so."""
    if there == text.encode() or _says_nothing(there):
        return None
    said = read_index(there.decode(errors="replace"))
    if said is None:
        return _damaged("is not JSON")
    return _changed(said, read_index(base) or {}, read_index(text) or {})


def _changed(there: Mapping[str, Any], base: Mapping[str, Any], new: Mapping[str, Any]) -> Refused | None:
    """Compare three ways. What is no longer there has been taken out, and that is a change too."""
    names = [name for name in {**there, **base, **new} if there.get(name) not in (base.get(name), new.get(name))]
    if not names:
        return None
    named = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
    return Refused(
        STORE_CHANGED,
        f"was changed in storage since the last import ({named}) and is left alone: run import_metadata, which merges "
        "both, then export_metadata --to storage; with --overwrite it is written over all the same",
    )


def _damaged(why: str) -> Refused:
    return Refused(
        STORE_CHANGED,
        f"is damaged in storage ({why}) and is left alone, since names may still be recovered from it: mend it and run "
        "import_metadata, or export_metadata --to storage --overwrite",
    )


def _says_nothing(there: bytes) -> bool:
    return there.strip(_BLANKS) in {b"", b"{}"}


def _said_by(text: str) -> dict[str, Any]:
    try:
        return _said(parse_metadata(text)) if text else {}
    except (UnreadableMetadata, RecursionError):
        return {}


def _said(metadata: Metadata) -> dict[str, Any]:
    """Return what a metadata.json of any generation says, by names for people; equal values mean the same."""
    said: dict[str, Any] = {"display_name": metadata.display_name}
    for name, entry in metadata.stems.items():
        said[f"stem {name}"] = True
        said |= {f"{field} of {name}": value for field, value in _said_of(entry).items()}
    others = {**extras(metadata), RESTORE_KEY: metadata.document.get(RESTORE_KEY)}
    # As text: NaN is not equal to itself.
    return said | {f"key {name}": json.dumps(value, sort_keys=True) for name, value in others.items()}


def _said_of(entry: StemEntry) -> dict[str, Any]:
    return {
        "measured_lufs": "silence" if entry.silent else _rounded("measured_lufs", entry.lufs),
        "peak_amplitude": _rounded("peak_amplitude", entry.peak),
        "stem_gain_adjustment_db": _rounded("stem_gain_adjustment_db", entry.gain_db),
        "stem_url": _file(entry.audio),
        "waveform_url": _file(entry.waveform),
    }


def _rounded(field: str, value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS[field])


def _file(url: str) -> str | None:
    """Return the file that a URL means, as far as the URL alone tells."""
    return folded(unquote(last_part(url))) or None
