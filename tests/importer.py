"""The admin's importer in tests: its processes get the database, folders and configuration of the test that asks."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import psycopg
import pytest
from django.conf import settings

from tests import site
from tests.band import Band


@pytest.fixture
def importer(band: Band, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the site start imports, and see each of them end. For transactional tests."""
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    monkeypatch.setenv("DATABASE_URL", site.database_url())
    monkeypatch.setenv("MEDIA_ROOT", str(settings.MEDIA_ROOT))
    monkeypatch.setenv("STEMSET_WORK_DIR", str(settings.STEMSET_WORK_DIR))
    monkeypatch.setenv("STEMSET_CONFIG", str(band.config_path))
    yield
    for process in processes():
        process.kill()
    wait_for_ends()


def processes() -> list[psutil.Process]:
    """Return the processes of runs that this one started."""
    return [process for process in psutil.Process().children() if _is_import(process)]


def wait_for_ends() -> None:
    """Wait until every run's process has ended and that is written down."""
    for thread in threading.enumerate():
        if thread.name.startswith("import-run-"):
            thread.join(timeout=60)
            assert not thread.is_alive()


@contextmanager
def stuck() -> Iterator[None]:
    """Let nobody read recordings meanwhile: an import gets as far as knowing how many folders there are."""
    with psycopg.connect(site.database_url()) as connection:
        connection.execute("LOCK TABLE recordings IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


def _is_import(process: psutil.Process) -> bool:
    try:
        return "import_metadata" in process.cmdline()
    except psutil.Error:
        return False
