"""What the catalogue has, as plain rows: all of it at one moment, or one recording now.

A snapshot is a REPEATABLE READ transaction of a connection of its own. Recordings come in batches from a cursor on the
server: two statements for each batch, and memory for one, however many there are.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, connections

from catalog.legacy import INDEX, METADATA
from catalog.legacy.rendering import StemState

BATCH = 250


@dataclass(frozen=True, slots=True)
class SourceState:
    """The source of a recording."""

    filename: str
    file_hash: str
    hash_provenance: str
    storage_url: str
    file_size_bytes: int
    duration_seconds: float


@dataclass(slots=True)
class RecordingState:
    """A recording with its stems. `version` changes whenever its row does."""

    id: UUID
    version: str
    profile: str
    output_name: str
    display_name: str
    metadata_json: str
    made_here: bool
    created_at: datetime
    strategy_name: str
    made_by: dict[str, Any]
    stems: list[StemState] = field(default_factory=list)
    source: SourceState | None = None

    @property
    def key(self) -> str:
        """The path of its metadata.json in a store."""
        return f"{self.profile}/{self.output_name}/{METADATA}"


@dataclass(frozen=True, slots=True)
class ProfileState:
    """A profile, and its index as the store had it last."""

    id: UUID
    name: str
    index_json: str

    @property
    def key(self) -> str:
        """The path of its index in a store."""
        return f"{self.name}/{INDEX}"


_RECORDINGS = """
    SELECT r.id, r.xmin::text, p.name, r.output_name, r.display_name, r.metadata_json, r.imported_at IS NULL,
           r.created_at, r.strategy_name, r.made_by
    FROM recordings r JOIN profiles p ON p.id = r.profile_id
"""
# In the order in which object stores list their keys.
_IN_ORDER = "WHERE r.profile_id = %s ORDER BY (r.output_name || '/') COLLATE \"C\""
_STEMS = """
    SELECT s.recording_id, s.stem_type, s.measured_lufs, s.peak_amplitude, s.stem_gain_adjustment_db, s.audio_url,
           s.waveform_url, a.filename, a.file_hash, a.hash_provenance, a.storage_url, a.file_size_bytes,
           a.duration_seconds
    FROM stems s JOIN audio_files a ON a.id = s.audio_file_id
    WHERE s.recording_id = ANY(%s) ORDER BY s.stem_type COLLATE "C"
"""
# Recordings from a store are in its index or not, as it was: that a hash is missing there proves nothing.
_NEW_HASHES = """
    SELECT a.file_hash, r.output_name
    FROM recordings r JOIN stems s ON s.recording_id = r.id JOIN audio_files a ON a.id = s.audio_file_id
    WHERE r.profile_id = %s AND r.imported_at IS NULL AND a.hash_provenance <> 'placeholder'
    GROUP BY a.file_hash, r.output_name, r.created_at, r.id ORDER BY r.created_at, r.id, a.file_hash
"""


class Snapshot:
    """The catalogue at one moment."""

    def __init__(self, wrapper: Any) -> None:
        self._wrapper = wrapper

    def profiles(self) -> list[ProfileState]:
        """Return all of them, by name."""
        return [
            ProfileState(*row)
            for row in _rows(self._wrapper, 'SELECT id, name, index_json FROM profiles ORDER BY name COLLATE "C"')
        ]

    def count(self, profiles: list[ProfileState]) -> int:
        """Return how many recordings these profiles have."""
        ids = [profile.id for profile in profiles]
        ((count,),) = _rows(self._wrapper, "SELECT count(*) FROM recordings WHERE profile_id = ANY(%s)", [ids])
        return int(count)

    def batches(self, profile: ProfileState) -> Iterator[list[RecordingState]]:
        """Yield a profile's recordings, ordered by catalog.legacy.stores.sort_key of their folders."""
        with self._wrapper.connection.cursor(name="export") as cursor:
            cursor.execute(_RECORDINGS + _IN_ORDER, [profile.id])
            while rows := cursor.fetchmany(BATCH):
                yield _states(self._wrapper, rows)

    def new_hashes(self, profile: ProfileState) -> list[tuple[str, str]]:
        """Return SHA-256 and folder of what was made here, oldest first."""
        return [(file_hash, folder) for file_hash, folder in _rows(self._wrapper, _NEW_HASHES, [profile.id])]


@contextlib.contextmanager
def snapshot() -> Iterator[Snapshot]:
    """Open a snapshot; what others commit from now on is not in it."""
    wrapper = connections.create_connection("default")
    try:
        with wrapper.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield Snapshot(wrapper)
    finally:
        wrapper.close()


def current(recording_id: UUID) -> RecordingState | None:
    """Return one recording as it is now."""
    states = _states(connection, _rows(connection, _RECORDINGS + "WHERE r.id = %s", [recording_id]))
    return states[0] if states else None


def _states(wrapper: Any, rows: list[tuple[Any, ...]]) -> list[RecordingState]:
    states = [RecordingState(*row) for row in rows]
    by_id = {state.id: state for state in states}
    for state in states:
        if isinstance(state.made_by, str):  # Django leaves JSON to its own fields
            state.made_by = json.loads(state.made_by)
    for recording_id, name, lufs, peak, gain, audio, waveform, *source in _rows(wrapper, _STEMS, [list(by_id)]):
        state = by_id[recording_id]
        folder = f"{state.profile}/{state.output_name}/"
        files = audio.removeprefix(folder), waveform.removeprefix(folder)
        state.stems.append(StemState(name, lufs, peak, gain, *files))
        state.source = state.source or SourceState(*source)
    return states


def _rows(wrapper: Any, statement: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with wrapper.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
