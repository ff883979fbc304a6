"""A leader of the profile "band", who uploads to it; and that nothing is ever left over."""

import pytest

from accounts.models import User, UserProfile
from catalog import services
from catalog.access import Role
from catalog.models import Profile
from tests.factories import make_user


@pytest.fixture
def profile(band, db) -> Profile:
    """The profile's row."""
    return services.sync_profile(band.config.profile("band"))


@pytest.fixture
def leader(profile) -> User:
    """Somebody who may upload."""
    return make_leader("lea@example.org", profile)


def make_leader(email: str, profile: Profile) -> User:
    user = make_user(email, profiles=[profile])
    UserProfile.objects.filter(user=user).update(role=Role.LEADER)
    return user


@pytest.fixture
def as_leader(client, leader):
    """Django's test client, signed in."""
    client.force_login(leader)
    return client


@pytest.fixture
def spool(settings):
    """Return the names of what lies in the spool folder."""
    return lambda: sorted(path.name for path in settings.STEMSET_UPLOAD_DIR.glob("*"))


@pytest.fixture
def inputs(media):
    """Return the names of the uploaded sources in storage."""
    return lambda: sorted(path.name for path in (media / "inputs" / "band").glob("*"))
