"""What the catalogue has of some folders: plain rows, two queries however many."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from catalog.models import AudioFile


class StemRow(NamedTuple):
    """A stem's row, with its source."""

    id: UUID
    stem_type: str
    lufs: float | None
    peak: float
    gain_db: float
    audio_url: str
    waveform_url: str
    size: int
    duration: float


@dataclass(slots=True)
class RecordingRow:
    """A recording's row with its stems and source."""

    id: UUID
    display_name: str
    metadata_json: str
    imported: bool
    version: str  # another one whenever the row is written
    stems: dict[str, StemRow] = field(default_factory=dict)
    audio_file_id: UUID | None = None
    provenance: str = ""

    @property
    def made_here(self) -> bool:
        """Whether this version made it, so that the catalogue knows better than the store."""
        return not self.imported and bool(self.stems)


def recordings_of(profile_id: UUID | None, names: Iterable[str]) -> dict[str, RecordingRow]:
    """Return the recordings of these folders, by name."""
    if profile_id is None:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_RECORDINGS, [profile_id, list(names)])
        recordings = {row[1]: RecordingRow(row[0], *row[2:]) for row in cursor.fetchall()}
        by_id = {recording.id: recording for recording in recordings.values()}
        if by_id:
            cursor.execute(_STEMS, [list(by_id)])
            for recording_id, audio_file_id, provenance, *stem in cursor.fetchall():
                recording = by_id[recording_id]
                recording.audio_file_id, recording.provenance = audio_file_id, provenance
                recording.stems[stem[1]] = StemRow(*stem)
    return recordings


# Written out, because every run asks this of every recording: the ORM takes twice as long for the same rows.
_RECORDINGS = """
SELECT id, output_name, display_name, metadata_json, imported_at IS NOT NULL, xmin::text
FROM recordings WHERE profile_id = %s AND output_name = ANY(%s)
"""
_STEMS = """
SELECT s.recording_id, s.audio_file_id, a.hash_provenance, s.id, s.stem_type, s.measured_lufs, s.peak_amplitude,
       s.stem_gain_adjustment_db, s.audio_url, s.waveform_url, s.file_size_bytes, s.duration_seconds
FROM stems s JOIN audio_files a ON a.id = s.audio_file_id WHERE s.recording_id = ANY(%s)
"""

PLACEHOLDER = AudioFile.HashProvenance.PLACEHOLDER.value
CONTENT = AudioFile.HashProvenance.CONTENT.value
INDEX = AudioFile.HashProvenance.INDEX.value
OBJECT_METADATA = AudioFile.HashProvenance.OBJECT_METADATA.value
# Better ones first.
TRUST = (CONTENT, INDEX, OBJECT_METADATA, PLACEHOLDER)
