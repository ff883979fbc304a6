"""The sweeper: what nobody knows goes, and nothing that somebody may still want."""

import os
import time

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from catalog import services
from catalog.deleting import delete_recording
from catalog.importing.run import LOCK as IMPORTING
from catalog.models import AudioFile
from catalog.storing import Mark, mark_key, put_mark
from processing import sweeping
from processing.jobs import inputs, transitions
from processing.jobs.enqueue import Wish, enqueue
from processing.models import Job
from processing.sweeping import sweep
from tests.catalog.test_storage import R2, bucket, keys, s3_server
from tests.factories import make_recording, make_user, write_files
from tests.verifying import held_by_others, locked_by_others

__all__ = ["bucket", "s3_server"]

pytestmark = pytest.mark.django_db(transaction=True)
HASH = "a" * 64
DAY = 24 * 3600


@pytest.fixture
def profile(band):
    return services.sync_profile(band.config.profile("band"))


def wish(profile, key: str, file_hash: str = HASH, **fields) -> Wish:
    return Wish(profile, "quick", Job.Origin.UPLOAD, "take.wav", file_hash, 4, key, **fields)


def store(key: str, content: bytes = b"RIFF") -> str:
    default_storage.save(key, ContentFile(content))
    return key


def date_back(media, days: float = 2) -> None:
    """Have everything in storage lie there for some days."""
    then = time.time() - days * DAY
    for path in media.rglob("*"):
        os.utime(path, (then, then))


def left(media) -> set[str]:
    return {path.relative_to(media).as_posix() for path in media.rglob("*") if path.is_file()}


def found(swept: sweeping.Swept) -> set[tuple[str, str]]:
    assert not swept.troubles
    return {(one.kind, one.subject) for one in swept.found}


# --- what was deleted ---


def test_files_of_a_deleted_recording_go_when_storage_is_back(profile, media, monkeypatch):
    alice = make_user("alice@example.org")
    kept, recording = make_recording(profile, "kept", duration=0.1), make_recording(profile, "x", duration=0.1)
    for one in (kept, recording):
        write_files(one)
    notes = store("band/x/notes.txt")
    kept.stems.filter(stem_type="bass").update(audio_url="band/x/bass.opus")

    def fail(name: str) -> None:
        raise PermissionError(13, "Permission denied", name)

    with monkeypatch.context() as patches:
        patches.setattr(default_storage, "delete", fail)
        delete_recording(recording, alice)
        before = left(media)
        assert len(sweep().troubles) == 1
    assert found(sweep(dry_run=True)) == {("deleted", "band/x")}
    assert left(media) == before
    with held_by_others(IMPORTING):  # it may be about to bring the recording back
        assert found(sweep()) == set()
    assert found(sweep()) == {("deleted", "band/x")}
    assert {key for key in left(media) if key.startswith("band/x/")} == {notes, "band/x/bass.opus"}
    assert found(sweep()) == set()


# --- inputs ---


def test_old_inputs_that_nobody_names_go(profile, media):
    of_job = store(f"inputs/band/{'1' * 64}.wav")
    of_source = store(f"inputs/band/{'2' * 64}.wav")
    of_none = store(f"inputs/band/{'3' * 64}.wav", b"12345678")
    of_lost_profile = store(f"inputs/gone/{'4' * 64}.wav")
    enqueue(wish(profile, of_job))
    AudioFile.objects.create(
        profile=profile,
        filename="b.wav",
        file_hash=HASH,
        storage_url=of_source,
        file_size_bytes=4,
        duration_seconds=1,
    )
    assert found(sweep()) == set()  # all are young
    date_back(media)
    looked = sweep(dry_run=True)
    assert found(looked) == {("input", of_none), ("input", of_lost_profile)}
    assert sum(one.size for one in looked.found) == 12
    assert len(left(media)) == 4
    assert found(sweep()) == found(looked)
    assert left(media) == {of_job, of_source}
    assert found(sweep()) == set()


def test_jobs_that_are_over_keep_their_inputs_until_they_are_forgotten(profile, media):
    key = store(f"inputs/band/{HASH}.wav")
    job, _ = enqueue(wish(profile, key))
    transitions.cancel(job.pk, "Alice")
    date_back(media)
    assert found(sweep()) == set()
    job.delete()
    assert found(sweep()) == {("input", key)}


@pytest.mark.parametrize("moment", ["uploaded anew", "enqueued"])
def test_who_comes_between_looking_and_taking_away_keeps_what_is_his(profile, media, monkeypatch, moment):
    key = store(f"inputs/band/{HASH}.wav")
    date_back(media)
    named = inputs.named_inputs

    def then_somebody_comes(some):
        answer = named(some)
        monkeypatch.undo()
        if moment == "enqueued":
            enqueue(wish(profile, key))
        else:
            store(key)
        return answer

    monkeypatch.setattr(sweeping, "named_inputs", then_somebody_comes)
    assert found(sweep()) == set()
    assert left(media) == {key}


def test_an_input_is_put_back_when_it_is_taken_away_before_it_is_asked_for(bucket, band, profile, monkeypatch):
    """A scan finds an old input there already, and the sweeper takes it in this instant."""
    from processing.scanner import SourceFile, content_hash

    source = SourceFile.at(band.record())
    digest = content_hash(source)
    key = inputs.reachable(source, "band", digest)
    reachable = inputs.reachable

    def then_the_sweeper_comes(*arguments):
        place = reachable(*arguments)
        monkeypatch.undo()
        assert inputs.take_away_unnamed(place)
        return place

    monkeypatch.setattr(inputs, "reachable", then_the_sweeper_comes)
    job, made = inputs.enqueue_found(wish(profile, str(source.path), digest), source)
    assert (made, job.source) == (True, key)
    assert keys(bucket) == {key}


