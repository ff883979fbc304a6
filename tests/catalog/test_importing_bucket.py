"""The importer on an object store that speaks the real protocol, alone and beside the disk's copy."""

import json
from datetime import UTC, datetime

import pytest

from catalog.models import AudioFile, Recording, Stem
from tests.catalog.test_storage import R2, bucket, keys, s3_server
from tests.importing import catalogue, import_metadata, row_versions
from tests.legacy_store import LUFS, WHEN, LegacyStore, as_text

__all__ = ["bucket", "s3_server"]
pytestmark = pytest.mark.django_db

NAME = "Take_1_0123abcd"
PATH = f"band/{NAME}"
BUCKET = R2.bucket_name


@pytest.fixture
def elsewhere(tmp_path) -> LegacyStore:
    """A store that is uploaded and not on this machine."""
    return LegacyStore(tmp_path / "uploaded" / "media")


@pytest.fixture
def disk(media) -> LegacyStore:
    """The copy on this machine."""
    return LegacyStore(media)


def settled() -> None:
    before = row_versions()
    run = import_metadata()
    assert run.totals["unchanged"] == run.totals["folders"]
    assert row_versions() == before


def put(bucket, key: str, data: bytes, **metadata: str) -> None:
    bucket.put_object(Bucket=BUCKET, Key=key, Body=data, Metadata=metadata)


def test_every_generation_from_a_bucket_alone(bucket, band, elsewhere):
    for generation in ("V0", "V0'", "V1", "V2", "V3", "V4", "V5", "V6", "V7", "V8"):
        elsewhere.folder("band", f"Take_{generation}", generation=generation, when=WHEN + ord(generation[1]))
    elsewhere.upload(bucket, BUCKET)
    before = keys(bucket)
    run = import_metadata(jobs=2)
    assert (run.code, run.totals["create"]) == (0, 10)
    assert Stem.objects.count() == 40
    for stem in Stem.objects.all():
        head = bucket.head_object(Bucket=BUCKET, Key=stem.audio_url)
        assert stem.file_size_bytes == head["ContentLength"]
        assert stem.duration_seconds == pytest.approx(0.3, abs=0.01)
        bucket.head_object(Bucket=BUCKET, Key=stem.waveform_url)
    # Pictures came to it where there were none, and nothing else.
    assert {key.rpartition("_")[2] for key in keys(bucket) - before} == {"waveform.png"}
    made = Recording.objects.get(output_name="Take_V8").created_at
    assert made == datetime.fromtimestamp(WHEN + ord("8"), UTC)  # original-mtime, not the upload
    settled()


def test_a_bucket_gives_the_same_catalogue_as_the_disk(bucket, band, elsewhere, settings):
    _path, digest = elsewhere.source("inputs/band/Take 1.wav")
    name = f"Take_1_{digest[:8]}"
    elsewhere.folder("band", name, display_name="Ours", extra={"tags": [1]})
    elsewhere.folder("band", "Plain", generation="V2", seconds=0.6)
    elsewhere.upload(bucket, BUCKET)
    assert import_metadata().code == 0
    from_bucket = catalogue()
    source = AudioFile.objects.get(file_hash=digest)
    assert (source.hash_provenance, source.storage_url) == ("object_metadata", "inputs/band/Take 1.wav")
    for model in (Stem, Recording, AudioFile):
        model.objects.all().delete()
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "catalog.storage.LocalStorage"}}
    settings.MEDIA_ROOT = elsewhere.root
    assert import_metadata().code == 0
    assert [row[:4] for row in catalogue()] == [row[:4] for row in from_bucket]
    assert [[s[:8] for s in row[5]] for row in catalogue()] == [[s[:8] for s in row[5]] for row in from_bucket]
    assert AudioFile.objects.get(file_hash=digest).hash_provenance == "content"


def test_hashes_that_the_object_store_notes_are_believed_when_they_agree(bucket, band, elsewhere):
    agreeing, disagreeing = "0123abcd" + "7" * 56, "9" * 64
    elsewhere.folder("band", NAME)
    elsewhere.folder("band", "Other_89abcdef")
    elsewhere.upload(bucket, BUCKET, source_hashes={NAME: agreeing, "Other_89abcdef": disagreeing})
    import_metadata()
    assert AudioFile.objects.get(file_hash=agreeing).hash_provenance == "object_metadata"
    assert AudioFile.objects.exclude(file_hash=agreeing).get().hash_provenance == "placeholder"
    settled()


def test_an_upload_is_fetched_and_hashed_when_nothing_else_tells(bucket, band, elsewhere):
    path, digest = elsewhere.source("inputs/band/Take 1.wav")
    elsewhere.folder("band", f"Take_1_{digest[:8]}")
    elsewhere.upload(bucket, BUCKET)
    put(bucket, "inputs/band/Take 1.wav", path.read_bytes())  # without a note
    import_metadata()
    assert AudioFile.objects.get().hash_provenance == "content"


