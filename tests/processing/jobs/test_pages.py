"""The page of jobs, as it is without JavaScript."""

import re

import pytest

from processing.jobs import transitions
from processing.jobs.doing import do
from processing.jobs.enqueue import enqueue
from processing.models import Job
from processing.pages import PER_PAGE
from tests.processing.jobs.test_api import many

pytestmark = pytest.mark.django_db


@pytest.fixture
def seen_by(client):
    """Return what somebody sees at an address."""

    def see(person, address: str = "/jobs", **query) -> str:
        client.force_login(person)
        answer = client.get(address, query)
        assert answer.status_code == 200
        return answer.content.decode()

    return see


def files(page: str) -> list[str]:
    return re.findall(r'<div class="job-what">\s*<h2>([^<]+)</h2>', page)


class TestWhatIsShown:
    def test_how_far_a_job_is(self, job, seen_by, member, leader):
        Job.objects.update(uploader=leader, origin="upload")
        transitions.beat(transitions.begin(job.pk, "studio/4711"), "separating", 0.43)
        page = seen_by(member)
        assert '<progress max="100" value="43" aria-label="Progress of take.wav">' in page
        assert '<span data-show="status">Separating</span>' in page
        assert "43 %" in page
        assert "Uploaded by Alice" in page
        assert 'data-poll="/api/jobs?page_size=25"' in page

    def test_a_finished_one_leads_to_its_recording(self, job, seen_by, member):
        do(transitions.begin(job.pk, "here/1"), lambda *_: None)
        page = seen_by(member)
        assert f'<a href="/library/band/{job.output_name}">{job.output_name}</a>' in page
        assert "<progress" not in page

    def test_failures_are_in_words_and_the_technical_part_is_for_staff(
        self, failed_job, seen_by, member, leader, staff
    ):
        for person in (member, leader):
            page = seen_by(person)
            assert "This is no audio." in page
            for technical in ("Traceback: deep inside", "studio/4711", failed_job.source, "audio_unreadable"):
                assert technical not in page
        page = seen_by(staff)
        for technical in ("Traceback: deep inside", "studio/4711", failed_job.source, "audio_unreadable"):
            assert technical in page
        assert "failed for good" in page

    def test_text_is_text(self, wish, seen_by, staff):
        job, _ = enqueue(wish(filename="<b>x</b>.wav"))
        transitions.cancel(job.pk, "<i>Eve</i>")
        Job.objects.update(error_detail="<script>")
        page = seen_by(staff)
        assert "&lt;b&gt;x&lt;/b&gt;.wav" in page
        assert not any(raw in page for raw in ("<b>x", "<i>Eve", "<script>"))

    def test_only_ones_own(self, job, seen_by, outsider, client):
        assert files(seen_by(outsider)) == []
        assert client.get("/jobs?profile=band").status_code == 404
        client.logout()
        assert client.get("/jobs")["Location"].startswith("/login")

    def test_filtered_by_profile_and_state(self, job, seen_by, member, leader):
        many(job, 2)
        assert files(seen_by(member, state="active")) == ["take.wav"]
        assert len(files(seen_by(member, state="error"))) == 2
        assert len(files(seen_by(member, profile="band"))) == 3
        assert "No such jobs" in seen_by(member, state="complete")
        assert len(files(seen_by(member, state="dancing", page="x"))) == 3
        assert 'data-poll="/api/jobs?profile=band&amp;state=error&amp;page_size=25"' in seen_by(
            member, profile="band", state="error"
        )

    def test_in_pages(self, job, seen_by, member):
        many(job, PER_PAGE)
        first, second = seen_by(member), seen_by(member, page="2")
        assert len(files(first)) + len(files(second)) == PER_PAGE + 1
        assert "page=2&amp;page_size=25" in second
        assert 'rel="next" href="?page=2"' in first

    def test_from_everywhere_there_is_a_way(self, job, seen_by, member):
        assert '<a href="/jobs">Jobs</a>' in seen_by(member, "/library")

    def test_a_profiles_page_shows_what_is_being_made(self, job, failed_job, wish, seen_by, member):
        page = seen_by(member, "/library/band")
        assert '<ol class="jobs"' not in page
        enqueue(wish())
        page = seen_by(member, "/library/band")
        assert files(page) == ["take.wav"]
        assert 'href="/jobs?profile=band"' in page

    # The person with what is open to them, the number of jobs, a page of them with profile, recording and uploader,
    # what was tried again since; for staff the events.
    @pytest.mark.parametrize("count", [2, PER_PAGE])
    @pytest.mark.parametrize(("who", "queries"), [("member", 4), ("leader", 4), ("staff", 5)])
    def test_costs_the_same_for_two_jobs_as_for_a_full_page(
        self, job, count, who, queries, client, request, django_assert_num_queries
    ):
        person = request.getfixturevalue(who)
        many(job, count, uploader=person)
        client.force_login(person)
        with django_assert_num_queries(queries) as asked:
            client.get("/jobs")
        assert "index_json" not in str(asked.captured_queries)


def button(page: str) -> list[str]:
    return re.findall(r'action="/jobs/[^"]+/(\w+)" data-press', page)


class TestButtons:
    def test_are_there_for_leaders_and_staff(self, failed_job, wish, seen_by, member, leader, staff):
        enqueue(wish("b.wav", seed=2))
        assert button(seen_by(member)) == []
        assert button(seen_by(leader)) == button(seen_by(staff)) == ["cancel", "retry"]

    def test_cancel_leads_back_and_says_so(self, job, client, leader):
        client.force_login(leader)
        place = "/jobs?state=active"
        answer = client.post(f"/jobs/{job.pk}/cancel", {"next": place})
        assert (answer.status_code, answer["Location"]) == (302, place)
        assert "take.wav was cancelled." in client.get(place).content.decode()
        assert "take.wav was cancelled." not in client.get(place).content.decode()
        job.refresh_from_db()
        assert (job.state, job.error_text) == ("cancelled", "Cancelled by Alice.")

    def test_the_second_press_says_what_has_happened(self, job, client, leader, staff):
        for person in (leader, staff):
            client.force_login(person)
            client.post(f"/jobs/{job.pk}/cancel")
        assert "take.wav was over already: cancelled." in client.get("/jobs").content.decode()
        for _ in range(2):
            client.post(f"/jobs/{job.pk}/retry")
        assert Job.objects.filter(state="queued").count() == 1
        page = client.get("/jobs").content.decode()
        assert button(page) == ["cancel"]  # the old one is offered no more
        assert "and tried again since" in page

    def test_retry_says_why_not(self, failed_job, client, leader, band):
        (band.source_folder / "take.wav").unlink()
        client.force_login(leader)
        client.post(f"/jobs/{failed_job.pk}/retry")
        assert "The source file take.wav is no longer where it was" in client.get("/jobs").content.decode()

    @pytest.mark.parametrize("place", ["https://evil.example/", "//evil.example", "/\\evil.example", "", "jobs"])
    def test_lead_nowhere_else(self, job, client, leader, place):
        client.force_login(leader)
        assert client.post(f"/jobs/{job.pk}/cancel", {"next": place})["Location"] == "/jobs"

    @pytest.mark.parametrize("which", ["cancel", "retry"])
    def test_do_nothing_for_others(self, job, client, which, member, outsider):
        for person in (member, outsider):
            client.force_login(person)
            assert client.post(f"/jobs/{job.pk}/{which}").status_code == 404
        assert client.get(f"/jobs/{job.pk}/{which}").status_code == 405
        job.refresh_from_db()
        assert (job.state, Job.objects.count()) == ("queued", 1)
