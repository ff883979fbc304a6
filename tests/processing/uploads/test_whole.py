"""Uploads in one request: what is taken, what is not, and what is left of either."""

import errno
import io
import zipfile
from pathlib import Path

import pytest
import soundfile
from botocore.exceptions import EndpointConnectionError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings

from catalog.deleting import delete_recording
from catalog.models import Recording
from catalog.storage import LocalStorage, ObjectStorage
from processing.errors import ProcessingError
from processing.jobs import transitions
from processing.jobs.doing import do
from processing.jobs.failures import judge
from processing.models import Job
from processing.uploads import limits
from stemset.config.loader import load_config
from tests.band import chord
from tests.catalog.test_storage import R2, bucket, keys, s3_server
from tests.factories import make_recording
from tests.processing.audio_files import cut, write_av, write_video_only
from tests.processing.uploads.sending import sha256, wav

__all__ = ["bucket", "s3_server"]
URL = "/api/upload/band"


def send(client, data: bytes, name: str = "take.wav", url: str = URL, **more):
    return client.post(url, {"data": SimpleUploadedFile(name, data), **more}, headers={"Origin": "http://testserver"})


def refused(response, status: int, *words: str) -> None:
    assert response.status_code == status, response.content
    for word in words:
        assert word in response.json()["detail"]


def test_a_file_becomes_a_job(as_leader, leader, media, spool, inputs):
    data = wav()
    response = send(as_leader, data, "Größe 1.wav")

    assert response.status_code == 201
    answer = response.json()
    job = Job.objects.get()
    assert answer["job_id"] == str(job.pk)
    assert answer["status"] == "processing"
    assert answer["filename"] == "Größe 1.wav"
    assert answer["output_name"] == f"Größe_1_{sha256(data)[:8]}"
    assert (job.file_hash, job.file_size_bytes, job.uploader) == (sha256(data), len(data), leader)
    assert (job.strategy_name, job.origin, job.state) == ("quick", "upload", "queued")
    assert (media / job.source).read_bytes() == data
    assert inputs() == [f"{sha256(data)}.wav"]
    assert spool() == []


def test_the_same_file_gives_the_same_job_and_one_file(as_leader, inputs, spool):
    first = send(as_leader, wav()).json()
    second = send(as_leader, wav(), "other name.wave")

    assert second.status_code == 201
    assert second.json() == first
    assert (Job.objects.count(), len(inputs()), spool()) == (1, 1, [])


def test_what_the_profile_has_already_is_a_job_that_is_complete(as_leader, profile, inputs):
    recording = make_recording(profile, "there")
    recording.stems.get(stem_type="bass").audio_file.__class__.objects.update(file_hash=sha256(wav()))
    answer = send(as_leader, wav()).json()

    assert (answer["status"], answer["output_name"]) == ("complete", "there")
    assert answer["stems"] == ["bass", "drums", "other", "vocals"]
    assert inputs() == []


def test_what_was_deleted_comes_back(as_leader, leader, profile, inputs):
    recording = make_recording(profile, "there")
    recording.stems.get(stem_type="bass").audio_file.__class__.objects.update(file_hash=sha256(wav()))
    delete_recording(recording, leader)
    answer = send(as_leader, wav()).json()

    assert answer["status"] == "processing"
    assert len(inputs()) == 1


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd.wav", "passwd.wav"),
        ("C:\\Users\\bob\\take.WAV", "take.WAV"),
        ("a\x01b\u202e.wav", "ab.wav"),
        (f"{'x' * 400}.wav", f"{'x' * 251}.wav"),
        ("録音.wav", "録音.wav"),
        ("e\u0301.wav", "e\u0301.wav"),
    ],
)
def test_names_are_only_names(as_leader, name, kept, media, inputs):
    body = (
        b'--x\r\nContent-Disposition: form-data; name="data"; filename="'
        + name.replace("\\", "\\\\").encode()
        + b'"\r\nContent-Type: audio/wav\r\n\r\n'
        + wav()
        + b"\r\n--x--\r\n"
    )
    response = as_leader.generic("POST", URL, body, "multipart/form-data; boundary=x", HTTP_ORIGIN="http://testserver")

    assert response.status_code == 201, response.content
    assert response.json()["filename"] == kept
    assert [path.parts[:2] for path in [path.relative_to(media) for path in media.rglob("*.[wW]*")]] == [
        ("inputs", "band")
    ]


