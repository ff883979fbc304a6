"""A pass over a profile's source folder: what is new there is left to the workers."""

from collections.abc import Callable

from catalog import services
from catalog.models import Profile
from processing import batch
from processing.known_files import KnownFiles
from processing.models import Job
from processing.plan import Item, Plan, make_plan
from processing.scanner import displayable
from stemset.config.schema import ProfileConfig


def scan_profile(
    config: ProfileConfig,
    strategy_name: str,
    *,
    hashing: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Item]:
    """Queue what the source folder has and the catalogue has not; a handful of queries when nothing is new.

    Only files whose size or date is new are read. What is queued already stays so; what has failed or was cancelled
    waits for somebody to ask for it on the page of jobs. Raises ProcessingError when the folder is missing.
    """
    memory = KnownFiles(config.name)
    try:
        plan = make_plan(config, None, force=False, hash_of=memory.hash_of, hashing=hashing)
    finally:
        profile = services.sync_profile(config)
        memory.save(profile)
    plan = _without_asked_for(plan, profile, strategy_name)
    return [*plan.settled, *batch.queue_plan(plan, config, strategy_name, force=False, origin=Job.Origin.SCAN)]


def _without_asked_for(plan: Plan, profile: Profile, strategy_name: str) -> Plan:
    """Settle the files that there is a job of: one under way, or one that came to nothing."""
    hashes = [digest for _source, digest in plan.todo]
    jobs = Job.objects.filter(profile=profile, strategy_name=strategy_name, file_hash__in=hashes) if hashes else []
    latest = {job.file_hash: job for job in sorted(jobs, key=lambda job: job.created_at)}
    left = Plan(settled=plan.settled)
    for source, digest in plan.todo:
        job = latest.get(digest)
        place = displayable(source.path)
        if job is None or job.state == Job.State.COMPLETE:  # whose recording is gone
            left.todo.append((source, digest))
        elif job.is_active:
            left.settled.append(Item(place, "busy", job.output_name, message="is queued already"))
        else:
            message = f"came to nothing before ({job.error_text}); the page of jobs can try again"
            left.settled.append(Item(place, "left_alone", job.output_name, job.error_code, message))
    return left
