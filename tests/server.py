"""The shipped web server over the database of the test that asks, for tests that speak HTTP to it."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.conf import settings

from tests.site import ROOT, database_url, site_environment, started

# Beside the interpreter, not where its link leads to.
GUNICORN = [str(Path(sys.executable).parent / "gunicorn"), "--config", "python:stemset.gunicorn", "stemset.wsgi"]


@contextlib.contextmanager
def served(*, config: Path | None = None, **variables: str) -> Iterator[str]:
    """Run gunicorn on a free port and give its address. Rows must be committed (transactional tests)."""
    environment = {
        **site_environment(),
        "DATABASE_URL": database_url(),
        "DATABASE_POOL": "true",
        "DATABASE_POOL_SIZE": "2",
        "MEDIA_ROOT": str(settings.MEDIA_ROOT),
        "STEMSET_UPLOAD_DIR": str(settings.STEMSET_UPLOAD_DIR),
        "SECRET_KEY": settings.SECRET_KEY,
        "JWT_SECRET": settings.SIGN_IN.jwt_secret,
        "STATIC_ROOT": str(_static_files()),
        "STEMSET_BIND": "127.0.0.1:0",
        **({"STEMSET_CONFIG": str(config)} if config else {}),
        **variables,
    }
    process = subprocess.Popen(
        GUNICORN, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    started.append(process)
    said: list[str] = []
    try:
        yield _address(process, said)
    finally:
        process.terminate()
        process.wait(timeout=30)


@cache
def _static_files() -> Path:
    """Collect the static files, once for all tests of this process, as an operator does."""
    folder = Path(settings.VAR_DIR) / f"static-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
    run = [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity=0"]
    subprocess.run(run, cwd=ROOT, env={**site_environment(), "STATIC_ROOT": str(folder)}, check=True)
    return folder


def _address(process: "subprocess.Popen[str]", said: list[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if "Open http://" in line:
            # Its log goes on; a full pipe would stop it.
            threading.Thread(target=said.extend, args=(process.stdout,), daemon=True).start()
            return "http://" + line.partition("Open http://")[2].partition("/")[0].strip()
    raise AssertionError("The server did not start:\n" + "".join(said))
