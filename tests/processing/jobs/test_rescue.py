"""What workers look after for each other."""

import socket
import subprocess
import sys
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from processing.jobs import rescue, transitions
from processing.models import Job

pytestmark = pytest.mark.django_db


def silent(job: Job, seconds: int, worker: str = "elsewhere/1") -> None:
    transitions.begin(job.pk, worker)
    Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - timedelta(seconds=seconds))


def message_count() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs")
        return cursor.fetchone()[0]


def gone_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_silent_job_goes_back_into_the_queue_and_one_that_lives_stays(job):
    silent(job, 25)
    assert rescue.take_from_the_dead() == 0
    silent(job, 31)
    Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - timedelta(seconds=31))
    assert rescue.take_from_the_dead() == 1
    job.refresh_from_db()
    assert (job.state, job.worker, job.attempts) == ("queued", "", 1)
    assert [event.kind for event in job.events.all()] == ["queued", "started", "lost"]
    assert job.events.last().worker == "elsewhere/1"


def test_a_process_of_this_machine_that_is_gone_need_not_be_waited_for(job):
    silent(job, 0, f"{socket.gethostname()}/{gone_process()}")
    assert rescue.take_from_the_dead() == 1


def test_a_lost_message_is_sent_again_and_others_are_not_doubled(job):
    assert rescue.send_again() == 0
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    assert rescue.send_again() == 0  # whoever made it may be about to begin
    Job.objects.filter(pk=job.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    assert rescue.send_again() == 1
    assert rescue.send_again() == 0
    assert message_count() == 1


def test_messages_that_died_with_their_worker_go(job):
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 minute')")
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT max(id) FROM procrastinate_workers)"
        )
    Job.objects.filter(pk=job.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    assert rescue.send_again() == 1  # the row still waits
    assert message_count() == 1


def test_a_message_that_a_living_worker_has_is_left_to_it(job):
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT max(id) FROM procrastinate_workers)"
        )
    Job.objects.filter(pk=job.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    assert rescue.send_again() == 0
