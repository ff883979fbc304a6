"""Asking for a recording to be made. Asking twice for the same gives the same job."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from catalog import services
from catalog.models import Profile, Recording
from catalog.names import output_name, readable_part
from processing.jobs import queue
from processing.jobs.transitions import note
from processing.models import Job, JobEvent

# A person who waits goes before a folder that is read in.
PRIORITIES = {Job.Origin.UPLOAD: 20, Job.Origin.AGAIN: 10, Job.Origin.COMMAND: 10, Job.Origin.SCAN: 0}

# Of a strategy's name in a folder's name, so that it stays below the 255 of file systems.
WAY_BYTES = 40


@dataclass(frozen=True)
class Wish:
    """What is wanted of which source; the source's content is known and lies where `source` says."""

    profile: Profile
    strategy_name: str
    origin: Job.Origin
    filename: str
    file_hash: str  # SHA-256
    file_size_bytes: int
    source: str  # key in storage, or absolute path
    uploader_id: Any = None
    mode: Job.Mode = Job.Mode.ONCE
    # Of the recording that is to be replaced.
    replaces: str = ""


@transaction.atomic
def enqueue(wish: Wish, *, send: bool = True) -> tuple[Job, bool]:
    """Return the job of a wish, and whether it was made just now.

    A job that is still to be done for the same content and strategy is returned as it is. What the profile has a
    recording of already, and needs not be made again, gives a job that is complete.
    `send` tells the workers; who does the job here and now leaves that out.
    """
    config = settings.STEMSET.profile(wish.profile.name)
    job = Job(
        profile=wish.profile,
        strategy_name=wish.strategy_name,
        origin=wish.origin,
        mode=wish.mode,
        filename=wish.filename,
        file_hash=wish.file_hash,
        file_size_bytes=wish.file_size_bytes,
        source=wish.source,
        uploader_id=wish.uploader_id,
        output_name=folder_of(wish),
        priority=PRIORITIES[wish.origin],
        queue=config.queue if config else "cpu",
        is_remote=send and bool(config and config.remote and settings.STEMSET.gpu_worker_url),
    )
    known = _known(wish) if wish.mode == Job.Mode.ONCE else None
    if known is not None:
        return _complete(job, known), True
    try:
        with transaction.atomic():
            job.save(force_insert=True)
    except IntegrityError as error:
        if getattr(error.__cause__.diag, "constraint_name", "") != "jobs_one_active":  # type: ignore[union-attr]
            raise
        active = Job.objects.filter(
            profile=wish.profile, file_hash=wish.file_hash, strategy_name=wish.strategy_name, state__in=Job.ACTIVE
        ).first()
        # It may have ended in this instant; then there is room for ours.
        return (active, False) if active is not None else enqueue(wish, send=send)
    note(job, JobEvent.Kind.QUEUED)
    if send:
        queue.send(job)
    return job, True


def folder_of(wish: Wish) -> str:
    """Return the name of the folder that a wish is for."""
    name = output_name(Path(wish.filename).stem, wish.file_hash)
    match wish.mode:
        case Job.Mode.REPLACE if wish.replaces:
            return wish.replaces
        case Job.Mode.BESIDE:
            way = readable_part(wish.strategy_name).encode()[:WAY_BYTES].decode(errors="ignore")
            return f"{name}_{way}"
    return name


def _known(wish: Wish) -> Recording | None:
    name = services.processed_hashes(wish.profile, [wish.file_hash]).get(wish.file_hash)
    return Recording.objects.filter(profile=wish.profile, output_name=name).first() if name else None


def _complete(job: Job, recording: Recording) -> Job:
    stems = list(recording.stems.order_by("stem_type"))
    job.recording, job.output_name = recording, recording.output_name
    job.audio_file = stems[0].audio_file if stems else None
    job.stems = [stem.stem_type for stem in stems]
    job.state, job.progress, job.finished_at = Job.State.COMPLETE, 1.0, timezone.now()
    job.save(force_insert=True)
    note(job, JobEvent.Kind.COMPLETE, "the recording was there already")
    return job
