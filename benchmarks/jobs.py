"""Jobs: how soon a worker begins, and whether more workers do more.

    python benchmarks/jobs.py

The engine sleeps for a known time (benchmarks/sleepy_engine.py), so what is measured is all around it: the queue,
the child process, decoding, encoding and storing two seconds of audio, and the catalogue. The baseline is that time
alone. One, two, four and eight workers share an embedded PostgreSQL of their own; the events of the jobs must show that
none was run twice.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SECONDS = 2.0
JOBS_PER_WORKER = 8
SINGLE_JOBS = 15
CONFIG = """
strategies:
  sleepy: {_: "dsp:lowband", bass: bass, rest: other}
profiles:
  - {name: band, source_folder: in, strategy: sleepy, output: {format: flac}}
"""


def main() -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory(prefix="stemset-jobs-") as name:
        folder = Path(name)
        (folder / "in").mkdir()
        (folder / "config.yaml").write_text(CONFIG)
        for variable in ("DATABASE_URL", "R2_ENDPOINT_URL"):
            os.environ.pop(variable, None)
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "stemset.settings",
            "STEMSET_CONFIG": str(folder / "config.yaml"),
            "STEMSET_VAR_DIR": str(folder / "var"),
            "MEDIA_ROOT": str(folder / "media"),
            "STEMSET_LOCAL_STORAGE": "true",
            "DATABASE_POOL": "false",
            "SLEEPY_SECONDS": str(SECONDS),
        }
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        print_waits(folder)
        print_scaling(folder)


def print_waits(folder: Path) -> None:
    """From the commit that makes a job to the worker that takes it, while it has nothing else to do."""
    workers = start(1, folder)
    try:
        done = []
        for number in range(SINGLE_JOBS):
            done += queue(folder, 1, first=number)
            wait_for(done)
        waits = [1000 * begun_after(job) for job in done]
    finally:
        stop(workers)
    print(f"enqueue to start: median {statistics.median(waits):.0f} ms, largest {max(waits):.0f} ms of {len(waits)}")


def print_scaling(folder: Path) -> None:
    """So many jobs for every worker, and how long they take together."""
    print("workers   jobs   seconds   jobs/s   of the ideal   run twice")
    first = 1000
    for count in (1, 2, 4, 8):
        jobs = queue(folder, JOBS_PER_WORKER * count, first=first)
        first += len(jobs)
        workers = start(count, folder)
        try:
            wait_for(jobs)
        finally:
            stop(workers)
        events = [(event.kind, event.at) for job in jobs for event in job.events.all()]
        begun = min(at for kind, at in events if kind == "started")
        seconds = (max(at for kind, at in events if kind == "complete") - begun).total_seconds()
        twice = sum(
            1 for job in jobs if [event.kind for event in job.events.all()] != ["queued", "started", "complete"]
        )
        rate = len(jobs) / seconds
        print(
            f"{count:7} {len(jobs):6} {seconds:9.1f} {rate:8.2f} {rate / (count / SECONDS):14.2f} {twice:11}",
            flush=True,
        )


def queue(folder: Path, count: int, *, first: int) -> list:
    """Make so many new recordings and ask for them."""
    import numpy as np
    import soundfile
    from django.conf import settings

    from catalog import services
    from processing.jobs.enqueue import Wish, enqueue
    from processing.models import Job
    from processing.scanner import SourceFile, content_hash

    profile = services.sync_profile(settings.STEMSET.profiles[0])
    jobs = []
    for number in range(first, first + count):
        path = folder / "in" / f"{number}.wav"
        noise = np.random.default_rng(number).standard_normal((88_200, 2)) * 0.1
        soundfile.write(path, noise, 44_100)
        source = SourceFile.at(path)
        wish = Wish(profile, "sleepy", Job.Origin.SCAN, path.name, content_hash(source), source.size, str(path))
        jobs.append(enqueue(wish)[0])
    return jobs


def wait_for(jobs: list) -> None:
    """Wait until all are complete."""
    from processing.models import Job

    ids = [job.pk for job in jobs]
    while Job.objects.filter(pk__in=ids, state__in=Job.ACTIVE).exists():
        time.sleep(0.1)
    failed = Job.objects.filter(pk__in=ids).exclude(state="complete").first()
    assert failed is None, failed.error_detail


def begun_after(job: object) -> float:
    """Return the seconds between a job's making and its start."""
    started = job.events.get(kind="started")
    return (started.at - job.created_at).total_seconds()


def start(count: int, folder: Path) -> list["subprocess.Popen[str]"]:
    """Start workers, and wait until they listen."""
    command = [sys.executable, "-m", "benchmarks.sleepy_worker"]
    log = (folder / "workers.log").open("a")
    workers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True) for _ in range(count)]
    for worker in workers:
        assert "serves" in worker.stdout.readline(), (folder / "workers.log").read_text()
    return workers


def stop(workers: list["subprocess.Popen[str]"]) -> None:
    """End them."""
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.communicate(timeout=60)


if __name__ == "__main__":
    main()
