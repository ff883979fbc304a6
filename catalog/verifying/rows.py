"""What the catalogue has, read beside the storage's folders: three statements for each batch, however many rows."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from django.db import connection

from catalog.legacy.stores import sort_key
from catalog.models import Stem

BATCH = 250


@dataclass(frozen=True, slots=True)
class StemRow:
    """A stem's row."""

    stem_type: str
    audio_url: str
    waveform_url: str
    peaks_url: str
    size: int
    duration: float
    sha256: str


@dataclass(slots=True)
class RecordingRow:
    """A recording's row with its stems and what is known of its source."""

    id: UUID
    name: str
    stems: list[StemRow] = field(default_factory=list)
    provenance: str = ""


# In the order in which stores list their folders.
_PAGE = """
    SELECT id, output_name FROM recordings
    WHERE profile_id = %s AND (output_name || '/') COLLATE "C" > %s
      AND (%s::text IS NULL OR (output_name || '/') COLLATE "C" <= %s)
    ORDER BY (output_name || '/') COLLATE "C" LIMIT %s
"""
_COLUMNS = (
    "recording_id",
    "audio_file__hash_provenance",
    "stem_type",
    "audio_url",
    "waveform_url",
    "peaks_url",
    "file_size_bytes",
    "duration_seconds",
    "file_sha256",
)


def page(profile_id: UUID, after: str, up_to: str | None) -> list[RecordingRow]:
    """Return the next recordings whose `sort_key` is greater than `after` and at most `up_to`, BATCH at most."""
    with connection.cursor() as cursor:
        cursor.execute(_PAGE, [profile_id, after, up_to, up_to, BATCH])
        rows = {key: RecordingRow(key, name) for key, name in cursor.fetchall()}
    stems = Stem.objects.filter(recording__in=list(rows)).order_by("stem_type").values_list(*_COLUMNS) if rows else []
    for recording_id, provenance, *stem in stems:
        rows[recording_id].provenance = provenance
        rows[recording_id].stems.append(StemRow(*stem))
    return list(rows.values())


def beside[Listed](
    profile_id: UUID | None, batches: Iterator[list[tuple[str, Listed]]]
) -> Iterator[list[tuple[Listed | None, RecordingRow | None]]]:
    """Yield folders with their rows, folders without one and rows without a folder.

    batches  (name, folder), ordered by `sort_key` of the names, as stores list them
    """
    after = ""
    for batch in batches:
        listed = list(batch)
        orderable = [sort_key(name) for name, _folder in listed if _is_text(name)]
        while listed:
            rows = page(profile_id, after, orderable[-1]) if profile_id and orderable else []
            full = len(rows) == BATCH
            if rows and full:
                after = sort_key(rows[-1].name)
            elif orderable:
                after = orderable[-1]
            # The rest of the folders waits for the rows of the next page.
            now = [pair for pair in listed if not full or not _is_text(pair[0]) or sort_key(pair[0]) <= after]
            listed = [pair for pair in listed if full and _is_text(pair[0]) and sort_key(pair[0]) > after]
            yield _joined(now, rows)
    while profile_id and (rows := page(profile_id, after, None)):
        after = sort_key(rows[-1].name)
        yield _joined([], rows)


def _joined[Listed](
    listed: list[tuple[str, Listed]], rows: list[RecordingRow]
) -> list[tuple[Listed | None, RecordingRow | None]]:
    by_name = {row.name: row for row in rows}
    pairs: list[tuple[Listed | None, RecordingRow | None]] = [
        (folder, by_name.pop(name, None)) for name, folder in listed
    ]
    return [*pairs, *((None, row) for row in by_name.values())]


def _is_text(name: str) -> bool:
    """Whether a database can be asked about a name; folders of others have no row."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in name
