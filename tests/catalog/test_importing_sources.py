"""Which source a recording was made from: what the importer believes, what it reads for that and what it leaves."""

import json
import os
import shutil
from pathlib import Path

import pytest

from catalog.importing.source_search import REMEMBERED
from catalog.legacy.bucket import BucketStore
from catalog.models import AudioFile, Recording
from processing.plan import make_plan
from tests.catalog.test_storage import R2, bucket, s3_server
from tests.importing import NAME, Run, import_metadata, row_versions, settled
from tests.legacy_store import LegacyStore

__all__ = ["bucket", "s3_server"]
pytestmark = pytest.mark.django_db

# Names that recorders use again have no hash in the oldest folders.
REUSED = "REC001"


def source_of(name: str) -> AudioFile:
    return AudioFile.objects.filter(stems__recording__output_name=name).distinct().get()


def test_the_source_itself_is_trusted_most(store):
    path, digest = store.source("inputs/band/Take 1.wav", seed=3)
    name = f"Take_1_{digest[:8]}"
    store.folder("band", name)
    store.index("band", {"f" * 64: name})
    import_metadata()
    source = source_of(name)
    assert (source.file_hash, source.hash_provenance) == (digest, "content")
    assert (source.filename, source.file_size_bytes) == ("Take 1.wav", path.stat().st_size)
    assert source.storage_url == str(path)


def test_a_source_in_the_profiles_folder_makes_the_scanner_find_nothing_to_do(store, band):
    recorded = {band.record("Probe 1.wav", seed=1), band.record("sub/Probe Ü.wav", seed=2)}
    from hashlib import sha256

    from catalog.names import output_name

    for path in recorded:
        digest = sha256(path.read_bytes()).hexdigest()
        store.folder("band", output_name(path.stem, digest))
    assert import_metadata().code == 0
    plan = make_plan(band.config.profile("band"), None, force=False)
    assert plan.todo == []
    assert {item.status for item in plan.settled} == {"known"}


def test_a_source_inside_the_folder(store):
    folder = store.folder("band", "Old_take")
    path, digest = store.source("elsewhere.wav")
    store.file(folder, "source.wav", path.read_bytes())
    import_metadata()
    assert (source_of("Old_take").file_hash, source_of("Old_take").hash_provenance) == (digest, "content")


def test_a_file_of_the_same_name_but_other_content_is_not_the_source(store):
    store.source("inputs/band/Take 1.wav")
    store.folder("band", NAME)
    import_metadata()
    assert source_of(NAME).hash_provenance == "placeholder"


def test_the_index_is_trusted_when_it_agrees_with_the_name(store):
    agreeing, disagreeing = "0123abcd" + "7" * 56, "9" * 64
    store.folder("band", NAME)
    store.folder("band", "Other_89abcdef")
    store.index("band", {agreeing: NAME, disagreeing: "Other_89abcdef"})
    import_metadata()
    assert (source_of(NAME).file_hash, source_of(NAME).hash_provenance) == (agreeing, "index")
    assert source_of("Other_89abcdef").hash_provenance == "placeholder"


def test_a_date_at_the_end_of_a_name_is_no_hash(store):
    _path, digest = store.source("inputs/band/Gig_20251019.wav")
    store.folder("band", "Gig_20251019")
    store.folder("second", "Gig_20251020")
    store.index("second", {"5" * 64: "Gig_20251020"})
    import_metadata()
    assert (source_of("Gig_20251019").file_hash, source_of("Gig_20251019").hash_provenance) == (digest, "content")
    assert (source_of("Gig_20251020").file_hash, source_of("Gig_20251020").hash_provenance) == ("5" * 64, "index")


