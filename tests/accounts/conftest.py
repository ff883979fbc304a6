"""The cast of the access tests, a stand-in for Google, and people with browsers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.accounts.visitor import Visitor
from tests.cast import alice, bob, charlie, demo_band, dora, other_band
from tests.google import GoogleStandIn, use_google

__all__ = ["alice", "bob", "charlie", "demo_band", "dora", "other_band"]


@pytest.fixture
def google(settings) -> Iterator[GoogleStandIn]:
    """Google, which this site is registered with; bob@example.org is on the list, and nobody else."""
    with GoogleStandIn() as stand_in:
        use_google(settings, stand_in, allowed=["bob@example.org"])
        yield stand_in


@pytest.fixture
def visitor(live_server, google) -> Iterator[Callable[[], Visitor]]:
    """Make people who come to the site over HTTP, each with a browser of their own."""
    with ExitStack() as stack:

        def make() -> Visitor:
            someone = Visitor(live_server.url, google)
            stack.enter_context(someone.http)
            return someone

        yield make
