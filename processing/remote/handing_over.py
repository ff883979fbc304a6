"""Handing a job over to the remote worker. No worker of ours is occupied while that one is at it."""

import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from catalog.locks import recording_lock
from catalog.storage import LocalStorage
from catalog.storing import Mark, put_mark
from processing.audio.encode import extension_for
from processing.errors import ProcessingError
from processing.jobs import transitions
from processing.jobs.inputs import lock_input
from processing.jobs.orders import wanted
from processing.jobs.sources import local_source, reachable
from processing.models import Job, JobEvent
from processing.pipeline import Order, Report, Result, folder_of, known_as, names_of, require_unclaimed_folder
from processing.remote.clearing import clear_delivered, may_have_stragglers
from processing.remote.tokens import Token, new_token
from processing.scanner import SourceFile

Kind = JobEvent.Kind
CONNECT_SECONDS, ANSWER_SECONDS = 10, 60
# What a worker may say with "not now", and for how long we take its word, in seconds.
NOT_NOW = (429, 503)
WAIT_SECONDS = (5, 300)
STEP = "remote"
# The share of the whole that is done when a job is with the remote worker.
HANDED_OVER = 0.05


class Refused(ProcessingError):
    """The remote worker does not take the job, for sure; of one that just says nothing that is not known."""

    code = "remote"


class RemoteBusy(Exception):
    """The remote worker has enough to do and says when to come again; that is no failure."""

    def __init__(self, seconds: int) -> None:
        super().__init__("the remote worker has enough to do")
        self.seconds = seconds


def hand_over(job: Job, report: Report) -> Result | None:
    """Put the source within reach of the remote worker, mark the folder, and give it the job.

    Returns None when it has it, or a Result that is `known` or `busy` as of process_source. Raises ProcessingError
    (code "remote" for a worker that does not take the job), RemoteBusy, NoLongerOurs and what storage raises.
    """
    url = _require_set_up()
    _forget_last_time(job)
    report("fetching", 0.0)
    _put_within_reach(job)
    order = wanted(job, unseen(job))
    name = folder_of(order)
    with recording_lock(job.profile.name, job.file_hash) as lock:
        if not lock.mine:
            return Result("busy", name)
        known = known_as(order, name)
        if known is not None and not order.force:
            transitions.complete_with_known(job, known)
            return Result("known", known)
        if known is None:
            require_unclaimed_folder(job.profile, name, job.file_hash)
        stragglers = may_have_stragglers(job.profile, name)
        # The recording's own folder, where the stems then stay; or aside, when a file that comes late could overwrite
        # what is there: a recording that is to be made again, or the stems of somebody else who was asked.
        aside = known is not None or stragglers
        job.remote_folder = f"{name}.{secrets.token_hex(4)}" if aside else name
        for folder in {job.remote_folder, name if known is None else job.remote_folder}:
            put_mark(f"{job.profile.name}/{folder}", Mark(job.file_hash, files_to_come(order)))
        token = new_token()
        _prepare(job, token)
        report(STEP, HANDED_OVER)
        try:
            _post(url, payload(job, order, token.text))
        except (RemoteBusy, Refused):
            _forget(job)
            clear_delivered(job)
            raise
        _record(job)
    return None


def payload(job: Job, order: Order, token: str) -> dict[str, Any]:
    """Return what the remote worker is told, exactly."""
    return {
        "job_id": str(job.pk),
        "profile_name": job.profile.name,
        "strategy_name": job.strategy_name,
        "input_key": job.source,
        "output_name": job.remote_folder,
        "output_config": {"format": order.output.format, "bitrate": order.output.bitrate},
        "callback_url": f"{settings.BACKEND_URL}/api/jobs/{job.pk}/complete/{token}",
    }


def unseen(job: Job) -> SourceFile:
    """Return a job's source as something that needs not be on this machine."""
    return SourceFile(Path(job.source), job.file_size_bytes, 0)


