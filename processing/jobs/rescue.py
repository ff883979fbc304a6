"""What workers look after for each other: jobs whose worker has died, and messages that got lost."""

import socket
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from processing import workdir
from processing.jobs import queue, transitions
from processing.jobs.whereabouts import is_dead_here, worker_name
from processing.leftovers import clear_abandoned
from processing.models import Job
from processing.remote import returning

# A job that was silent for so long has lost its worker: those that live say so every second.
SILENT_SECONDS = 30

# Messages that somebody will take, or is taking: procrastinate's workers give signs of life too.
_LIVING_MESSAGES = """
    SELECT args->>'job_id' FROM procrastinate_jobs AS message
    LEFT JOIN procrastinate_workers AS worker ON worker.id = message.worker_id
    WHERE status = 'todo' OR status = 'doing' AND worker.last_heartbeat > now() - make_interval(secs => %(silent)s)
"""
# A worker that was killed leaves its messages as being done for ever. The rows say what is still to do.
_DROP_DEAD_MESSAGES = """
    DELETE FROM procrastinate_jobs AS message
    WHERE status = 'doing' AND NOT EXISTS (
        SELECT FROM procrastinate_workers AS worker
        WHERE worker.id = message.worker_id AND worker.last_heartbeat > now() - make_interval(secs => %(silent)s))
"""


def rescue() -> int:
    """Give jobs of dead workers to others, send lost messages again, clear up; return how many jobs that concerned.

    Any number of workers may do so at the same time.
    """
    count = take_from_the_dead() + returning.give_up_overdue() + send_again()
    # Last, since these may wait for a store that does not answer.
    workdir.sweep(settings.STEMSET_WORK_DIR, before_removal=clear_abandoned)
    return count


def take_from_the_dead() -> int:
    """Queue jobs whose worker has died; those that have had all their attempts end with an error."""
    silent_since = timezone.now() - timedelta(seconds=SILENT_SECONDS)
    dead = Q(heartbeat_at__lt=silent_since) | Q(worker__in=_dead_here())
    candidates = Job.objects.filter(dead, state__in=Job.RUNNING, remote_deadline_at=None)
    taken = 0
    for pk in list(candidates.values_list("pk", flat=True)):
        with transaction.atomic():
            job = candidates.select_for_update(skip_locked=True).filter(pk=pk).first()
            if job is not None:
                transitions.lost(job)
                taken += 1
    return taken


def take_if_dead_here(job_id: UUID) -> None:
    """Queue a job whose worker was a process of this machine that is gone; this one asks because it is free itself."""
    with transaction.atomic():
        job = Job.objects.select_for_update().filter(pk=job_id, state__in=Job.RUNNING).first()
        if job is not None and (job.worker == worker_name() or is_dead_here(job.worker)):
            transitions.lost(job)


def send_again() -> int:
    """Send a message for every waiting job that has none, as after a restore or a crash at a bad moment."""
    silent = {"silent": SILENT_SECONDS}
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_DROP_DEAD_MESSAGES, silent)
            cursor.execute(_LIVING_MESSAGES, silent)
            living = {text for (text,) in cursor.fetchall()}
        # Whoever makes a job and does it himself has begun by now.
        waiting = Job.objects.filter(
            Q(state=Job.State.QUEUED) | returning.TO_COLLECT,
            created_at__lt=timezone.now() - timedelta(seconds=SILENT_SECONDS),
        )
        forgotten = [job for job in waiting.select_for_update(skip_locked=True) if str(job.pk) not in living]
        for job in forgotten:
            queue.send(job)
    return len(forgotten)


def _dead_here() -> list[str]:
    running = Job.objects.filter(state__in=Job.RUNNING, worker__startswith=f"{socket.gethostname()}/")
    return [name for name in running.order_by().values_list("worker", flat=True).distinct() if is_dead_here(name)]
