"""Sidecars: metadata.json in storage follows every change, and never gets in its way."""

import io
import json
import logging
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.urls import reverse

from catalog import services, sidecars
from catalog.exporting.folder import FolderTarget
from catalog.exporting.locks import hold_sidecars
from catalog.models import AudioFile, Profile, Recording
from tests.catalog.test_rendering import NAME, V8
from tests.catalog.test_storage import R2, bucket, keys, s3_server
from tests.factories import make_profile, make_recording
from tests.importing import import_metadata
from tests.legacy_store import LegacyStore

__all__ = ["bucket", "s3_server"]
pytestmark = pytest.mark.django_db(transaction=True)

IMPORTED = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def switched_on(settings):
    settings.STEMSET_SIDECARS = True


@pytest.fixture
def profile(db) -> Profile:
    return make_profile("band")


@pytest.fixture
def recording(profile) -> Recording:
    """One that came from a store."""
    recording = make_recording(
        profile, "Take_1", stem_types=["vocals"], display_name=NAME, metadata_json=V8, imported_at=IMPORTED
    )
    recording.stems.update(measured_lufs=-23.41, peak_amplitude=0.8123, stem_gain_adjustment_db=0.41)
    return recording


def sidecar(media, name: str = "Take_1") -> dict:
    return json.loads((media / "band" / name / "metadata.json").read_text())


def noted(recording: Recording) -> str:
    return Recording.objects.get(pk=recording.pk).metadata_json


class TestFollowing:
    def test_a_new_name_is_written_and_nothing_else(self, recording, media):
        services.rename_recording(recording, "Harbour")
        path = media / "band/Take_1/metadata.json"
        assert path.read_text() == V8.replace(NAME, "Harbour") == noted(recording)
        assert [file.name for file in path.parent.iterdir()] == ["metadata.json"]

    def test_unknown_keys_survive(self, recording, media):
        Recording.objects.update(metadata_json=V8.replace("{", '{\n  "tempo": 120,', 1))
        services.rename_recording(recording, "Harbour")
        assert sidecar(media)["tempo"] == 120

    @pytest.mark.parametrize("name", ["", "   ", "\n\t"])
    def test_blanks_take_the_name_away(self, recording, media, name):
        services.rename_recording(recording, name)
        assert Recording.objects.get().display_name == ""
        assert sidecar(media)["display_name"] == ""

    def test_switched_off_nothing_is_written(self, recording, media, settings):
        settings.STEMSET_SIDECARS = False
        services.rename_recording(recording, "Harbour")
        assert not media.exists()
        assert noted(recording) == V8

    def test_a_change_that_is_undone_leaves_no_trace(self, recording, media):
        with transaction.atomic():
            services.rename_recording(recording, "Harbour")
            transaction.set_rollback(True)
        assert not media.exists()

    def test_several_changes_in_one_transaction_end_with_the_last(self, recording, media):
        with transaction.atomic():
            services.rename_recording(recording, "One")
            services.rename_recording(recording, "Two")
            assert not media.exists()  # nothing before the commit
        assert sidecar(media)["display_name"] == "Two"

    def test_writing_it_changes_no_date_that_people_see(self, recording):
        services.rename_recording(recording, "Harbour")
        after = Recording.objects.get()
        assert after.updated_at == recording.updated_at

    def test_a_true_hash_that_is_learnt_is_followed(self, recording, media):
        AudioFile.objects.update(hash_provenance="placeholder")
        assert services.learn_true_hash(recording, "b" * 64)
        assert (media / "band/Take_1/metadata.json").read_text() == V8

    def test_a_recording_without_stems_gets_none(self, profile, media):
        empty = Recording.objects.create(profile=profile, output_name="empty")
        services.rename_recording(empty, "Harbour")
        assert not media.exists()

    def test_what_is_there_already_is_not_written_again(self, recording, media):
        services.rename_recording(recording, "Harbour")
        path = media / "band/Take_1/metadata.json"
        before = path.stat()
        services.rename_recording(recording, "Harbour")
        assert path.stat() == before

    def test_an_object_store_is_followed_too(self, recording, bucket):
        services.rename_recording(recording, "Harbour")
        assert keys(bucket) == {"band/Take_1/metadata.json"}
        there = bucket.get_object(Bucket=R2.bucket_name, Key="band/Take_1/metadata.json")["Body"].read()
        assert there.decode() == V8.replace(NAME, "Harbour") == noted(recording)