# --- folders that are marked as being made ---


def half_stored(folder: str = "band/half", file_hash: str = HASH) -> set[str]:
    put_mark(folder, Mark(file_hash, ["bass.flac", "bass_waveform.png"]))
    store(f"{folder}/bass.flac")
    return {mark_key(folder), f"{folder}/bass.flac"}


def test_half_stored_recordings_of_machines_that_are_gone_go(profile, media):
    half_stored()
    others = store("band/half/notes.txt")
    assert found(sweep()) == set()
    date_back(media)
    assert found(sweep(thorough=False)) == set()
    with locked_by_others("band", HASH):
        assert found(sweep()) == set()  # it is being stored
    job, _ = enqueue(wish(profile, "inputs/band/x"))
    Job.objects.update(output_name="half")
    assert found(sweep()) == set()  # a worker will do it, or a remote one is at it
    transitions.cancel(job.pk, "Alice")
    assert found(sweep(dry_run=True)) == {("folder", "band/half")}
    assert found(sweep()) == {("folder", "band/half")}
    assert left(media) == {others}


def test_a_mark_that_is_not_of_our_making_is_left_alone(profile, media):
    files = half_stored()
    (media / "band/half/.storing").write_text("somebody's")
    date_back(media)
    assert found(sweep()) == set()
    assert left(media) == files


def test_files_that_rows_name_stay_when_the_mark_goes(band, profile, media):
    from tests.factories import make_recording, write_files

    recording = make_recording(profile, "take", stem_types=("bass",), duration=1)
    write_files(recording)
    put_mark("band/take", Mark(HASH, ["bass.opus", "bass.12345678.flac"]))
    store("band/take/bass.12345678.flac")
    date_back(media)
    assert found(sweep()) == {("folder", "band/take")}
    assert left(media) == {"band/take/bass.opus", "band/take/bass_waveform.png"}


def test_a_key_that_leads_nowhere_does_not_keep_the_rest(bucket, profile):
    for folder in ("band/..", "band/half"):
        bucket.put_object(Bucket=R2.bucket_name, Key=f"{folder}/.storing", Body=b'{"file_hash": "x", "files": []}')
    assert found(sweep(older_than=-60)) == {("folder", "band/half")}
    assert keys(bucket) == {"band/../.storing"}


# --- uploads that nobody finished ---


def test_abandoned_multipart_uploads_are_aborted(bucket, profile):
    ours = bucket.create_multipart_upload(Bucket=R2.bucket_name, Key="inputs/band/x.wav")
    bucket.upload_part(
        Bucket=R2.bucket_name, Key="inputs/band/x.wav", UploadId=ours["UploadId"], PartNumber=1, Body=b"x"
    )
    bucket.create_multipart_upload(Bucket=R2.bucket_name, Key="backups/of-somebody-else")

    def unfinished() -> list[str]:
        return [one["Key"] for one in bucket.list_multipart_uploads(Bucket=R2.bucket_name).get("Uploads", [])]

    try:
        assert found(sweep(older_than=50 * 365 * DAY)) == set()
        assert len(unfinished()) == 2
        assert found(sweep()) == {("multipart", "inputs/band/x.wav")}  # moto says of all that they began in 2010
        assert unfinished() == ["backups/of-somebody-else"]
    finally:
        for one in bucket.list_multipart_uploads(Bucket=R2.bucket_name).get("Uploads", []):
            bucket.abort_multipart_upload(Bucket=R2.bucket_name, Key=one["Key"], UploadId=one["UploadId"])


def test_half_written_files_of_dead_processes_go_whatever_their_age(profile, media, settings):
    store("band/x")
    (media / ".incoming/left").write_bytes(b"half")
    settings.STEMSET_UPLOAD_DIR.mkdir(parents=True, exist_ok=True)
    (settings.STEMSET_UPLOAD_DIR / "1.spool").write_bytes(b"half")
    assert {kind for kind, _subject in found(sweep())} == {"incoming", "spool"}
    assert left(media) == {"band/x"}
    assert not list(settings.STEMSET_UPLOAD_DIR.iterdir())


# --- the sweep itself ---


def test_what_storage_refuses_is_told_and_the_rest_goes(profile, media, monkeypatch):
    first, second = (store(f"inputs/band/{digit * 64}.wav") for digit in "12")
    date_back(media)
    delete = type(default_storage._wrapped).delete

    def refuse(storage, name):
        if name == first:
            raise PermissionError("read-only")
        delete(storage, name)

    monkeypatch.setattr(type(default_storage._wrapped), "delete", refuse)
    swept = sweep()
    assert [one.subject for one in swept.found] == [second]
    assert len(swept.troubles) == 1
    assert first in swept.troubles[0]


def test_one_sweeps_at_a_time(profile):
    with held_by_others(sweeping.LOCK):
        assert sweep().busy
    assert not sweep().busy


def test_workers_sweep_now_and_then(monkeypatch):
    made = []
    monkeypatch.setattr(sweeping, "sweep", lambda *, thorough: made.append(thorough) or sweeping.Swept())
    clock = [1000.0]
    monkeypatch.setattr(sweeping.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(sweeping, "_now_and_then", sweeping.Occasion(3600))
    monkeypatch.setattr(sweeping, "_daily", sweeping.Occasion(DAY))
    for _ in range(int(3 * DAY / 10)):  # a worker asks every 10 s
        sweeping.occasionally()
        clock[0] += 10
    assert made.count(True) in (3, 4)
    assert 70 <= len(made) <= 76
