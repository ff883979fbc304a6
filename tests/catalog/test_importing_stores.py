"""Stores with links, pipes and closed folders in them, two stores as one, and buckets that fail halfway."""

import io
import os
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError
from django.core.files.storage import default_storage
from urllib3.exceptions import DecodeError

from catalog.importing.views import original_mtime
from catalog.legacy.bucket import BucketStore
from catalog.legacy.stores import LocalStore
from catalog.models import AudioFile, Recording
from tests.catalog.test_storage import R2, bucket, s3_server
from tests.importing import NAME, PATH, import_metadata, recording, settled
from tests.legacy_store import LegacyStore

__all__ = ["bucket", "s3_server"]
pytestmark = pytest.mark.django_db

BUCKET = R2.bucket_name


def states(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Inode, time and content of every file: a file that is written anew has another inode."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(root)): (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in files
    }


# --- links that lead nowhere ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["loop", "gone"])
def test_a_folder_that_is_a_link_to_itself_or_nowhere_is_named_and_the_others_go_on(store, target):
    store.folder("band", NAME)
    (store.root / "band" / "loop").symlink_to(store.root / "band" / target)
    run = import_metadata()
    assert run.code == 2
    assert run.done("band/loop") == ("quarantine", "unreadable")
    assert run.done(PATH) == ("create", "new")
    assert run.totals["folders"] == 2


def test_a_folder_that_cannot_be_told_to_be_one_is_named(store, monkeypatch):
    """As a link into a closed folder is, for anybody but root."""
    store.folder("band", NAME)
    (store.root / "band" / "closed").symlink_to(store.root / "band" / NAME)
    original = os.stat

    def stat(path, **options):
        if str(path).endswith("/closed"):
            raise PermissionError(13, "Permission denied", path)
        return original(path, **options)

    monkeypatch.setattr("os.stat", stat)
    run = import_metadata()
    assert run.done("band/closed") == ("quarantine", "unreadable")
    assert "Permission denied" in run.item("band/closed")["reason"]
    assert run.done(PATH) == ("create", "new")


@pytest.mark.parametrize("target", ["second", "gone"])
def test_a_profile_that_is_a_link_to_itself_or_nowhere_is_named_and_the_others_go_on(store, target):
    store.folder("band", NAME)
    (store.root / "second").symlink_to(store.root / target)
    run = import_metadata()
    assert run.code == 2
    assert run.done("second/") == ("quarantine", "unreadable")
    assert run.done(PATH) == ("create", "new")
    assert run.totals["folders"] == 2


def test_a_link_to_itself_beside_the_profiles_stops_nothing(store):
    store.folder("band", NAME)
    (store.root / "loop").symlink_to(store.root / "loop")
    assert import_metadata().done(PATH) == ("create", "new")


# --- two stores that are one ----------------------------------------------------------------------------------------


def test_nothing_is_copied_through_a_link_onto_itself(store, tmp_path):
    """The profile's folder is a link to another disk, and that disk is named as the source."""
    disk = LegacyStore(tmp_path / "disk")
    disk.folder("band", NAME, generation="V2", seconds=0.6)
    (store.root / "band").symlink_to(disk.root / "band")
    before = states(disk.root)
    run = import_metadata("--source", str(disk.root))
    assert run.code == 2
    assert run.done("band/") == ("quarantine", "link_out_of_store")
    assert run.totals["folders"] == 1
    assert not Recording.objects.exists()
    assert states(disk.root) == before


def test_the_other_disk_as_media_folder_is_the_way_to_import_it(store, tmp_path, settings):
    disk = LegacyStore(tmp_path / "disk")
    disk.folder("band", NAME)
    (store.root / "band").symlink_to(disk.root / "band")
    settings.MEDIA_ROOT = disk.root
    assert import_metadata().code == 0
    settled()


def test_a_source_that_is_the_media_folder_by_another_way_adds_nothing(store, tmp_path):
    store.folder("band", NAME)
    other = tmp_path / "other"
    other.mkdir()
    (other / "band").symlink_to(store.root / "band")
    before = states(store.root)
    run = import_metadata("--source", str(other))
    assert (run.code, run.totals["folders"], run.totals["create"]) == (0, 1, 1)
    assert states(store.root) == before


