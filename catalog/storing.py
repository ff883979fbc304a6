"""The mark in a recording's folder while its files are being stored and no row names them yet.

An importer leaves such a folder alone, and whoever clears up knows which files are ours. The mark is older than every
file and younger than the rows: it goes when the rows are committed, or last of all when the files are taken back.
"""

import json
from dataclasses import asdict, dataclass

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import Q, QuerySet

from catalog.legacy import BEING_MADE, PEAKS_SUFFIX, WAVEFORM_SUFFIX
from catalog.legacy.paths import is_plain, stem_of_file
from catalog.models import Stem


@dataclass(frozen=True, slots=True)
class Mark:
    """The source's SHA-256, by which the recording is locked while it is made, and the names of the files to come."""

    file_hash: str
    files: list[str]


def mark_key(folder: str) -> str:
    """Return the key of a folder's mark."""
    return f"{folder}/{BEING_MADE}"


def put_mark(folder: str, mark: Mark) -> None:
    """Mark a folder, `<profile>/<output_name>`, before its first file is stored."""
    default_storage.save(mark_key(folder), ContentFile(json.dumps(asdict(mark)).encode()))


def read_mark(folder: str) -> Mark | None:
    """Return a folder's mark, or None for one that is not of our making.

    Raises FileNotFoundError when there is none.
    """
    with default_storage.open(mark_key(folder)) as stream:
        text = stream.read()
    try:
        content = json.loads(text)
        mark = Mark(content["file_hash"], content["files"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    names = mark.files if isinstance(mark.files, list) else [None]
    return mark if all(map(_is_ours, names)) and isinstance(mark.file_hash, str) else None


def _is_ours(name: object) -> bool:
    """Whether process may have called a file so."""
    if not isinstance(name, str) or not is_plain(name):
        return False
    return stem_of_file(name.removesuffix(PEAKS_SUFFIX)) is not None or name.endswith(WAVEFORM_SUFFIX)


def clear_marked(folder: str, file_hash: str) -> list[str]:
    """Delete what a killed process stored into a marked folder, then the mark; return the names of what was there.

    Only files that the mark names and no row does. The caller holds the recording's lock, so nobody is storing; a mark
    of another source, or of somebody else's making, is left alone.
    """
    try:
        mark = read_mark(folder)
    except FileNotFoundError:
        return []
    if mark is None or mark.file_hash != file_hash:
        return []
    named = named_keys([f"{folder}/{file}" for file in mark.files])
    removed = []
    for file in mark.files:
        key = f"{folder}/{file}"
        if key not in named and default_storage.exists(key):
            default_storage.delete(key)
            removed.append(file)
    default_storage.delete(mark_key(folder))
    return [*removed, BEING_MADE]


def named_keys(keys: list[str]) -> set[str]:
    """Return those of these files that a row names."""
    asked = set(keys) - {""}
    stems = Stem.objects.filter(Q(audio_url__in=asked) | Q(waveform_url__in=asked) | Q(peaks_url__in=asked))
    return files_of(stems) & asked


def files_of(stems: QuerySet[Stem]) -> set[str]:
    """Return the keys of all files that these stems' rows name."""
    rows = stems.order_by().values_list("audio_url", "waveform_url", "peaks_url")
    return {key for row in rows for key in row if key}
