"""What the importer finds about a folder, and what it would write."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from catalog.legacy import Note
from catalog.legacy.stores import Folder, Store


class Action(StrEnum):
    """What is to be done about a folder."""

    CREATE = "create"
    HEAL = "heal"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"
    QUARANTINE = "quarantine"
    IGNORE = "ignore"


WRITES = frozenset({Action.CREATE, Action.HEAL, Action.UPDATE})
SOURCE_LEARNT = "source"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be the source: where it lies, and its name, size in bytes and time (seconds since 1970)."""

    store: Store | None  # None: a path on this machine
    key: str
    name: str
    size: int
    mtime: float


@dataclass(slots=True)
class SourceClaim:
    """What is known about a recording's source before anything is hashed; `hash` when it is settled."""

    base_name: str
    suffix: str  # first 8 digits of the hash by the folder's name, or nothing
    candidates: list[Candidate] = field(default_factory=list)
    index_hash: str = ""
    tag_keys: list[tuple[Store, str, str]] = field(default_factory=list)  # store, key, tag
    placeholder: str = ""
    known_provenance: str = ""  # of the source that the catalogue has
    # The answer.
    file_hash: str = ""
    provenance: str = ""
    filename: str = ""
    storage_url: str = ""
    size: int | None = None
    duration: float | None = None

    @property
    def promise(self) -> str:
        """What there is to go by, for people."""
        found = [f"{len(self.candidates)} files of that name"] if self.candidates else []
        found += ["the index"] if self.index_hash else []
        return " and ".join(found) or "the object store's notes"


@dataclass(slots=True)
class DraftStem:
    """A stem to be written. What is None is still to be read from the audio itself."""

    name: str
    file: str
    size: int
    id: UUID | None = None  # of its row, when it has one
    replaced: bool = False  # whether that row has another audio file
    lufs: float | None = None
    silent: bool = False
    peak: float | None = None
    gain_db: float | None = None
    duration: float | None = None
    sample_rate: int | None = None
    waveform: str | None = None
    # Whether its audio has to be decoded, and what came of it.
    measure: bool = False
    rms_columns: Any = None
    picture: bytes | None = None

    @property
    def incomplete(self) -> bool:
        """Whether decoding has to tell something."""
        return self.peak is None or (self.lufs is None and not self.silent) or self.waveform is None


@dataclass(slots=True)
class Draft:
    """Everything that is to be written about one recording. None leaves a value as it is."""

    profile: str
    folder: str
    recording_id: UUID | None = None
    version: str = ""  # of that recording's row, as the plan saw it
    display_name: str | None = None
    metadata_json: str | None = None
    created_at: datetime | None = None
    strategy_name: str | None = None
    made_by: dict[str, Any] | None = None
    begins: bool = False  # whether the catalogue had nothing of it, or no stems
    imported: bool = True
    stems: list[DraftStem] = field(default_factory=list)
    remove_stems: list[UUID] = field(default_factory=list)
    # Gains of stems without one follow from the loudness of all stems, these included.
    known_lufs: dict[str, float | None] = field(default_factory=dict)
    source: SourceClaim | None = None
    audio_file_id: UUID | None = None  # of an existing recording
    copies: list[str] = field(default_factory=list)  # files to be copied into storage
    store_of: dict[str, Store] = field(default_factory=dict)
    listing: Folder | None = None  # what the folder has

    def taken_names(self) -> set[str]:
        """Return the names that a new file in the folder must not have."""
        return {*self.listing.files, *self.listing.refused} if self.listing else set()

    @property
    def only_source(self) -> bool:
        """Whether no change is left, but what may be learnt about the source."""
        values = (self.display_name, self.metadata_json, self.created_at, self.strategy_name)
        return not self.stems and not self.remove_stems and all(value is None for value in values)

    def key(self, file: str) -> str:
        """The path of one of its files in the store."""
        return f"{self.profile}/{self.folder}/{file}"


@dataclass(slots=True)
class Item:
    """One folder of the store: what is to be done about it and why. `code` is stable."""

    action: Action
    code: str
    path: str
    reason: str = ""
    notes: list[Note] = field(default_factory=list)
    draft: Draft | None = None

    @property
    def attention(self) -> bool:
        """Whether something about it was not taken over as it was."""
        return self.action is Action.QUARANTINE or any(note.serious for note in self.notes)

    def leave(self) -> None:
        """Turn it into one about which nothing is to be done."""
        self.action, self.code, self.reason, self.draft = Action.UNCHANGED, "unchanged", "", None

    def conflict(self, code: str, reason: str) -> None:
        """Turn it into one that somebody has to see to."""
        self.action, self.code, self.reason, self.draft = Action.CONFLICT, code, reason, None

    def ignore(self, code: str, reason: str) -> None:
        """Turn it into one that is nobody's concern."""
        self.action, self.code, self.reason, self.draft = Action.IGNORE, code, reason, None

    def quarantine(self, code: str, reason: str) -> None:
        """Turn it into one that is left out."""
        self.action, self.code, self.reason, self.draft = Action.QUARANTINE, code, reason, None

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "action": self.action.value,
            "code": self.code,
            "path": self.path.encode("utf-8", "replace").decode(),  # names on disk may be any bytes
            "reason": self.reason,
            "notes": [
                {"code": note.code, "message": note.message, "file": note.file, "serious": note.serious}
                for note in self.notes
            ],
        }


def serious(notes: Iterable[Note]) -> list[Note]:
    """Return the notes that mean that something was left out."""
    return [note for note in notes if note.serious]
