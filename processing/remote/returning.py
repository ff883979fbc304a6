"""What the remote worker's answer, or its absence, makes of a job."""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from processing.jobs import queue, transitions
from processing.jobs.failures import Failure
from processing.models import Job, JobEvent
from processing.remote import tokens

# Jobs that have come back and that no worker of ours has taken yet.
TO_COLLECT = Q(state=Job.State.ANALYSING, step=transitions.COLLECTING, worker="")
# The share of the whole that is done when a job has come back.
RETURNED = 0.75
# How often the remote worker may say that it cannot do a job before we believe it.
REMOTE_TRIES = 2
ERROR_LENGTH = 1000
Kind = JobEvent.Kind


class NotExpected(Exception):
    """Nobody waits for such an answer: there is no such job, the token is another one, or it comes too late."""


@dataclass(frozen=True)
class Answer:
    """What the remote worker says when it is done. `stems` may be None: then those of the strategy are looked for."""

    stems: list[str] | None = None
    error: str | None = None


def require_expected(job_id: str, token: str) -> UUID:
    """Return the id of the job that a token is for. Raises NotExpected."""
    try:
        pk = UUID(job_id)
        digest = Job.objects.filter(is_remote=True).values_list("remote_token", flat=True).get(pk=pk)
    except (ValueError, Job.DoesNotExist):
        raise NotExpected from None
    if not tokens.fits(token, digest):
        raise NotExpected
    return pk


def take(job_id: UUID, token: str, answer: Answer) -> None:
    """Take an answer; one that was taken already changes nothing.

    Raises NotExpected for one that comes when the job was given up, cancelled or handed over anew. What such an
    answer tells of in the store is then cleared up by a worker.
    """
    late = False
    with transitions.locked(job_id) as job:
        if not tokens.fits(token, job.remote_token):
            raise NotExpected
        if _is_awaited(job):
            _take(job, answer)
        elif _was_taken(job):
            return
        else:
            late = True
            if not job.is_active:
                queue.send(job)
    if late:
        raise NotExpected


def _is_awaited(job: Job) -> bool:
    return job.state == Job.State.SEPARATING


def _was_taken(job: Job) -> bool:
    last = job.events.filter(kind__in=(Kind.HANDED_OVER, Kind.RETURNED)).last()
    return last is not None and last.kind == Kind.RETURNED


def _take(job: Job, answer: Answer) -> None:
    if job.worker:  # which is about to hear that the job was taken
        transitions.note(job, Kind.HANDED_OVER, job.remote_folder)
    job.worker, job.heartbeat_at, job.remote_deadline_at = "", None, None
    if answer.error is not None:
        note = answer.error[:ERROR_LENGTH] or "It did not say why."
        transitions.note(job, Kind.RETURNED, f"error: {note}")
        transitions.failed(job, _failure(note, again=job.attempts < REMOTE_TRIES))
        if not job.is_active:
            queue.send(job)  # what it may have stored is cleared up
        return
    transitions.note(job, Kind.RETURNED)
    job.state, job.step, job.progress = Job.State.ANALYSING, transitions.COLLECTING, RETURNED
    job.stems = answer.stems
    job.save()
    queue.send(job)


def _failure(text: str, *, again: bool) -> Failure:
    return Failure("remote_failed", f"The remote worker could not do it: {text}", f"It said: {text}", again)


def give_up_overdue() -> int:
    """Take jobs from a remote worker that has not answered in time; return how many those were. Part of the rescue."""
    overdue = Job.objects.filter(state=Job.State.SEPARATING, remote_deadline_at__lt=timezone.now())
    count = 0
    for pk in list(overdue.values_list("pk", flat=True)):
        with transaction.atomic():
            job = overdue.select_for_update(skip_locked=True).filter(pk=pk).first()
            if job is not None:
                transitions.failed(job, _timeout())
                count += 1
    return count


def _timeout() -> Failure:
    minutes = settings.STEMSET_REMOTE_TIMEOUT_MINUTES
    text = f"The machine that separates the recordings did not answer within {minutes:g} minutes."
    return Failure("remote_timeout", text, "STEMSET_REMOTE_TIMEOUT_MINUTES says how long it is waited for.", True)