def test_a_source_known_by_name_alone_must_be_as_long_as_its_stems(store):
    """The oldest folders have no hash in their names, and recorders use names again."""
    store.source("inputs/band/STE-000.wav", seconds=2.0)
    store.folder("band", "STE-000")
    _path, digest = store.source("inputs/second/STE-001.wav", seconds=0.3)
    store.folder("second", "STE-001")
    import_metadata()
    assert source_of("STE-000").hash_provenance == "placeholder"
    assert source_of("STE-001").file_hash == digest


def test_a_placeholder_is_upgraded_when_the_source_comes_back(store):
    path, digest = store.source("inputs/band/Take 1.wav")
    content = path.read_bytes()
    path.unlink()
    name = f"Take_1_{digest[:8]}"
    store.folder("band", name)
    import_metadata()
    assert source_of(name).hash_provenance == "placeholder"
    path.write_bytes(content)
    run = import_metadata()
    assert run.done(f"band/{name}") == ("update", "source")
    assert (source_of(name).file_hash, source_of(name).hash_provenance) == (digest, "content")
    assert AudioFile.objects.count() == 1
    before = row_versions()
    assert import_metadata().totals["unchanged"] == 1
    assert row_versions() == before


def test_a_placeholder_is_the_same_at_every_import_and_differs_between_profiles(store):
    store.folder("band", NAME)
    store.folder("second", NAME)
    import_metadata()
    hashes = sorted(AudioFile.objects.values_list("file_hash", flat=True))
    assert len(set(hashes)) == 2
    for model in (Recording, AudioFile):
        model.objects.all().delete()
    import_metadata()
    assert sorted(AudioFile.objects.values_list("file_hash", flat=True)) == hashes


def test_one_source_in_several_profiles_and_folders_is_one_row(store):
    digest = "0123abcd" + "7" * 56
    store.folder("band", NAME)
    store.folder("band", "Again_0123abcd")
    store.folder("second", NAME)
    store.index("band", {digest: NAME})
    store.index("second", {digest: NAME})
    assert import_metadata().code == 0
    assert AudioFile.objects.filter(file_hash=digest).count() == 1
    assert Recording.objects.filter(stems__audio_file__file_hash=digest).distinct().count() == 2


def test_what_is_not_known_of_a_source_comes_from_its_longest_stem(store, media):
    folder = store.folder("band", NAME, stems=("vocals",))
    store.stem_file(folder, "vocals", seconds=0.9)
    import_metadata()
    source = source_of(NAME)
    assert source.duration_seconds == pytest.approx(0.9, abs=0.001)
    assert source.file_size_bytes == (folder / "vocals.opus").stat().st_size
    assert (source.filename, source.storage_url) == ("Take_1", "")


def told(run: Run) -> str:
    """What a run says about profiles as a whole."""
    return "\n".join(note["message"] for note in run.document["notes"])


# --- reading no more than needed ------------------------------------------------------------------------------------


@pytest.fixture
def hashed(monkeypatch) -> list[str]:
    """The files that are hashed from here on."""
    from catalog.importing import audio_work

    paths: list[str] = []
    original = audio_work.sha256

    def sha256(path: str) -> str | None:
        paths.append(path)
        return original(path)

    monkeypatch.setattr(audio_work, "sha256", sha256)
    return paths


@pytest.mark.parametrize("jobs", [1, 4])
def test_files_of_one_name_are_hashed_once_each_and_not_for_every_folder(store, band, hashed, jobs):
    for number in range(5):
        path, digest = store.source(f"inputs/band/{number}.wav", seed=number)
        target = band.source_folder / str(number) / "REC001.wav"
        target.parent.mkdir()
        path.rename(target)
        store.folder("band", f"REC001_{digest[:8]}", stems=("vocals",))
    assert import_metadata(jobs=jobs).totals["create"] == 5
    assert set(AudioFile.objects.values_list("hash_provenance", flat=True)) == {"content"}
    assert len(hashed) == len(set(hashed)) == 5


