"""The cast of the access tests."""

import pytest

from tests.cast import alice, bob, charlie, demo_band, dora, other_band
from tests.legacy_store import LegacyStore

__all__ = ["alice", "bob", "charlie", "demo_band", "dora", "other_band"]


@pytest.fixture
def store(band, media) -> LegacyStore:
    """The older version's store, in the media folder."""
    return LegacyStore(media)
