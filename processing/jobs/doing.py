"""Doing a job that was begun: in a child process of a worker, or in the process of a command."""

from processing.jobs import transitions
from processing.jobs.orders import order_of
from processing.jobs.sources import local_source
from processing.models import Job
from processing.pipeline import Report, Result, process_source
from processing.remote.collecting import collect
from processing.remote.handing_over import hand_over
from processing.scanner import SourceFile


def do(job: Job, report: Report) -> Result | None:
    """Make the recording of a job that was begun, and complete the job in the transaction that writes it.

    The remote worker's jobs are handed over (None), and collected when they have come back. Returns a Result; `busy`
    leaves the job as it is. Raises what `process_source`, `hand_over` and `collect` do, and NoLongerOurs.
    """
    if job.is_remote:
        return collect(job, report) if job.step == transitions.COLLECTING else hand_over(job, report)
    report("fetching", 0.0)
    with local_source(job) as source:
        return do_with(job, source, report)


def do_with(job: Job, source: SourceFile, report: Report) -> Result:
    """The same with the source at hand, here and now."""
    result = process_source(order_of(job, source), report)
    if result.status == "known":
        transitions.complete_with_known(job, result.output_name)
    return result