def _require_set_up() -> str:
    """Return where the remote worker is."""
    url = settings.STEMSET.gpu_worker_url
    missing = [
        what
        for what, there in (
            ("gpu_worker_url in config.yaml", url),
            ("an object store (r2 in config.yaml), the only place that the remote worker reaches", not _is_local()),
            ("BACKEND_URL, where it answers", settings.BACKEND_URL),
        )
        if not there
    ]
    if missing or url is None:
        raise ProcessingError(f"The remote worker cannot be asked without {'; '.join(missing)}.", code="not_configured")
    return url


def _is_local() -> bool:
    return isinstance(default_storage, LocalStorage)


def _put_within_reach(job: Job) -> None:
    """Make sure that the source lies in the object store, also one of a folder of this machine."""
    if Path(job.source).is_absolute():
        with local_source(job) as source:
            key = reachable(source, job.profile.name, job.file_hash)
        with transaction.atomic():
            lock_input(key)
            Job.objects.filter(pk=job.pk).update(source=key)
        job.source = key
    if not default_storage.exists(job.source):
        raise ProcessingError("The uploaded file is no longer there. Upload it again.", code="source_gone")


def files_to_come(order: Order) -> list[str]:
    """Return the names of the files that make a recording of this order, as a remote worker and we call them."""
    suffix = extension_for(order.output.format)
    return [file for stem in order.tree.stems() for file in names_of(stem, suffix)]


def _forget_last_time(job: Job) -> None:
    """Expect no answer to an earlier attempt any more, and note whether one may come all the same."""
    with transitions.locked(job.pk) as row:
        if not transitions.is_worked_on(row, job.attempts):
            raise transitions.NoLongerOurs
        if not row.remote_token:
            return
        before = row.events.filter(kind=Kind.STARTED).order_by("-id")[1:2].get()
        if not row.events.filter(id__gt=before.pk, kind__in=(Kind.HANDED_OVER, Kind.RETURNED)).exists():
            transitions.note(row, Kind.HANDED_OVER, "perhaps, the last time: it was not heard whether it was taken")
        row.remote_token = ""
        row.save()


def _forget(job: Job) -> None:
    """Expect no answer: the job was not taken."""
    Job.objects.filter(pk=job.pk, attempts=job.attempts, worker=job.worker).update(remote_token="")


def _prepare(job: Job, token: Token) -> None:
    """Have the answer accepted from now on: it may come before we have heard that the job was taken."""
    with transitions.locked(job.pk) as row:
        if not transitions.is_worked_on(row, job.attempts):
            raise transitions.NoLongerOurs
        row.remote_folder, row.remote_token = job.remote_folder, token.digest
        row.stems = None
        row.save()


def _post(url: str, content: dict[str, Any]) -> None:
    secret = settings.STEMSET_REMOTE_SECRET
    try:
        answer = requests.post(
            url,
            json=content,
            headers={"Authorization": f"Bearer {secret}"} if secret else {},
            timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
            allow_redirects=False,  # a POST would become a GET
        )
    except requests.RequestException as error:
        raise ProcessingError(
            "The machine that separates the recordings cannot be reached just now.", code="remote"
        ) from error
    wait = answer.headers.get("Retry-After", "")
    if answer.status_code in NOT_NOW and wait.isdecimal():
        raise RemoteBusy(min(max(int(wait), WAIT_SECONDS[0]), WAIT_SECONDS[1]))
    if not 200 <= answer.status_code < 300:
        # What a gateway in between says with the others, the worker may not know.
        kind = Refused if answer.status_code < 500 or answer.status_code in NOT_NOW else ProcessingError
        raise kind(
            f"The machine that separates the recordings did not take this one (it answered {answer.status_code}).",
            code="remote",
        ) from RuntimeError(f"It answered {answer.status_code}: {answer.text[:2000]}")


def _record(job: Job) -> None:
    """Let go of the job. An answer that was quicker has done so already."""
    with transitions.locked(job.pk) as row:
        if not transitions.is_worked_on(row, job.attempts):
            return
        minutes = settings.STEMSET_REMOTE_TIMEOUT_MINUTES
        row.state, row.step, row.progress = Job.State.SEPARATING, STEP, HANDED_OVER
        transitions.note(row, Kind.HANDED_OVER, row.remote_folder)
        row.worker, row.heartbeat_at = "", None
        row.remote_deadline_at = timezone.now() + timedelta(minutes=minutes)
        row.save()