class TestProcessing:
    def test_a_new_recording_tells_what_is_needed_to_restore_it(self, band, media):
        band.record("take.wav")
        call_command("process", "band", stdout=io.StringIO())
        recording = Recording.objects.get()
        document = sidecar(media, recording.output_name)
        assert list(document) == ["stems", "display_name", "stemset"]
        assert {stem["stem_url"] for stem in document["stems"].values()} == {
            url.rpartition("/")[2] for url in recording.stems.values_list("audio_url", flat=True)
        }
        assert document["stemset"]["created_at"] == recording.created_at.isoformat()
        assert document["stemset"]["strategy_name"] == "quick"
        assert document["stemset"]["made_by"] == recording.made_by
        assert document["stemset"]["source"]["file_hash"] == AudioFile.objects.get().file_hash
        assert document["stemset"]["source"]["filename"] == "take.wav"

    def test_made_again_it_keeps_unknown_keys_and_loses_former_stems(self, band, media):
        band.record("take.wav")
        call_command("process", "band", stdout=io.StringIO())
        recording = Recording.objects.get()
        # As if it had come from the older version.
        text = noted(recording).replace('"stems": {', '"tempo": 120,\n  "stems": {\n    "gone": {"stem_type": "gone"},')
        Recording.objects.update(metadata_json=text, imported_at=IMPORTED, display_name="Harbour")
        (media / "band" / recording.output_name / "metadata.json").write_text(text)
        call_command("process", "band", "--force", stdout=io.StringIO())
        recording.refresh_from_db()
        document = sidecar(media, recording.output_name)
        assert recording.imported_at is None
        assert document["tempo"] == 120
        assert document["display_name"] == "Harbour"
        assert sorted(document["stems"]) == sorted(recording.stems.values_list("stem_type", flat=True))
        for stem in document["stems"].values():
            assert (media / "band" / recording.output_name / stem["stem_url"]).exists()
            assert (media / "band" / recording.output_name / stem["waveform_url"]).exists()

    def test_an_export_after_it_has_nothing_to_do_but_the_index(self, band, media):
        band.record("take.wav")
        call_command("process", "band", stdout=io.StringIO())
        stdout = io.StringIO()
        call_command("export_metadata", "--to", "storage", "--json", stdout=stdout)
        assert json.loads(stdout.getvalue())["totals"] == {"unchanged": 1, "written": 1}


class TestAdmin:
    @pytest.fixture
    def as_alice(self, client, alice):
        client.force_login(alice)
        return client

    def test_renaming_on_the_form(self, as_alice, recording, media):
        form = {"display_name": "Harbour", "stems-TOTAL_FORMS": "0", "stems-INITIAL_FORMS": "0"}
        answer = as_alice.post(reverse("admin:catalog_recording_change", args=[recording.pk]), form)
        assert answer.status_code == 302
        assert sidecar(media)["display_name"] == "Harbour"

    def test_renaming_in_the_list_writes_those_that_were_renamed(self, as_alice, recording, profile, media):
        other = make_recording(profile, "Take_2", days_ago=1)
        third = make_recording(profile, "Take_3", days_ago=2)
        rows = [(recording, "One"), (other, "Two"), (third, "")]
        form = {"form-TOTAL_FORMS": "3", "form-INITIAL_FORMS": "3", "_save": "Save"}
        for place, (row, name) in enumerate(rows):
            form |= {f"form-{place}-id": str(row.pk), f"form-{place}-display_name": name}
        assert as_alice.post(reverse("admin:catalog_recording_changelist"), form).status_code == 302
        assert sidecar(media)["display_name"] == "One"
        assert sidecar(media, "Take_2")["display_name"] == "Two"
        assert not (media / "band/Take_3").exists()

    def test_saving_the_form_unchanged_changes_nothing(self, as_alice, recording, media):
        form = {"display_name": NAME, "stems-TOTAL_FORMS": "0", "stems-INITIAL_FORMS": "0"}
        as_alice.post(reverse("admin:catalog_recording_change", args=[recording.pk]), form)
        assert Recording.objects.get().updated_at == recording.updated_at
        assert not media.exists()