def test_the_search_ends_with_the_first_file_that_agrees(store, hashed):
    path, digest = store.source("inputs/band/Take 1.flac")
    shutil.copy(path, path.with_name("Take 1.wav"))
    store.folder("band", f"Take_1_{digest[:8]}")
    import_metadata()
    assert len(hashed) == 1


def test_what_was_read_in_vain_is_not_read_again_at_later_runs(store, hashed):
    wrong, _digest = store.source("inputs/band/Take 1.wav")
    store.folder("band", NAME)
    import_metadata()
    assert hashed == [str(wrong)]
    settled()
    settled()
    assert hashed == [str(wrong)]
    # A file that has changed since is another one.
    path, digest = store.source("inputs/band/Take 1.wav", seed=2, seconds=0.4)
    store.folder("band", f"Take_1_{digest[:8]}")
    import_metadata()
    assert hashed == [str(wrong), str(path)]
    assert source_of(f"Take_1_{digest[:8]}").hash_provenance == "content"


def test_a_file_is_read_once_for_all_profiles_that_look_for_it(store, band, hashed):
    path, digest = store.source("inputs/Probe.wav")
    path = path.rename(band.source_folder / "Probe.wav")
    for profile in ("band", "second"):
        store.folder(profile, f"Probe_{digest[:8]}")
    import_metadata()
    assert hashed == [str(path)]
    assert AudioFile.objects.get().hash_provenance == "content"


@pytest.mark.parametrize("damage", ["", "\n{", "[]\n", '{"file": [], "size": 1}\n', "\x00\xff", None])
def test_what_was_remembered_may_be_damaged_or_deleted(store, settings, hashed, damage):
    store.source("inputs/band/Take 1.wav")
    store.folder("band", NAME)
    import_metadata()
    remembered = Path(settings.STEMSET_WORK_DIR) / REMEMBERED
    assert json.loads(remembered.read_text())["sha256"]
    if damage is None:
        remembered.unlink()
    else:
        remembered.write_text(damage)
    settled()
    assert len(hashed) == 2


def test_remembering_is_no_reason_to_fail(store, settings):
    _path, digest = store.source("inputs/band/Take 1.wav")
    store.folder("band", f"Take_1_{digest[:8]}")
    Path(settings.STEMSET_WORK_DIR).write_text("where the folder should be")
    assert import_metadata().code == 0
    assert source_of(f"Take_1_{digest[:8]}").file_hash == digest


def test_an_upload_in_a_bucket_is_fetched_in_vain_only_once(bucket, band, tmp_path, monkeypatch):
    elsewhere = LegacyStore(tmp_path / "uploaded" / "media")
    path, _digest = elsewhere.source("inputs/band/Take 1.wav")
    elsewhere.folder("band", NAME)
    elsewhere.upload(bucket, R2.bucket_name)
    bucket.put_object(Bucket=R2.bucket_name, Key="inputs/band/Take 1.wav", Body=path.read_bytes())  # without a note
    fetched = []
    original = BucketStore.local_copy
    monkeypatch.setattr(BucketStore, "local_copy", lambda self, key: fetched.append(key) or original(self, key))
    import_metadata()
    settled()
    assert fetched == ["inputs/band/Take 1.wav"]


# --- names that prove nothing ---------------------------------------------------------------------------------------


def test_of_two_files_that_fit_by_name_and_length_neither_is_taken(store):
    store.source(f"inputs/band/{REUSED}.wav", seed=1)
    store.source(f"in/{REUSED}.wav", seed=2)
    store.folder("band", REUSED)
    run = import_metadata()
    assert run.code == 0
    note = run.notes(f"band/{REUSED}")["source_ambiguous"]
    assert "inputs/band/REC001.wav" in note["message"]
    assert source_of(REUSED).hash_provenance == "placeholder"
    settled()


