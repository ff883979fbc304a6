"""All of it as processes: the site, its worker, its store, and the remote worker."""

import pytest

from catalog.models import Recording
from catalog.storing import files_of
from processing.audio.meter import analyse_file
from processing.jobs import queue, transitions
from processing.jobs.enqueue import enqueue
from processing.models import Job
from processing.remote.returning import give_up_overdue
from tests.processing.remote.helpers import remote_worker, story
from tests.server import served
from tests.workers import wait_until, working

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults]


def state(job: Job) -> str:
    job.refresh_from_db()
    return job.state


def over(job: Job) -> bool:
    return state(job) in Job.OVER


def with_the_remote_worker(job: Job) -> bool:
    job.refresh_from_db()
    return job.step == "remote" and not job.worker


def test_recordings_are_separated_elsewhere(elsewhere, tmp_path):
    at = {"config": elsewhere.config_path, **elsewhere.variables}
    with served(WEB_CONCURRENCY="1", **at) as address, remote_worker(elsewhere) as (there, url):
        elsewhere.point_at(url)
        with working(BACKEND_URL=address, **at):
            noise = elsewhere.wish("noise.wav", seed=2)
            elsewhere.put(key := f"inputs/band/{noise.file_hash}.wav", b"RIFF" + b"\0" * 5000)
            bad = enqueue(elsewhere.wish("noise.wav", seed=2, source=key))[0]
            good = elsewhere.job()
            wait_until(lambda: over(good))
            assert state(good) == "complete", good.error_detail
            assert story(good) == ["queued", "started", "handed_over", "returned", "started", "complete"]

            # Cancelled while the remote worker is at it; what that stores all the same goes when it answers.
            unwanted = elsewhere.job("long.wav", seed=4, seconds=20)
            wait_until(lambda: with_the_remote_worker(unwanted))
            assert transitions.cancel(unwanted.pk, "Alice")
            assert state(unwanted) == "cancelled"
            wait_until(lambda: not any(unwanted.output_name in key for key in elsewhere.stored()))

            # What it cannot do is tried once more.
            wait_until(lambda: over(bad))
            assert (bad.state, bad.error_code, bad.attempts) == ("error", "remote_failed", 2)
            assert bad.error_text.startswith("The remote worker could not do it: ")

            # Killed while it is at it: nobody answers in time, and then nobody is there.
            lost = elsewhere.job("lost.wav", seed=5, seconds=20)
            wait_until(lambda: with_the_remote_worker(lost))
            there.kill()
            Job.objects.filter(pk=lost.pk).update(remote_deadline_at=lost.started_at, attempts=2)
            wait_until(lambda: give_up_overdue() or "retry" in story(lost))
            assert (state(lost), lost.error_code) == ("queued", "remote_timeout")
            queue.send(lost)  # now, and not in a minute
            wait_until(lambda: over(lost))
            assert (lost.state, lost.error_code, lost.attempts) == ("error", "remote", 3)

    recording = Recording.objects.get()
    assert recording == good.recording
    named = files_of(recording.stems.all())
    for row in recording.stems.all():
        file = tmp_path / f"{row.stem_type}.flac"
        file.write_bytes(elsewhere.get(row.audio_url))
        assert row.measured_lufs == analyse_file(file).analysis.lufs
    # Of the worker that was killed nobody can know whether it is still storing.
    marks = {key for key in elsewhere.stored() if lost.output_name in key and key.endswith(".storing")}
    sources = set(Job.objects.values_list("source", flat=True))
    assert elsewhere.stored() - marks == {*named, *sources}
