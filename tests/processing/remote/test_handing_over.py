"""What the remote worker is told, and what becomes of a job that it does not take."""

import pytest
from django.db import connection

from catalog.models import Recording
from catalog.storing import clear_marked, files_of
from processing.jobs import transitions
from processing.jobs.enqueue import enqueue
from processing.jobs.failures import Failure
from processing.models import Job
from processing.remote import tokens
from tests.factories import make_recording
from tests.processing.remote.conftest import SECRET
from tests.processing.remote.helpers import deliver, done, story, work

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_payload_is_exactly_the_agreed_one_and_the_source_lies_where_it_says(elsewhere, fake_worker):
    job = elsewhere.job()
    assert job.is_remote
    work(job)
    (payload,) = fake_worker.asked
    token = payload["callback_url"].rpartition("/")[2]
    assert payload == {
        "job_id": str(job.pk),
        "profile_name": "band",
        "strategy_name": "quick",
        "input_key": f"inputs/band/{job.file_hash}.wav",
        "output_name": job.output_name,
        "output_config": {"format": "flac", "bitrate": 96},
        "callback_url": f"https://band.example/api/jobs/{job.pk}/complete/{token}",
    }
    assert fake_worker.headers[0]["Authorization"] == f"Bearer {SECRET}"
    assert elsewhere.get(payload["input_key"]) == (elsewhere.band.source_folder / "take.wav").read_bytes()
    assert len(token) >= 43
    assert token not in str(Job.objects.filter(pk=job.pk).values())
    assert (job.state, job.step, job.worker) == ("separating", "remote", "")
    assert 59 * 60 < (job.remote_deadline_at - job.started_at).total_seconds() <= 60 * 60 + 5
    assert story(job) == ["queued", "started", "handed_over"]
    assert elsewhere.stored() == {payload["input_key"], f"band/{job.output_name}/.storing"}


def test_without_a_secret_none_is_sent(elsewhere, fake_worker, settings):
    settings.STEMSET_REMOTE_SECRET = ""
    work(elsewhere.job())
    assert "Authorization" not in fake_worker.headers[0]


@pytest.mark.parametrize("status", [301, 401, 503])
def test_a_refusal_may_pass(elsewhere, fake_worker, status):
    fake_worker.answer = (status, {"Location": fake_worker.url})
    job = work(elsewhere.job())
    assert (job.state, job.error_code, job.attempts) == ("queued", "remote", 1)
    assert str(status) in job.error_text
    assert len(fake_worker.asked) == 1
    assert elsewhere.stored() == {fake_worker.asked[0]["input_key"]}
    for _ in range(2):
        work(job)
    assert (job.state, job.attempts) == ("error", 3)
    assert job.error_text.endswith("It was tried 3 times.")


def test_nobody_there_may_pass(elsewhere):
    job = work(elsewhere.job())
    assert (job.state, job.error_code) == ("queued", "remote")
    assert "cannot be reached" in job.error_text
    assert "127.0.0.1" not in job.error_text


def test_a_worker_that_has_enough_to_do_is_asked_again_and_that_costs_no_attempt(elsewhere, fake_worker):
    fake_worker.answer = (503, {"Retry-After": "30"})
    job = elsewhere.job()
    for _ in range(4):
        work(job)
    assert (job.state, job.attempts) == ("queued", 0)
    assert story(job) == ["queued", *["started", "given_back"] * 4]
    fake_worker.answer = (202, {})
    work(job)
    assert job.step == "remote"
    assert fake_worker.asked[-1]["output_name"] == job.output_name


def test_where_it_was_not_heard_whether_a_job_was_taken_another_folder_is_used(elsewhere, fake_worker, client):
    fake_worker.answer = (502, {})
    job = work(elsewhere.job())
    assert (job.state, job.error_code) == ("queued", "remote")
    fake_worker.answer = (202, {})
    work(job)
    first, second = fake_worker.asked
    assert first["output_name"] != second["output_name"]
    assert story(job) == ["queued", "started", "retry", "started", "handed_over", "handed_over"]
    path = first["callback_url"].removeprefix("https://band.example")
    assert client.post(path, done(first), content_type="application/json").status_code == 404


