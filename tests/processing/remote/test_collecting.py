"""What is made of what lies in the store, and what is said of what cannot be used."""

import pytest
from django.core.files.storage import default_storage

from catalog.models import Recording
from processing.audio.gains import relative_gains
from processing.jobs import transitions
from processing.models import Job
from tests.factories import make_user
from tests.processing.remote.helpers import deliver, done, stem, story, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def returned(elsewhere, fake_worker, client):
    """Return a job that has come back with these stems."""

    def make(delivered: dict[str, bytes] | None = None, **answer: object) -> Job:
        job = work(elsewhere.job())
        deliver(elsewhere, fake_worker.asked[0], **(delivered or {}))
        said = done(fake_worker.asked[0], **answer)
        assert client.post(fake_worker.path, said, content_type="application/json").status_code == 201
        return job

    return make


def kept(elsewhere, job: Job) -> set[str]:
    return elsewhere.stored() - {f"inputs/band/{job.file_hash}.wav"}


def test_the_rows_tell_what_lies_in_the_store(elsewhere, returned):
    job = work(returned())
    assert (job.state, job.progress, job.stems) == ("complete", 1.0, ["bass", "other"])
    recording = Recording.objects.get()
    assert (recording.output_name, recording.strategy_name) == (job.output_name, "quick")
    assert recording.made_by == {"dsp:lowband": "remote"}
    stems = {one.stem_type: one for one in recording.stems.all()}
    folder = f"band/{job.output_name}"
    named = {f"{folder}/{name}{end}" for name in ("bass", "other") for end in (".flac", "_waveform.png", ".flac.peaks")}
    assert kept(elsewhere, job) == named
    for name, row in stems.items():
        assert row.audio_url == f"{folder}/{name}.flac"
        assert row.file_size_bytes == len(elsewhere.get(row.audio_url))
        assert row.duration_seconds == pytest.approx(0.6)
        assert 0.1 < row.peak_amplitude * (5 if name == "other" else 1) < 1
        assert row.audio_file.storage_url == f"inputs/band/{job.file_hash}.wav"
        assert elsewhere.get(row.waveform_url).startswith(b"\x89PNG")
    gains = relative_gains({name: row.measured_lufs for name, row in stems.items()})
    assert {name: row.stem_gain_adjustment_db for name, row in stems.items()} == gains
    assert stems["bass"].measured_lufs - stems["other"].measured_lufs == pytest.approx(14, abs=0.5)


def test_a_worker_that_names_no_stems_is_taken_at_what_it_stored(returned):
    assert work(returned(stems=None)).state == "complete"


@pytest.mark.parametrize(
    ("delivered", "answer", "what"),
    [
        ({"bass": stem()}, {}, "other.flac is not in the store"),
        ({"bass": stem(), "other": b"noise"}, {}, "other"),
        ({"bass": stem(), "other": stem()[:20_000]}, {}, "other"),
        ({"bass": stem(), "other": stem(0.5)}, {}, "not of one length"),
        (None, {"stems": ["bass"]}, "it made bass"),
        (None, {"stems": ["bass", "other", "../x"]}, "it made bass, other, ../x"),
    ],
)
def test_stems_that_cannot_be_used_are_said_to_be_so_and_go(elsewhere, returned, client, delivered, answer, what):
    job = returned(delivered, **answer)
    work(job)
    client.force_login(make_user("staff@example.org", is_staff=True))
    assert (job.state, job.error_code) == ("error", "remote_stems")
    assert what in job.error_text
    assert client.get(f"/api/jobs/{job.pk}").json()["stems"] is None
    work(job)
    assert not kept(elsewhere, job)
    assert not Recording.objects.exists()


@pytest.mark.parametrize("broken", ["fetch", "save"])
def test_a_store_that_fails_is_tried_again_without_asking_the_remote_worker_again(
    elsewhere, returned, fake_worker, monkeypatch, broken
):
    job = returned()
    calls = []

    def fail(*_arguments, **_more):
        calls.append(1)
        raise OSError("the store is away")

    with monkeypatch.context() as patches:
        patches.setattr(type(default_storage._wrapped or default_storage), broken, fail)
        work(job)
    assert calls
    assert (job.state, job.error_code, job.step) == ("queued", "storage", "collecting")
    assert f"band/{job.output_name}/bass.flac" in elsewhere.stored()
    assert work(job).state == "complete"
    assert job.attempts == 2
    assert len(fake_worker.asked) == 1
    assert len(kept(elsewhere, job)) == 6
    assert story(job)[-4:] == ["started", "retry", "started", "complete"]


def test_a_collector_that_dies_is_followed_by_another(elsewhere, returned, fake_worker):
    job = returned()
    assert transitions.begin(job.pk, "here/1") is not None
    assert transitions.begin(job.pk, "here/2") is None
    with transitions.locked(job.pk) as row:
        transitions.lost(row)
    assert work(job).state == "complete"
    assert job.attempts == 2
    assert len(fake_worker.asked) == 1
