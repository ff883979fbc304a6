"""What may happen to a job, and what is written down about it."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from catalog.deleting import delete_recording
from catalog.models import Recording
from processing.jobs import transitions
from processing.jobs.doing import do
from processing.jobs.enqueue import enqueue
from processing.jobs.failures import Failure, judge
from processing.models import Job

pytestmark = pytest.mark.django_db

PASSES = Failure("storage", "The store was away.", "Traceback …", may_pass=True)
STAYS = Failure("audio_unreadable", "This is no audio.", "Traceback …", may_pass=False)


def begun(job: Job) -> Job:
    taken = transitions.begin(job.pk, "here/1")
    assert taken is not None
    return taken


def story(job: Job) -> list[str]:
    return list(job.events.values_list("kind", flat=True))


def messages(job: Job) -> list[tuple[str, int, bool]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT queue_name, priority, scheduled_at > now() FROM procrastinate_jobs WHERE args->>'job_id' = %s",
            [str(job.pk)],
        )
        return cursor.fetchall()


def test_from_wish_to_recording(job):
    assert (job.state, job.output_name) == ("queued", f"take_{job.file_hash[:8]}")
    assert messages(job) == [("cpu", 0, None)]
    taken = begun(job)
    assert (taken.state, taken.attempts, taken.worker) == ("separating", 1, "here/1")
    steps = []
    do(taken, lambda step, part: steps.append((step, part)))
    job.refresh_from_db()
    recording = Recording.objects.get()
    assert (job.state, job.recording, job.progress) == ("complete", recording, 1.0)
    assert job.stems == ["bass", "other"]
    assert job.audio_file.file_hash == job.file_hash
    assert job.finished_at
    assert story(job) == ["queued", "started", "complete"]
    assert steps[0][0] == "fetching"
    assert steps[-1] == ("done", 1.0)


def test_only_one_can_begin_it(job):
    begun(job)
    assert transitions.begin(job.pk, "there/2") is None
    assert story(job) == ["queued", "started"]


def test_what_may_pass_is_tried_three_times_with_growing_waits(job):
    for attempt in (1, 2):
        transitions.fail(begun(job).pk, attempt, PASSES)
        job.refresh_from_db()
        assert (job.state, job.attempts, job.error_text) == ("queued", attempt, "The store was away.")
        assert messages(job)[-1] == ("cpu", 0, True)
    transitions.fail(begun(job).pk, 3, PASSES)
    job.refresh_from_db()
    assert (job.state, job.error_code) == ("error", "storage")
    assert job.error_text == "The store was away. It was tried 3 times."
    assert story(job) == ["queued", "started", "retry", "started", "retry", "started", "failed"]


def test_what_will_not_pass_is_tried_once(job):
    transitions.fail(begun(job).pk, 1, STAYS)
    job.refresh_from_db()
    assert (job.state, job.error_text, job.attempts) == ("error", "This is no audio.", 1)
    assert len(messages(job)) == 1


def test_words_of_an_attempt_that_is_over_change_nothing(job):
    begun(job)
    transitions.give_back(job.pk, 1, why="the worker is stopping")
    begun(job)
    transitions.fail(job.pk, 7, STAYS)
    transitions.give_back(job.pk, 7, why="late")
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("separating", 1)  # giving back does not count as an attempt
    assert story(job) == ["queued", "started", "given_back", "started"]


def test_signs_of_life_carry_the_step_and_end_with_the_job(job):
    taken = begun(job)
    assert transitions.beat(taken, "encoding", 0.6)
    job.refresh_from_db()
    assert (job.state, job.step, job.percent) == ("analysing", "encoding", 60)
    assert transitions.beat(taken, "storing", 1.2)  # a fraction all the same
    job.refresh_from_db()
    assert (job.state, job.progress) == ("storing", 1.0)
    assert transitions.cancel(job.pk, "Alice")
    assert not transitions.beat(taken, "storing", 1.0)


def test_a_cancelled_job_leaves_no_recording_even_at_the_last_moment(job, media):
    def cancel_while_storing(step, _part):
        if step == "storing":
            transitions.cancel(job.pk, "Alice")

    with pytest.raises(transitions.NoLongerOurs):
        do(begun(job), cancel_while_storing)
    assert not Recording.objects.exists()
    assert not [path for path in media.rglob("*") if path.is_file()]
    job.refresh_from_db()
    assert (job.state, job.error_text) == ("cancelled", "Cancelled by Alice.")
    assert not transitions.cancel(job.pk, "Bob")
    assert story(job) == ["queued", "started", "cancelled"]


def test_a_recording_that_is_deleted_while_it_is_made_again_stays_deleted(job, wish, leader, media):
    do(begun(job), lambda *_: None)
    recording = Recording.objects.get()
    again, _ = enqueue(wish(mode=Job.Mode.REPLACE, replaces=recording.output_name))
    other, _ = enqueue(wish("b.wav", seed=2))

    def delete_while_storing(step, part):
        if step == "storing" and part >= 0.97 and Recording.objects.exists():
            delete_recording(recording, leader)

    with pytest.raises(transitions.NoLongerOurs):
        do(begun(again), delete_while_storing)
    assert not Recording.objects.exists()
    again.refresh_from_db()
    assert (again.state, again.error_text) == ("cancelled", f"Cancelled by {leader}, who deleted the recording.")
    other.refresh_from_db()
    assert other.state == "queued"
    assert not [path for path in media.rglob("*") if path.is_file() and ".storing" in path.name]


def test_an_attempt_that_was_given_up_for_lost_may_still_finish(job):
    taken = begun(job)
    with transaction.atomic():
        transitions.lost(Job.objects.select_for_update().get(pk=job.pk))
    do(taken, lambda *_: None)
    job.refresh_from_db()
    assert job.state == "complete"
    assert Recording.objects.count() == 1


def test_a_job_that_kills_its_workers_ends(job):
    for _ in range(3):
        begun(job)
        with transaction.atomic():
            transitions.lost(Job.objects.select_for_update().get(pk=job.pk))
    job.refresh_from_db()
    assert (job.state, job.error_code, job.attempts) == ("error", "worker_lost", 3)
    assert "cut off 3 times" in job.error_text


def test_asking_twice_gives_the_same_job_and_other_strategies_their_own(wish):
    first, made = enqueue(wish())
    again, made_again = enqueue(wish())
    assert (made, made_again, again.pk) == (True, False, first.pk)
    other, made_other = enqueue(wish(strategy_name="other_way"))
    assert made_other
    assert other.pk != first.pk
    transitions.cancel(first.pk, "Alice")
    third, made_third = enqueue(wish())
    assert made_third
    assert third.pk != first.pk


def test_what_the_profile_has_already_gives_a_complete_job(job, wish):
    do(begun(job), lambda *_: None)
    again, made = enqueue(wish(filename="copy.wav", origin=Job.Origin.UPLOAD))
    assert made
    assert (again.state, again.recording.output_name, again.stems) == ("complete", job.output_name, ["bass", "other"])
    assert messages(again) == []


def test_made_again_in_place_or_beside(job, wish):
    do(begun(job), lambda *_: None)
    before = Recording.objects.get()
    replaced, _ = enqueue(wish(mode=Job.Mode.REPLACE, replaces=before.output_name, strategy_name="other_way"))
    do(begun(replaced), lambda *_: None)
    assert Recording.objects.get().pk == before.pk
    assert sorted(before.stems.values_list("stem_type", flat=True)) == ["drums", "other"]
    beside, _ = enqueue(wish(mode=Job.Mode.BESIDE))
    do(begun(beside), lambda *_: None)
    assert sorted(Recording.objects.values_list("output_name", flat=True)) == [
        before.output_name,
        f"{before.output_name}_quick",
    ]


def test_uploads_go_before_scans(wish):
    scanned, _ = enqueue(wish())
    uploaded, _ = enqueue(wish("b.wav", seed=2, origin=Job.Origin.UPLOAD))
    assert messages(uploaded)[0][1] > messages(scanned)[0][1]


def test_a_source_that_changed_or_went_is_told(job, band):
    band.record("take.wav", seed=5)
    with pytest.raises(Exception, match="not the same file any more") as caught:
        do(begun(job), lambda *_: None)
    assert judge(caught.value).code == "source_changed"
    (band.source_folder / "take.wav").unlink()
    with pytest.raises(Exception, match="no longer where it was"):
        do(job, lambda *_: None)


def test_the_database_refuses_what_cannot_be(job):
    for change in ({"state": "dancing"}, {"progress": 1.5}, {"attempts": -1}, {"finished_at": timezone.now()}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Job.objects.filter(pk=job.pk).update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(state="complete")  # without an end
