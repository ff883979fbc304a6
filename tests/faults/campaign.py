"""The fault campaign: many jobs, workers killed at random, PostgreSQL restarted, an object store that fails.

    python -m tests.faults.campaign --jobs 50

Everything is real and its own: an embedded PostgreSQL, an S3 server behind a proxy that breaks calls, workers as
processes. In the end every job is complete or tells why not, every complete job has exactly one recording, and no file
and no row is left over. Exits 1 otherwise.
"""

import argparse
import contextlib
import io
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from tests.s3_faults import Day, bad_day

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "campaign"
CONFIG = """
r2: {account_id: none, access_key_id: key, secret_access_key: secret, bucket_name: campaign}
strategies:
  quick: {_: "dsp:lowband", bass: bass, rest: other}
profiles:
  - {name: band, source_folder: in, strategy: quick, output: {format: flac}}
"""
# Why a job may fail here, besides its source.
PASSING = {"worker_lost", "storage", "crashed", "database"}
# What ends an attempt in the log of a job.
ENDS = {"complete", "failed", "retry", "lost", "given_back", "cancelled"}


def main() -> None:
    """Run it and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=50)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--kills", type=int, default=15, help="workers to kill with -9")
    parser.add_argument("--restarts", type=int, default=2, help="of PostgreSQL, at once and without notice")
    parser.add_argument("--failing", type=float, default=0.1, help="part of the store's calls that fail")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--minutes", type=float, default=15, help="when to give up")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="stemset-campaign-") as name:
        troubles = Campaign(Path(name), options).run()
    for trouble in troubles:
        print(f"TROUBLE: {trouble}")
    sys.exit(1 if troubles else 0)


class Campaign:
    """One run in one folder."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder, self.options = folder, options
        self.random = random.Random(options.seed)
        self.workers: list[subprocess.Popen[bytes]] = []
        self.day = Day(rate=options.failing, seed=options.seed)
        self.log = folder / "workers.log"

    def run(self) -> list[str]:
        """Do it all, and return what is wrong in the end."""
        self._record()
        with self._store() as address:
            self._set_up(address)
            try:
                self._queue_all()
                self._trouble_them()
                self._let_them_finish()
            finally:
                self._stop_workers()
            self.day.rate = 0.0
            return self._judge()

    def _record(self) -> None:
        sources = self.folder / "in"
        sources.mkdir()
        noise = np.random.default_rng(self.options.seed)
        for number in range(self.options.jobs):
            path = sources / f"{number:03}.wav"
            if number % 10 == 9:  # something that will never be a recording
                path.write_bytes(b"RIFF" + noise.bytes(20_000))
            else:
                soundfile.write(path, noise.standard_normal((44_100 * 8, 2)) * 0.1, 44_100)
            os.utime(path, (1_700_000_000, 1_700_000_000))

    @contextlib.contextmanager
    def _store(self) -> Iterator[str]:
        import boto3
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        try:
            host, port = server.get_host_and_port()
            client = boto3.client(
                "s3",
                endpoint_url=f"http://{host}:{port}",
                aws_access_key_id="key",
                aws_secret_access_key="secret",
                region_name="us-east-1",
            )
            client.create_bucket(Bucket=BUCKET)
            with bad_day(f"http://{host}:{port}", self.day) as address:
                yield address
        finally:
            server.stop()

    def _set_up(self, address: str) -> None:
        (self.folder / "config.yaml").write_text(CONFIG)
        for name in ("DATABASE_URL", "MEDIA_ROOT", "STEMSET_LOCAL_STORAGE"):
            os.environ.pop(name, None)
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "stemset.settings",
            "STEMSET_CONFIG": str(self.folder / "config.yaml"),
            "STEMSET_VAR_DIR": str(self.folder / "var"),
            "R2_ENDPOINT_URL": address,
            "DATABASE_POOL": "false",
        }
        import django
        from django.core.management import call_command

        django.setup()
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it tells of every call
        call_command("migrate", verbosity=0)

    def _queue_all(self) -> None:
        """Scan until everything is queued: the store fails here too."""
        from django.conf import settings

        from processing.scanning import scan_profile

        profile = settings.STEMSET.profiles[0]
        statuses: set[str] = {"queued"}
        while statuses - {"busy", "left_alone"}:
            statuses = {item.status for item in scan_profile(profile, "quick")}
        print(f"queued: {self._states()}", flush=True)

    def _trouble_them(self) -> None:
        for _ in range(self.options.workers):
            self._start_worker()
        kills = self.options.kills
        restarts = self.options.restarts
        misfortunes = ["kill"] * kills + ["restart"] * restarts
        self.random.shuffle(misfortunes)
        for number, misfortune in enumerate(misfortunes, 1):
            time.sleep(self.random.uniform(0.5, 3))
            if not self._active():
                print(f"all was done after {number - 1} of {len(misfortunes)} misfortunes", flush=True)
                break
            if misfortune == "kill":
                victim = self._busy_worker()
                self.workers.remove(victim)
                time.sleep(self.random.uniform(0, 1))
                victim.kill()
                victim.wait()
                self._start_worker()
            else:
                postmaster = self.folder / "var" / "postgres" / "postmaster.pid"
                os.kill(int(postmaster.read_text().split()[0]), signal.SIGQUIT)
            print(f"{misfortune}: {self._states()}", flush=True)

    def _busy_worker(self) -> "subprocess.Popen[bytes]":
        """Wait for one that is at a job: to kill one that has just started is easy to survive."""
        while self._active():
            busy = {name.rpartition("/")[2] for name in self._values("worker")}
            for worker in self.random.sample(self.workers, len(self.workers)):
                if str(worker.pid) in busy:
                    return worker
            time.sleep(0.05)
        return self.workers[0]

    def _let_them_finish(self) -> None:
        last = time.monotonic() + 60 * self.options.minutes
        while self._active() and time.monotonic() < last:
            time.sleep(1)
            for worker in self.workers:
                assert worker.poll() is None, f"a worker ended by itself:\n{self.log.read_text()[-4000:]}"
        print(f"in the end: {self._states()}", flush=True)

    def _start_worker(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, "manage.py", "worker"]
            self.workers.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log))

    def _stop_workers(self) -> None:
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            worker.wait(timeout=60)

    def _active(self) -> bool:
        return any(state in self._states() for state in ("queued", "separating", "analysing", "storing"))

    def _states(self) -> dict[str, int]:
        return dict(Counter(self._values("state")))

    def _values(self, column: str) -> list[str]:
        """Return a column of all jobs, also while the database is being restarted."""
        from django.db import Error, connection

        from processing.models import Job

        while True:
            try:
                return list(Job.objects.order_by().values_list(column, flat=True))
            except Error:
                connection.close()
                time.sleep(0.2)

    def _judge(self) -> list[str]:
        from django.core.files.storage import default_storage
        from django.core.management import call_command

        from catalog.models import Recording, Stem
        from catalog.storing import files_of
        from processing.jobs import rescue
        from processing.models import Job

        # What killed processes left in the work folder and in the queue. None lives any more, so none is waited for.
        rescue.SILENT_SECONDS = 0
        rescue.rescue()
        troubles = []
        jobs = list(Job.objects.prefetch_related("events").select_related("recording"))
        for job in jobs:
            if job.state not in ("complete", "error"):
                troubles.append(f"{job.filename} is {job.state}")
            if job.state == "error" and not job.error_text:
                troubles.append(f"{job.filename} does not say why it failed")
            if job.state == "complete" and job.recording is None:
                troubles.append(f"{job.filename} is complete without a recording")
            if job.state == "error" and int(job.filename[:3]) % 10 != 9 and job.error_code not in PASSING:
                troubles.append(f"{job.filename} failed by {job.error_code}: {job.error_text}\n{job.error_detail}")
            troubles += [f"{job.filename} {what}" for what in twice(job)]
        complete = [job for job in jobs if job.state == "complete"]
        if not len({job.recording_id for job in complete}) == len(complete) == Recording.objects.count():
            troubles.append(f"{len(complete)} complete jobs, {Recording.objects.count()} recordings")
        named = files_of(Stem.objects.all())
        named |= {job.source for job in jobs}
        stored = set(keys(default_storage, ""))
        troubles += [f"nobody knows the file {key}" for key in stored - named]
        troubles += [f"the file {key} is missing" for key in named - stored]
        work = self.folder / "var" / "work"
        troubles += [f"left over: {path.name}" for path in work.glob("*") if path.name != "sweep.lock"]
        if count := messages():
            troubles.append(f"{count} messages are left over")
        out = io.StringIO()
        with contextlib.suppress(SystemExit), contextlib.redirect_stderr(out):
            call_command("verify_catalog", fail_on="warning", stdout=out, stderr=out)
            out.truncate(0)
        if out.getvalue().strip("\0"):
            troubles.append("verify_catalog: " + out.getvalue())
        kinds = Counter(event.kind for job in jobs for event in job.events.all())
        calls = f"{len(self.day.failed)} of the store's {len(self.day.asked)} calls failed"
        print(f"{len(jobs)} jobs, events {dict(kinds)}, {calls}")
        return troubles


def messages() -> int:
    """Return how many messages there are in the queue."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs")
        count: int = cursor.fetchone()[0]
    return count


def twice(job: Any) -> list[str]:
    """Return what the events of a job tell of its being run twice: a start before the attempt before had ended."""
    running, wrong = False, []
    for event in job.events.all():
        if event.kind == "started":
            if running:
                wrong.append("was started while it ran")
            running = True
        elif event.kind in ENDS:
            running = False
    finished = [event.kind for event in job.events.all() if event.kind in ("complete", "failed")]
    if len(finished) != 1:
        wrong.append(f"ended {len(finished)} times")
    return wrong


def keys(storage: Any, folder: str) -> Iterator[str]:
    """Yield every key of the store."""
    folders, files = storage.listdir(folder)
    for name in files:
        yield f"{folder}/{name}".lstrip("/")
    for name in folders:
        yield from keys(storage, f"{folder}/{name}".lstrip("/"))


if __name__ == "__main__":
    main()