class TestFailing:
    def test_a_storage_that_fails_does_not_fail_the_change(self, recording, media, monkeypatch, caplog):
        def full(*_arguments):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patches:
            patches.setattr(FolderTarget, "_write_temporary", full)
            services.rename_recording(recording, "Harbour")
        assert Recording.objects.get().display_name == "Harbour"
        assert noted(recording) == V8
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "No space left on device" in record.getMessage()
        assert "export_metadata --to storage" in record.getMessage()
        call_command("export_metadata", "--to", "storage", stdout=io.StringIO())
        assert sidecar(media)["display_name"] == "Harbour"

    def test_nor_does_a_bug(self, recording, monkeypatch, caplog):
        monkeypatch.setattr(sidecars, "metadata_text", lambda _state: 1 / 0)
        services.rename_recording(recording, "Harbour")
        assert Recording.objects.get().display_name == "Harbour"
        assert "failed unexpectedly" in caplog.text

    def test_nor_does_an_object_store_that_is_gone(self, recording, bucket, caplog, settings):
        options = {**settings.STORAGES["default"]["OPTIONS"], "bucket_name": "elsewhere"}
        settings.STORAGES = {**settings.STORAGES, "default": {**settings.STORAGES["default"], "OPTIONS": options}}
        services.rename_recording(recording, "Harbour")
        assert Recording.objects.get().display_name == "Harbour"
        assert "bucket elsewhere refuses" in caplog.text

    def test_nor_does_a_folder_that_is_a_link_out_of_storage(self, recording, media, tmp_path, caplog):
        (media / "band").mkdir(parents=True)
        (media / "band/Take_1").symlink_to(tmp_path)
        services.rename_recording(recording, "Harbour")
        assert "leads out" in caplog.text
        assert not list(tmp_path.iterdir())

    def test_nor_does_a_recording_whose_name_is_no_folder_s(self, profile, media, caplog):
        evil = make_recording(profile, "../evil")
        services.rename_recording(evil, "Harbour")
        assert "no folder's name" in caplog.text
        assert not media.exists()

    def test_nor_does_somebody_who_writes_for_ever(self, recording, media, monkeypatch, caplog):
        monkeypatch.setattr(sidecars, "PATIENCE", "50ms")
        held, release = threading.Event(), threading.Event()

        def hold() -> None:
            with transaction.atomic():
                hold_sidecars([recording.pk])
                held.set()
                release.wait(10)
            connection.close()

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(10)
        services.rename_recording(recording, "Harbour")
        release.set()
        thread.join()
        assert "lock timeout" in caplog.text
        assert Recording.objects.get().display_name == "Harbour"


