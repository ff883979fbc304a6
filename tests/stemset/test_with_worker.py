"""scripts/with-worker: a site and a worker that end together, and say why."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.site import ROOT
from tests.workers import wait_until


@pytest.fixture
def run(tmp_path: Path):
    """Return how to run it with a worker and a web server that are shell scripts."""

    def start(worker: str, web: str) -> subprocess.Popen[str]:
        for name, script in (("python", worker), ("web", web)):
            path = tmp_path / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        command = [str(ROOT / "scripts" / "with-worker"), str(tmp_path / "web")]
        return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


STAYS = "trap 'exit 0' TERM; echo $$ > $(basename $0).pid; while :; do sleep 0.1; done"


@pytest.mark.parametrize(("worker", "status"), [("kill -9 $$", 137), ("exit 3", 3), ("exit 0", 1)])
def test_a_worker_that_ends_is_told_of(run, tmp_path, worker, status):
    process = run(f"while [ ! -s web.pid ]; do sleep 0.05; done; {worker}", STAYS)
    _out, told = process.communicate(timeout=20)

    assert process.returncode == status
    assert "The worker ended with status" in told
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "web.pid").read_text()), 0)


def test_a_site_that_ends_takes_the_worker_along(run, tmp_path):
    process = run(STAYS, "while [ ! -s python.pid ]; do sleep 0.05; done; exit 4")
    _out, told = process.communicate(timeout=20)

    assert (process.returncode, told) == (4, "")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "python.pid").read_text()), 0)


def test_stopping_it_stops_both_and_says_nothing(run, tmp_path):
    process = run(STAYS, STAYS)
    wait_until(lambda: all((tmp_path / name).exists() for name in ("web.pid", "python.pid")))
    process.send_signal(signal.SIGTERM)
    _out, told = process.communicate(timeout=20)

    assert (process.returncode, told) == (0, "")
