"""One attempt at a job, seen from the worker: start the child, watch it, write down what became of it."""

import logging
import multiprocessing
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from processing.jobs import failures, transitions
from processing.jobs.whereabouts import worker_name
from processing.models import Job
from processing.remote import clearing

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from processing.jobs import child

logger = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
# A child that was told to stop cleans up; one that does not is killed.
STOP_SECONDS = 8.0
# How long one may take that has made its recording, and takes old files out of storage.
TIDYING_SECONDS = 60.0
# How long a worker holds on to what it has to write while the database is away.
PATIENCE_SECONDS = 60.0

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["processing.jobs.child"])


def warm_up() -> None:
    """Start the process that children are made from, so that the first job need not wait for it."""
    forkserver.ensure_running()


def attempt(job_id: UUID, stop: threading.Event) -> None:
    """Begin a job and see it through, in a thread of its own. `stop` gives it back to the queue."""
    try:
        job = transitions.begin(job_id, worker_name())
        if job is not None:
            _see_through(job, stop)
        else:
            clearing.clear_if_over(job_id)
    except Job.DoesNotExist:
        logger.info("The job %s is no longer there", job_id)
    finally:
        connection.close()


def _see_through(job: Job, stop: threading.Event) -> None:
    from processing.jobs import child  # noqa: PLC0415 - sets Django up when it is imported, which must come second

    ours, theirs = _context.Pipe()
    process = _context.Process(target=child.run, args=(job.pk, theirs), daemon=True)
    process.start()
    theirs.close()
    step, progress, wanted = job.step, job.progress, True
    said: child.Said | None = None
    next_beat = time.monotonic() + BEAT_SECONDS
    try:
        while said is None and wanted and not stop.is_set():
            if ours.poll(max(0.0, next_beat - time.monotonic())):
                try:
                    message = ours.recv()
                except EOFError:  # it ended without a word
                    break
                if message[0] == "at":
                    _at, step, progress = message
                else:
                    said = message
            if time.monotonic() >= next_beat:
                wanted = _beat(job, step, progress)
                next_beat = time.monotonic() + BEAT_SECONDS
        if not wanted and _has_completed(job):  # between committing its recording and saying so
            wanted, said = True, _last_word(ours, stop)
    finally:
        _end(process, gently=said is None)
        ours.close()
    if not wanted:
        logger.info("The job %s was stopped: it is no longer wanted", job.pk)
        return
    _keep_trying(partial(_record, job, said, process.exitcode, stop.is_set()))


def _record(job: Job, said: object, exit_code: int | None, stopping: bool) -> None:
    match said:
        case ("done",):
            return  # with the recording's rows
        case ("busy", str() as why, int() as seconds):
            transitions.give_back(job.pk, job.attempts, why=why, seconds=seconds)
        case ("failed", failures.Failure() as failure):
            transitions.fail(job.pk, job.attempts, failure)
        case ("stopped",) | None if stopping:
            transitions.give_back(job.pk, job.attempts, why="the worker is stopping")
        case ("stopped",):
            return
        case _:
            transitions.fail(job.pk, job.attempts, failures.crashed(exit_code))


def _beat(job: Job, step: str, progress: float) -> bool:
    try:
        return transitions.beat(job, step, progress)
    except (OperationalError, InterfaceError):
        connection.close()  # the database is away; the work goes on meanwhile
        return True


def _has_completed(job: Job) -> bool:
    try:
        return transitions.has_completed(job)
    except (OperationalError, InterfaceError):
        connection.close()
        return False


def _last_word(ours: "Connection[Any, child.Said]", stop: threading.Event) -> "child.Said | None":
    """Return what a child says that has only to tidy up, or None when it ends without a word or takes too long."""
    last = time.monotonic() + TIDYING_SECONDS
    while not stop.is_set() and time.monotonic() < last:
        if ours.poll(BEAT_SECONDS):
            try:
                message = ours.recv()
            except EOFError:
                break
            if message[0] != "at":
                return message
    return None


def _keep_trying(write: Callable[[], None]) -> None:
    """Write to the database, which may be away for a moment. What cannot be written is found by its heartbeat."""
    last = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() > last:
                logger.exception("What became of a job could not be written")
                return None
            time.sleep(1)


def _end(process: "multiprocessing.context.ForkServerProcess", *, gently: bool) -> None:
    if gently:
        process.terminate()
    process.join(STOP_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