def test_two_files_of_the_same_content_are_one_source(store, band):
    path, digest = store.source(f"inputs/band/{REUSED}.wav")
    shutil.copy(path, band.source_folder / f"{REUSED}.wav")
    store.folder("band", REUSED)
    run = import_metadata()
    assert "source_ambiguous" not in run.notes(f"band/{REUSED}")
    assert source_of(REUSED).file_hash == digest


def test_a_source_in_the_recordings_own_folder_counts_more_than_one_elsewhere(store):
    store.source(f"inputs/band/{REUSED}.wav", seed=1)
    path, digest = store.source("elsewhere.wav", seed=2)
    folder = store.folder("band", REUSED)
    store.file(folder, "source.wav", path.read_bytes())
    import_metadata()
    assert source_of(REUSED).file_hash == digest


def test_a_placeholder_known_by_name_alone_is_upgraded_only_by_a_file_of_its_length(store):
    """On the later run no stem is read: the catalogue knows how long they are."""
    store.folder("band", REUSED, stems=("vocals",), seconds=1.5)
    import_metadata()
    store.source(f"inputs/band/{REUSED}.wav", seconds=0.3)
    settled()
    assert source_of(REUSED).hash_provenance == "placeholder"
    _path, digest = store.source(f"inputs/band/{REUSED}.wav", seconds=1.5)
    import_metadata()
    assert (source_of(REUSED).file_hash, source_of(REUSED).hash_provenance) == (digest, "content")


def test_the_note_beside_an_upload_counts_only_if_the_upload_is_as_long_as_the_stems(bucket, band, tmp_path):
    elsewhere = LegacyStore(tmp_path / "uploaded" / "media")
    elsewhere.source("inputs/band/REC001.wav", seconds=2.0)
    _path, digest = elsewhere.source("inputs/band/REC002.wav")
    for name in ("REC001", "REC002"):
        elsewhere.folder("band", name)
    elsewhere.upload(bucket, R2.bucket_name)
    import_metadata()
    assert source_of("REC001").hash_provenance == "placeholder"
    assert (source_of("REC002").file_hash, source_of("REC002").hash_provenance) == (digest, "object_metadata")
    settled()


def test_what_a_bucket_notes_beside_the_metadata_is_about_this_folder_whatever_it_is_called(bucket, band, tmp_path):
    elsewhere = LegacyStore(tmp_path / "uploaded" / "media")
    noted = {"REC001": "5" * 64, "Gig_20251019": "6" * 64}
    elsewhere.source("inputs/band/REC001.wav")
    for name in noted:
        elsewhere.folder("band", name)
    elsewhere.upload(bucket, R2.bucket_name, source_hashes=noted)
    import_metadata()
    assert {name: source_of(name).file_hash for name in noted} == noted
    settled()


# --- odd places and names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [b"in/Take 1\xff.wav", b"in/\xffdir/Take 1.wav", b"inputs/band/Take 1\xff.wav"])
def test_a_source_whose_name_is_not_text_is_found_and_shown_as_far_as_it_is_text(store, place):
    path, digest = store.source("elsewhere.wav")
    target = Path(os.fsdecode(os.fsencode(store.root.parent) + b"/" + place))
    target.parent.mkdir(parents=True, exist_ok=True)
    path.rename(target)
    name = f"Take_1_{digest[:8]}"
    store.folder("band", name)
    assert import_metadata().code == 0
    source = source_of(name)
    assert (source.file_hash, source.hash_provenance) == (digest, "content")
    assert source.storage_url == os.fsencode(target).decode(errors="replace")
    assert source.filename == source.storage_url.rpartition("/")[2]
    settled()


def use_source_folder(settings, folder: Path | str) -> None:
    profiles = [
        profile.model_copy(update={"source_folder": str(folder)}) if profile.name == "band" else profile
        for profile in settings.STEMSET.profiles
    ]
    settings.STEMSET = settings.STEMSET.model_copy(update={"profiles": profiles})


