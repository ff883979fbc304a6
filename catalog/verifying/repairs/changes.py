"""What is to be written about one recording, and writing it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from catalog import sidecars
from catalog.locks import lock_list
from catalog.models import Recording, Stem
from catalog.verifying.repairs.recording import Patient


class Status(StrEnum):
    """What became of one subject."""

    REPAIRED = "repaired"
    WOULD_REPAIR = "would_repair"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Result:
    """What was done about one finding, or why nothing was."""

    code: str
    subject: str
    status: Status
    detail: str

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


@dataclass(slots=True)
class Change:
    """What a repair would write. Making it only reads.

    told, refused  subject and words, for the results
    """

    updates: dict[UUID, dict[str, Any]] = field(default_factory=dict)  # columns of stems, by id
    new_stems: list[Stem] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)  # by key
    told: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def update(self, stem: Stem, **columns: Any) -> list[str]:
        """Take note of columns that differ from the row, and return them in words."""
        new = {name: value for name, value in columns.items() if getattr(stem, name) != value}
        if new:
            self.updates.setdefault(stem.id, {}).update(new)
        return [f"{name} {_shown(getattr(stem, name))} → {_shown(value)}" for name, value in new.items()]

    def results(self, code: str, status: Status) -> list[Result]:
        """Put it into results."""
        return [Result(code, subject, status, words) for subject, words in self.told] + [
            Result(code, subject, Status.REFUSED, words) for subject, words in self.refused
        ]


class ChangedMeanwhile(Exception):
    """Somebody else changed the recording; a second look will see how it is now."""


def apply(change: Change, patient: Patient) -> None:
    """Write a change: files first, then rows, all or nothing. Raises ChangedMeanwhile or OSError."""
    if not (change.updates or change.new_stems or change.files):
        return
    saved: list[str] = []
    try:
        with transaction.atomic():
            lock_list(patient.recording.profile_id)
            recording = Recording.objects.select_for_update().get(pk=patient.recording.pk)
            stems = {stem.id: stem for stem in recording.stems.all()}
            _require_unchanged(patient, stems.values())
            for key, content in change.files.items():
                _save(key, content, saved)
            _write_rows(change, recording, stems)
    except BaseException:
        for key in saved:
            default_storage.delete(key)
        raise


def _require_unchanged(patient: Patient, stems: Iterable[Stem]) -> None:
    if _rows(stems) != _rows(patient.stems):
        raise ChangedMeanwhile(f"{patient.path} was changed by somebody else; run again.")


def _rows(stems: Iterable[Stem]) -> set[tuple[Any, ...]]:
    return {(stem.id, stem.audio_url, stem.waveform_url, stem.file_size_bytes, stem.file_sha256) for stem in stems}


def _save(key: str, content: bytes, saved: list[str]) -> None:
    try:
        if default_storage.size(key) > 0:
            raise ChangedMeanwhile(f"{key} was written by somebody else; run again.")
    except FileNotFoundError:
        saved.append(key)  # what was there empty is not worth taking back
    default_storage.save(key, ContentFile(content))


def _write_rows(change: Change, recording: Recording, stems: dict[UUID, Stem]) -> None:
    if not (change.updates or change.new_stems):
        return
    for key, columns in change.updates.items():
        for name, value in columns.items():
            setattr(stems[key], name, value)
        stems[key].save(update_fields=list(columns))
    Stem.objects.bulk_create(change.new_stems)
    recording.save(update_fields=["updated_at"])
    sidecars.follow(recording.pk)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1 else f"{value:.2f}"
    text = "nothing" if value in (None, "") else str(value)
    return text if len(text) <= 16 else f"{text[:12]}…"