def test_more_than_one_page_of_a_listing(bucket, band, elsewhere, monkeypatch):
    """250 objects, of which this store lists 100 at once (others 1,000)."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "100")
    folder = elsewhere.folder("band", "one", stems=("vocals",))
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    files |= {f"notes_{number}.txt": b"x" for number in range(7)}
    for number in range(25):
        for name, data in files.items():
            put(bucket, f"band/Take_{number:03}/{name}", data)
    assert len(keys(bucket)) == 250
    assert bucket.list_objects_v2(Bucket=BUCKET)["IsTruncated"]
    run = import_metadata(jobs=2)
    assert (run.code, run.totals["create"], run.totals["folders"]) == (0, 25, 25)
    assert Recording.objects.count() == Stem.objects.count() == 25
    settled()


def test_hostile_keys_lead_nowhere(bucket, band, elsewhere):
    folder = elsewhere.folder("band", NAME, stems=("vocals",))
    for name in ("..", ".", "a\\b"):
        for path in folder.iterdir():
            put(bucket, f"band/{name}/{path.name}", path.read_bytes())
    run = import_metadata()
    assert run.code == 2
    assert run.totals["quarantine"] == run.totals["folders"] > 0
    assert not Recording.objects.exists()


# --- two copies -----------------------------------------------------------------------------------------------------


def test_a_rename_that_was_made_in_the_bucket_counts(bucket, band, disk):
    folder = disk.folder("band", NAME, display_name="Before")
    disk.upload(bucket, BUCKET)
    content = json.loads((folder / "metadata.json").read_bytes()) | {"display_name": "Renamed"}
    put(bucket, f"{PATH}/metadata.json", as_text(content).encode())
    run = import_metadata()
    assert run.code == 0
    assert "copies_differ" in run.notes(PATH)
    assert Recording.objects.get().display_name == "Renamed"
    settled()


def test_a_newer_copy_on_the_disk_counts(bucket, band, disk):
    folder = disk.folder("band", NAME, display_name="Before")
    disk.upload(bucket, BUCKET)
    content = json.loads((folder / "metadata.json").read_bytes()) | {"display_name": "Made again"}
    disk.metadata(folder, content, when=WHEN + 1000)
    run = import_metadata()
    assert "copies_differ" in run.notes(PATH)
    assert Recording.objects.get().display_name == "Made again"


def test_what_was_never_uploaded_is_brought_into_the_bucket(bucket, band, disk):
    folder = disk.folder("band", NAME)
    other = disk.folder("band", "Uploaded_but_one", display_name="Half")
    disk.upload(bucket, BUCKET)
    for item in [key for key in keys(bucket) if key.startswith(PATH)]:
        bucket.delete_object(Bucket=BUCKET, Key=item)
    bucket.delete_object(Bucket=BUCKET, Key="band/Uploaded_but_one/bass.opus")
    before = disk.snapshot()
    assert import_metadata().code == 0
    assert disk.snapshot() == before
    for local in [*folder.iterdir(), *other.iterdir()]:
        key = local.relative_to(disk.root).as_posix()
        assert bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read() == local.read_bytes()
    assert Recording.objects.get(output_name="Uploaded_but_one").stems.count() == 4
    settled()


def test_storage_alone_when_asked(bucket, band, disk):
    disk.folder("band", NAME)
    assert import_metadata("--source", "storage").totals["folders"] == 0
    assert import_metadata().totals["folders"] == 1


def test_a_tree_on_another_disk_is_copied_into_the_media_folder(band, media, tmp_path):
    usb = LegacyStore(tmp_path / "usb")
    usb.folder("band", NAME, display_name="From the old machine")
    before = usb.snapshot()
    assert import_metadata("--source", str(usb.root)).code == 0
    assert usb.snapshot() == before
    recording = Recording.objects.get()
    assert recording.display_name == "From the old machine"
    assert recording.created_at == datetime.fromtimestamp(WHEN, UTC)
    for stem in recording.stems.all():
        assert stem.measured_lufs == LUFS[stem.stem_type]
        assert (media / stem.audio_url).read_bytes() == (usb.root / stem.audio_url).read_bytes()
    versions = row_versions()
    assert import_metadata("--source", str(usb.root)).totals["unchanged"] == 1
    assert import_metadata().totals["unchanged"] == 1  # and the media folder alone says the same
    assert row_versions() == versions


def test_a_store_that_fails_says_so(bucket, band, elsewhere):
    from django.core.files.storage import default_storage
    from django.core.management import CommandError, call_command

    elsewhere.folder("band", NAME)
    elsewhere.upload(bucket, BUCKET)
    client = default_storage.connection.meta.client

    def refuse(**_):
        raise ConnectionError("the store went away")

    client.meta.events.register("before-send.s3.ListObjectsV2", refuse)
    with pytest.raises(CommandError, match="store") as error:
        call_command("import_metadata")
    assert error.value.returncode == 1
    client.meta.events.unregister("before-send.s3.ListObjectsV2", refuse)
    assert import_metadata().code == 0
