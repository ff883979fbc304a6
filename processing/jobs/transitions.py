"""What may happen to a job. Each is one transaction that locks the row, asks for its state, and adds an event.

queued ──► separating ──► analysing ──► storing ──► complete
   ▲            │              │            │
   └────────────┴── retry, lost, given back ┘       error, cancelled: from any of these

A job that is under way without a worker is with the remote one, or has come back from there and waits to be collected.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from catalog.models import Recording
from processing.jobs import queue
from processing.jobs.failures import Failure
from processing.models import Job, JobEvent

MAX_ATTEMPTS = 3
# Seconds before the second and the third attempt, for what may pass.
BACKOFF_SECONDS = (5, 60)
# What is left to do for a job that has come back from the remote worker; the step says so until the job is over.
COLLECTING = "collecting"
STATE_OF_STEP = {"encoding": Job.State.ANALYSING, COLLECTING: Job.State.ANALYSING, "storing": Job.State.STORING}
Kind = JobEvent.Kind


class NoLongerOurs(Exception):
    """The job was cancelled, or given to another worker."""


@contextmanager
def locked(job_id: UUID) -> Iterator[Job]:
    """Yield a job whose row is ours until the transaction ends. Raises Job.DoesNotExist."""
    with transaction.atomic():
        yield Job.objects.select_for_update(of=("self",)).select_related("profile").get(pk=job_id)


def note(job: Job, kind: JobEvent.Kind, detail: str = "") -> None:
    """Add an event."""
    JobEvent.objects.create(job=job, kind=kind, attempt=job.attempts, worker=job.worker, detail=detail)


def begin(job_id: UUID, worker: str) -> Job | None:
    """Take a job that waits, and count the attempt before it is made. None when there is nothing to do.

    Raises Job.DoesNotExist.
    """
    with locked(job_id) as job:
        returned = job.state in Job.RUNNING and not job.worker and job.step == COLLECTING
        if job.state != Job.State.QUEUED and not returned:
            return None
        now = timezone.now()
        job.state = STATE_OF_STEP.get(job.step, Job.State.SEPARATING)
        if not returned:
            job.attempts += 1
        job.worker = worker
        job.started_at = job.started_at or now
        job.heartbeat_at = now
        job.error_code = job.error_text = job.error_detail = ""
        job.save()
        note(job, Kind.STARTED, job.step)
        return job


def beat(job: Job, step: str, progress: float) -> bool:
    """Say that an attempt is alive and how far it is. False when it is no longer wanted: cancelled, or given away."""
    rows = Job.objects.filter(pk=job.pk)
    alive = rows.filter(attempts=job.attempts, worker=job.worker, state__in=Job.RUNNING).update(
        state=STATE_OF_STEP.get(step, Job.State.SEPARATING),
        step=step,
        progress=min(max(progress, 0.0), 1.0),
        heartbeat_at=timezone.now(),
    )
    # Of a row that is not there, `complete` tells.
    return bool(alive) or not rows.exists()


def has_completed(job: Job) -> bool:
    """Whether this attempt of a job was still the latest one when its recording was written."""
    mine = Job.objects.filter(pk=job.pk, attempts=job.attempts, worker=job.worker)
    return mine.filter(state=Job.State.COMPLETE).exists()


def complete(job_id: UUID, recording: Recording, stems: list[str], detail: str = "") -> None:
    """Tie a job to its recording. Belongs into the transaction that writes the recording's rows.

    An attempt that was given up for lost may still be the one that finishes. Raises NoLongerOurs, which undoes that
    transaction, when the job was cancelled or is over.
    """
    with locked(job_id) as job:
        if not job.is_active:
            raise NoLongerOurs
        first = recording.stems.order_by("id").first()
        job.recording = recording
        job.audio_file = first.audio_file if first else None
        job.output_name = recording.output_name
        job.stems = stems
        job.step, job.progress = "", 1.0
        _end(job, Job.State.COMPLETE)
        note(job, Kind.COMPLETE, detail)


def complete_with_known(job: Job, output_name: str) -> None:
    """Tie a job to the recording that was there already. Raises NoLongerOurs as above."""
    recording = Recording.objects.get(profile=job.profile, output_name=output_name)
    stems = list(recording.stems.order_by("stem_type").values_list("stem_type", flat=True))
    complete(job.pk, recording, stems, "the recording was there already")


def fail(job_id: UUID, attempt: int, failure: Failure, *, again: bool = True) -> None:
    """Record that an attempt failed; unless `again` is off, it is repeated when that may help, MAX_ATTEMPTS at most."""
    with locked(job_id) as job:
        if is_worked_on(job, attempt):
            failed(job, failure, again=again)


def is_worked_on(job: Job, attempt: int) -> bool:
    """Whether a process is at this attempt of a job still."""
    return job.attempts == attempt and job.state in Job.RUNNING and bool(job.worker)


def failed(job: Job, failure: Failure, *, again: bool = True) -> None:
    """Do what `fail` does to a job that the caller has locked."""
    job.error_code, job.error_text, job.error_detail = failure.code, failure.text, failure.detail
    what = f"{failure.code}: {failure.text}"
    if failure.may_pass and again:
        if job.attempts < MAX_ATTEMPTS:
            note(job, Kind.RETRY, what)
            _queue_again(job, seconds=BACKOFF_SECONDS[job.attempts - 1])
            return
        job.error_text += f" It was tried {job.attempts} times."
    _end(job, Job.State.ERROR)
    note(job, Kind.FAILED, what)


def lost(job: Job) -> None:
    """Take a job, whose row the caller has locked, from a worker that has died; a job that kills workers ends here."""
    note(job, Kind.LOST)
    if job.attempts < MAX_ATTEMPTS:
        _queue_again(job)
        return
    job.error_code = "worker_lost"
    job.error_text = (
        f"The work on it was cut off {job.attempts} times, most likely because the machine ran out of memory or was "
        "restarted. Try again later; if that happens again, tell whoever runs this site."
    )
    _end(job, Job.State.ERROR)
    note(job, Kind.FAILED, "worker_lost")


def give_back(job_id: UUID, attempt: int, *, why: str, seconds: int = 0) -> None:
    """Let a worker begin it anew, at once or later, since this attempt came to nothing that counts."""
    with locked(job_id) as job:
        if not is_worked_on(job, attempt):
            return
        note(job, Kind.GIVEN_BACK, why)
        job.attempts -= 1
        _queue_again(job, seconds=seconds)


def cancel(job_id: UUID, by: str) -> bool:
    """End a job that somebody no longer wants; False when it is over already. Who is at it stops within seconds."""
    with locked(job_id) as job:
        if not job.is_active:
            return False
        job.error_code, job.error_text = "cancelled", f"Cancelled by {by}."
        _end(job, Job.State.CANCELLED)
        note(job, Kind.CANCELLED, by)
        return True


def _queue_again(job: Job, *, seconds: int = 0) -> None:
    job.state, job.progress = Job.State.QUEUED, 0.0
    # What came back from the remote worker is collected another time, not made once more.
    job.step = COLLECTING if job.step == COLLECTING else ""
    job.worker, job.heartbeat_at, job.remote_deadline_at = "", None, None
    job.save()
    queue.send(job, at=timezone.now() + timedelta(seconds=seconds) if seconds else None)


def _end(job: Job, state: Job.State) -> None:
    job.state = state
    job.finished_at = timezone.now()
    job.remote_deadline_at = None
    job.save()
    if job.step == COLLECTING:
        queue.send(job)  # whoever sees that it is over clears up what lies there