def test_an_answer_that_is_quicker_than_the_acceptance_counts(elsewhere, fake_worker, client):
    def answer(payload: dict) -> None:
        deliver(elsewhere, payload)
        response = client.post(fake_worker.path, done(payload), content_type="application/json")
        assert response.status_code == 201
        connection.close()  # of the server's thread

    fake_worker.meanwhile = answer
    job = work(elsewhere.job())
    assert (job.state, job.step) == ("analysing", "collecting")
    assert work(job).state == "complete"
    assert story(job) == ["queued", "started", "handed_over", "returned", "started", "complete"]


@pytest.mark.parametrize("missing", ["store", "address", "url"])
def test_what_is_not_set_up_is_said_and_not_tried_again(elsewhere, fake_worker, settings, missing):
    job = elsewhere.job()
    match missing:
        case "store":
            settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "catalog.storage.LocalStorage"}}
        case "address":
            settings.BACKEND_URL = ""
        case "url":
            settings.STEMSET = settings.STEMSET.model_copy(update={"gpu_worker_url": None})
    work(job)
    assert (job.state, job.error_code) == ("error", "not_configured")
    assert {"store": "object store", "address": "BACKEND_URL", "url": "gpu_worker_url"}[missing] in job.error_text
    assert not fake_worker.asked


def test_a_source_that_is_gone(elsewhere, fake_worker):
    job = elsewhere.job(source="inputs/band/none.wav")
    work(job)
    assert (job.state, job.error_code) == ("error", "source_gone")
    assert not fake_worker.asked


def test_what_the_profile_has_meanwhile_is_not_made_again(elsewhere, fake_worker):
    job = elsewhere.job()
    recording = make_recording(job.profile, "imported")
    recording.stems.first().audio_file.__class__.objects.update(file_hash=job.file_hash)
    assert work(job).state == "complete"
    assert job.recording == recording
    assert not fake_worker.asked


def test_while_a_recording_is_made_again_its_files_are_not_touched(elsewhere, fake_worker, client):
    first = elsewhere.job()
    work(first)
    deliver(elsewhere, fake_worker.asked[0])
    client.post(fake_worker.path, done(fake_worker.asked[0]), content_type="application/json")
    work(first)
    before = {key: elsewhere.get(key) for key in elsewhere.stored()}

    again, made = enqueue(elsewhere.wish(mode=Job.Mode.REPLACE, replaces=first.output_name))
    assert made
    work(again)
    payload = fake_worker.asked[1]
    assert payload["output_name"] != first.output_name
    assert payload["output_name"].startswith(f"{first.output_name}.")
    deliver(elsewhere, payload)
    assert {key: elsewhere.get(key) for key in before} == before
    client.post(fake_worker.path, done(payload), content_type="application/json")
    assert work(again).state == "complete"

    recording = Recording.objects.get()
    named = files_of(recording.stems.all())
    assert all(key.startswith(f"band/{first.output_name}/") for key in named)
    assert elsewhere.stored() == {*named, payload["input_key"]}


def test_what_a_given_up_worker_stores_late_is_in_nobodys_way(elsewhere, fake_worker, client):
    job = elsewhere.job()
    work(job)
    with transitions.locked(job.pk) as row:
        transitions.failed(row, Failure("remote_timeout", "It did not answer.", "", may_pass=True))
    work(job)
    early, late = fake_worker.asked[1], fake_worker.asked[0]
    assert early["output_name"] != late["output_name"]
    deliver(elsewhere, early)
    assert client.post(fake_worker.path, done(early), content_type="application/json").status_code == 201
    assert work(job).state == "complete"
    named = files_of(job.recording.stems.all())
    before = {key: elsewhere.get(key) for key in named}

    deliver(elsewhere, late, bass=b"other", other=b"noise")
    path = late["callback_url"].removeprefix("https://band.example")
    assert client.post(path, done(late), content_type="application/json").status_code == 404
    assert {key: elsewhere.get(key) for key in named} == before
    # The mark tells the sweep whose they are.
    assert clear_marked(f"band/{job.output_name}", job.file_hash) == ["bass.flac", "other.flac", ".storing"]
    assert elsewhere.stored() == {*named, early["input_key"]}


def test_tokens():
    token = tokens.new_token()
    assert tokens.fits(token.text, token.digest)
    assert not tokens.fits(token.text + "x", token.digest)
    assert not tokens.fits("", "")
    assert not tokens.fits(token.text, "")
