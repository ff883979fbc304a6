"""What every test gets: folders of its own, and a database server that is stopped when the run ends."""

from pathlib import Path

import pytest
from django.conf import settings as django_settings

from stemset.embedded_postgres.server import socket_folder
from tests.band import Band

HARBOUR = Path(__file__).resolve().parent.parent / "demo" / "input" / "harbour.flac"


def pytest_configure(config: pytest.Config) -> None:
    """Hold a share of the embedded server in the controlling process: xdist's workers end without saying goodbye."""
    embedded = django_settings.DATABASES["default"].get("EMBEDDED_FOLDER")
    if embedded and not hasattr(config, "workerinput"):
        socket_folder(Path(embedded))


@pytest.fixture(autouse=True)
def own_folders(settings, tmp_path_factory):
    """Give each test its own media and work folders."""
    folder = tmp_path_factory.mktemp("site")
    settings.MEDIA_ROOT = folder / "media"
    settings.STEMSET_WORK_DIR = folder / "work"
    return folder


@pytest.fixture
def media(settings) -> Path:
    """The local media folder of this test."""
    return Path(settings.MEDIA_ROOT)


@pytest.fixture
def band(settings, own_folders) -> Band:
    """An installation with the profiles "band" and "second" over one source folder."""
    return Band(own_folders, settings)
