"""How long jobs are remembered after their end."""

from datetime import timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from processing.models import Job, KnownFile

DEFAULT_DAYS = 30
# People who come back after a week still find out what became of their upload.
LEAST_DAYS = 7
BATCH = 1000


def old_jobs(days: int = DEFAULT_DAYS) -> QuerySet[Job]:
    """Return the jobs that ended more than so many days ago and can be forgotten; below LEAST_DAYS counts as that.

    A file in a source folder whose last job failed or was cancelled would be queued again by the next scan if that was
    forgotten, so such jobs stay for as long as a scan knows the file.
    """
    ended_before = timezone.now() - timedelta(days=max(days, LEAST_DAYS))
    known = KnownFile.objects.filter(profile=OuterRef("profile"), file_hash=OuterRef("file_hash"))
    came_to_nothing = Q(state__in=[Job.State.ERROR, Job.State.CANCELLED])
    return Job.objects.filter(state__in=Job.OVER, finished_at__lt=ended_before).exclude(came_to_nothing & Exists(known))


def forget(days: int = DEFAULT_DAYS) -> int:
    """Delete old jobs with their events, some at a time, and return how many jobs that were."""
    forgotten = 0
    while some := list(old_jobs(days).order_by().values_list("pk", flat=True)[:BATCH]):
        # Only what is still over: somebody may have begun it anew meanwhile.
        _count, by_model = Job.objects.filter(pk__in=some, state__in=Job.OVER).delete()
        forgotten += by_model.get("processing.Job", 0)
        if not by_model:
            break
    return forgotten
