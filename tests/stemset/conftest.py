"""The cast, and a build of the web client."""

from pathlib import Path
from types import ModuleType

import pytest

import stemset.urls
from stemset.client_files import routes
from tests.cast import alice, bob, charlie, demo_band, dora, other_band
from tests.client_build import write_build

__all__ = ["alice", "bob", "charlie", "demo_band", "dora", "other_band"]


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A folder as the client's build leaves it."""
    return write_build(tmp_path / "dist")


@pytest.fixture
def with_client(settings, build) -> Path:
    """The site with that client."""
    serve_client(settings, build)
    return build


def serve_client(settings, build: Path) -> None:
    """Have the site of this test serve a build, as it would if it were started with one."""
    settings.STEMSET_CLIENT_DIR = build
    urls = ModuleType("urls_with_client")
    urls.__dict__.update(vars(stemset.urls))
    urls.urlpatterns = [*routes(), *stemset.urls.urlpatterns]
    settings.ROOT_URLCONF = urls
