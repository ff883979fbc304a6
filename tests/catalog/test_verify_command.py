"""`manage.py verify_catalog` as a command: it only reads, in batches, beside people who work."""

import io
import os
import shutil

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Profile, Recording, Stem
from catalog.storing import Mark, put_mark
from catalog.verifying import run as verifying_run
from catalog.verifying.rows import BATCH, page
from tests import site, verifying
from tests.catalog.test_storage import bucket, keys, s3_server
from tests.importing import import_metadata, row_versions
from tests.legacy_store import LegacyStore
from tests.verifying import Shelf, shelf, verify

__all__ = ["bucket", "s3_server", "shelf"]

pytestmark = pytest.mark.django_db(transaction=True)


def test_nothing_is_written_and_the_database_would_refuse_it(shelf, monkeypatch):
    (shelf.folder / "vocals.opus").unlink()
    before, files = row_versions(), shelf.store.snapshot()
    with CaptureQueriesContext(connection) as queries:
        verify("--checksums")
    verbs = {query["sql"].lstrip().split(maxsplit=1)[0].upper() for query in queries}
    assert verbs <= {"SELECT", "BEGIN", "COMMIT", "SET"}
    assert {query["sql"] for query in queries if query["sql"].startswith("SET")} == {"SET TRANSACTION READ ONLY"}
    assert (row_versions(), shelf.store.snapshot()) == (before, files)

    def careless(*_arguments):
        Recording.objects.update(display_name="oops")
        return []

    monkeypatch.setattr(verifying_run.database, "odd_sources", careless)
    with pytest.raises(DatabaseError, match="read-only transaction"):
        verify()


@pytest.mark.parametrize("count", [2, 40])
def test_statements_do_not_grow_with_the_rows(band, media, count):
    shelf = Shelf(band, media)
    for number in range(count):
        shelf.store.folder("band", f"take_{number}", stems=("vocals",))
    import_metadata("--profile", "band")
    with CaptureQueriesContext(connection) as queries:
        verify("--profile", "band")
    # Profiles 3 times, records, 2 kinds of orphans, 2 of sources; the batch: 2 for the plan, 2 rows, once more whether
    # there are others; sources: count and 1 batch; jobs: without recording, without source, silent, whether there
    # are workers, waiting; what was deleted; BEGIN, SET and COMMIT around each of 9 steps.
    assert len([query for query in queries if query["sql"].startswith("SELECT")]) <= 22
    assert len(queries) <= 54


def test_rows_and_folders_meet_however_many_there_are_of_either(band, media, monkeypatch):
    monkeypatch.setattr("catalog.verifying.rows.BATCH", 3)
    monkeypatch.setattr("catalog.importing.views.BATCH", 4)
    store = LegacyStore(media)
    for number in range(9):
        store.folder("band", f"t{number}", stems=("vocals",))
    import_metadata("--profile", "band")
    profile = Profile.objects.get()
    for number in range(20):
        Recording.objects.create(profile=profile, output_name=f"t{number}x")
    for number in range(7):
        store.folder("band", f"t{number}y", stems=("vocals",))
    os.makedirs(os.fsencode(media) + b"/band/t4\xff")
    run = verify("--profile", "band")
    assert run.document["codes"] | {"placeholder_hash": 0} == {
        "left_out": 1,
        "not_imported": 7,
        "placeholder_hash": 0,
        "recording_without_stems": 20,
    }
    assert run.document["looked_at"]["recordings"] == 29
    assert BATCH > 4
    assert len(page(profile.id, "", None)) == 3


def test_somebody_changes_a_recording_while_it_is_looked_at(shelf, monkeypatch):
    """Old files go and new ones come between the listing and the query."""
    listed = verifying_run.Overheard.batches

    def list_then_change(self, profile):
        for views in listed(self, profile):
            call_command("process", "second", "--force", stdout=io.StringIO())
            yield views

    monkeypatch.setattr(verifying_run, "_only_reading", lambda steps: steps)
    monkeypatch.setattr(verifying_run.Overheard, "batches", list_then_change)
    before = set(Stem.objects.values_list("audio_url", flat=True))
    assert not verify("--profile", "second").found
    assert len(before & set(Stem.objects.values_list("audio_url", flat=True))) == 4


def test_for_people(shelf):
    out = io.StringIO()
    call_command("verify_catalog", jobs=1, stdout=out)
    assert "Everything is as it should be." in out.getvalue()
    verifying.waveform_missing(shelf)
    verifying.file_not_catalogued(shelf)
    shelf.store.file(shelf.folder, "a\x1b[31mb.txt", b"x")
    out = io.StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("verify_catalog", jobs=1, stdout=out)
    assert end.value.code == 2
    text = out.getvalue()
    assert f"error   {shelf.path}/vocals_waveform.png: is not in storage (waveform_missing)" in text
    assert "manage.py repair waveform_missing --profile band" in text
    assert "2 recordings with 6 stems" in text
    assert "\x1b" not in text


def test_what_cannot_run_exits_with_one(shelf):
    with pytest.raises(CommandError, match="known: band, second") as error:
        call_command("verify_catalog", profile=["nobody"])
    assert error.value.returncode == 1
    for arguments in (["--fail-on", "nonsense"], ["--jobs", "0"]):
        run = site.run("verify_catalog", *arguments, config=shelf.band.config_path)
        assert (run.returncode, run.stdout) == (1, "")
    run = site.run("verify_catalog", config=shelf.band.config_path, DATABASE_URL="postgresql://x@127.0.0.1:9/none")
    assert run.returncode == 1
    assert "The database cannot be reached" in run.stderr
    assert "Traceback" not in run.stderr


def test_interrupted_it_says_so(shelf, monkeypatch):
    def interrupt(_self, _steps):
        raise KeyboardInterrupt

    monkeypatch.setattr("catalog.management.commands.verify_catalog.BarObserver.advance", interrupt)
    run = verify()
    assert (run.code, run.document["finished"]) == (130, False)


def test_in_an_object_store(bucket, band, media):
    source = Shelf(band, media)
    for number in range(3):
        source.store.folder("band", f"take_{number}", seconds=1)
    source.store.upload(bucket, "stemset-media")
    shutil.rmtree(media)
    import_metadata("--profile", "band")
    assert verify("--profile", "band", jobs=2).codes == {"placeholder_hash"}
    bucket.delete_object(Bucket="stemset-media", Key="band/take_0/vocals.opus")
    bucket.put_object(Bucket="stemset-media", Key="band/take_1/vocals.opus", Body=b"")
    bucket.put_object(Bucket="stemset-media", Key="band/take_1/kazoo.opus", Body=b"x")
    bucket.put_object(Bucket="stemset-media", Key="band/take_2/vocals.opus", Body=b"xyz")
    put_mark("band/take_9", Mark("a" * 64, []))
    before = keys(bucket)
    run = verify("--profile", "band", "--checksums", jobs=2)
    assert {found for found in run.found if found[1] not in {"placeholder_hash", "checksum_unknown"}} == {
        ("error", "audio_missing", "band/take_0/vocals.opus"),
        ("error", "audio_empty", "band/take_1/vocals.opus"),
        ("warning", "file_not_catalogued", "band/take_1/kazoo.opus"),
        ("error", "resized", "band/take_2/vocals.opus"),
        ("error", "audio_unreadable", "band/take_2/vocals.opus"),
        ("warning", "storing_leftover", "band/take_9/.storing"),
    }
    assert keys(bucket) == before