def test_what_is_not_a_recording(as_leader, tmp_path, spool, inputs):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a", "b" * 1000)
    for data in (b"just some words, in a file", b"<html></html>", packed.getvalue(), bytes(range(256)) * 200):
        refused(send(as_leader, data), 415, "take.wav", "not an audio")
    refused(send(as_leader, wav(), "take.txt"), 415, "take.txt", "WAV")
    refused(send(as_leader, wav(), ".wav"), 415)
    refused(send(as_leader, b""), 400, "empty")
    refused(send(as_leader, wav()[:20]), 422, "damaged")
    refused(send(as_leader, wav()[:44]), 422, "no audio")
    refused(send(as_leader, write_video_only(tmp_path / "a.mp4").read_bytes(), "a.m4a"), 422, "no sound")
    assert (Job.objects.count(), spool(), inputs()) == (0, [], [])


def test_the_content_counts_and_not_the_name(as_leader, tmp_path):
    mp3 = write_av(tmp_path / "x", chord(0.5), codec="mp3", container="mp3", sample_format="fltp").read_bytes()
    assert send(as_leader, mp3, "take.wav").status_code == 201
    assert send(as_leader, cut(_flac(tmp_path), tmp_path / "cut", 0.9).read_bytes(), "take.ogg").status_code == 201


def _flac(folder: Path) -> Path:
    soundfile.write(folder / "x.flac", chord(1), 44_100)
    return folder / "x.flac"


def test_two_files_none_and_other_bodies(as_leader, spool):
    def post(content_type: str, body: bytes):
        return as_leader.generic("POST", URL, body, content_type, HTTP_ORIGIN="http://testserver")

    two = {"data": [SimpleUploadedFile("a.wav", wav()), SimpleUploadedFile("b.wav", wav())]}
    origin = {"headers": {"Origin": "http://testserver"}}
    refused(as_leader.post(URL, two, **origin), 400, "data")
    refused(as_leader.post(URL, {"file": SimpleUploadedFile("a.wav", wav())}, **origin), 400, "data")
    refused(as_leader.post(URL, {"data": "text"}, **origin), 400, "data")
    refused(as_leader.post(URL, {}, **origin), 400, "data")
    refused(as_leader.post(URL, {"x": "y" * 3_000_000}, **origin), 413)
    refused(post("application/json", b"{}"), 415, "multipart")
    refused(post("audio/wav", wav()), 415, "multipart")
    refused(post("multipart/form-data", b"x"), 400)
    refused(post("multipart/form-data; boundary=x", b"nonsense"), 400)
    assert spool() == []


def test_too_large_and_too_long(as_leader, settings, spool, monkeypatch):
    settings.STEMSET_UPLOAD_MAX_MIB = 1
    refused(send(as_leader, wav(8)), 413, "1 MiB")
    # As long as the whole may be with its envelope: only counting tells.
    monkeypatch.setattr("processing.uploads.receiving.ENVELOPE_BYTES", 10**7)
    refused(send(as_leader, wav(8)), 413, "1 MiB")
    settings.STEMSET_UPLOAD_MAX_HOURS = 0.0001
    refused(send(as_leader, wav(0.5)), 422, "too long")
    assert spool() == []


