"""Deleting a recording: its rows, then its files. The source is never touched.

What was deleted is remembered, so that it does not come back by itself: sources stay where they are, and are scanned.
"""

import logging
from functools import partial

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from catalog.access import Person
from catalog.legacy import METADATA
from catalog.locks import lock_list
from catalog.models import AudioFile, DeletedRecording, Profile, Recording
from catalog.storage import STORAGE_ERRORS
from catalog.storing import named_keys

logger = logging.getLogger(__name__)


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
    keys = [key for stem in stems for key in (stem.audio_url, stem.waveform_url)]
    DeletedRecording.objects.update_or_create(
        profile_id=recording.profile_id,
        output_name=recording.output_name,
        defaults={
            "title": recording.title,
            "file_hash": source.file_hash if source is not None and is_known else "",
            "deleted_by_id": by.pk,
            "deleted_at": timezone.now(),
        },
    )
    recording.delete()
    transaction.on_commit(partial(_remove_files, folder, [*keys, f"{folder}/{METADATA}"]))


def deleted_names(profile: Profile) -> dict[str, DeletedRecording]:
    """Return what was deleted in a profile and has not come back, by its folder's name."""
    back = Recording.objects.filter(profile=profile).values("output_name")
    deleted = profile.deleted_recordings.exclude(output_name__in=back).select_related("deleted_by")
    return {gone.output_name: gone for gone in deleted}


def _remove_files(folder: str, keys: list[str]) -> None:
    """Never raises: the recording is gone, and what stays is named by verify_catalog."""
    try:
        named = named_keys(keys)
        for key in keys:
            if key not in named:
                default_storage.delete(key)
        default_storage.delete(folder)  # an empty folder on disk; an object store has none
    except STORAGE_ERRORS as error:
        logger.warning("Files of the deleted recording %s stay in storage: %s", folder, error)
