"""Who is who in tests about access.

alice is staff and opens everything; bob plays in demo-band; charlie is an outsider with a band of his own; dora was
in demo-band until her account was switched off.
"""

import pytest

from accounts.models import User
from catalog.models import Profile
from tests.factories import make_profile, make_user


@pytest.fixture
def demo_band(db) -> Profile:
    """The profile that access is about."""
    return make_profile("demo-band")


@pytest.fixture
def other_band(db) -> Profile:
    """The profile of the outsider."""
    return make_profile("other-band")


@pytest.fixture
def alice(db) -> User:
    """Staff, but no superuser."""
    return make_user("alice@example.org", name="Alice", is_staff=True)


@pytest.fixture
def bob(demo_band) -> User:
    """A member of demo-band."""
    return make_user("bob@example.org", name="Bob", profiles=[demo_band])


@pytest.fixture
def charlie(other_band) -> User:
    """An outsider."""
    return make_user("charlie@example.org", name="Charlie", profiles=[other_band])


@pytest.fixture
def dora(demo_band) -> User:
    """A member whose account is switched off."""
    return make_user("dora@example.org", name="Dora", profiles=[demo_band], is_active=False)