@pytest.mark.parametrize("cut_off", [2, 5, 4000])
def test_a_body_without_its_end_is_no_upload(as_leader, spool, inputs, cut_off):
    """Whether the sender stopped too early, or said that it would send less than it did."""
    file = wav()
    body = b'--x\r\nContent-Disposition: form-data; name="data"; filename="a.wav"\r\n\r\n' + file + b"\r\n--x--"

    def post(body: bytes):
        kind = "multipart/form-data; boundary=x"
        return as_leader.generic("POST", URL, body, kind, HTTP_ORIGIN="http://testserver")

    refused(post(body[:-cut_off]), 400, "broke off")
    assert (spool(), inputs(), Job.objects.count()) == ([], [], 0)
    assert post(body + b"\r\nwords that nobody reads").status_code == 201
    assert Job.objects.get().file_hash == sha256(file)


def test_the_clients_limit_stays(settings):
    settings.STEMSET_UPLOAD_MAX_MIB = 2048
    assert limits.contract_max_bytes() == 150 * 1024 * 1024


def test_an_object_store(as_leader, bucket, spool, monkeypatch):
    job = Job.objects.get(pk=send(as_leader, wav()).json()["job_id"])
    assert bucket.get_object(Bucket=R2.bucket_name, Key=job.source)["Body"].read() == wav()
    with monkeypatch.context() as patches:
        patches.setattr(
            ObjectStorage, "_save", lambda *_arguments: (_ for _ in ()).throw(EndpointConnectionError(endpoint_url="x"))
        )
        refused(send(as_leader, wav(seed=2)), 503, "Try again")
    assert (Job.objects.count(), keys(bucket), spool()) == (1, {job.source}, [])


@pytest.mark.parametrize("damage", [lambda data: data[:-10], lambda data: data[:-10] + bytes(10)])
def test_an_input_that_was_damaged_is_replaced_by_uploading_it_again(as_leader, media, inputs, spool, damage):
    job = Job.objects.get(pk=send(as_leader, wav()).json()["job_id"])
    (media / job.source).write_bytes(damage(wav()))
    assert send(as_leader, wav()).json()["job_id"] == str(job.pk)  # while it waits
    assert (media / job.source).read_bytes() == wav()

    (media / job.source).write_bytes(damage(wav()))
    fail(job)
    assert send(as_leader, wav()).json()["job_id"] != str(job.pk)
    assert (media / job.source).read_bytes() == wav()
    assert (len(inputs()), spool()) == (1, [])


def test_so_is_an_object(as_leader, bucket):
    """Its content is not looked at, but a job has told that it is another one."""
    job = Job.objects.get(pk=send(as_leader, wav()).json()["job_id"])
    for damaged in (wav()[:-10], wav()[:-10] + bytes(10)):
        bucket.put_object(Bucket=R2.bucket_name, Key=job.source, Body=damaged)
        fail(job)
        job = Job.objects.get(pk=send(as_leader, wav()).json()["job_id"])
        assert bucket.get_object(Bucket=R2.bucket_name, Key=job.source)["Body"].read() == wav()


def fail(job: Job) -> None:
    """Have a worker find out that the source is not what was uploaded."""
    taken = transitions.begin(job.pk, "here/1")
    with pytest.raises(ProcessingError) as caught:
        do(taken, lambda *_: None)
    transitions.fail(job.pk, taken.attempts, judge(caught.value))
    job.refresh_from_db()
    assert job.error_code == "source_changed"


@pytest.fixture
def quota(band, settings):
    """Give "band" a quota of so many bytes."""

    def give(size: int) -> None:
        text = band.config_path.read_text().replace("strategy: quick,", f"strategy: quick, quota_gib: {size / 2**30},")
        band.config_path.write_text(text)
        settings.STEMSET = load_config(band.config_path, {})

    return give


