"""Running the site's own commands as other processes, against the database of the test that asks."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent

# How often a test kills a process at a random moment; `make test-kills` has time for more.
KILLS = int(os.environ.get("STEMSET_TEST_KILLS", "8"))

# Every process of the current test; tests/faults ends those that a failure left running.
started: list[subprocess.Popen[str]] = []


def site_environment() -> dict[str, str]:
    """Return the environment of a person's shell: what the test runner set is taken out."""
    return {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}


def database_url() -> str:
    """Return DATABASE_URL of this test's own database. Its data must be committed (transactional tests)."""
    params = connection.get_connection_params()
    password = f":{quote(params['password'], safe='')}" if params.get("password") else ""
    port = f":{params['port']}" if params.get("port") else ""
    host = quote(str(params.get("host", "")), safe="")
    return f"postgresql://{params['user']}{password}@{host}{port}/{params['dbname']}"


def start(*arguments: str, config: Path | None = None, **variables: str) -> subprocess.Popen[str]:
    """Start `manage.py …` on this test's database, media and work folders."""
    environment = {
        **site_environment(),
        "DATABASE_URL": database_url(),
        "MEDIA_ROOT": str(settings.MEDIA_ROOT),
        "STEMSET_WORK_DIR": str(settings.STEMSET_WORK_DIR),
        "STEMSET_MODEL_CACHE_DIR": str(settings.STEMSET_MODEL_CACHE_DIR),
        **({"STEMSET_CONFIG": str(config)} if config else {}),
        **variables,
    }
    process = subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    started.append(process)
    return process


def run(*arguments: str, config: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `manage.py …` to its end."""
    process = start(*arguments, config=config, **variables)
    stdout, stderr = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