def test_stems_are_no_sources_even_if_the_source_folder_contains_them(store, settings):
    """A stem called as a folder is, and of its length: only where it lies tells that it is none."""
    store.folder("band", "vocals", extension=".wav")
    link = store.root.parent / "linked"
    link.mkdir()
    (link / "vocals.wav").symlink_to(store.root / "band" / "vocals" / "vocals.wav")
    use_source_folder(settings, store.root.parent)
    import_metadata()
    assert source_of("vocals").hash_provenance == "placeholder"


@pytest.mark.parametrize("inside", ["", "band"])
def test_a_source_folder_within_the_media_folder_is_not_searched_and_told(store, settings, inside):
    store.folder("band", "vocals", extension=".wav")
    use_source_folder(settings, store.root / inside)
    run = import_metadata()
    assert "lies in the media folder" in told(run)
    assert source_of("vocals").hash_provenance == "placeholder"


def test_the_whole_machine_is_not_searched(store, settings, monkeypatch):
    monkeypatch.setattr("os.walk", None)
    store.folder("band", NAME)
    use_source_folder(settings, "/")
    run = import_metadata()
    assert run.code == 0
    assert "not searched" in told(run)


def test_a_source_folder_that_is_not_there_is_told_while_sources_are_unknown(store, band, settings):
    path, digest = store.source("elsewhere.wav")
    name = f"Take_1_{digest[:8]}"
    store.folder("band", name)
    band.source_folder.rmdir()
    for run in (import_metadata("--dry-run"), import_metadata(), import_metadata()):
        assert run.code == 0
        assert "is not there" in told(run)
    band.source_folder.mkdir()
    assert "holds no recordings" in told(import_metadata())
    path.rename(band.source_folder / "Take 1.wav")
    assert import_metadata().done(f"band/{name}") == ("update", "source")
    band.source_folder.rename(band.source_folder.with_name("away"))
    assert told(import_metadata()) == ""


def test_a_folder_in_the_source_folder_that_may_not_be_read_is_told(store, band, monkeypatch):
    path, digest = store.source("elsewhere.wav")
    path.rename(band.source_folder / "Take 1.wav")
    (band.source_folder / "closed").mkdir()
    store.folder("band", f"Take_1_{digest[:8]}")
    refuse(monkeypatch, band.source_folder / "closed")
    run = import_metadata()
    assert "Permission denied" in told(run)
    assert source_of(f"Take_1_{digest[:8]}").file_hash == digest


def refuse(monkeypatch, folder: Path) -> None:
    """Let a folder be one that may not be read: root may read all of them."""
    original = os.scandir

    def scandir(path="."):
        if path == str(folder):
            raise PermissionError(13, "Permission denied", str(folder))
        return original(path)

    monkeypatch.setattr("os.scandir", scandir)


def test_uploads_that_may_not_be_read_are_told_and_the_source_folder_is_searched_all_the_same(store, band, monkeypatch):
    path, digest = store.source("inputs/band/Take 1.wav")
    path.rename(band.source_folder / "Take 1.wav")
    for name in (f"Take_1_{digest[:8]}", "Before", "Zebra"):
        store.folder("band", name)
    refuse(monkeypatch, store.root.parent / "inputs" / "band")
    run = import_metadata()
    assert run.code == 0
    assert "Permission denied" in told(run)
    assert source_of(f"Take_1_{digest[:8]}").hash_provenance == "content"


def test_uploads_behind_a_link_are_not_followed_but_told(store, tmp_path):
    _path, digest = store.source("inputs/band/Take 1.wav")
    name = f"Take_1_{digest[:8]}"
    store.folder("band", name)
    inputs = store.root.parent / "inputs"
    bigger = inputs.rename(tmp_path / "bigger")
    inputs.symlink_to(bigger)
    run = import_metadata()
    assert run.code == 0
    assert f"name {bigger}/band as source_folder" in told(run)
    assert source_of(name).hash_provenance == "placeholder"