class TestChangedInStorage:
    """The older version, or an editor, was there since the last import: nothing of that is lost."""

    @pytest.fixture
    def path(self, recording, media) -> Path:
        """Its metadata.json, as it was imported."""
        path = media / "band/Take_1/metadata.json"
        path.parent.mkdir(parents=True)
        path.write_text(V8)
        return path

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            (V8.replace("-23.41", "-20.5"), "measured_lufs of vocals"),
            (V8.replace("{", '{\n  "tempo": 120,', 1), "key tempo"),
            (V8.replace('"stem_type"', '"take": 2, "stem_type"'), "key stems.vocals"),
            (V8.replace(NAME, "Renamed there"), "display_name"),
            (V8.replace("vocals.opus", "vocals.wav"), "stem_url of vocals"),
            ('{"stems": {}, "display_name": "Übung – 3. Take"}', "stem vocals"),
        ],
    )
    def test_it_is_left_as_it_is_and_the_log_says_what_to_do(self, recording, path, caplog, text, what):
        path.write_text(text)
        services.rename_recording(recording, "Harbour")
        assert path.read_text() == text
        assert noted(recording) == V8  # what the next import compares with
        assert Recording.objects.get().display_name == "Harbour"
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert f"since the last import ({what}" in record.getMessage()
        assert "run import_metadata, which merges both, then export_metadata --to storage" in record.getMessage()

    def test_a_damaged_one_is_left_as_it_is(self, recording, path, caplog):
        path.write_text(V8[:-40])
        services.rename_recording(recording, "Harbour")
        assert path.read_text() == V8[:-40]
        assert "is damaged in storage (is not JSON" in caplog.text

    def test_so_is_one_that_the_catalogue_never_could_read(self, recording, path, caplog):
        Recording.objects.update(metadata_json="")
        services.rename_recording(recording, "Harbour")
        assert path.read_text() == V8
        assert "(display_name)" in caplog.text

    @pytest.mark.parametrize(
        "data",
        [
            json.dumps(json.loads(V8)).encode(),
            json.dumps(json.loads(V8), sort_keys=True).encode(),
            V8.replace("\n", "\r\n").encode(),
            ("\ufeff" + V8).encode(),
            V8.encode("cp1252"),
            V8.replace("-23.41", '"-23.410"').encode(),
            V8.replace('"vocals.opus"', '"/srv/media/band/Take_1/vocals.opus"').encode(),
            b"",
            b"\0\0\0",
            b"{}\n",
        ],
    )
    def test_other_formatting_is_no_change_and_nothing_says_nothing(self, recording, path, caplog, data):
        path.write_bytes(data)
        services.rename_recording(recording, "Harbour")
        assert path.read_text() == V8.replace(NAME, "Harbour") == noted(recording)
        assert not caplog.records

    def test_the_same_change_on_both_sides_is_no_loss(self, recording, path, caplog):
        path.write_text(json.dumps(json.loads(V8.replace(NAME, "Harbour"))))
        recording.stems.update(measured_lufs=-20.0)
        services.rename_recording(recording, "Harbour")
        assert sidecar(path.parents[2])["stems"]["vocals"]["measured_lufs"] == -20.0
        assert not caplog.records

    def test_a_file_that_was_deleted_is_written(self, recording, path):
        path.unlink()
        services.rename_recording(recording, "Harbour")
        assert path.read_text() == V8.replace(NAME, "Harbour")

    def test_our_own_text_that_a_killed_process_did_not_note_is_ours(self, profile, media, caplog):
        made = make_recording(profile, "take_2")
        services.rename_recording(made, "One")
        Recording.objects.update(metadata_json="")
        services.rename_recording(made, "Two")
        assert sidecar(media, "take_2")["display_name"] == "Two"
        assert not caplog.records

    def test_a_foreign_file_beside_a_recording_made_here_is_not(self, profile, media, caplog):
        made = make_recording(profile, "take_2")
        path = media / "band/take_2/metadata.json"
        path.parent.mkdir(parents=True)
        path.write_text(V8)
        services.rename_recording(made, "One")
        assert path.read_text() == V8
        assert "is left alone" in caplog.text

    def test_an_object_in_a_bucket_is_left_as_it_is_too(self, recording, bucket, caplog):
        key, text = "band/Take_1/metadata.json", V8.replace("-23.41", "-20.5")
        bucket.put_object(Bucket=R2.bucket_name, Key=key, Body=text.encode())
        services.rename_recording(recording, "Harbour")
        assert bucket.get_object(Bucket=R2.bucket_name, Key=key)["Body"].read().decode() == text
        assert "is left alone" in caplog.text

    def test_import_and_export_merge_both(self, band, media):
        store = LegacyStore(media)
        folder = store.folder("band", "Take", display_name="Before")
        import_metadata()
        changed = json.loads((folder / "metadata.json").read_text()) | {"tempo": 120}
        changed["stems"]["vocals"]["measured_lufs"] = -20.5
        store.metadata(folder, changed)
        services.rename_recording(Recording.objects.get(), "Harbour")
        assert json.loads((folder / "metadata.json").read_text()) == changed
        assert import_metadata().done("band/Take")[0] == "update"
        assert Recording.objects.get().stems.get(stem_type="vocals").measured_lufs == -20.5
        call_command("export_metadata", "--to", "storage", stdout=io.StringIO())
        assert json.loads((folder / "metadata.json").read_text()) == changed | {"display_name": "Harbour"}


def test_two_changes_at_once_end_with_the_final_state(recording, media, monkeypatch):
    """Each of the two writers is slow between reading the state and writing the file."""
    write = FolderTarget.write

    def slowly(self, documents):
        time.sleep(0.05)
        return write(self, documents)

    monkeypatch.setattr(FolderTarget, "write", slowly)

    def rename(name: str) -> None:
        for number in range(5):
            services.rename_recording(Recording.objects.get(), f"{name} {number}")
        connection.close()

    threads = [threading.Thread(target=rename, args=[name]) for name in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    final = Recording.objects.get()
    assert sidecar(media)["display_name"] == final.display_name
    assert noted(recording) == (media / "band/Take_1/metadata.json").read_text()