def test_what_storage_refused_is_not_replaced_by_the_copy(store, tmp_path):
    usb = LegacyStore(tmp_path / "usb")
    usb.folder("band", NAME)
    folder = store.folder("band", NAME)
    outside = (folder / "vocals.opus").rename(tmp_path / "kept.opus")
    (folder / "vocals.opus").symlink_to(outside)
    before = outside.stat()
    run = import_metadata("--source", str(usb.root))
    assert run.code == 2
    assert "link_out_of_store" in run.notes(PATH)
    assert (folder / "vocals.opus").is_symlink()
    assert (outside.stat().st_ino, outside.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert recording().stems.count() == 3


# --- files that are read whole --------------------------------------------------------------------------------------


def profile_notes(run) -> str:
    return "\n".join(note["message"] for note in run.document["notes"])


def hash_of(name: str) -> str:
    return AudioFile.objects.filter(stems__recording__output_name=name).distinct().get().hash_provenance


def test_an_index_that_is_a_pipe_is_not_waited_for(store):
    store.folder("band", NAME)
    os.mkfifo(store.root / "band" / ".processed_hashes.json")
    run = import_metadata()
    assert run.code == 0
    assert "it is not a regular file" in profile_notes(run)


def test_an_index_that_is_a_folder_is_told(store):
    store.folder("band", NAME)
    (store.root / "band" / ".processed_hashes.json").mkdir()
    assert "it is not a regular file" in profile_notes(import_metadata())


def test_an_index_that_is_a_link_out_of_the_store_is_not_read_but_told(store, tmp_path):
    store.folder("band", NAME)
    index = store.index("band", {"0123abcd" + "7" * 56: NAME})
    index.rename(tmp_path / "index.json")
    index.symlink_to(tmp_path / "index.json")
    run = import_metadata()
    assert "leads out of the store" in profile_notes(run)
    assert hash_of(NAME) == "placeholder"


def test_an_index_is_not_read_through_a_profile_that_is_a_link_out_of_the_store(store, tmp_path):
    disk = LegacyStore(tmp_path / "disk")
    disk.folder("band", NAME)
    disk.index("band", {"0123abcd" + "7" * 56: NAME})
    (store.root / "band").symlink_to(disk.root / "band")
    run = import_metadata()
    assert run.done("band/") == ("quarantine", "link_out_of_store")
    assert "leads out of the store" in profile_notes(run)
    assert "names 1 folders that are not there" not in profile_notes(run)


def test_metadata_and_index_may_be_links_within_the_store(store):
    folder = store.folder("band", NAME, display_name="Ours")
    (folder / "metadata.json").rename(folder / "kept.json")
    (folder / "metadata.json").symlink_to("kept.json")
    index = store.index("band", {"0123abcd" + "7" * 56: NAME})
    index.rename(store.root / "index.json")
    index.symlink_to(store.root / "index.json")
    assert import_metadata().code == 0
    assert recording().display_name == "Ours"
    assert hash_of(NAME) == "index"
    settled()


@pytest.mark.parametrize("key", ["out/metadata.json", "band/out/metadata.json", "band/folder/metadata.json"])
def test_nothing_outside_is_read_however_it_is_asked_for(tmp_path, key):
    (tmp_path / "outside").mkdir()
    secret = tmp_path / "outside" / "metadata.json"
    secret.write_text("secret")
    root = tmp_path / "media"
    link = root / key
    if link.parent.name == "out":
        link = link.parent
    link.parent.mkdir(parents=True)
    link.symlink_to(secret if link.name == "metadata.json" else secret.parent)
    with pytest.raises(OSError, match="leads out of the store"):
        LocalStore(root).read(key)


# --- buckets that fail halfway --------------------------------------------------------------------------------------

FAILURES = [
    ResponseStreamingError(error="reset by peer"),
    ReadTimeoutError(endpoint_url="https://store", error="too slow"),
    IncompleteReadError(actual_bytes=1, expected_bytes=2),
    EndpointConnectionError(endpoint_url="https://store"),
    DecodeError("not gzip"),
]


class Breaks(io.BytesIO):
    """The body of an answer that breaks off."""

    def __init__(self, error: Exception) -> None:
        super().__init__(b"half")
        self.error = error

    def read(self, size=-1):
        raise self.error


def bucket_store(tmp_path: Path) -> BucketStore:
    return BucketStore(default_storage, tmp_path / "work")


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_a_body_that_breaks_off_is_an_error_as_a_disk_has_them(bucket, tmp_path, monkeypatch, error):
    store = bucket_store(tmp_path)
    monkeypatch.setattr(default_storage.connection.meta.client, "get_object", lambda **_: {"Body": Breaks(error)})
    with pytest.raises(OSError, match="band/x cannot be read"):
        store.read("band/x")
    with pytest.raises(OSError, match="band/x cannot be read"):
        store.read_range("band/x", 0, 4)
    with pytest.raises(OSError, match="band/x cannot be read"), store.local_copy("band/x"):
        pass
    with store.audio("band/x", 4) as file, pytest.raises(OSError, match="band/x cannot be read"):
        file.read()


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_a_bucket_that_does_not_answer_is_an_error_as_a_disk_has_them(bucket, tmp_path, monkeypatch, error):
    store = bucket_store(tmp_path)
    client = default_storage.connection.meta.client

    def fail(**_):
        raise error

    for operation in ("get_object", "head_object"):
        monkeypatch.setattr(client, operation, fail)
    for ask in (store.read, store.tags, lambda key: store.local_copy(key).__enter__()):
        with pytest.raises(OSError, match="band/x cannot be read"):
            ask("band/x")


def test_what_goes_wrong_with_a_fetched_file_is_not_taken_for_the_buckets_failure(bucket, tmp_path):
    bucket.put_object(Bucket=BUCKET, Key="band/x", Body=b"whole")
    with pytest.raises(DecodeError), bucket_store(tmp_path).local_copy("band/x"):
        raise DecodeError("of the reader's own")


def test_one_object_that_breaks_off_costs_only_itself(bucket, band, tmp_path, monkeypatch):
    elsewhere = LegacyStore(tmp_path / "uploaded" / "media")
    for name in ("One", "Two"):
        elsewhere.folder("band", name, display_name=name)
    elsewhere.upload(bucket, BUCKET)
    client = default_storage.connection.meta.client
    original = client.get_object

    def get_object(**options):
        answer = original(**options)
        if options["Key"] == "band/One/metadata.json":
            answer["Body"] = Breaks(ResponseStreamingError(error="reset by peer"))
        return answer

    monkeypatch.setattr(client, "get_object", get_object)
    run = import_metadata()
    assert run.code == 2
    assert "metadata_unreadable" in run.notes("band/One")
    assert run.done("band/Two") == ("create", "new")


# --- times ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1600000000", 1_600_000_000),
        ("1600000000.25", 1_600_000_000.25),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("1e300", None),
        ("1600000000000", None),  # milliseconds: a guess, and the object's own time is none
        ("-1", None),
        ("0", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_time_that_cannot_be_one_is_none(written, seconds):
    assert original_mtime({"original-mtime": written}) == seconds


def test_no_time_at_all():
    assert original_mtime({}) is None


def test_an_absurd_time_in_a_bucket_stops_nothing(bucket, band, tmp_path):
    elsewhere = LegacyStore(tmp_path / "uploaded" / "media")
    folder = elsewhere.folder("band", NAME, stems=("vocals",))
    for path in folder.iterdir():
        bucket.put_object(
            Bucket=BUCKET, Key=f"{PATH}/{path.name}", Body=path.read_bytes(), Metadata={"original-mtime": "nan"}
        )
    assert import_metadata().code == 0
    assert recording().created_at == bucket.head_object(Bucket=BUCKET, Key=f"{PATH}/vocals.opus")["LastModified"]
    settled()
