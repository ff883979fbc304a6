"""What verify_catalog finds about jobs and uploaded sources, and recordings that are made again."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from catalog import services
from catalog.deleting import delete_recording
from catalog.models import AudioFile, Recording, Stem
from processing.jobs import transitions
from processing.jobs.doing import do
from processing.jobs.enqueue import Wish, enqueue
from processing.models import Job
from tests import verifying as defects
from tests.catalog.test_storage import bucket, s3_server
from tests.factories import make_user
from tests.processing.test_sweeping import date_back
from tests.verifying import repair, shelf, verify

__all__ = ["bucket", "s3_server", "shelf"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def profile(band):
    services.sync_profile(band.config.profile("second"))
    return services.sync_profile(band.config.profile("band"))


@pytest.fixture
def uploaded(band, profile) -> Job:
    """A job of an upload, whose input is in storage."""
    from processing.scanner import SourceFile, content_hash

    source = SourceFile.at(band.record())
    digest = content_hash(source)
    key = f"inputs/band/{digest}.wav"
    default_storage.save(key, ContentFile(source.path.read_bytes()))
    job, _made = enqueue(Wish(profile, "quick", Job.Origin.UPLOAD, source.name, digest, source.size, key))
    return job


def subjects(code: str, *options: str) -> list[tuple[str, str]]:
    return sorted((severity, subject) for severity, found, subject in verify(*options).found if found == code)


def done(job: Job) -> Recording:
    begun = transitions.begin(job.pk, "here/1")
    do(begun, lambda _step, _part: None)
    return Recording.objects.get()


# --- what is found ---


def test_jobs_and_inputs_without_defects_give_no_findings(uploaded):
    assert not verify("--fail-on", "warning").found
    done(uploaded)
    assert not verify("--fail-on", "warning", "--checksums").found


def test_inputs_that_nobody_names_are_found_and_young_ones_are_only_told(uploaded, media):
    other = f"inputs/second/{'1' * 64}.wav"
    lost = f"inputs/gone/{'2' * 64}.wav"
    for key in (other, lost):
        default_storage.save(key, ContentFile(b"RIFF"))
    assert subjects("input_unknown") == [("info", lost), ("info", other)]
    date_back(media)
    run = verify("--fail-on", "warning")
    assert run.code == 2
    assert run.found == {("warning", "input_unknown", lost), ("warning", "input_unknown", other)}
    assert "prune_jobs" in run.document["findings"][0]["hint"]
    assert subjects("input_unknown", "--profile", "second") == [("warning", other)]
    assert subjects("input_unknown", "--profile", "band") == []


def test_a_complete_job_without_recording_is_found_unless_somebody_deleted_it(uploaded):
    recording = done(uploaded)
    folder = f"band/{recording.output_name}"
    delete_recording(recording, make_user("alice@example.org"))
    uploaded.refresh_from_db()
    assert (uploaded.state, uploaded.recording) == ("complete", None)
    assert subjects("job_without_recording") == []
    uploaded.profile.deleted_recordings.all().delete()
    assert subjects("job_without_recording") == [("warning", folder)]


def test_a_job_whose_input_is_gone_is_found(uploaded):
    default_storage.delete(uploaded.source)
    assert subjects("job_source_gone") == [("warning", f"band/{uploaded.output_name}")]
    transitions.cancel(uploaded.pk, "Alice")
    assert subjects("job_source_gone") == []


def ago(**time) -> object:
    return timezone.now() - timedelta(**time)


def test_jobs_that_nobody_is_at_are_found(uploaded):
    assert subjects("job_stalled") == []
    Job.objects.update(created_at=ago(minutes=6))
    assert subjects("job_stalled") == [("warning", f"band/{uploaded.output_name}")]
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())")
    assert subjects("job_stalled") == []  # there are workers; it is not its turn
    begun = transitions.begin(uploaded.pk, "elsewhere/1")
    assert subjects("job_stalled") == []
    Job.objects.update(heartbeat_at=ago(minutes=6))
    assert subjects("job_stalled") == [("warning", f"band/{uploaded.output_name}")]
    assert subjects("job_stalled", "--profile", "second") == []
    Job.objects.update(remote_deadline_at=ago(minutes=-6))
    assert subjects("job_stalled") == []  # a remote worker has it
    Job.objects.update(remote_deadline_at=ago(minutes=6))
    assert subjects("job_stalled") == [("warning", f"band/{uploaded.output_name}")]
    transitions.cancel(begun.pk, "Alice")
    assert subjects("job_stalled") == []


def test_uploaded_sources_of_recordings_that_are_gone(uploaded):
    done(uploaded)
    default_storage.delete(uploaded.source)
    assert verify().found == {("info", "source_gone", uploaded.source)}


def test_in_an_object_store(bucket, uploaded):
    done(uploaded)
    assert not verify("--fail-on", "warning", "--checksums").found
    unknown = f"inputs/band/{'1' * 64}.wav"
    default_storage.save(unknown, ContentFile(b"RIFF"))
    default_storage.delete(uploaded.source)
    assert verify().found == {("info", "input_unknown", unknown), ("info", "source_gone", uploaded.source)}


# --- making recordings again ---


def jobs_of_band() -> list[Job]:
    return list(Job.objects.filter(profile__name="band"))


@pytest.mark.parametrize("defect", [defects.audio_missing, defects.audio_empty, defects.audio_unreadable])
def test_a_recording_whose_audio_is_lost_is_made_again_from_its_source(shelf, defect):
    """The older version made it; its source is in the source folder."""
    subject = f"{shelf.path}/{defect(shelf)}"
    code = defect.__name__
    assert repair(code, "--dry-run").results == [("would_repair", subject)]
    assert not jobs_of_band()
    run = repair(code)
    assert (run.code, run.results) == (0, [("repaired", subject)])
    (job,) = jobs_of_band()
    assert (job.mode, job.output_name, job.origin, job.strategy_name) == (
        "replace",
        shelf.folder.name,
        "again",
        "quick",
    )
    assert repair(code).code == 0  # it is queued already
    before = Recording.objects.get(profile__name="band")
    begun = transitions.begin(job.pk, "here/1")
    do(begun, lambda _step, _part: None)
    after = Recording.objects.get(profile__name="band")
    assert (after.pk, after.output_name) == (before.pk, before.output_name)
    assert code not in verify().codes
    assert not [one for one in verify().document["findings"] if one["severity"] == "error"]
    assert len(jobs_of_band()) == 1


def test_without_its_source_it_cannot_be_made_again(shelf):
    subject = f"{shelf.path}/{defects.audio_missing(shelf)}"
    Path(AudioFile.objects.get().storage_url).unlink()
    for options in ([], ["--dry-run"]):
        run = repair("audio_missing", *options)
        assert (run.code, run.results) == (2, [("refused", subject)])
        assert "no longer" in run.details
    assert not jobs_of_band()


def test_nor_when_nobody_knows_what_it_was_made_from(shelf):
    defects.audio_missing(shelf)
    AudioFile.objects.update(hash_provenance=AudioFile.HashProvenance.PLACEHOLDER)
    run = repair("audio_missing")
    assert run.code == 2
    assert not jobs_of_band()


def test_an_uploaded_source_does_too(uploaded):
    recording = done(uploaded)
    shutil.rmtree(Path(default_storage.path(f"band/{recording.output_name}")))
    run = repair("audio_missing")
    assert {status for status, _subject in run.results} == {"repaired"}
    assert len(run.results) == 2
    (job,) = Job.objects.filter(state="queued")
    assert job.source == uploaded.source
    done(job)
    assert Stem.objects.count() == 2
    assert not verify("--fail-on", "warning", "--checksums").found
