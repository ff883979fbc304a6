"""Two bands with recordings, and people who ask for them."""

import pytest
from rest_framework.test import APIClient

from accounts.models import User


@pytest.fixture
def asking():
    """Return a client that asks as a person."""

    def client_of(person: User | None) -> APIClient:
        client = APIClient()
        if person is not None:
            client.force_login(person)
        return client

    return client_of


@pytest.fixture
def as_bob(asking, bob) -> APIClient:
    """A member of demo-band, asking."""
    return asking(bob)
