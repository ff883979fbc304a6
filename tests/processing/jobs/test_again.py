"""Asking once more: for jobs that came to nothing, and for recordings that are to be made another way."""

import threading

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection

from catalog.deleting import delete_recording
from catalog.models import AudioFile, Recording
from processing.errors import ProcessingError
from processing.jobs import again, transitions
from processing.jobs.doing import do
from processing.jobs.enqueue import enqueue
from processing.jobs.sources import input_key
from processing.models import Job

pytestmark = pytest.mark.django_db


def done(job: Job) -> Job:
    do(transitions.begin(job.pk, "here/1"), lambda *_: None)
    job.refresh_from_db()
    return job


@pytest.fixture
def recording(job) -> Recording:
    """What the first job makes."""
    return done(job).recording


def refusal(call, *arguments) -> ProcessingError:
    with pytest.raises(ProcessingError) as caught:
        call(*arguments)
    assert str(caught.value)
    return caught.value


class TestRetry:
    def test_makes_a_new_job_for_the_same_source(self, failed_job, leader):
        job, made = again.retry(failed_job, leader)
        assert made
        assert job.pk != failed_job.pk
        assert (job.state, job.origin, job.uploader) == ("queued", "again", leader)
        for name in ("filename", "file_hash", "source", "output_name", "strategy_name", "mode"):
            assert getattr(job, name) == getattr(failed_job, name)
        assert done(job).recording.output_name == failed_job.output_name

    def test_keeps_what_was_to_become_of_the_recording(self, recording, wish, leader):
        replacing, _ = enqueue(wish(mode=Job.Mode.REPLACE, replaces=recording.output_name, strategy_name="other_way"))
        transitions.cancel(replacing.pk, "Alice")
        replacing.refresh_from_db()
        done(again.retry(replacing, leader)[0])
        assert Recording.objects.get().pk == recording.pk
        assert sorted(recording.stems.values_list("stem_type", flat=True)) == ["drums", "other"]

    def test_whoever_asks_second_gets_the_first_ones_job(self, failed_job, leader, staff):
        first, _ = again.retry(failed_job, leader)
        assert again.retry(failed_job, staff) == (first, False)
        done(first)
        assert again.retry(failed_job, staff) == (first, False)  # also when it has succeeded by now
        assert Job.objects.count() == 2
        delete_recording(Recording.objects.get(), leader)
        assert again.retry(failed_job, staff)[1]  # and its recording is gone again

    def test_what_has_failed_again_can_be_tried_again(self, failed_job, leader):
        second, _ = again.retry(failed_job, leader)
        transitions.cancel(second.pk, "Alice")
        assert again.tried_since([failed_job]) == {failed_job.pk}
        second.refresh_from_db()
        assert again.tried_since([second]) == set()
        assert again.retry(second, leader)[1]

    def test_refuses_what_is_not_over_and_what_has_succeeded(self, job, leader):
        assert refusal(again.retry, job, leader).code == "not_over"
        assert refusal(again.retry, done(job), leader).code == "not_over"

    def test_refuses_when_the_file_is_gone(self, failed_job, band, leader):
        (band.source_folder / "take.wav").unlink()
        told = refusal(again.retry, failed_job, leader)
        assert (told.code, "take.wav is no longer where it was" in str(told)) == ("source_gone", True)

    def test_takes_an_upload_from_storage_and_refuses_when_it_is_gone(self, failed_job, leader):
        key = input_key("band", "take.wav", failed_job.file_hash)
        Job.objects.update(source=key)
        failed_job.refresh_from_db()
        assert refusal(again.retry, failed_job, leader).code == "source_gone"
        default_storage.save(key, ContentFile(b"x"))
        assert again.retry(failed_job, leader)[1]

    def test_nothing_but_an_upload_is_read_from_storage(self, failed_job, leader):
        default_storage.save("band/x/vocals.flac", ContentFile(b"x"))
        Job.objects.update(source="band/x/vocals.flac")
        failed_job.refresh_from_db()
        assert refusal(again.retry, failed_job, leader).code == "source_gone"

    def test_refuses_a_strategy_that_config_no_longer_has(self, failed_job, leader):
        Job.objects.update(strategy_name="gone")
        failed_job.refresh_from_db()
        told = refusal(again.retry, failed_job, leader)
        assert (told.code, "other_way, quick" in str(told)) == ("not_configured", True)


