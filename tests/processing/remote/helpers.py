"""Playing the remote worker, and the worker of ours that takes what it brings."""

import contextlib
import io
import subprocess
import sys
import threading

import numpy as np
import soundfile

from processing.jobs import transitions
from processing.jobs.attempt import _record
from processing.jobs.doing import do
from processing.jobs.failures import judge
from processing.models import Job
from processing.remote.clearing import clear_if_over
from processing.remote.handing_over import RemoteBusy
from tests.band import chord
from tests.site import ROOT, site_environment, started


def work(job: Job) -> Job:
    """Do what a worker of ours does with a message about a job, in this process, and return the job as it is then."""
    begun = transitions.begin(job.pk, "here/1")
    if begun is None:
        clear_if_over(job.pk)
    else:
        try:
            do(
                Job.objects.select_related("profile").get(pk=job.pk),
                lambda step, part: transitions.beat(begun, step, part),
            )
        except RemoteBusy as busy:
            _record(begun, ("busy", str(busy), busy.seconds), 0, False)
        except Exception as error:
            _record(begun, ("failed", judge(error)), 0, False)
    job.refresh_from_db()
    return job


def stem(seconds: float = 0.6, seed: int = 1, *, loud: float = 1.0) -> bytes:
    """Return a FLAC file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, (loud * chord(seconds, seed)).astype(np.float32), 44_100, format="FLAC", subtype="PCM_24")
    return buffer.getvalue()


def deliver(elsewhere, payload: dict, **stems: bytes) -> None:
    """Put stems where a payload says."""
    for name, content in (stems or {"bass": stem(seed=2), "other": stem(seed=3, loud=0.2)}).items():
        elsewhere.put(f"{payload['profile_name']}/{payload['output_name']}/{name}.flac", content)


def done(payload: dict, **changes: object) -> dict:
    """Return what a worker answers that has made both stems."""
    return {"job_id": payload["job_id"], "status": "complete", "stems": ["bass", "other"], "error": None, **changes}


def story(job: Job) -> list[str]:
    """Return what happened to a job."""
    return list(job.events.values_list("kind", flat=True))


@contextlib.contextmanager
def remote_worker(elsewhere, *arguments: str, **variables: str):
    """Run the remote worker, without any database, and give its process and its address."""
    environment = {
        **site_environment(),
        **elsewhere.variables,
        "STEMSET_CONFIG": str(elsewhere.config_path),
        "STEMSET_WORK_DIR": str(elsewhere.settings.STEMSET_WORK_DIR),
        "STEMSET_VAR_DIR": str(elsewhere.config_path.parent / "var"),
        **variables,
    }
    environment.pop("DATABASE_URL", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "processing.remote.worker", "--port", "0", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    started.append(process)
    said: list[str] = []
    try:
        line = process.stdout.readline()
        assert "listens at" in line, line + process.communicate(timeout=10)[0]
        threading.Thread(target=said.extend, args=(process.stdout,), daemon=True).start()
        process.said = said
        yield process, line.rpartition(" ")[2].strip()
    finally:
        process.terminate()
        process.wait(timeout=20)
