"""A recording that is deleted takes the jobs about it along: a deletion wins over what was asked for before it."""

from typing import Any

from django.dispatch import receiver

from catalog.access import Person
from catalog.deleting import recording_deleted
from catalog.models import Recording
from processing.jobs import transitions
from processing.models import Job


@receiver(recording_deleted)
def cancel_jobs(recording: Recording, by: Person, **_sent: Any) -> None:
    """Cancel what would make a recording anew that is being deleted, in the same transaction."""
    about = Job.objects.filter(profile=recording.profile_id, output_name=recording.output_name, state__in=Job.ACTIVE)
    for job_id in about.order_by("created_at").values_list("pk", flat=True):
        transitions.cancel(job_id, f"{by}, who deleted the recording")
