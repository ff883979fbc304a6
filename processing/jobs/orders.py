"""What the pipeline is to do for a job, as its row and config.yaml say."""

from functools import partial

from django.conf import settings

from processing.errors import ProcessingError
from processing.jobs import transitions
from processing.models import Job
from processing.pipeline import Order
from processing.scanner import SourceFile
from processing.strategies import require_ready, require_sound


def order_of(job: Job, source: SourceFile) -> Order:
    """Return what process_source is to do. Raises ProcessingError for what this machine or config.yaml has not."""
    order = wanted(job, source)
    require_sound(order.tree, f"strategies.{job.strategy_name}")
    require_ready(order.tree)
    return order


def wanted(job: Job, source: SourceFile) -> Order:
    """The same, whoever is to separate. Raises ProcessingError for what config.yaml no longer has."""
    config = settings.STEMSET.profile(job.profile.name)
    tree = settings.STEMSET.strategies.get(job.strategy_name)
    if config is None or tree is None:
        what = f"profile {job.profile.name}" if config is None else f"strategy {job.strategy_name}"
        raise ProcessingError(f"config.yaml no longer has the {what}.", code="not_configured")
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
        done=partial(transitions.complete, job.pk),
    )
