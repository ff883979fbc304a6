"""Jobs in our own API: the list that pages poll, and the two buttons."""

import pytest
from django.utils.dateparse import parse_datetime
from rest_framework.test import APIClient

from processing.jobs import transitions
from processing.jobs.enqueue import enqueue
from processing.models import Job
from tests.factories import make_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def asking():
    def client_of(person) -> APIClient:
        client = APIClient()
        client.force_login(person)
        return client

    return client_of


def many(job: Job, count: int, **fields) -> None:
    """Jobs that have failed, of as many files."""
    for number in range(count):
        make_job(job.profile, f"take-{number}.wav", state="error", finished_at=job.created_at, **fields)


class TestList:
    def test_tells_what_people_want_to_know(self, job, asking, member, leader):
        Job.objects.update(uploader=leader)
        taken = transitions.begin(job.pk, "studio/4711")
        transitions.beat(taken, "encoding", 0.625)
        (told,) = asking(member).get("/api/jobs").json()["results"]
        job.refresh_from_db()
        assert parse_datetime(told.pop("created_at")) == job.created_at
        assert parse_datetime(told.pop("started_at")) == job.started_at
        assert told == {
            "id": str(job.pk),
            "profile": "band",
            "recording": None,
            "filename": "take.wav",
            "output_name": job.output_name,
            "strategy_name": "quick",
            "state": "analysing",
            "status": "Measuring and encoding",
            "progress": 0.625,
            "asked_by": "Alice",
            "error": None,
            "finished_at": None,
        }

    def test_tells_why_something_failed_but_nothing_technical(self, failed_job, asking, staff):
        answer = asking(staff).get("/api/jobs")
        (told,) = answer.json()["results"]
        assert (told["state"], told["status"], told["error"]) == ("error", "Failed", "This is no audio.")
        for secret in (b"Traceback", b"4711", failed_job.source.encode()):
            assert secret not in answer.content

    def test_says_that_it_waits_for_another_attempt(self, job, asking, member):
        Job.objects.update(error_text="The store was away.", attempts=1)
        (told,) = asking(member).get("/api/jobs").json()["results"]
        assert (told["status"], told["error"]) == ("Waiting for another attempt. The store was away.", None)

    def test_only_of_ones_own_profiles(self, job, asking, outsider, staff):
        assert asking(outsider).get("/api/jobs").json()["count"] == 0
        assert asking(outsider).get("/api/jobs?profile=band").json()["count"] == 0
        assert asking(staff).get("/api/jobs").json()["count"] == 1

    def test_filters_and_pages(self, job, asking, member):
        many(job, 3)
        client = asking(member)

        def count(query: str) -> int:
            return client.get(f"/api/jobs?{query}").json()["count"]

        assert [count(f"state={state}") for state in ("active", "queued", "error", "complete")] == [1, 1, 3, 0]
        assert (count("profile=band"), count("profile=second")) == (4, 0)
        assert len(client.get("/api/jobs?page_size=3").json()["results"]) == 3
        assert client.get("/api/jobs?page=2").status_code == 404
        for wrong in ("state=dancing", "states=error", "state=", "page=0"):
            assert client.get(f"/api/jobs?{wrong}").status_code == 400

    def test_is_sent_only_when_something_has_changed(self, job, asking, member):
        client = asking(member)
        tag = client.get("/api/jobs")["ETag"]
        assert client.get("/api/jobs", headers={"If-None-Match": tag}).status_code == 304
        transitions.beat(transitions.begin(job.pk, "here/1"), "separating", 0.25)
        assert client.get("/api/jobs", headers={"If-None-Match": tag}).status_code == 200

    # The person with what is open to them, the number of jobs, a page of them with profile, recording and uploader.
    @pytest.mark.parametrize("count", [2, 50])
    def test_costs_the_same_for_two_jobs_as_for_fifty(self, job, count, asking, member, django_assert_num_queries):
        many(job, count, uploader=member)
        client = asking(member)
        with django_assert_num_queries(3) as asked:
            assert client.get("/api/jobs").json()["count"] == count + 1
        for large in ("index_json", "metadata_json", "error_detail"):
            assert large not in str(asked.captured_queries)


class TestCancel:
    def test_by_a_leader(self, job, asking, leader):
        answer = asking(leader).post(f"/api/jobs/{job.pk}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
        assert answer.json()["error"] == "Cancelled by Alice."

    def test_twice_is_once(self, job, asking, leader, staff):
        asking(leader).post(f"/api/jobs/{job.pk}/cancel")
        answer = asking(staff).post(f"/api/jobs/{job.pk}/cancel")
        assert (answer.status_code, answer.json()["error"]) == (200, "Cancelled by Alice.")
        assert list(job.events.values_list("kind", flat=True)) == ["queued", "cancelled"]

    def test_not_what_is_over(self, failed_job, asking, leader):
        answer = asking(leader).post(f"/api/jobs/{failed_job.pk}/cancel")
        assert (answer.status_code, answer.json()) == (409, {"detail": "take.wav was over already: failed."})


class TestRetry:
    def test_by_a_leader(self, failed_job, asking, leader, staff):
        answer = asking(leader).post(f"/api/jobs/{failed_job.pk}/retry")
        assert (answer.status_code, answer.json()["state"], answer.json()["asked_by"]) == (201, "queued", "Alice")
        assert answer.json()["id"] != str(failed_job.pk)
        second = asking(staff).post(f"/api/jobs/{failed_job.pk}/retry")
        assert (second.status_code, second.json()) == (200, answer.json())

    def test_says_why_not(self, failed_job, asking, leader, band):
        (band.source_folder / "take.wav").unlink()
        answer = asking(leader).post(f"/api/jobs/{failed_job.pk}/retry")
        assert (answer.status_code, "take.wav is no longer where it was" in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize("button", ["cancel", "retry"])
class TestWhoMay:
    def test_members_look_but_do_not_press(self, failed_job, wish, button, asking, member):
        active, _ = enqueue(wish())
        for job in (failed_job, active):
            answer = asking(member).post(f"/api/jobs/{job.pk}/{button}")
            assert (answer.status_code, "for its leaders" in answer.json()["detail"]) == (404, True)
        active.refresh_from_db()
        assert (active.state, Job.objects.count()) == ("queued", 2)

    def test_outsiders_do_not_even_know(self, job, button, asking, outsider):
        answer = asking(outsider).post(f"/api/jobs/{job.pk}/{button}")
        assert (answer.status_code, answer.json()["detail"]) == (404, "There is no such job.")
        for made_up in ("x", "%00", "00000000-0000-4000-8000-000000000000"):
            assert asking(outsider).post(f"/api/jobs/{made_up}/{button}").status_code == 404
