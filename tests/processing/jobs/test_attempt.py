"""One attempt, seen from the worker."""

import logging
import os
import threading
import time
from multiprocessing.connection import Connection
from types import SimpleNamespace

import pytest
from django.db import connection

from processing.jobs import attempt, child, transitions
from processing.jobs.doing import do
from processing.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def in_threads(monkeypatch):
    """Have children be threads, and return what was told to stop."""
    stopped = []

    class Thread(threading.Thread):
        exitcode = 0

        def __init__(self, args, **options):
            job_id, end = args
            own = Connection(os.dup(end.fileno()))  # as a process has one
            super().__init__(args=(job_id, own), **options)

        def terminate(self) -> None:
            stopped.append("gently")

        def kill(self) -> None:
            stopped.append("hard")

    context = SimpleNamespace(Process=Thread, Pipe=attempt._context.Pipe)
    monkeypatch.setattr(attempt, "_context", context)
    monkeypatch.setattr(attempt, "BEAT_SECONDS", 0.05)
    return stopped


def test_a_child_that_tidies_up_after_its_recording_is_let(job, in_threads, monkeypatch, caplog):
    """It has committed the job, and says so only when the old files are gone from a slow storage."""

    def run(job_id, out):
        do(Job.objects.get(pk=job_id), lambda step, part: out.send(("at", step, part)))
        connection.close()
        time.sleep(0.4)  # some beats
        out.send(("done",))

    monkeypatch.setattr(child, "run", run)
    with caplog.at_level(logging.INFO):
        attempt.attempt(job.pk, threading.Event())

    job.refresh_from_db()
    assert (job.state, in_threads) == ("complete", [])
    assert "no longer wanted" not in caplog.text


def test_one_that_is_no_longer_wanted_is_stopped(job, in_threads, monkeypatch, caplog):
    def run(_job_id, out):
        time.sleep(0.4)
        out.close()

    monkeypatch.setattr(child, "run", run)
    beat = transitions.beat
    monkeypatch.setattr(transitions, "beat", lambda *at: transitions.cancel(job.pk, "Alice") and beat(*at))
    with caplog.at_level(logging.INFO):
        attempt.attempt(job.pk, threading.Event())

    job.refresh_from_db()
    assert (job.state, in_threads) == ("cancelled", ["gently"])
    assert "no longer wanted" in caplog.text
