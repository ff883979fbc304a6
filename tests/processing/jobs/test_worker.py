"""Real workers: what they do when they are stopped, killed, or told that a job is not wanted."""

import psutil
import pytest
from django.db import connection

from catalog import services
from catalog.models import Recording, Stem
from catalog.storing import files_of
from processing import workdir
from processing.jobs import transitions
from processing.jobs.enqueue import enqueue
from processing.models import Job
from stemset.config.loader import load_config
from tests.workers import wait_until, working

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults]


def state(job: Job) -> str:
    job.refresh_from_db()
    return job.state


def over(job: Job) -> bool:
    return state(job) in Job.OVER


def under_way(job: Job) -> bool:
    job.refresh_from_db()
    return job.state in Job.RUNNING and bool(job.step)


def story(job: Job) -> list[str]:
    return list(job.events.values_list("kind", flat=True))


def left_over(settings, media) -> set[str]:
    named = files_of(Stem.objects.all())
    stored = {str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()}
    work = {path.name for path in settings.STEMSET_WORK_DIR.glob("*")} - {"sweep.lock"}
    return (stored ^ named) | work


def left_over_after_a_sweep(settings, media) -> set[str]:
    """The same, when a worker that was stopped may have been stopped while it removed its work folder."""
    workdir.sweep(settings.STEMSET_WORK_DIR)
    return left_over(settings, media)


@pytest.fixture
def long_job(wish) -> Job:
    """A job that takes a few seconds."""
    return enqueue(wish("long.wav", seconds=240))[0]


def test_jobs_are_done_in_order_of_priority_and_what_fails_is_told(band, wish, settings, media):
    noise = band.source_folder / "noise.wav"
    noise.write_bytes(b"RIFF" + b"\0" * 5000)
    scanned, _ = enqueue(wish("a.wav"))
    broken, _ = enqueue(wish("b.wav", seed=2, source=str(noise)))
    uploaded, _ = enqueue(wish("c.wav", seed=3, origin=Job.Origin.UPLOAD))
    with working(config=band.config_path) as (worker,):
        wait_until(lambda: all(over(job) for job in (scanned, broken, uploaded)))
        name = worker.pid
    assert [state(job) for job in (scanned, broken, uploaded)] == ["complete", "error", "complete"]
    assert broken.error_code == "source_changed"
    assert "Scan or upload it again" in broken.error_text
    assert uploaded.finished_at < scanned.finished_at
    assert uploaded.worker.endswith(f"/{name}")
    started = uploaded.events.get(kind="started")
    assert started.at >= uploaded.created_at
    assert Recording.objects.count() == 2
    assert not left_over_after_a_sweep(settings, media)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs")
        assert cursor.fetchone() == (0,)


def test_a_worker_that_is_stopped_gives_its_job_back_and_cleans_up(band, long_job, settings, media):
    with working(config=band.config_path) as (worker,):
        wait_until(lambda: under_way(long_job))
        worker.terminate()
        worker.wait(timeout=15)
        assert worker.returncode == 0
        assert state(long_job) == "queued"
        assert long_job.attempts == 0
        assert story(long_job) == ["queued", "started", "given_back"]
        assert not left_over(settings, media)
    with working(config=band.config_path):
        wait_until(lambda: over(long_job))
    assert state(long_job) == "complete"


def test_a_worker_that_is_killed_takes_its_child_along_and_another_goes_on(band, long_job, settings, media):
    with working(2, config=band.config_path) as workers:
        wait_until(lambda: under_way(long_job))
        victim = next(worker for worker in workers if long_job.worker.endswith(f"/{worker.pid}"))
        children = psutil.Process(victim.pid).children(recursive=True)
        victim.kill()
        victim.wait()
        wait_until(lambda: not any(child.is_running() for child in children), 20)
        wait_until(lambda: over(long_job), 60)
    assert state(long_job) == "complete"
    assert story(long_job) == ["queued", "started", "lost", "started", "complete"]
    assert Recording.objects.count() == 1
    assert not left_over_after_a_sweep(settings, media)


def test_a_child_that_is_killed_costs_one_attempt(band, long_job, settings, media):
    with working(config=band.config_path) as (worker,):
        wait_until(lambda: under_way(long_job))
        fork_server = psutil.Process(worker.pid).children()
        children = [child for parent in fork_server for child in parent.children()]
        assert children
        for child in children:
            child.kill()
        wait_until(lambda: "retry" in story(long_job))
        wait_until(lambda: over(long_job), 60)
    assert state(long_job) == "complete"
    assert story(long_job) == ["queued", "started", "retry", "started", "complete"]
    assert not left_over_after_a_sweep(settings, media)


def test_a_job_that_is_cancelled_stops_within_seconds_and_leaves_nothing(band, long_job, wish, settings, media):
    with working(config=band.config_path):
        wait_until(lambda: under_way(long_job))
        assert transitions.cancel(long_job.pk, "Alice")
        next_job, _ = enqueue(wish("next.wav", seed=9))
        wait_until(lambda: over(next_job), 15)  # the worker is free again
    assert state(long_job) == "cancelled"
    assert Recording.objects.get().output_name == next_job.output_name
    assert not left_over_after_a_sweep(settings, media)


def test_queues_are_served_by_those_who_are_asked_to(band, wish, settings):
    band.config_path.write_text(band.config_path.read_text().replace("name: second,", "name: second, queue: gpu,"))
    settings.STEMSET = load_config(band.config_path, {})
    second = services.sync_profile(settings.STEMSET.profile("second"))
    on_gpu, _ = enqueue(wish("g.wav", seed=4, profile=second))
    on_cpu, _ = enqueue(wish("c.wav", seed=5))
    with working(config=band.config_path, queues="gpu"):
        wait_until(lambda: over(on_gpu))
        assert state(on_cpu) == "queued"
    assert state(on_gpu) == "complete"
