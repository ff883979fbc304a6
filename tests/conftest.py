"""What every test gets: folders of its own, and a database server that is stopped when the run ends."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test import TransactionTestCase

from stemset.embedded_postgres.server import socket_folder
from tests.band import Band

HARBOUR = Path(__file__).resolve().parent.parent / "demo" / "input" / "harbour.flac"


def pytest_configure(config: pytest.Config) -> None:
    """Hold a share of the embedded server in the controlling process: xdist's workers end without saying goodbye."""
    embedded = django_settings.DATABASES["default"].get("EMBEDDED_FOLDER")
    if embedded and not hasattr(config, "workerinput"):
        _forget_power_failures(socket_folder(Path(embedded)))


def _forget_power_failures(socket: str) -> None:
    """Write nothing through to the disk: tests create and empty tables all the time, and nobody needs them again."""
    with psycopg.connect(host=socket, user="postgres", dbname="postgres", autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit", "autovacuum"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="session", autouse=True)
def quick_flush() -> Iterator[None]:
    """Empty the tables after a transactional test by DELETE: for some rows it takes a twentieth of TRUNCATE's time."""
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: _empty_the_database())
        yield


def _empty_the_database() -> None:
    for _attempt in range(3):
        try:
            _empty_all_tables()
        except (IntegrityError, OperationalError):
            continue  # a page that was closed has sent something on its way out, which came between
        return
    _empty_all_tables()


def _empty_all_tables() -> None:
    """Delete every row but those that migrations made. Foreign keys are checked at the end, so any order will do."""
    made_once = {"django_migrations", "django_content_type", "auth_permission"}
    with transaction.atomic(), connection.cursor() as cursor:
        for table in sorted(set(connection.introspection.table_names(cursor)) - made_once):
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")  # noqa: S608


@pytest.fixture(autouse=True)
def own_folders(settings, tmp_path_factory):
    """Give each test its own media and work folders."""
    folder = tmp_path_factory.mktemp("site")
    settings.MEDIA_ROOT = folder / "media"
    settings.STEMSET_WORK_DIR = folder / "work"
    settings.STEMSET_UPLOAD_DIR = folder / "uploads"
    return folder


@pytest.fixture
def media(settings) -> Path:
    """The local media folder of this test."""
    return Path(settings.MEDIA_ROOT)


@pytest.fixture
def band(settings, own_folders) -> Band:
    """An installation with the profiles "band" and "second" over one source folder."""
    return Band(own_folders, settings)
