"""Doing what a plan lists: here and now, or by leaving it to the workers. One result per file."""

import contextlib
import logging
from collections.abc import Callable, Iterator

from django.db import Error, InterfaceError, OperationalError

from catalog import services
from catalog.models import Profile
from catalog.storage import STORAGE_ERRORS
from processing.errors import ProcessingError
from processing.jobs import rescue, transitions
from processing.jobs.beat import Beat
from processing.jobs.doing import do_with
from processing.jobs.enqueue import Wish, enqueue
from processing.jobs.failures import judge
from processing.jobs.inputs import enqueue_found
from processing.jobs.whereabouts import worker_name
from processing.models import Job
from processing.pipeline import Report
from processing.plan import Item, Plan, failed
from processing.scanner import SourceFile, displayable
from stemset.config.schema import ProfileConfig

logger = logging.getLogger(__name__)

Reports = Callable[[SourceFile], Report]


def run_plan(plan: Plan, config: ProfileConfig, strategy_name: str, *, force: bool, report: Reports) -> Iterator[Item]:
    """Process what the plan lists, one after the other, here and now; a bad file does not stop the rest.

    Each is a job like any other, which people see and may cancel; if this process is killed, a worker goes on.
    `report` gives each file its progress callback. Database connections that are lost end the run, since nothing
    after that could be catalogued.
    """
    profile = services.sync_profile(config)
    for source, digest in plan.todo:
        wish = wish_for(profile, strategy_name, source, digest, origin=Job.Origin.COMMAND, force=force)
        yield _run(take(wish), source, report(source))


def queue_plan(
    plan: Plan, config: ProfileConfig, strategy_name: str, *, force: bool, origin: Job.Origin
) -> Iterator[Item]:
    """Leave what the plan lists to the workers."""
    profile = services.sync_profile(config)
    for source, digest in plan.todo:
        place = displayable(source.path)
        try:
            wish = wish_for(profile, strategy_name, source, digest, origin=origin, force=force)
            job, made = enqueue_found(wish, source)
        except ProcessingError as error:
            yield failed(source.path, error)
        except STORAGE_ERRORS as error:
            yield Item(place, "failed", code="storage", message=f"The object store did not take it: {error}")
        else:
            yield Item(place, "queued" if made else "busy", job.output_name)


def wish_for(
    profile: Profile, strategy_name: str, source: SourceFile, digest: str, *, origin: Job.Origin, force: bool
) -> Wish:
    """Return what is wanted of a file that was found."""
    known = services.processed_hashes(profile, [digest]).get(digest, "") if force else ""
    return Wish(
        profile=profile,
        strategy_name=strategy_name,
        origin=origin,
        filename=source.name,
        file_hash=digest,
        file_size_bytes=source.size,
        source=displayable(source.path),
        mode=Job.Mode.REPLACE if force else Job.Mode.ONCE,
        replaces=known,
    )


def take(wish: Wish) -> Job | None:
    """Return a job for this process to do now: a new one, one that waits, or one whose process has died here.

    None while somebody else is at it.
    """
    job, _made = enqueue(wish, send=False)
    if job.state in Job.RUNNING:
        rescue.take_if_dead_here(job.pk)
    return transitions.begin(job.pk, worker_name())


def _run(job: Job | None, source: SourceFile, report: Report) -> Item:
    place = displayable(source.path)
    if job is None:
        return Item(place, "busy", message="is being processed elsewhere")
    try:
        with Beat(job, report) as beat:
            result = do_with(job, source, beat)
    except transitions.NoLongerOurs:
        return Item(place, "failed", code="cancelled", message="was cancelled")
    except BaseException as error:
        _give_up(job, error)
        if isinstance(error, ProcessingError):
            return failed(source.path, error)
        if isinstance(error, OperationalError | InterfaceError) or not isinstance(error, Exception):
            raise
        logger.exception("Processing %s failed unexpectedly", place)
        return Item(place, "failed", code="unexpected", message=f"{type(error).__name__}: {error}")
    if result.status == "busy":
        transitions.cancel(job.pk, "manage.py process, since the recording is being made elsewhere")
    return Item(
        place,
        result.status,
        result.output_name,
        stems=result.stems,
        duration_seconds=result.duration_seconds,
        warnings=result.warnings,
    )


def _give_up(job: Job, error: BaseException) -> None:
    """Write down that the job failed or was interrupted. Without a database a worker finds out, and does it."""
    with contextlib.suppress(Error):
        if isinstance(error, Exception):
            transitions.fail(job.pk, job.attempts, judge(error), again=False)
        else:
            transitions.cancel(job.pk, "whoever ran manage.py process")
