"""The cast of the access tests."""

from tests.cast import alice, bob, charlie, demo_band, dora, other_band

__all__ = ["alice", "bob", "charlie", "demo_band", "dora", "other_band"]
