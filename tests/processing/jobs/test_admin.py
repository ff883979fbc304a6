"""Jobs in the admin, and recordings that are made again from there."""

import pytest
from django.core.files.storage import default_storage
from django.urls import reverse

from catalog.admin import RecordingAdmin
from catalog.models import AudioFile, Recording
from processing.admin import RecordingWithJobsAdmin
from processing.jobs import transitions
from processing.jobs.doing import do
from processing.jobs.enqueue import enqueue
from processing.models import Job
from tests.factories import make_recording
from tests.processing.jobs.test_api import many

pytestmark = pytest.mark.django_db

JOBS, RECORDINGS = "/admin/processing/job/", "/admin/catalog/recording/"


@pytest.fixture
def as_staff(client, staff):
    client.force_login(staff)
    return client


@pytest.fixture
def recording(job) -> Recording:
    do(transitions.begin(job.pk, "here/1"), lambda *_: None)
    return Recording.objects.get()


def act(client, address: str, action: str, *rows, **more) -> list[str]:
    """Do something with rows of a list, and return what is said about it."""
    asked = {"action": action, "_selected_action": [str(row.pk) for row in rows], "index": "0", **more}
    answer = client.post(address, asked, follow=True)
    assert answer.status_code == 200
    return [str(message) for message in answer.context["messages"]]


class TestJobs:
    def test_are_listed_searched_and_filtered(self, failed_job, as_staff):
        many(failed_job, 1)
        for asked, count in [
            ({}, 2),
            ({"q": "TAKE.wav"}, 1),
            ({"q": failed_job.file_hash[:9]}, 1),
            ({"q": "audio_unreadable"}, 1),
            ({"state__exact": "error"}, 2),
            ({"origin__exact": "upload"}, 1),
        ]:
            assert len(as_staff.get(JOBS, asked).context["cl"].result_list) == count, asked

    def test_one_shows_everything_and_changes_nothing(self, failed_job, as_staff):
        place = reverse("admin:processing_job_change", args=[failed_job.pk])
        page = as_staff.get(place).content.decode()
        for told in (
            "This is no audio.",
            "Traceback: deep inside",
            "studio/4711",
            failed_job.source,
            "failed for good",
        ):
            assert told in page
        assert 'name="state"' not in page
        assert as_staff.post(place, {"state": "complete"}).status_code == 403
        assert as_staff.get(JOBS + "add/").status_code == 403
        assert as_staff.post(place.replace("change", "delete"), {"post": "yes"}).status_code == 403

    def test_leads_to_the_recording(self, recording, job, as_staff):
        page = as_staff.get(reverse("admin:processing_job_change", args=[job.pk])).content.decode()
        assert f'<a href="/library/band/{recording.output_name}">' in page

    def test_are_cancelled(self, job, wish, as_staff):
        other, _ = enqueue(wish("b.wav", seed=2))
        transitions.begin(other.pk, "here/1")
        assert act(as_staff, JOBS, "cancel", job, other) == ["2 jobs were cancelled."]
        assert act(as_staff, JOBS, "cancel", job, other) == ["0 jobs were cancelled."]
        assert set(Job.objects.values_list("state", "error_text")) == {("cancelled", "Cancelled by Sasha.")}

    def test_what_failed_is_queued_again_and_refusals_are_told(self, failed_job, wish, band, as_staff):
        lost, _ = enqueue(wish("lost.wav", seed=2))
        transitions.cancel(lost.pk, "Alice")
        (band.source_folder / "lost.wav").unlink()
        said = act(as_staff, JOBS, "try_again", failed_job, lost)
        assert said[0] == "1 jobs were queued again."
        assert "lost.wav is no longer where it was" in said[1]
        assert Job.objects.get(state="queued").file_hash == failed_job.file_hash
        assert act(as_staff, JOBS, "try_again", failed_job) == ["0 jobs were queued again."]

    def test_from_the_page_of_one(self, job, as_staff):
        place = reverse("admin:processing_job_change", args=[job.pk])
        as_staff.post(place, {_name(as_staff, place): "cancel", "_selected_action": [str(job.pk)]})
        job.refresh_from_db()
        assert job.state == "cancelled"

    # The person, the numbers of jobs found and of all, a page of them; for the filters the profiles and the strategies.
    @pytest.mark.parametrize("count", [2, 49])
    def test_cost_the_same_for_two_as_for_fifty(self, job, count, as_staff, leader, django_assert_num_queries):
        many(job, count, uploader=leader)
        with django_assert_num_queries(6) as asked:
            as_staff.get(JOBS)
        assert "error_detail" not in str(asked.captured_queries)


def _name(client, place: str) -> str:
    """Return what the page calls its field for actions."""
    return str(client.get(place).context["action_form"]["action"].html_name)


class TestProcessAgain:
    def test_the_catalogues_own_admin_knows_nothing_of_it(self):
        assert "process_again" not in (RecordingAdmin.actions or ())
        assert RecordingWithJobsAdmin.list_display == RecordingAdmin.list_display

    def test_asks_how(self, recording, as_staff):
        asked = {"action": "process_again", "_selected_action": [str(recording.pk)], "index": "0"}
        page = as_staff.post(RECORDINGS, asked).content.decode()
        assert '<option value="other_way">' in page
        assert recording.output_name in page
        assert Job.objects.count() == 1  # nothing yet

    @pytest.mark.parametrize("mode", ["beside", "replace"])
    def test_makes_it(self, recording, as_staff, staff, mode):
        said = act(as_staff, RECORDINGS, "process_again", recording, apply="1", strategy="other_way", mode=mode)
        assert said == ["1 recordings are made again with other_way."]
        job = Job.objects.get(state="queued")
        assert (job.mode, job.strategy_name, job.uploader, job.origin) == (mode, "other_way", staff, "again")
        do(transitions.begin(job.pk, "here/1"), lambda *_: None)
        assert Recording.objects.count() == {"beside": 2, "replace": 1}[mode]
        for recorded in Recording.objects.all():
            for stem in recorded.stems.all():
                assert default_storage.exists(stem.audio_url)

    def test_tells_what_cannot_be(self, recording, as_staff):
        imported = make_recording(recording.profile, "old")
        AudioFile.objects.filter(stems__recording=imported).update(hash_provenance="placeholder")
        said = act(
            as_staff, RECORDINGS, "process_again", recording, imported, apply="1", strategy="other_way", mode="beside"
        )
        assert said[0] == "1 recordings are made again with other_way."
        assert "is not known for sure" in said[1]

    def test_a_strategy_that_is_not_offered_is_asked_for_once_more(self, recording, as_staff):
        asked = {"action": "process_again", "_selected_action": [str(recording.pk)], "index": "0", "apply": "1"}
        page = as_staff.post(RECORDINGS, {**asked, "strategy": "magic", "mode": "beside"}).content.decode()
        assert "magic is not one of the available choices" in page
        assert Job.objects.count() == 1

    def test_is_not_for_members(self, recording, client, leader):
        client.force_login(leader)
        asked = {"action": "process_again", "_selected_action": [str(recording.pk)], "apply": "1"}
        assert client.post(RECORDINGS, {**asked, "strategy": "other_way", "mode": "beside"}).status_code == 302
        assert Job.objects.count() == 1