def test_a_quota_counts_sources_and_stems(as_leader, profile, quota, spool, inputs, monkeypatch):
    size = len(wav())
    quota(2 * size + 100)
    assert send(as_leader, wav(seed=1)).status_code == 201
    assert send(as_leader, wav(seed=2)).status_code == 201
    assert limits.used_bytes(profile) == 2 * size
    # Of what is there already there is no second.
    assert send(as_leader, wav(seed=2)).status_code == 201
    monkeypatch.setattr("processing.uploads.receiving.ENVELOPE_BYTES", 0)
    refused(send(as_leader, wav(seed=3)), 507, "GiB")
    # Two at once: the second is judged again when the first has its row.
    monkeypatch.setattr("processing.uploads.receiving.ENVELOPE_BYTES", 10**7)
    refused(send(as_leader, wav(seed=3)), 507, "GiB")
    assert (Job.objects.count(), len(inputs()), spool()) == (2, 2, [])
    make_recording(profile, "stems")
    assert limits.used_bytes(profile) == 2 * size + 4 * 4_320_000


def test_a_full_disk_and_a_storage_that_fails(as_leader, monkeypatch, spool, inputs, settings):
    def full(_stream, _data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patches:
        patches.setattr(limits, "SPARE_BYTES", 10**18)
        refused(send(as_leader, wav()), 507, "room")
    with monkeypatch.context() as patches:
        patches.setattr("catalog.storage._copy", full)
        refused(send(as_leader, wav()), 507, "room")
    with monkeypatch.context() as patches:
        patches.setattr("catalog.storage._sync_folder", lambda _folder: (_ for _ in ()).throw(OSError(5, "I/O error")))
        refused(send(as_leader, wav()), 503, "Try again")
    assert (Job.objects.count(), inputs(), spool()) == (0, [], [])


def test_a_database_that_fails_leaves_no_input(as_leader, monkeypatch, spool, inputs):
    calls = []

    def fail_the_second_time(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise RuntimeError("a bug")
        return enqueue(*arguments, **options)

    from processing.jobs.enqueue import enqueue

    monkeypatch.setattr("processing.uploads.accepting.enqueue", fail_the_second_time)
    with pytest.raises(RuntimeError):
        send(as_leader, wav())
    assert (Job.objects.count(), inputs(), spool()) == (0, [], [])


def test_what_another_upload_needs_stays(as_leader, monkeypatch, spool, inputs):
    """Two people send the same: one fails while the other has its job."""
    save = LocalStorage._save

    def save_then_the_other_comes(storage, name, content):
        save(storage, name, content)
        with monkeypatch.context() as patches:
            patches.setattr(LocalStorage, "_save", save)
            assert send(as_leader, wav()).status_code == 201
        raise OSError(5, "I/O error")

    monkeypatch.setattr(LocalStorage, "_save", save_then_the_other_comes)
    refused(send(as_leader, wav()), 503)
    assert (Job.objects.count(), len(inputs()), spool()) == (1, 1, [])


def test_an_input_that_is_taken_away_meanwhile_is_stored_again(as_leader, monkeypatch, media, inputs):
    save = LocalStorage._save
    times = []

    def save_then_lose_it(storage, name, content):
        saved = save(storage, name, content)
        times.append(name)
        if len(times) == 1:
            (media / name).unlink()
        return saved

    monkeypatch.setattr(LocalStorage, "_save", save_then_lose_it)
    assert send(as_leader, wav()).status_code == 201
    assert (len(times), len(inputs())) == (2, 1)


def test_a_profile_that_config_no_longer_has(as_leader, profile, settings, band):
    text = band.config_path.read_text().replace("name: band", "name: renamed")
    band.config_path.write_text(text)
    with override_settings(STEMSET=load_config(band.config_path, {})):
        refused(send(as_leader, wav()), 409, "no longer")


def test_who_may_no_longer_when_everything_has_come(as_leader, leader, monkeypatch, inputs, spool):
    monkeypatch.setattr(
        "processing.uploads.accepting.require_audio", lambda *_arguments: leader.profile_links.all().delete()
    )
    refused(send(as_leader, wav()), 404)
    assert (Job.objects.count(), inputs(), spool()) == (0, [], [])
    assert Recording.objects.count() == 0
