"""Doing a job that was begun: in a child process of a worker, or in the process of a command."""

from collections.abc import Callable
from functools import partial

from django.conf import settings

from catalog.models import Recording
from processing.errors import ProcessingError
from processing.jobs import transitions
from processing.jobs.sources import local_source
from processing.models import Job
from processing.pipeline import Order, Report, Result, process_source
from processing.scanner import SourceFile
from processing.strategies import require_ready, require_sound


def do(job: Job, report: Report) -> Result:
    """Make the recording of a job that was begun, and complete the job in the transaction that writes it.

    Returns a Result; `busy` leaves the job as it is. Raises what `process_source` does, and NoLongerOurs.
    """
    report("fetching", 0.0)
    with local_source(job) as source:
        return do_with(job, source, report)


def do_with(job: Job, source: SourceFile, report: Report) -> Result:
    """The same with the source at hand."""
    result = process_source(order_of(job, source), report)
    if result.status == "known":
        recording = Recording.objects.get(profile=job.profile, output_name=result.output_name)
        stems = list(recording.stems.order_by("stem_type").values_list("stem_type", flat=True))
        transitions.complete(job.pk, recording, stems, "the recording was there already")
    return result


def order_of(job: Job, source: SourceFile) -> Order:
    """Return what process_source is to do. Raises ProcessingError for what config.yaml no longer has."""
    config = settings.STEMSET.profile(job.profile.name)
    tree = settings.STEMSET.strategies.get(job.strategy_name)
    if config is None or tree is None:
        what = f"profile {job.profile.name}" if config is None else f"strategy {job.strategy_name}"
        raise ProcessingError(f"config.yaml no longer has the {what}.", code="not_configured")
    require_sound(tree, f"strategies.{job.strategy_name}")
    require_ready(tree)
    done: Callable[[Recording, list[str]], None] = partial(transitions.complete, job.pk)
    return Order(
        source,
        job.file_hash,
        job.profile,
        job.strategy_name,
        tree,
        config.output,
        force=job.mode != Job.Mode.ONCE,
        name=job.output_name if job.mode != Job.Mode.ONCE else None,
        filename=job.filename,
        storage_url=job.source,
        done=done,
    )
