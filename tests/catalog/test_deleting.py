"""A recording that was deleted is gone, with its files, and does not come back by itself."""

import errno

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from catalog.deleting import delete_recording
from catalog.models import AudioFile, DeletedRecording, Mix, Recording, Stem
from processing.sweeping import sweep
from tests.factories import make_profile, make_recording, write_files
from tests.importing import NAME, PATH, import_metadata
from tests.processing.test_process import files, process
from tests.verifying import repair, verify

pytestmark = pytest.mark.django_db(transaction=True)


def test_rows_and_files_go_and_nothing_else(alice, demo_band, media):
    recording, other = make_recording(demo_band, "x", duration=0.1), make_recording(demo_band, "y", duration=0.1)
    for one in (recording, other):
        write_files(one)
        default_storage.save(f"demo-band/{one.output_name}/metadata.json", ContentFile(b"{}"))
    Mix.objects.create(user=alice, recording=recording, stems={})
    version = demo_band.list_version

    delete_recording(recording, alice)

    assert list(Recording.objects.all()) == [other]
    assert Stem.objects.count() == 4
    assert not Mix.objects.exists()
    assert not (media / "demo-band" / "x").exists()
    assert len(list((media / "demo-band" / "y").iterdir())) == 9
    gone = DeletedRecording.objects.get()
    assert (gone.title, gone.deleted_by, gone.profile) == ("x", alice, demo_band)
    assert AudioFile.objects.filter(file_hash=gone.file_hash).exists()  # its source is known as before
    demo_band.refresh_from_db()
    assert demo_band.list_version != version


def test_what_is_not_ours_stays_in_its_folder(alice, demo_band, media):
    recording = make_recording(demo_band, "x", duration=0.1)
    write_files(recording)
    (media / "demo-band" / "x" / "notes.txt").write_text("second chorus too fast")

    delete_recording(recording, alice)

    assert files(media) == {"demo-band/x/notes.txt"}


def test_files_that_another_recording_names_stay(alice, demo_band, media):
    recording = make_recording(demo_band, "x", duration=0.1)
    write_files(recording)
    make_recording(make_profile("second"), "y").stems.update(audio_url="demo-band/x/bass.opus")

    delete_recording(recording, alice)

    assert files(media) == {"demo-band/x/bass.opus"}


@pytest.fixture
def delete_while_storage_refuses(alice, monkeypatch):
    """Return how to delete a recording on a disk that is read-only for the moment."""

    def fail(name: str) -> None:
        raise OSError(errno.EROFS, "Read-only file system", name)

    def delete(recording: Recording) -> None:
        with monkeypatch.context() as patches:
            patches.setattr(default_storage, "delete", fail)
            delete_recording(recording, alice)

    return delete


def test_a_storage_that_fails_is_told_of_and_what_stayed_is_known(
    demo_band, media, caplog, delete_while_storage_refuses
):
    recording = make_recording(demo_band, "x", duration=0.1)
    write_files(recording)

    delete_while_storage_refuses(recording)

    assert not Recording.objects.exists()
    assert "stay in storage" in caplog.text
    assert len(files(media)) == 8
    assert verify("--profile", "demo-band").found >= {("warning", "deleted_leftover", "demo-band/x")}
    assert "bass.opus" in verify("--profile", "demo-band").only("deleted_leftover")["detail"]
    assert repair("deleted_leftover").results == [("repaired", "demo-band/x")]
    assert files(media) == set()


def test_what_stayed_does_not_keep_it_from_being_made_again(band, media, delete_while_storage_refuses):
    band.record()
    process("band")
    before = files(media)
    delete_while_storage_refuses(Recording.objects.get())
    assert files(media) == before

    (item,) = process("band", "--force")["items"]

    assert (item["status"], item["message"]) == ("created", None)
    assert files(media) == before
    assert sweep().found == []
    assert files(media) == before


def test_who_comes_second_takes_nothing_of_the_memory(alice, demo_band):
    """A double click: both have looked the recording up, and one is quicker."""
    first, second = make_recording(demo_band, "x"), Recording.objects.get()
    file_hash = AudioFile.objects.get().file_hash

    delete_recording(first, alice)
    with pytest.raises(Recording.DoesNotExist):
        delete_recording(second, alice)

    assert DeletedRecording.objects.get().file_hash == file_hash


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("delete", "/api/recordings/{id}", {}),
        ("patch", "/api/recordings/{id}", {"display_name": "New"}),
        ("patch", "/api/recordings/{id}/config", {"key": "stems", "value": {}}),
    ],
)
def test_what_goes_while_somebody_changes_it_is_missing(client, alice, demo_band, monkeypatch, method, path, body):
    recording = make_recording(demo_band, "x")
    looked_up = Recording.objects.select_related("profile").get()
    delete_recording(recording, alice)
    for module in ("viewsets", "contract"):
        monkeypatch.setattr(f"catalog.api.{module}.recording_by_id", lambda *_asked: looked_up)
    client.force_login(alice)

    answer = getattr(client, method)(path.format(id=looked_up.pk), body, content_type="application/json")

    assert (answer.status_code, answer.json()) == (404, {"detail": "There is no such recording."})
    assert not Mix.objects.exists()


def test_a_scan_does_not_make_one_again_whose_true_hash_was_not_known(band, alice):
    band.record()
    process("band")
    AudioFile.objects.update(file_hash="0" * 64, hash_provenance=AudioFile.HashProvenance.PLACEHOLDER)
    delete_recording(Recording.objects.get(), alice)
    assert DeletedRecording.objects.get().file_hash == ""

    (item,) = process("band")["items"]

    assert item["status"] == "left_alone"


def test_a_scan_does_not_make_it_again(band, alice, media):
    band.record()
    process("band")
    delete_recording(Recording.objects.get(), alice)
    assert files(media) == set()

    (item,) = process("band")["items"]
    assert item["status"] == "left_alone"
    assert "--force makes it again" in item["message"]
    assert process("second")["items"][0]["status"] == "created"  # another profile's recording of it is another thing

    (item,) = process("band", "--force")["items"]
    assert item["status"] == "created"
    (item,) = process("band")["items"]
    assert item["status"] == "known"


def test_an_import_says_who_deleted_what_the_index_still_names(store, alice):
    store.folder("band", NAME)
    store.index("band", {"ab" * 32: NAME, "cd" * 32: "failed_cdcdcdcd"})
    import_metadata()
    delete_recording(Recording.objects.get(), alice)

    messages = [note["message"] for note in import_metadata().document["notes"]]

    (about,) = [message for message in messages if NAME in message]
    day = DeletedRecording.objects.get().deleted_at.date()
    assert f"deleted on purpose (1: {NAME} was deleted here on {day} by Alice)" in about
    assert "never made" not in about
    assert any("never made (1: failed_cdcdcdcd)" in message for message in messages)

    alice.delete()

    assert f"was deleted here on {day})" in import_metadata().messages + str(import_metadata().document["notes"])


def test_an_import_does_not_bring_it_back(store, alice, tmp_path):
    store.folder("band", NAME)
    import_metadata()
    delete_recording(Recording.objects.get(), alice)
    store.folder("band", NAME)  # the older version's folder is there again: a copy of the store, or files that stayed

    run = import_metadata()
    assert run.code == 0
    assert run.done(PATH) == ("ignore", "deleted_here")
    assert not Recording.objects.exists()

    assert import_metadata("--rebuild", "--no-input").done(PATH) == ("create", "new")
    assert import_metadata().done(PATH) == ("unchanged", "unchanged")
