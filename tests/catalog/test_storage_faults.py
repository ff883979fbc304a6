"""An object store that fails, breaks off or says nothing: what the storage backend makes of that."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage

from catalog.legacy.bucket import BucketStore
from catalog.storage import MIB, MULTIPART_BYTES, PART_BYTES, STORAGE_ERRORS, storage
from stemset.storage_settings import storage_settings
from tests.catalog.test_storage import R2, bucket, s3_server
from tests.s3_faults import Day, bad_day, faulty
from tests.site import ROOT

__all__ = ["bucket", "s3_server"]

KEY = "inputs/band/large.wav"


def through(settings, address: str, *, silence_seconds: float = 2, **options: object) -> None:
    """Have the site reach its store at another address; it loses patience quickly."""
    entry = storage_settings(R2, endpoint_url=address, silence_seconds=silence_seconds)
    entry["OPTIONS"] |= options
    settings.STORAGES = {**settings.STORAGES, "default": entry}


def unfinished(bucket) -> list[str]:
    return [upload["Key"] for upload in bucket.list_multipart_uploads(Bucket=R2.bucket_name).get("Uploads", [])]


@pytest.fixture
def large(tmp_path):
    """A file that goes up in three parts and a bit."""
    path = tmp_path / "large.wav"
    path.write_bytes(os.urandom(3 * PART_BYTES + 12345))
    return path


def save(path) -> None:
    with path.open("rb") as stream:
        default_storage.save(KEY, File(stream))


def test_large_files_go_up_in_parts_and_come_down_the_same(bucket, s3_server, settings, large, tmp_path):
    day = Day()
    with bad_day(s3_server, day) as address:
        through(settings, address)
        save(large)
        storage().fetch(KEY, tmp_path / "back.wav")
        default_storage.save("inputs/band/small.wav", ContentFile(b"x" * 1000))
    operations = [asked.operation for asked in day.asked]
    assert operations.count("UploadPart") == 4
    assert operations.count("PutObject") == 1
    assert (tmp_path / "back.wav").read_bytes() == large.read_bytes()
    assert large.stat().st_size > MULTIPART_BYTES


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_fails_now_and_then_is_tried_again(bucket, s3_server, settings, large, tmp_path, seed):
    with faulty(s3_server, rate=0.2, seed=seed) as address:
        through(settings, address)
        save(large)
        storage().fetch(KEY, tmp_path / "back.wav")
    assert (tmp_path / "back.wav").read_bytes() == large.read_bytes()
    assert unfinished(bucket) == []


def test_a_download_that_breaks_off_goes_on_where_it_was(bucket, s3_server, settings, large, tmp_path):
    broken = []

    def once_for_each_range(asked):
        if asked.operation == "GetObject" and len(broken) < 3:
            broken.append(asked)
            return "cut"
        return None

    save(large)
    day = Day(when=once_for_each_range)
    with bad_day(s3_server, day) as address:
        through(settings, address)
        storage().fetch(KEY, tmp_path / "back.wav")
    assert (tmp_path / "back.wav").read_bytes() == large.read_bytes()
    assert len(broken) == 3
    assert [asked.operation for asked in day.asked].count("GetObject") == 4 + 3


@pytest.mark.parametrize("kind", ["error", "refused", "cut", "hang"])
def test_a_store_that_stays_away_ends_in_an_error_in_bounded_time(bucket, s3_server, settings, large, tmp_path, kind):
    save(large)
    target = tmp_path / "back.wav"
    with bad_day(s3_server, Day(when=lambda _asked: kind)) as address:
        through(settings, address, attempts=2, silence_seconds=0.2 if kind == "hang" else 2)
        for act in (
            lambda: save(large),
            lambda: storage().fetch(KEY, target),
            lambda: default_storage.open(KEY).read(),
            lambda: default_storage.exists(KEY),
            lambda: default_storage.listdir("inputs"),
            lambda: list(storage().walk("inputs/")),
            lambda: storage().age(KEY),
            lambda: default_storage.delete(KEY),
        ):
            began = time.monotonic()
            with pytest.raises(STORAGE_ERRORS):
                act()
            assert time.monotonic() - began < 15
    assert not target.exists()
    assert not [path for path in tmp_path.iterdir() if path.name not in {"large.wav", "site"}]


def test_a_verification_does_not_accuse_files_whose_bytes_got_lost_on_the_way(bucket, s3_server, settings, tmp_path):
    default_storage.save("band/take/vocals.opus", ContentFile(b"sound" * 1000))
    broken = []

    def first_two(asked):
        if asked.operation == "GetObject" and len(broken) < 2:
            broken.append(asked)
            return "cut"
        return None

    with bad_day(s3_server, Day(when=first_two)) as address:
        through(settings, address)
        store = BucketStore(default_storage, tmp_path / "work")
        assert store.read_range("band/take/vocals.opus", 5, 10) == b"sound"
        broken.clear()
        with store.local_copy("band/take/vocals.opus") as path:
            assert path.read_bytes() == b"sound" * 1000


def test_what_is_not_there_is_told_apart_from_a_store_that_is_away(bucket, tmp_path):
    with pytest.raises(FileNotFoundError):
        storage().fetch("inputs/band/nothing.wav", tmp_path / "x")
    with pytest.raises(FileNotFoundError):
        default_storage.open("inputs/band/nothing.wav")
    assert storage().age("inputs/band/nothing.wav") is None
    default_storage.delete("inputs/band/nothing.wav")


def test_a_failed_upload_in_parts_is_aborted_and_what_was_there_stays(bucket, s3_server, settings, large):
    default_storage.save(KEY, ContentFile(b"before"))

    def third_part(asked):
        return "error" if asked.operation == "UploadPart" and asked.number > 3 else None

    with bad_day(s3_server, Day(when=third_part)) as address:
        through(settings, address, attempts=1)
        with pytest.raises(STORAGE_ERRORS):
            save(large)
    assert unfinished(bucket) == []
    assert bucket.get_object(Bucket=R2.bucket_name, Key=KEY)["Body"].read() == b"before"


def test_listings_go_beyond_one_page(bucket, monkeypatch):
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "100")
    names = {f"band/take/{number:04}.flac" for number in range(250)}
    for name in names:
        bucket.put_object(Bucket=R2.bucket_name, Key=name, Body=b"x")
    assert bucket.list_objects_v2(Bucket=R2.bucket_name)["IsTruncated"]
    assert {stored.key for stored in storage().walk("band/")} == names
    assert {f"band/take/{file}" for file in default_storage.listdir("band/take")[1]} == names


def test_ages_are_by_the_store_s_own_clock(bucket, monkeypatch):
    default_storage.save(KEY, ContentFile(b"x"))
    monkeypatch.setattr("catalog.storage.time", SimpleNamespace(time=lambda: 4e9))  # our clock is a century ahead
    (stored,) = storage().walk("inputs/")
    assert (stored.key, stored.size) == (KEY, 1)
    assert -5 < stored.age < 60
    assert -5 < storage().age(KEY) < 60


def test_an_object_that_is_opened_is_not_kept_in_memory(bucket, large):
    save(large)
    with default_storage.open(KEY) as stored:
        digest = hashlib.file_digest(stored.file, "sha256").hexdigest()
        assert stored.file._rolled  # the spool is on the disk
    assert digest == hashlib.sha256(large.read_bytes()).hexdigest()


def test_the_proxy_draws_the_same_faults_from_the_same_seed(s3_server):
    def verdicts(seed: int) -> list[str | None]:
        day = Day(0.5, seed)
        return [day.judge("GetObject", "x") for _ in range(50)]

    assert verdicts(1) == verdicts(1) != verdicts(2)


def test_walking_on_disk_leaves_out_what_is_half_written(media):
    default_storage.save("inputs/band/a.wav", ContentFile(b"xy"))
    (media / ".incoming/left").write_bytes(b"half")
    (stored,) = storage().walk("")
    assert (stored.key, stored.size) == ("inputs/band/a.wav", 2)
    assert -5 < stored.age < 60
    assert list(storage().walk("nothing/")) == []
    assert storage().age("nothing") is None


GROWTH = """
import re, sys
from pathlib import Path
from django.conf import settings
settings.configure(STORAGES={"default": {"BACKEND": "catalog.storage.ObjectStorage", "OPTIONS": {
    "bucket_name": "stemset-media", "access_key": "key", "secret_key": "secret", "region_name": "auto",
    "endpoint_url": sys.argv[1]}}})
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
def peak(): return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
default_storage.save("small", ContentFile(b"x"))
default_storage.fetch("small", Path(sys.argv[2] + ".small"))
before = peak()
with open(sys.argv[2], "rb") as stream:
    default_storage.save("inputs/band/large.wav", File(stream))
default_storage.fetch("inputs/band/large.wav", Path(sys.argv[2] + ".back"))
print(peak() - before)
"""


def test_memory_does_not_grow_with_the_file(bucket, s3_server, tmp_path):
    path = tmp_path / "large.wav"
    with path.open("wb") as stream:
        stream.truncate(120 * MIB)
    grown = subprocess.run(
        [sys.executable, "-c", GROWTH, s3_server, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert Path(f"{path}.back").stat().st_size == 120 * MIB
    assert int(grown.stdout) < 60
