"""Asking once more: for a job that came to nothing, and for a recording that is to be made another way."""

from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction

from catalog.access import Person
from catalog.models import AudioFile, Profile, Recording
from catalog.storage import STORAGE_ERRORS
from processing.errors import ProcessingError
from processing.jobs import transitions
from processing.jobs.enqueue import Wish, enqueue, folder_of
from processing.jobs.inputs import enqueue_found, lock_input
from processing.jobs.sources import INPUTS
from processing.models import Job
from processing.scanner import SourceFile
from processing.strategies import require_sound

# What may be asked for once more.
FAILED = (Job.State.ERROR, Job.State.CANCELLED)


def retry(job: Job, by: Person) -> tuple[Job, bool]:
    """Return a job for the source of one that failed or was cancelled, and whether it was made just now.

    It does what the old one was to do. Somebody who asked a moment earlier, or a job for the same that has succeeded
    since, gives that job. Raises ProcessingError when there is nothing to try again or the source is gone.
    """
    if job.state not in FAILED:
        raise ProcessingError(
            f"{job.filename} is {job.get_state_display()}: there is nothing to try again.", code="not_over"
        )
    _strategy(job.strategy_name, job.profile)
    with transaction.atomic():
        Job.objects.select_for_update().get(pk=job.pk)  # two people press at the same moment
        later = Job.objects.filter(**_same(job), created_at__gt=job.created_at).exclude(state__in=FAILED).first()
        if later is not None and (later.is_active or later.recording_id):
            return later, False
        wish = Wish(
            profile=job.profile,
            strategy_name=job.strategy_name,
            origin=Job.Origin.AGAIN,
            filename=job.filename,
            file_hash=job.file_hash,
            file_size_bytes=job.file_size_bytes,
            source=job.source,
            uploader_id=by.pk,
            mode=Job.Mode(job.mode),
            replaces=job.output_name if job.mode == Job.Mode.REPLACE else "",
        )
        return _enqueue(wish)


def process_again(recording: Recording, strategy_name: str, mode: Job.Mode, by: Person | None) -> tuple[Job, bool]:
    """Return a job that makes a recording again from its source, in its place or beside it, as `mode` says.

    The second value is whether the job was made just now. Raises ProcessingError when that cannot be: the source is
    gone or was never known, the strategy does not exist, or such a recording is there already.
    """
    profile = recording.profile
    _strategy(strategy_name, profile)
    stem = recording.stems.select_related("audio_file").order_by("id").first()
    if stem is None:
        raise ProcessingError(f"Nobody knows what {recording} was made from.", code="source_unknown")
    audio = stem.audio_file
    if audio.hash_provenance == AudioFile.HashProvenance.PLACEHOLDER:
        raise ProcessingError(
            f"{recording} comes from the older version, and which file it was made from is not known for sure. Put "
            f"{audio.filename} into the profile's source folder and scan it; that finds out.",
            code="hash_unknown",
        )
    wish = Wish(
        profile=profile,
        strategy_name=strategy_name,
        origin=Job.Origin.AGAIN,
        filename=audio.filename,
        file_hash=audio.file_hash,
        file_size_bytes=audio.file_size_bytes,
        source=audio.storage_url,
        uploader_id=by.pk if by else None,
        mode=mode,
        replaces=recording.output_name if mode == Job.Mode.REPLACE else "",
    )
    beside = folder_of(wish)
    if mode == Job.Mode.BESIDE and Recording.objects.filter(profile=profile, output_name=beside).exists():
        raise ProcessingError(
            f"{profile} has what {strategy_name} makes of {audio.filename} already ({beside}). Have that one replaced.",
            code="exists",
        )
    job, made = _enqueue(wish)
    if not _is_there(recording):
        if made:
            transitions.cancel(job.pk, "whoever deleted the recording")
        raise ProcessingError(f"{recording} was deleted just now.", code="deleted")
    if not made and (job.mode, job.output_name) != (mode, beside):
        raise ProcessingError(
            f"{audio.filename} is being made with {strategy_name} already. Wait until that is over.", code="busy"
        )
    return job, made


def _is_there(recording: Recording) -> bool:
    """Whether a recording has not been deleted; who is about to is waited for, since he may not have seen our job."""
    with transaction.atomic():
        return Recording.objects.select_for_update(no_key=True).order_by().filter(pk=recording.pk).first() is not None


class _Content(NamedTuple):
    profile_id: object
    file_hash: str
    strategy_name: str
    mode: str


def tried_since(jobs: list[Job]) -> set[object]:
    """Return the ids of those jobs that were asked for once more: it is the later job then that counts. One query."""
    failed = [job for job in jobs if job.state in FAILED]
    if not failed:
        return set()
    latest: dict[_Content, Job] = {}
    candidates = Job.objects.filter(
        profile__in={job.profile_id for job in failed}, file_hash__in={job.file_hash for job in failed}
    ).only("profile_id", "file_hash", "strategy_name", "mode", "created_at")
    for job in candidates.order_by("created_at"):
        latest[_content(job)] = job
    return {job.pk for job in failed if latest[_content(job)].created_at > job.created_at}


def _content(job: Job) -> _Content:
    return _Content(job.profile_id, job.file_hash, job.strategy_name, job.mode)


def _same(job: Job) -> dict[str, object]:
    return _content(job)._asdict()


def _strategy(name: str, profile: Profile) -> None:
    if settings.STEMSET.profile(profile.name) is None:
        raise ProcessingError(f"config.yaml no longer has the profile {profile}.", code="not_configured")
    tree = settings.STEMSET.strategies.get(name)
    if tree is None:
        known = ", ".join(sorted(settings.STEMSET.strategies))
        raise ProcessingError(f"config.yaml has no strategy {name}; it has: {known}.", code="not_configured")
    require_sound(tree, f"strategies.{name}")


def _enqueue(wish: Wish) -> tuple[Job, bool]:
    """Enqueue for a source that was there once. Raises ProcessingError when it is no more."""
    path = Path(wish.source)
    try:
        if path.is_absolute():
            if path.is_file():
                return enqueue_found(wish, SourceFile.at(path))
        elif path.parts[:1] == (INPUTS,):
            with transaction.atomic():
                lock_input(wish.source)
                if default_storage.exists(wish.source):
                    return enqueue(wish)
    except STORAGE_ERRORS as error:
        raise ProcessingError(
            "The place where the audio is kept does not answer. Try again in a moment.", code="storage"
        ) from error
    raise ProcessingError(
        f"The source file {wish.filename} is no longer where it was. Upload it again, or put it back.",
        code="source_gone",
    )
