"""What the remote worker may answer, and how often; and what becomes of jobs that it does not answer for."""

import logging
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from catalog.models import Recording
from processing.jobs import rescue, transitions
from processing.jobs.enqueue import enqueue
from processing.models import Job
from stemset.log_secrets import HideTokens
from tests.processing.remote.helpers import deliver, done, story, work

pytestmark = pytest.mark.django_db(transaction=True)
FAILED = {"status": "error", "stems": None, "error": "The card is full."}


@pytest.fixture
def say(client):
    """Answer as the remote worker does: a program, which says nothing of where it comes from."""

    def say(path: str, content: object, **headers: str) -> int:
        return client.post(path, content, content_type="application/json", headers=headers).status_code

    return say


@pytest.fixture
def job(elsewhere, fake_worker) -> Job:
    """A job that the remote worker has."""
    return work(elsewhere.job())


@pytest.fixture
def payload(job, fake_worker) -> dict:
    """What it was told."""
    return fake_worker.asked[0]


def messages(job: Job) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE args->>'job_id' = %s", [str(job.pk)])
        return cursor.fetchone()[0]


def refreshed(job: Job) -> Job:
    job.refresh_from_db()
    return job


def test_a_good_answer_and_its_replays(elsewhere, job, payload, fake_worker, say, client):
    deliver(elsewhere, payload)
    before = messages(job)
    assert say(fake_worker.path, done(payload)) == 201
    assert (refreshed(job).state, job.step, job.remote_deadline_at) == ("analysing", "collecting", None)
    assert messages(job) == before + 1
    told = client.get(f"/api/jobs/{job.pk}")
    assert told.status_code == 401  # the worker's token opens nothing else
    assert say(fake_worker.path, done(payload)) == 201
    assert say(fake_worker.path, done(payload, **FAILED)) == 201
    assert messages(job) == before + 1
    assert work(job).state == "complete"
    assert say(fake_worker.path, done(payload)) == 201
    assert story(refreshed(job)) == ["queued", "started", "handed_over", "returned", "started", "complete"]
    assert job.attempts == 1
    assert Recording.objects.count() == 1


def test_the_token_may_come_as_bearer(job, payload, fake_worker, say):
    path, _slash, token = fake_worker.path.rpartition("/")
    assert say(path, done(payload)) == 404
    assert say(path, done(payload), Authorization=f"Bearer {token}x") == 404
    assert refreshed(job).step == "remote"
    assert say(path, done(payload), Authorization=f"Bearer {token}") == 201
    assert refreshed(job).step == "collecting"


def test_forged_tokens_and_jobs_that_are_not_there(elsewhere, job, payload, fake_worker, say):
    path, _slash, token = fake_worker.path.rpartition("/")
    other = work(elsewhere.job("other.wav", seed=5))
    local = elsewhere.job("local.wav", seed=6)
    Job.objects.filter(pk=local.pk).update(is_remote=False)
    paths = [
        f"{path}/{token[:-1]}",
        f"{path}/{token}=",
        f"{path}/x",
        f"{path}/{job.remote_token}",
        f"/api/jobs/{other.pk}/complete/{token}",
        f"/api/jobs/{local.pk}/complete/{token}",
        f"/api/jobs/{local.pk}/complete/x",
        f"/api/jobs/00000000-0000-4000-8000-000000000000/complete/{token}",
        f"/api/jobs/nonsense/complete/{token}",
    ]
    for forged in paths:
        for content in (done(payload), {}, [], "nonsense"):
            assert say(forged, content) == 404, forged
    assert [refreshed(one).step for one in (job, other, local)] == ["remote", "remote", ""]


def test_what_makes_no_sense_is_refused_and_changes_nothing(job, payload, fake_worker, say):
    for nonsense in ({}, [], "x", {"status": "complete"}, {**FAILED}):
        assert say(fake_worker.path, nonsense) == 400, nonsense
    for wrong in (
        {"job_id": "another"},
        {"status": "perhaps"},
        {"stems": "bass"},
        {"stems": [None]},
        {"stems": ["x" * 65]},
        {"error": "\0", "status": "error"},
    ):
        assert say(fake_worker.path, done(payload, **wrong)) == 400, wrong
    assert refreshed(job).step == "remote"