def at_once(press, people) -> list:
    """Let people press a button at the same moment, and return what each of them is told."""
    start, answers = threading.Barrier(len(people)), []

    def one(person):
        try:
            start.wait()
            answers.append(press(person))
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=[person]) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.django_db(transaction=True)
def test_two_who_cancel_at_the_same_moment_cancel_once(job, leader, staff):
    assert sorted(at_once(lambda person: transitions.cancel(job.pk, str(person)), [leader, staff])) == [False, True]
    assert list(job.events.values_list("kind", flat=True)) == ["queued", "cancelled"]


@pytest.mark.django_db(transaction=True)
def test_two_who_try_again_at_the_same_moment_get_one_job(failed_job, leader, staff):
    def press(person):
        return again.retry(Job.objects.select_related("profile").get(pk=failed_job.pk), person)

    answers = at_once(press, [leader, staff])
    assert {job.pk for job, _made in answers} == {Job.objects.get(state="queued").pk}
    assert sorted(made for _job, made in answers) == [False, True]


class TestProcessAgain:
    def test_in_its_place(self, recording, leader):
        recording.display_name = "Harbour"
        recording.save()
        job, made = again.process_again(recording, "other_way", Job.Mode.REPLACE, leader)
        assert made
        done(job)
        after = Recording.objects.get()
        assert (after.pk, after.display_name, after.strategy_name) == (recording.pk, "Harbour", "other_way")
        assert sorted(after.stems.values_list("stem_type", flat=True)) == ["drums", "other"]

    def test_beside_it(self, recording, leader):
        done(again.process_again(recording, "other_way", Job.Mode.BESIDE, leader)[0])
        names = sorted(Recording.objects.values_list("output_name", "strategy_name"))
        assert names == [
            (recording.output_name, "quick"),
            (f"{recording.output_name}_other_way", "other_way"),
        ]
        assert AudioFile.objects.count() == 1
        # What it made is not overwritten unawares.
        told = refusal(again.process_again, recording, "other_way", Job.Mode.BESIDE, leader)
        assert (told.code, f"{recording.output_name}_other_way" in str(told)) == ("exists", True)

    def test_asking_twice_gives_the_same_job(self, recording, leader, staff):
        first, _ = again.process_again(recording, "other_way", Job.Mode.BESIDE, leader)
        assert again.process_again(recording, "other_way", Job.Mode.BESIDE, staff) == (first, False)
        assert refusal(again.process_again, recording, "other_way", Job.Mode.REPLACE, staff).code == "busy"

    def test_a_strategys_name_cannot_lead_elsewhere(self, recording, settings, leader):
        trees = {**settings.STEMSET.strategies, "../../a way": settings.STEMSET.strategies["other_way"]}
        settings.STEMSET = settings.STEMSET.model_copy(update={"strategies": trees})
        job, _ = again.process_again(recording, "../../a way", Job.Mode.BESIDE, leader)
        assert job.output_name == f"{recording.output_name}_a_way"

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"hash_provenance": "placeholder"}, "hash_unknown"),
            ({"storage_url": "/nowhere/take.wav"}, "source_gone"),
            ({"storage_url": "take.wav"}, "source_gone"),  # as the older version had it
            ({"storage_url": "inputs/band/gone.wav"}, "source_gone"),
        ],
    )
    def test_refuses_without_a_source(self, recording, leader, changes, code):
        AudioFile.objects.update(**changes)
        assert refusal(again.process_again, recording, "other_way", Job.Mode.BESIDE, leader).code == code
        assert Job.objects.count() == 1

    def test_refuses_strategies_that_are_not_there(self, recording, leader):
        told = refusal(again.process_again, recording, "magic", Job.Mode.BESIDE, leader)
        assert (told.code, "other_way, quick" in str(told)) == ("not_configured", True)

    def test_a_recording_that_is_deleted_at_this_moment_stays_deleted(self, recording, leader, staff, monkeypatch):
        enqueue_it = again._enqueue
        monkeypatch.setattr(again, "_enqueue", lambda wish: delete_recording(recording, staff) or enqueue_it(wish))
        assert refusal(again.process_again, recording, "quick", Job.Mode.REPLACE, leader).code == "deleted"
        assert not Job.objects.filter(state__in=Job.ACTIVE).exists()

    def test_a_storage_that_does_not_answer_is_told(self, recording, leader, monkeypatch):
        def away(_key):
            raise OSError("away")

        AudioFile.objects.update(storage_url="inputs/band/x.wav")
        monkeypatch.setattr(type(default_storage._wrapped), "exists", lambda _self, key: away(key))
        assert refusal(again.process_again, recording, "other_way", Job.Mode.BESIDE, leader).code == "storage"
