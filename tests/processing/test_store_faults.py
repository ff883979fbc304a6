"""The store fails at one request after the other while a recording is made: no row without files, no file unknown."""

import pytest
from django.conf import settings as site_settings

from catalog import services
from catalog.models import AudioFile, Recording, Stem
from catalog.storing import files_of
from processing import workdir
from processing.jobs import transitions
from processing.jobs.doing import do
from processing.jobs.enqueue import Wish
from processing.jobs.failures import judge
from processing.jobs.inputs import enqueue_found
from processing.leftovers import clear_abandoned
from processing.models import Job
from processing.scanner import SourceFile, content_hash
from processing.sweeping import sweep
from tests import site
from tests.catalog.test_storage import bucket, keys, s3_server
from tests.catalog.test_storage_faults import through
from tests.s3_faults import Asked, Day, bad_day

__all__ = ["bucket", "s3_server"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults]


class Trial:
    """A recording to be made, again and again from nothing."""

    def __init__(self, band, bucket) -> None:
        self.bucket = bucket
        self.source = SourceFile.at(band.record(seconds=0.3))
        self.profile = services.sync_profile(band.config.profile("band"))
        self.digest = content_hash(self.source)

    def wish(self, mode: Job.Mode) -> Wish:
        return Wish(
            self.profile,
            "quick",
            Job.Origin.SCAN,
            self.source.name,
            self.digest,
            self.source.size,
            str(self.source.path),
            mode=mode,
        )

    def attempt(self, mode: Job.Mode = Job.Mode.ONCE) -> None:
        """What a scan and then a worker do; what goes wrong is judged as they do."""
        try:
            job, _made = enqueue_found(self.wish(mode), self.source)
        except Exception as error:
            assert_passes(error)
            return
        begun = transitions.begin(job.pk, "here/1")
        assert begun is not None or job.state == "complete"
        if begun is not None:
            try:
                do(begun, lambda _step, _part: None)
            except Exception as error:
                assert_passes(error)
                transitions.fail(begun.pk, begun.attempts, judge(error))

    def require_sound(self) -> None:
        """At every moment: rows have their files."""
        assert named() <= keys(self.bucket)
        assert Stem.objects.count() == 2 * Recording.objects.count()

    def require_clean(self) -> None:
        """After the next sweep: files have their rows."""
        workdir.sweep(site_settings.STEMSET_WORK_DIR, before_removal=clear_abandoned)
        assert not sweep(older_than=-60).troubles
        assert keys(self.bucket) == named() | set(Job.objects.values_list("source", flat=True))
        assert not [path for path in site_settings.STEMSET_WORK_DIR.iterdir() if path.name != "sweep.lock"]

    def forget(self) -> None:
        for model in (Job, Recording, AudioFile):
            model.objects.all().delete()
        for key in keys(self.bucket):
            self.bucket.delete_object(Bucket="stemset-media", Key=key)


def named() -> set[str]:
    return files_of(Stem.objects.all())


def assert_passes(error: Exception) -> None:
    failure = judge(error)
    assert (failure.code, failure.may_pass) == ("storage", True), failure.detail


class OneFails:
    """Fails the request with the number `at`, counted from when it was told to, and with `for_good` all after it."""

    def __init__(self, kind: str, *, for_good: bool) -> None:
        self.kind, self.for_good = kind, for_good
        self.at: int | None = None
        self.day = Day(when=self._when, hang_seconds=0.4)
        self._start = 0

    def begin(self, at: int | None) -> None:
        self.at, self._start = at, len(self.day.asked)

    @property
    def count(self) -> int:
        return len(self.day.asked) - self._start

    def _when(self, asked: Asked) -> str | None:
        number = asked.number - self._start
        hit = self.at is not None and (number == self.at or (self.for_good and number > self.at))
        return self.kind if hit else None


WAYS = [("error", False), ("lost", False), ("hang", False), ("error", True), ("lost", True)]
# `make test-kills` takes each request in turn; otherwise each way to fail takes some of them, and not the same ones.
EVERY = 1 if site.KILLS > 8 else 2 * len(WAYS)


@pytest.mark.parametrize("again", [False, True], ids=["new", "made again"])
@pytest.mark.parametrize(("kind", "for_good"), WAYS)
def test_requests_are_killed_one_after_the_other(bucket, s3_server, band, settings, kind, for_good, again):
    trial, store, outcomes = Trial(band, bucket), OneFails(kind, for_good=for_good), set()
    mode = Job.Mode.REPLACE if again else Job.Mode.ONCE
    with bad_day(s3_server, store.day) as address:
        # Impatient only while it hangs: a store that is back may take its time on a busy machine.
        hanging = {"attempts": 1, "silence_seconds": 0.15 if kind == "hang" else 5}
        back = {"attempts": 1, "silence_seconds": 20}
        through(settings, address, **back)
        if again:
            trial.attempt()
        settled = named()
        store.begin(at=None)
        trial.attempt(mode)
        trial.require_sound()
        requests = store.count
        assert requests >= 10
        for number in range((WAYS.index((kind, for_good)) + again * len(WAYS)) % EVERY, requests, EVERY):
            if not again:
                trial.forget()
            store.begin(at=number)
            through(settings, address, **hanging)
            trial.attempt(mode)
            through(settings, address, **back)
            assert store.day.failed
            trial.require_sound()
            outcomes.add(Job.objects.latest("created_at").state if Job.objects.exists() else "no job")
            store.begin(at=None)  # it is back
            trial.require_clean()
            trial.attempt(mode)
            assert Recording.objects.get().stems.count() == 2
            trial.require_clean()
    assert outcomes <= {"queued", "complete", "no job"}  # it is tried again
    assert not settled & named()
