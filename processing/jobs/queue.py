"""Messages through procrastinate's tables: "look at this job". A message is a hint, the job's row is the truth.

So a message may come twice, or late: whoever takes it asks the row first.
"""

from datetime import datetime

from procrastinate import App
from procrastinate.contrib.django.django_connector import DjangoConnector

from processing.models import Job

TASK = "job"
# On Django's own connection: a message belongs to the transaction that makes or changes the row.
_sender = App(connector=DjangoConnector())


def send(job: Job, *, at: datetime | None = None) -> None:
    """Have a worker look at a job, now or not before some time."""
    task = _sender.configure_task(TASK, allow_unknown=True, queue=job.queue, priority=job.priority, schedule_at=at)
    task.defer(job_id=str(job.pk))
