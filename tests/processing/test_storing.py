"""The mark in a folder whose recording is being stored: importers leave it alone, and killed runs are cleared up."""

import io
import json
import os

import pytest
from django.core.management import call_command

from catalog.legacy import BEING_MADE
from catalog.models import Recording, Stem
from catalog.names import output_name
from catalog.storage import LocalStorage, ObjectStorage
from catalog.storing import Mark, files_of, put_mark, read_mark
from processing.leftovers import holds_a_recording, leave_note
from processing.scanner import SourceFile, content_hash
from tests.catalog.test_storage import bucket, keys, s3_server
from tests.factories import make_user
from tests.importing import Run, import_metadata

__all__ = ["bucket", "s3_server"]

pytestmark = pytest.mark.django_db(transaction=True)


def process(*arguments: str, code: int = 0) -> list[dict]:
    stdout = io.StringIO()
    found = 0
    try:
        call_command("process", *arguments, "--json", stdout=stdout, stderr=io.StringIO())
    except SystemExit as stopped:
        found = stopped.code
    assert found == code
    return json.loads(stdout.getvalue())["items"]


def importing_at_every_save(monkeypatch, kind: type) -> list[tuple[str, Run]]:
    """Run an import after every file that process stores; return which file that was, and the run."""
    runs: list[tuple[str, Run]] = []
    save = kind._save

    def save_then_import(storage, name, content):
        saved = save(storage, name, content)
        runs.append((name.rpartition("/")[2], import_metadata()))
        return saved

    monkeypatch.setattr(kind, "_save", save_then_import)
    return runs


def check(runs: list[tuple[str, Run]], path: str) -> None:
    files = [file for file, _run in runs]
    assert files[0] == BEING_MADE
    assert len(files) == 7
    for _file, run in runs:
        assert run.done(path) == ("ignore", "being_made")
        assert run.code == 0
    recording = Recording.objects.get()
    assert recording.imported_at is None
    assert recording.stems.count() == 2
    assert import_metadata().done(path) == ("unchanged", "unchanged")


def test_an_import_during_a_store_does_nothing_to_that_folder(band, media, monkeypatch):
    band.record()
    with monkeypatch.context() as patches:
        runs = importing_at_every_save(patches, LocalStorage)
        (item,) = process("band")
    check(runs, f"band/{item['output_name']}")
    assert BEING_MADE not in os.listdir(media / "band" / item["output_name"])


def test_an_import_during_a_store_into_a_bucket_does_nothing_to_that_folder(bucket, band, monkeypatch):
    band.record()
    with monkeypatch.context() as patches:
        runs = importing_at_every_save(patches, ObjectStorage)
        (item,) = process("band")
    check(runs, f"band/{item['output_name']}")
    assert keys(bucket) == files_of(Stem.objects.all())


def test_the_mark_names_what_is_to_come(band, monkeypatch):
    path = band.record()
    marks = []
    save = LocalStorage._save

    def save_then_look(storage, name, content):
        saved = save(storage, name, content)
        marks.append(read_mark(name.rpartition("/")[0]))
        return saved

    monkeypatch.setattr(LocalStorage, "_save", save_then_look)
    process("band")
    named = {key.rpartition("/")[2] for key in files_of(Stem.objects.all())}
    assert set(marks[0].files) == named
    assert marks[0].file_hash == content_hash(SourceFile.at(path))
    assert marks == [marks[0]] * 7


def test_while_a_recording_is_made_again_it_is_marked_too_and_keeps_its_rows(band, media, monkeypatch):
    band.record()
    process("band")
    with monkeypatch.context() as patches:
        runs = importing_at_every_save(patches, LocalStorage)
        (item,) = process("band", "--force")
    assert {run.done(f"band/{item['output_name']}") for _file, run in runs} == {("unchanged", "unchanged")}
    assert len(os.listdir(media / "band" / item["output_name"])) == 6


def folder_to_be(band, name: str = "take.wav") -> tuple[str, str]:
    """Record something; return its folder and its hash."""
    path = band.record(name)
    file_hash = content_hash(SourceFile.at(path))
    return f"band/{output_name(path.stem, file_hash)}", file_hash


def test_a_mark_alone_is_no_recording_and_is_not_served(band, media, client):
    folder, file_hash = folder_to_be(band)
    put_mark(folder, Mark(file_hash, []))
    assert not holds_a_recording(folder)
    client.force_login(make_user("staff@example.org", is_staff=True, is_superuser=True))
    assert client.get(f"/media/{folder}/{BEING_MADE}").status_code == 404
    (item,) = process("band")
    assert client.get(f"/media/{folder}/{BEING_MADE}").status_code == 404
    assert client.head(f"/media/{Stem.objects.first().audio_url}").status_code == 200
    assert item["status"] == "created"
    assert len(os.listdir(media / folder)) == 6


def test_what_a_killed_run_left_goes_with_its_mark(band, media, settings):
    folder, file_hash = folder_to_be(band)
    put_mark(folder, Mark(file_hash, ["bass.flac"]))
    (media / folder / "bass.flac").write_bytes(b"half")
    settings.STEMSET_WORK_DIR.mkdir(exist_ok=True)
    leave_note("band", folder.removeprefix("band/"), file_hash)
    process("second", "--dry-run")
    assert len(os.listdir(media / folder)) == 2
    process("second")  # whoever runs first clears up
    assert os.listdir(media / folder) == []


def test_what_was_killed_on_another_machine_is_cleared_by_who_makes_the_recording(band, media):
    """The note about it lies in a work folder over there; the mark lies in storage."""
    folder, file_hash = folder_to_be(band)
    put_mark(folder, Mark(file_hash, ["bass.flac", "bass_waveform.png"]))
    (media / folder / "bass.flac").write_bytes(b"half")
    (item,) = process("band")
    assert item["status"] == "created"
    assert len(os.listdir(media / folder)) == 6


@pytest.mark.parametrize("mark", [Mark("f" * 64, ["bass.flac"]), None])
def test_a_mark_that_tells_of_something_else_gives_nobody_the_right_to_delete(band, media, mark):
    folder, _file_hash = folder_to_be(band)
    put_mark(folder, mark or Mark("", []))
    if mark is None:
        (media / folder / BEING_MADE).write_text("somebody's")
    (media / folder / "bass.flac").write_bytes(b"years of work")
    (item,) = process("band", code=2)
    assert item["code"] == "not_imported"
    assert (media / folder / "bass.flac").read_bytes() == b"years of work"
