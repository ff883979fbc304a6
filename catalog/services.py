"""Changes to the catalogue. Each is one transaction: a recording is there with all its stems, or not at all."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from catalog import sidecars
from catalog.legacy.metadata import storable_name
from catalog.locks import lock_list
from catalog.models import AudioFile, Profile, Recording, Stem
from stemset.config.schema import ProfileConfig
from stemset.prepared import fetch


@dataclass(frozen=True)
class Source:
    """A source file as the catalogue remembers it."""

    filename: str
    file_hash: str
    storage_url: str
    file_size_bytes: int
    duration_seconds: float


@dataclass(frozen=True)
class NewStem:
    """A stem whose files are in storage already."""

    stem_type: str
    measured_lufs: float | None
    peak_amplitude: float
    stem_gain_adjustment_db: float
    audio_url: str
    waveform_url: str
    file_size_bytes: int
    duration_seconds: float
    file_sha256: str = ""
    peaks_url: str = ""


def sync_profile(config: ProfileConfig) -> Profile:
    """Return the profile's row, made or brought in step with config.yaml. One query when nothing changed."""
    wanted = {"source_folder": config.source_folder, "strategy_name": config.strategy}
    profile, created = Profile.objects.get_or_create(name=config.name, defaults=wanted)
    if not created and any(getattr(profile, field) != value for field, value in wanted.items()):
        for field, value in wanted.items():
            setattr(profile, field, value)
        profile.save(update_fields=list(wanted))
    return profile


def processed_hashes(profile: Profile, hashes: Iterable[str]) -> dict[str, str]:
    """Return which of these contents the profile has a recording of, with its output name, in one query.

    The question is asked per profile: the same content may be wanted in another one, with another strategy.
    """
    pairs = Stem.objects.filter(recording__profile=profile, audio_file__file_hash__in=list(hashes))
    return dict(pairs.order_by().values_list("audio_file__file_hash", "recording__output_name").distinct())


@transaction.atomic
def catalogue_recording(
    profile: Profile,
    output_name: str,
    source: Source,
    stems: Iterable[NewStem],
    *,
    strategy_name: str,
    made_by: dict[str, Any],
    together_with: Callable[[Recording], None] = lambda _recording: None,
) -> Recording:
    """Write a recording with all its stems, replacing the stems of one that is there.

    The files must be in storage already, so that no row ever points at nothing. A name that people gave the
    recording stays. `together_with` is called in the same transaction; what it raises undoes it all.
    """
    lock_list(profile.pk)
    audio_file = _audio_file(profile, source)
    recording, _created = Recording.objects.select_for_update().get_or_create(profile=profile, output_name=output_name)
    recording.strategy_name = strategy_name
    recording.made_by = made_by
    # Made here from now on, also if it came from the JSON store. Its metadata_json stays: unknown keys are kept.
    recording.imported_at = None
    recording.save()
    recording.stems.all().delete()
    Stem.objects.bulk_create(Stem(recording=recording, audio_file=audio_file, **vars(stem)) for stem in stems)
    together_with(recording)
    sidecars.follow(recording.pk)
    return recording


# The profile's lock comes before the recording's, as lock_list has it, and neither is held while Python thinks.
_RENAME = """
    WITH list AS MATERIALIZED (SELECT id FROM profiles WHERE id = %(profile_id)s FOR NO KEY UPDATE)
    UPDATE recordings SET display_name = %(display_name)s, updated_at = clock_timestamp() FROM list
    WHERE recordings.profile_id = list.id AND recordings.output_name = %(output_name)s
    RETURNING recordings.id
"""


def rename(profile_id: UUID, output_name: str, display_name: str) -> UUID:
    """Give a recording the name that people see, in one statement, and return its id.

    Only blanks mean the folder's name. Raises Recording.DoesNotExist.
    """
    name = storable_name(display_name)
    rows = fetch(_RENAME, {"profile_id": profile_id, "output_name": output_name, "display_name": name})
    if not rows:
        raise Recording.DoesNotExist
    recording_id: UUID = rows[0][0]
    sidecars.follow(recording_id)
    return recording_id


def rename_recording(recording: Recording, display_name: str) -> None:
    """Give a recording the name that people see; only blanks mean the folder's name."""
    rename(recording.profile_id, recording.output_name, display_name)
    recording.refresh_from_db(fields=["display_name", "updated_at"])


def _audio_file(profile: Profile, source: Source) -> AudioFile:
    audio_file, _created = AudioFile.objects.get_or_create(
        file_hash=source.file_hash,
        defaults={
            "profile": profile,
            "filename": source.filename,
            "storage_url": source.storage_url,
            "file_size_bytes": source.file_size_bytes,
            "duration_seconds": source.duration_seconds,
        },
    )
    return audio_file


@transaction.atomic
def learn_true_hash(recording: Recording, file_hash: str) -> bool:
    """Replace the made-up hash of an imported recording's source; return whether it had one.

    When the true content is catalogued already, the recording joins that row and the made-up one goes.
    """
    made_up = (
        AudioFile.objects.select_for_update()
        .filter(stems__recording=recording, hash_provenance=AudioFile.HashProvenance.PLACEHOLDER)
        .order_by()
        .first()
    )
    if made_up is None:
        return False
    known = AudioFile.objects.filter(file_hash=file_hash).first()
    if known is None:
        made_up.file_hash = file_hash
        made_up.hash_provenance = AudioFile.HashProvenance.CONTENT
        made_up.save(update_fields=["file_hash", "hash_provenance"])
    else:
        made_up.stems.update(audio_file=known)
        made_up.delete()
    sidecars.follow(recording.pk)
    return True