def test_an_error_is_believed_the_second_time(elsewhere, job, payload, fake_worker, say):
    assert say(fake_worker.path, done(payload, **FAILED)) == 201
    assert (refreshed(job).state, job.error_code) == ("queued", "remote_failed")
    assert say(fake_worker.path, done(payload, **FAILED)) == 201
    assert story(job) == ["queued", "started", "handed_over", "returned", "retry"]
    work(job)
    assert fake_worker.asked[1]["output_name"] == job.output_name
    deliver(elsewhere, fake_worker.asked[1])
    assert say(fake_worker.path, done(payload, **FAILED)) == 201
    assert (refreshed(job).state, job.attempts) == ("error", 2)
    assert job.error_text == "The remote worker could not do it: The card is full."
    work(job)
    assert elsewhere.stored() == {payload["input_key"]}


def test_a_cancelled_job_is_cancelled_at_once_and_what_comes_late_is_cleared_up(
    elsewhere, job, payload, fake_worker, say
):
    assert transitions.cancel(job.pk, "Alice")
    deliver(elsewhere, payload)
    before = messages(job)
    assert say(fake_worker.path, done(payload)) == 404
    assert messages(job) == before + 1
    work(job)
    assert elsewhere.stored() == {payload["input_key"]}
    assert story(job)[-1] == "cancelled"
    assert say(fake_worker.path, done(payload)) == 404


def test_a_job_that_is_cancelled_while_it_waits_to_be_collected(elsewhere, job, payload, fake_worker, say):
    deliver(elsewhere, payload)
    say(fake_worker.path, done(payload))
    before = messages(job)
    assert transitions.cancel(job.pk, "Alice")
    assert messages(job) == before + 1
    assert work(job).state == "cancelled"
    assert elsewhere.stored() == {payload["input_key"]}
    assert not Recording.objects.exists()


def test_clearing_up_spares_a_later_job_and_a_complete_one(elsewhere, job, payload, fake_worker, say):
    transitions.cancel(job.pk, "Alice")
    again, made = enqueue(elsewhere.wish())
    assert made
    work(again)
    assert fake_worker.asked[1]["output_name"] != payload["output_name"]
    deliver(elsewhere, fake_worker.asked[1])
    deliver(elsewhere, payload)
    work(job)
    assert say(fake_worker.path, done(fake_worker.asked[1])) == 201
    assert work(again).state == "complete"
    # Whoever was cancelled may still store something: the mark stays until that worker answers, or for the sweep.
    mark = f"band/{job.output_name}/.storing"
    kept = elsewhere.stored() - {mark}
    assert len(kept) == 7
    deliver(elsewhere, payload)
    for one in (again, job):
        work(one)
    assert elsewhere.stored() == kept


def overdue(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(remote_deadline_at=timezone.now() - timedelta(seconds=1))


def test_a_worker_that_does_not_answer_is_given_up(elsewhere, job, payload, fake_worker, say):
    assert rescue.rescue() == 0
    for attempt in (1, 2):
        overdue(job)
        assert rescue.rescue() == 1
        assert (refreshed(job).state, job.error_code, job.attempts) == ("queued", "remote_timeout", attempt)
        assert say(fake_worker.path, done(payload)) == 404
        work(job)
    late = fake_worker.path
    overdue(job)
    rescue.rescue()
    assert (refreshed(job).state, job.error_code) == ("error", "remote_timeout")
    assert "within 60 minutes" in job.error_text
    assert job.error_text.endswith("It was tried 3 times.")
    deliver(elsewhere, fake_worker.asked[2])
    assert say(late, done(payload)) == 404
    work(job)
    assert not {key for key in elsewhere.stored() if key.endswith(".flac")}


def test_a_lost_message_about_a_job_to_collect_is_sent_again(job, payload, fake_worker, say):
    say(fake_worker.path, done(payload))
    Job.objects.update(created_at=timezone.now() - timedelta(minutes=5))
    assert rescue.rescue() == 0
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    assert rescue.rescue() == 1
    assert messages(job) == 1


def test_no_token_in_the_log(job, payload, fake_worker, say, caplog):
    token = fake_worker.path.rpartition("/")[2]
    transitions.cancel(job.pk, "Alice")
    logging.getLogger("django.request").addFilter(hide := HideTokens())
    try:
        assert say(fake_worker.path, done(payload)) == 404
    finally:
        logging.getLogger("django.request").removeFilter(hide)
    assert "/complete/[token]" in caplog.text
    assert token not in caplog.text
