"""Files in the store that a remote worker has left for a job that came to nothing."""

import logging
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from catalog.locks import recording_lock
from catalog.models import Profile
from catalog.storage import STORAGE_ERRORS
from catalog.storing import Mark, clear_marked, put_mark
from processing.jobs import queue
from processing.models import Job, JobEvent

Kind = JobEvent.Kind
logger = logging.getLogger(__name__)
# Until whoever still holds the recording has cleaned up.
LATER = timedelta(seconds=10)


def clear_delivered(job: Job) -> None:
    """Delete what was delivered for a job and no row names, and its mark. The caller holds the recording's lock.

    What cannot be deleted now keeps its mark, by which the sweep finds it.
    """
    folder = f"{job.profile.name}/{job.remote_folder}"
    try:
        clear_marked(folder, job.file_hash)
    except STORAGE_ERRORS:
        logger.warning("What the remote worker left in %s stays for now", folder, exc_info=True)


def may_have_stragglers(profile: Profile, output_name: str) -> bool:
    """Whether a remote worker that was given up may still store something in a recording's folder."""
    told = JobEvent.objects.filter(job__profile=profile, job__output_name=output_name, job__is_remote=True)
    asked, answered = (told.filter(kind=kind).count() for kind in (Kind.HANDED_OVER, Kind.RETURNED))
    return asked > answered


def expect_stragglers(job: Job, files: list[str]) -> None:
    """Mark the folder of a recording that is complete when something may still be stored there.

    What then comes has no other name in the catalogue, and goes with the mark at the next sweep.
    """
    try:
        if may_have_stragglers(job.profile, job.output_name):
            put_mark(f"{job.profile.name}/{job.output_name}", Mark(job.file_hash, files))
    except STORAGE_ERRORS:
        logger.warning("%s/%s could not be marked", job.profile.name, job.output_name, exc_info=True)


def clear_if_over(job_id: UUID) -> None:
    """Clear up after a job that was cancelled or has failed; nothing is done for any other."""
    over = Job.objects.filter(is_remote=True, state__in=(Job.State.ERROR, Job.State.CANCELLED))
    job = over.exclude(remote_folder="").select_related("profile").filter(pk=job_id).first()
    if job is None:
        return
    with recording_lock(job.profile.name, job.file_hash) as lock:
        if not lock.mine:
            queue.send(job, at=timezone.now() + LATER)
            return
        same = Job.objects.filter(profile=job.profile, remote_folder=job.remote_folder, state__in=Job.ACTIVE)
        if not same.exists():  # a later job for the same content
            clear_delivered(job)
