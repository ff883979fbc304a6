"""A small fault campaign; `make faults` runs the large one."""

import subprocess
import sys

import pytest

from tests.site import ROOT, site_environment

pytestmark = pytest.mark.faults


def test_jobs_survive_killed_workers_a_failing_store_and_a_restarted_database():
    command = [sys.executable, "-m", "tests.faults.campaign", "--jobs=8", "--workers=2", "--kills=2", "--restarts=1"]
    environment = site_environment()
    done = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert "8 jobs" in done.stdout
