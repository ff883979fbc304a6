"""Writing what the plan says: files first, then rows. Some hundred recordings are a transaction, each whole or absent.

If the database refuses one of them, each gets a transaction of its own, so that one bad recording stops no other.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db import DataError, IntegrityError, connection, transaction

from catalog.importing.copying import copy_rows
from catalog.importing.items import WRITES, Draft, DraftStem, Item, SourceClaim
from catalog.importing.state import TRUST
from catalog.locks import lock_list
from catalog.models import AudioFile, Profile, Recording, Stem
from catalog.storage import STORAGE_ERRORS

# ValueError: characters that no text column can hold.
_REFUSALS = (IntegrityError, DataError, ValueError)
# The constraint that tells of it.
_MADE_MEANWHILE = "recordings_profile_output_name_unique"


@dataclass(frozen=True, slots=True)
class _Ready:
    """An item whose files are all in storage."""

    item: Item
    draft: Draft


def write(batch: Iterable[Item], profile: Profile) -> None:
    """Write what a batch of items of one profile says. Items that fail become quarantined ones."""
    ready = [
        _Ready(item, item.draft)
        for item in batch
        if item.action in WRITES and item.draft is not None and _store_files(item, item.draft)
    ]
    if not ready:
        return
    try:
        with transaction.atomic():
            _write_rows(ready, profile)
    except _REFUSALS:
        for one in ready:
            try:
                with transaction.atomic():
                    _write_rows([one], profile)
            except _REFUSALS as error:
                _refused(one.item, error)


def _refused(item: Item, error: Exception) -> None:
    if _MADE_MEANWHILE in str(error):
        item.conflict("changed_meanwhile", "was catalogued by another process while the import ran; import again")
    else:
        item.quarantine("refused_by_database", f"the database refused it: {str(error).partition(chr(10))[0]}")


def _store_files(item: Item, draft: Draft) -> bool:
    """Bring files into storage that it lacks; nothing that is there is written over."""
    try:
        for file in dict.fromkeys(draft.copies):
            with draft.store_of[file].local_copy(draft.key(file)) as path, path.open("rb") as stream:
                default_storage.save(draft.key(file), File(stream))
        for stem in draft.stems:
            if stem.picture is not None and stem.waveform is not None:
                default_storage.save(draft.key(stem.waveform), ContentFile(stem.picture))
    except STORAGE_ERRORS as error:
        message = (
            f"its files could not be stored ({error}); make storage writable or free space there, then import again"
        )
        item.quarantine("storage_failed", message)
        return False
    return True


def _write_rows(ready: list[_Ready], profile: Profile) -> None:
    lock_list(profile.pk)
    ready = _still_as_planned(ready)
    now = datetime.now(UTC)
    audio_files = _audio_files([one for one in ready if one.draft.source], profile, now)
    new = {one.draft.folder: uuid4() for one in ready if one.draft.recording_id is None}
    _insert_recordings([one for one in ready if one.draft.recording_id is None], new, profile, now)
    rows: list[_StemRow] = []
    for one in ready:
        recording_id = one.draft.recording_id or new[one.draft.folder]
        audio_file_id = one.draft.audio_file_id or audio_files[_hash(one.draft)]
        rows += [(stem.id, _stem_row(one.draft, stem, recording_id, audio_file_id)) for stem in one.draft.stems]
    copy_rows("stems", _STEM_COLUMNS, ((uuid4(), *row) for key, row in rows if key is None))
    changed = [Stem(id=key, **dict(zip(_STEM_COLUMNS[1:], row, strict=True))) for key, row in rows if key is not None]
    if changed:
        Stem.objects.bulk_update(changed, _MEASURED)
    replaced = [stem.id for one in ready for stem in one.draft.stems if stem.id is not None and stem.replaced]
    if replaced:
        Stem.objects.filter(id__in=replaced).update(file_sha256="", peaks_url="")
    gone = [key for one in ready for key in one.draft.remove_stems]
    if gone:
        Stem.objects.filter(id__in=gone).delete()
    _update_recordings([one for one in ready if one.draft.recording_id is not None], now)
    for one in ready:
        if one.draft.audio_file_id is not None and one.draft.source is not None:
            _learn_source(one, one.draft.audio_file_id, profile)


def _insert_recordings(ready: list[_Ready], ids: dict[str, UUID], profile: Profile, now: datetime) -> None:
    copy_rows(
        "recordings",
        _RECORDING_COLUMNS,
        (
            (
                ids[one.draft.folder],
                profile.pk,
                one.draft.folder,
                one.draft.display_name or "",
                one.draft.metadata_json or "",
                one.draft.strategy_name or "",
                json.dumps(one.draft.made_by or {}),
                now if one.draft.imported else None,
                one.draft.created_at or now,
                now,
            )
            for one in ready
        ),
    )


def _still_as_planned(ready: list[_Ready]) -> list[_Ready]:
    """Lock the recordings that are there; what somebody has changed since the plan was made is left alone."""
    ids = [one.draft.recording_id for one in ready if one.draft.recording_id is not None]
    if not ids:
        return ready
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, xmin::text FROM recordings WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [ids])
        versions = dict(cursor.fetchall())
    same: list[_Ready] = []
    for one in ready:
        if one.draft.recording_id is None or versions.get(one.draft.recording_id) == one.draft.version:
            same.append(one)
        else:
            one.item.conflict("changed_meanwhile", "was changed here while the import ran; import again")
    return same


_RECORDING_COLUMNS = [
    "id",
    "profile_id",
    "output_name",
    "display_name",
    "metadata_json",
    "strategy_name",
    "made_by",
    "imported_at",
    "created_at",
    "updated_at",
]
# What may change about a stem that is there.
_MEASURED = [
    "measured_lufs",
    "peak_amplitude",
    "stem_gain_adjustment_db",
    "audio_url",
    "waveform_url",
    "file_size_bytes",
    "duration_seconds",
]
_STEM_COLUMNS = ["id", "recording_id", "audio_file_id", "stem_type", *_MEASURED]
_AUDIO_FILE_COLUMNS = [
    "id",
    "profile_id",
    "filename",
    "file_hash",
    "hash_provenance",
    "storage_url",
    "file_size_bytes",
    "duration_seconds",
    "uploaded_at",
]
# The id of a row that is there, and the values of all columns after the id.
_StemRow = tuple[UUID | None, tuple[object, ...]]


def _stem_row(draft: Draft, stem: DraftStem, recording_id: UUID, audio_file_id: UUID) -> tuple[object, ...]:
    return (
        recording_id,
        audio_file_id,
        stem.name,
        stem.lufs,
        _certain(stem.peak),
        _certain(stem.gain_db),
        draft.key(stem.file),
        draft.key(stem.waveform or ""),
        stem.size,
        _certain(stem.duration),
    )


def _certain(value: float | None) -> float:
    if value is None:
        raise ValueError("a measurement is missing")
    return value


def _update_recordings(ready: list[_Ready], now: datetime) -> None:
    rows = []
    for one in ready:
        draft = one.draft
        changes = {
            "display_name": draft.display_name,
            "metadata_json": draft.metadata_json,
            "created_at": draft.created_at,
            "strategy_name": draft.strategy_name,
            "made_by": draft.made_by,
            "imported_at": now if draft.begins and draft.imported else None,
        }
        rows.append((draft, {name: value for name, value in changes.items() if value is not None}))
    for fields in {tuple(changes) for _draft, changes in rows}:
        alike = [(draft, changes) for draft, changes in rows if tuple(changes) == fields]
        objects = [Recording(id=draft.recording_id, updated_at=now, **changes) for draft, changes in alike]
        Recording.objects.bulk_update(objects, [*fields, "updated_at"])


def _audio_files(ready: list[_Ready], profile: Profile, now: datetime) -> dict[str, UUID]:
    """Return the ids of the sources by hash, made where there are none."""
    wanted: dict[str, _Ready] = {}
    for one in ready:
        if one.draft.audio_file_id is None:
            wanted.setdefault(_hash(one.draft), one)
    if not wanted:
        return {}
    known = _known(wanted)
    missing = {digest: uuid4() for digest in wanted if digest not in known}
    copy_rows(
        "audio_files",
        _AUDIO_FILE_COLUMNS,
        ((key, profile.pk, *_audio_file_row(wanted[digest], now)) for digest, key in missing.items()),
    )
    return known | missing


def _known(hashes: Iterable[str]) -> dict[str, UUID]:
    return dict(AudioFile.objects.filter(file_hash__in=list(hashes)).order_by().values_list("file_hash", "id"))


def _audio_file_row(one: _Ready, now: datetime) -> tuple[object, ...]:
    claim = _claim(one.draft)
    # The source is not there to be asked: its longest stem stands in for its length and size.
    longest = max(one.draft.stems, key=lambda stem: stem.duration or 0.0)
    return (
        claim.filename,
        claim.file_hash,
        claim.provenance,
        claim.storage_url,
        longest.size if claim.size is None else claim.size,
        _certain(longest.duration if claim.duration is None else claim.duration),
        one.draft.created_at or now,
    )


def _learn_source(one: _Ready, audio_file_id: UUID, profile: Profile) -> None:
    """Replace what an earlier import knew about the source by something more trustworthy."""
    claim = _claim(one.draft)
    row = AudioFile.objects.select_for_update().filter(id=audio_file_id).first()
    if row is None or TRUST.index(claim.provenance) >= TRUST.index(row.hash_provenance):
        return
    others = Stem.objects.filter(audio_file=row).exclude(recording=one.draft.recording_id)
    known = AudioFile.objects.filter(file_hash=claim.file_hash).first()
    if known is None and others.exists():  # somebody else's source stays what it is
        known = AudioFile(profile=profile, duration_seconds=row.duration_seconds, uploaded_at=row.uploaded_at)
        known.file_size_bytes = row.file_size_bytes
    target = known or row
    if target.hash_provenance not in TRUST[: TRUST.index(claim.provenance) + 1] or target._state.adding:
        target.file_hash, target.hash_provenance = claim.file_hash, claim.provenance
        target.filename, target.storage_url = claim.filename, claim.storage_url
        if claim.size is not None:
            target.file_size_bytes = claim.size
        target.save()
    if target is not row:
        Stem.objects.filter(audio_file=row, recording=one.draft.recording_id).update(audio_file=target)
        if not others.exists():
            row.delete()


def _hash(draft: Draft) -> str:
    return _claim(draft).file_hash


def _claim(draft: Draft) -> SourceClaim:
    if draft.source is None:
        raise ValueError(f"{draft.folder} has no source")
    return draft.source
