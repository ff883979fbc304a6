"""Jobs of the profile "band"."""

import pytest

from accounts.models import UserProfile
from catalog import services
from catalog.access import Role
from processing.jobs import transitions
from processing.jobs.enqueue import Wish, enqueue
from processing.jobs.failures import Failure
from processing.models import Job
from processing.scanner import SourceFile, content_hash
from tests.factories import make_profile, make_user


@pytest.fixture
def wish(band):
    """Return a wish for a new recording in the source folder; its fields can be changed by name."""

    def make(name="take.wav", *, seed=1, seconds=0.6, **changes):
        source = SourceFile.at(band.record(name, seed=seed, seconds=seconds))
        fields = {
            "profile": services.sync_profile(band.config.profile("band")),
            "strategy_name": "quick",
            "origin": Job.Origin.SCAN,
            "filename": source.name,
            "file_hash": content_hash(source),
            "file_size_bytes": source.size,
            "source": str(source.path),
        }
        return Wish(**{**fields, **changes})

    return make


@pytest.fixture
def job(wish) -> Job:
    """A job that waits."""
    return enqueue(wish())[0]


@pytest.fixture
def band_profile(band):
    """The profile "band" in the catalogue."""
    return services.sync_profile(band.config.profile("band"))


@pytest.fixture
def leader(band_profile):
    """Alice, who leads the band."""
    user = make_user("alice@example.org", name="Alice", profiles=[band_profile])
    UserProfile.objects.filter(user=user).update(role=Role.LEADER)
    return user


@pytest.fixture
def member(band_profile):
    """Bob, who plays in it."""
    return make_user("bob@example.org", name="Bob", profiles=[band_profile])


@pytest.fixture
def outsider(db):
    """Charlie, who has a band of his own."""
    return make_user("charlie@example.org", name="Charlie", profiles=[make_profile("other-band")])


@pytest.fixture
def staff(db):
    """Sasha, who runs the site."""
    return make_user("sasha@example.org", name="Sasha", is_staff=True)


@pytest.fixture
def failed_job(job) -> Job:
    """One that came to nothing, with something for staff to read."""
    taken = transitions.begin(job.pk, "studio/4711")
    why = Failure("audio_unreadable", "This is no audio.", "Traceback: deep inside", may_pass=False)
    transitions.fail(job.pk, taken.attempts, why)
    job.refresh_from_db()
    return job
