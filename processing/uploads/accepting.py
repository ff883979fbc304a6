"""From a file that has arrived whole to its job: judged, put into storage, asked for.

The input lies in storage before the job's row is committed, and is taken away again when there is no such row. Which
key that is about is noted beside the spool file first, so that a sweep can do the same for a process that was killed.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import Error, transaction

from catalog import bucket_uploads
from catalog.access import Action, Person, still_open_profile
from catalog.locks import lock_list
from catalog.models import Profile
from catalog.storage import STORAGE_ERRORS
from processing.jobs.enqueue import Wish, enqueue
from processing.jobs.inputs import TRIES, is_damaged, lock_input, take_away_unnamed
from processing.jobs.sources import input_key
from processing.models import Job
from processing.uploads import limits
from processing.uploads.content import require_audio
from processing.uploads.refusals import STORAGE_AWAY, UploadRefused, naming_full_disks, naming_storage_troubles
from processing.uploads.spool import KEY

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arrived:
    """A spool file with all its bytes."""

    path: Path
    filename: str
    size: int
    file_hash: str  # SHA-256
    # Where the same bytes are in the bucket already, if they are.
    stored_as: str = ""


def accept(arrived: Arrived, profile: Profile, by: Person) -> Job:
    """Return the job of an upload: a new one, or the one that the profile has of this content already.

    Raises UploadRefused, and Http404 when the person may no longer upload there. Nothing is left of it then.
    """
    require_audio(arrived.path, arrived.filename)
    key = input_key(profile.name, arrived.filename, arrived.file_hash)
    wish = Wish(
        profile,
        limits.require_configured(profile).strategy,
        Job.Origin.UPLOAD,
        filename=arrived.filename,
        file_hash=arrived.file_hash,
        file_size_bytes=arrived.size,
        source=key,
        uploader_id=by.pk,
    )
    with naming_storage_troubles():
        # What has come is right, since the key is its hash: so it may replace what lies there, whoever's it is.
        mend = is_damaged(key, arrived.size, arrived.file_hash)
    note = arrived.path.with_suffix(KEY)
    try:
        for _ in range(TRIES):
            job = None if mend else _ask(wish, by)
            if job is not None:
                return job
            with naming_full_disks():
                note.write_text(key)
            with naming_storage_troubles():
                _store(arrived, key)
            mend = False
        raise UploadRefused(503, STORAGE_AWAY, may_pass=True)
    finally:
        settle(note)


def _store(arrived: Arrived, key: str) -> None:
    if arrived.stored_as:
        bucket_uploads.copy(arrived.stored_as, key)
        return
    with arrived.path.open("rb") as stream:
        default_storage.save(key, File(stream))


@transaction.atomic
def _ask(wish: Wish, by: Person) -> Job | None:
    """Enqueue, unless the job would need an input that is not in storage: then None, and nothing has happened."""
    lock_input(wish.source)
    still_open_profile(by, wish.profile.name, Action.UPLOAD)
    has_quota = limits.require_configured(wish.profile).quota_gib is not None
    if has_quota:
        lock_list(wish.profile.pk)  # two uploads at once share what is left
    job, made = enqueue(wish)
    if not job.is_active or job.source != wish.source:
        return job
    if made and has_quota:
        limits.require_quota(wish.profile, 0)  # the row counts already
    with naming_storage_troubles():
        if default_storage.exists(wish.source):
            return job
    transaction.set_rollback(True)
    return None


def settle(note: Path) -> None:
    """Take the input that a note names out of storage, unless a row names it; then the note is done with.

    Never raises: when storage or database are away, the note stays for the next sweep.
    """
    try:
        key = note.read_text()
        if key:
            take_away_unnamed(key)
        note.unlink()
    except FileNotFoundError:
        return
    except (Error, *STORAGE_ERRORS):
        logger.warning("What an upload left in storage could not be cleared up yet", exc_info=True)
