"""Deleting a recording: its rows, then its files. The source is never touched.

What was deleted is remembered, so that it does not come back by itself: sources stay where they are, and are scanned.
So are its files until they are gone: what storage refuses to delete, or a killed process did not come to, is named by
verify_catalog and taken away by whoever sweeps next.
"""

import contextlib
import logging
from functools import partial

from django.core.files.storage import default_storage
from django.db import Error, transaction
from django.db.models import QuerySet
from django.dispatch import Signal
from django.utils import timezone

from catalog.access import Person
from catalog.legacy import METADATA
from catalog.locks import lock_list
from catalog.models import AudioFile, DeletedRecording, Profile, Recording
from catalog.storage import STORAGE_ERRORS
from catalog.storing import named_keys

logger = logging.getLogger(__name__)
# Sent with the `recording` and who deletes it, `by`, in the transaction that does so.
recording_deleted = Signal()


@transaction.atomic
def delete_recording(recording: Recording, by: Person) -> None:
    """Delete a recording with its stems and what people kept for it; its files go when that is committed.

    Raises Recording.DoesNotExist when somebody else has just done so.
    """
    lock_list(recording.profile_id)
    recording = Recording.objects.select_related("profile").get(pk=recording.pk)
    stems = list(recording.stems.select_related("audio_file"))
    source = stems[0].audio_file if stems else None
    # A made-up hash would be recognised nowhere; the folder's name is then what the recording is known by.
    is_known = source is not None and source.hash_provenance != AudioFile.HashProvenance.PLACEHOLDER
    folder = f"{recording.profile.name}/{recording.output_name}"
    keys = [key for stem in stems for key in (stem.audio_url, stem.waveform_url, stem.peaks_url) if key]
    DeletedRecording.objects.update_or_create(
        profile_id=recording.profile_id,
        output_name=recording.output_name,
        defaults={
            "title": recording.title,
            "file_hash": source.file_hash if source is not None and is_known else "",
            "deleted_by_id": by.pk,
            "deleted_at": timezone.now(),
            "files": [*keys, f"{folder}/{METADATA}"],
        },
    )
    recording_deleted.send(Recording, recording=recording, by=by)
    recording.delete()
    transaction.on_commit(partial(_remove_files, folder))


def deleted_names(profile: Profile) -> dict[str, DeletedRecording]:
    """Return what was deleted in a profile and has not come back, by its folder's name."""
    back = Recording.objects.filter(profile=profile).values("output_name")
    deleted = profile.deleted_recordings.exclude(output_name__in=back).select_related("deleted_by")
    return {gone.output_name: gone for gone in deleted}


def with_leftovers() -> QuerySet[DeletedRecording]:
    """Return what was deleted and may still have files in storage."""
    return DeletedRecording.objects.exclude(files=[]).select_related("profile", "deleted_by")


def leftovers_of(gone: DeletedRecording) -> list[str]:
    """Return the keys of the files that are still in storage though their recording was deleted. Only looks.

    Raises STORAGE_ERRORS.
    """
    named = named_keys(gone.files)
    return [key for key in gone.files if key not in named and default_storage.exists(key)]


@transaction.atomic
def clear_leftovers(folder: str) -> bool:
    """Delete what may still be in storage of a deleted recording, `<profile>/<output_name>`; False if nothing was.

    Whoever makes the recording anew does so first: the lock on the row keeps a sweep from taking the new files, which
    are called as the old ones were. Raises STORAGE_ERRORS; what was not deleted then stays known.
    """
    profile, _slash, name = folder.partition("/")
    known = DeletedRecording.objects.select_for_update(of=("self",)).exclude(files=[])
    gone = known.filter(profile__name=profile, output_name=name).first()
    if gone is None:
        return False
    named = named_keys(gone.files)
    for key in gone.files:
        if key not in named:
            default_storage.delete(key)
    with contextlib.suppress(OSError):  # something of somebody else's is in there
        default_storage.delete(folder)  # an empty folder on disk; an object store has none
    gone.files = []
    gone.save(update_fields=["files"])
    return True


def _remove_files(folder: str) -> None:
    """Never raises: the recording is gone, and what stays is known."""
    try:
        clear_leftovers(folder)
    except (Error, *STORAGE_ERRORS) as error:
        logger.warning("Files of the deleted recording %s stay in storage for now: %s", folder, error)
