"""export_metadata writes the catalogue back as a JSON store: one moment's state, whole files, nothing needless."""

import io
import json
import os
import random
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.files.storage import InMemoryStorage
from django.core.management import CommandError, call_command
from django.db import connection, connections

from catalog.exporting import Item, snapshot
from catalog.exporting.folder import FolderTarget
from catalog.exporting.run import Export, Order, target_for
from catalog.legacy.rendering import to_json
from catalog.models import AudioFile, Profile, Recording, Stem
from catalog.storage import INCOMING, LocalStorage
from tests import site
from tests.catalog.test_rendering import NAME, V8
from tests.catalog.test_storage import R2, bucket, keys, s3_server
from tests.factories import make_profile, make_recording

__all__ = ["bucket", "s3_server"]
pytestmark = pytest.mark.django_db(transaction=True)

HASH = "a" * 64
INDEX = f'{{"{HASH}": "Take_1_aaaaaaaa"}}\n'
IMPORTED = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "export"


@pytest.fixture
def band_(db) -> Profile:
    return make_profile("band", index_json=INDEX)


def imported(profile: Profile, name: str = "Take_1_aaaaaaaa", text: str = V8, display_name: str = NAME) -> Recording:
    """A recording that came from a store whose metadata.json was `text`."""
    recording = make_recording(
        profile,
        name,
        stem_types=["vocals"],
        display_name=display_name,
        metadata_json=text,
        imported_at=IMPORTED,
    )
    recording.stems.update(measured_lufs=-23.41, peak_amplitude=0.8123, stem_gain_adjustment_db=0.41)
    return recording


def export(to: Path | str, *options: str) -> dict:
    """Run the command; its document, with its exit code and its items' statuses by path."""
    stdout = io.StringIO()
    code = 0
    try:
        call_command("export_metadata", "--to", str(to), "--json", *options, stdout=stdout, stderr=io.StringIO())
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    document = json.loads(stdout.getvalue())
    assert sum(document["totals"].values()) == len(document["items"])
    return {
        **document,
        "code": code,
        "statuses": {item["path"]: item["status"] for item in document["items"]},
        "codes": {item["path"]: item["code"] for item in document["items"] if item["code"]},
    }


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


class TestDocuments:
    def test_an_imported_recording_and_the_index_are_given_back_byte_for_byte(self, band_, target):
        odd = V8.replace("  ", "\t").replace("{", '{"unknown": [1,  2], ', 1) + "\r\n"
        imported(band_, text=odd)
        assert export(target)["totals"] == {"written": 2}
        assert tree(target) == {
            "band/Take_1_aaaaaaaa/metadata.json": odd.encode(),
            "band/.processed_hashes.json": INDEX.encode(),
        }

    def test_a_recording_made_here_tells_what_is_needed_to_restore_it(self, band_, target):
        recording = make_recording(
            band_, "take_2", filename="take 2.wav", lufs={"bass": None}, created_at=IMPORTED, made_by={"dsp": "1"}
        )
        export(target)
        document = json.loads((target / "band/take_2/metadata.json").read_bytes())
        source = AudioFile.objects.get()
        assert list(document["stems"]) == ["bass", "drums", "other", "vocals"]
        assert document["stems"]["bass"]["measured_lufs"] is None
        assert document["stems"]["vocals"]["stem_url"] == "vocals.opus"
        assert document["display_name"] == ""
        assert document["stemset"] == {
            "created_at": "2026-01-02T00:00:00+00:00",
            "strategy_name": recording.strategy_name,
            "made_by": {"dsp": "1"},
            "source": {
                "filename": "take 2.wav",
                "file_hash": source.file_hash,
                "hash_provenance": "content",
                "storage_url": source.storage_url,
                "file_size_bytes": source.file_size_bytes,
                "duration_seconds": 180.0,
            },
        }

    def test_the_index_gains_what_was_made_here_oldest_first_and_nothing_made_up(self, band_, target):
        imported(band_, "Take_9_99999999")
        newer = make_recording(band_, "newer", days_ago=1)
        older = make_recording(band_, "older", days_ago=2)
        unknown = make_recording(band_, "unknown", days_ago=3)
        AudioFile.objects.filter(stems__recording=unknown).update(hash_provenance="placeholder")
        export(target)
        index = json.loads((target / "band/.processed_hashes.json").read_bytes())
        assert list(index.items()) == [
            (HASH, "Take_1_aaaaaaaa"),
            (older.stems.first().audio_file.file_hash, "older"),
            (newer.stems.first().audio_file.file_hash, "newer"),
        ]

    def test_no_index_where_there_is_nothing_to_say(self, target):
        imported(make_profile("band"))
        export(target)
        assert list(tree(target)) == ["band/Take_1_aaaaaaaa/metadata.json"]

    def test_names_of_every_script_and_odd_ones_are_written_as_they_are(self, band_, target):
        for name in ("Probe_Übung_練習_🎸", "a\nb", "%2e%2e", " "):
            imported(band_, name, display_name="Ж\u2028<b>")
            assert export(target)["code"] == 0
            text = (target / "band" / name / "metadata.json").read_bytes().decode()
            assert "Ж\u2028<b>" in text

    def test_a_recording_without_stems_is_left_alone(self, band_, target):
        Recording.objects.create(profile=band_, output_name="empty")
        answer = export(target)
        assert answer["codes"] == {"band/empty/metadata.json": "no_stems"}
        assert (answer["code"], answer["totals"]) == (0, {"left_alone": 1, "written": 1})


class TestWriting:
    def test_only_what_differs_is_written(self, band_, target):
        for number in range(5):
            imported(band_, f"take_{number}")
        assert export(target)["totals"] == {"written": 6}
        before = times(target)
        assert export(target)["totals"] == {"unchanged": 6}
        assert times(target) == before
        Recording.objects.filter(output_name="take_3").update(display_name="Harbour")
        answer = export(target)
        assert answer["totals"] == {"unchanged": 5, "written": 1}
        assert answer["statuses"]["band/take_3/metadata.json"] == "written"
        assert len(set(times(target).items()) - set(before.items())) == 1

    def test_only_the_chosen_profiles(self, band_, target):
        imported(band_)
        imported(make_profile("choir"))
        imported(make_profile("duo"))
        assert set(export(target, "--profile", "choir", "--profile", "duo")["statuses"]) == {
            "choir/Take_1_aaaaaaaa/metadata.json",
            "duo/Take_1_aaaaaaaa/metadata.json",
        }

    def test_checking_writes_nothing_and_says_whether_it_would(self, band_, target):
        imported(band_)
        answer = export(target, "--check")
        assert (answer["code"], answer["totals"]) == (2, {"would_write": 2})
        assert not target.exists()
        export(target)
        (target / "band/Take_1_aaaaaaaa/metadata.json").write_text(V8 + " ")
        before = tree(target)
        answer = export(target, "--check")
        assert (answer["code"], answer["totals"]) == (2, {"would_write": 1, "unchanged": 1})
        assert tree(target) == before
        export(target)
        answer = export(target, "--check")
        assert (answer["code"], answer["totals"]) == (0, {"unchanged": 2})

    def test_nothing_of_ours_stays_beside_it(self, band_, target):
        imported(band_)
        imported(band_, "take_2")
        (target / INCOMING).mkdir(parents=True)
        (target / INCOMING / "left").write_bytes(b"half")  # of a killed export
        export(target)
        assert sorted(path.name for path in target.iterdir()) == ["band"]

    def test_statements_grow_by_batches_and_not_by_rows(self, band_, target, monkeypatch):
        seen = []
        create = connections.create_connection

        def watched(alias):
            wrapper = create(alias)
            wrapper.force_debug_cursor = True
            seen.append(wrapper)
            return wrapper

        monkeypatch.setattr(connections, "create_connection", watched)
        counts = []
        for number in (2, 50):
            for extra in range(number):
                imported(band_, f"take_{number}_{extra}")
            export(target)
            counts.append(len(seen.pop().queries_log))
        # The transaction, profiles, how many recordings, their stems, the index; the cursor besides.
        assert counts == [5, 5]

    def test_a_person_reads_what_was_done(self, band_, target):
        imported(band_)
        stdout = io.StringIO()
        call_command("export_metadata", "--to", str(target), stdout=stdout)
        assert "written        band/Take_1_aaaaaaaa/metadata.json" in stdout.getvalue()
        assert stdout.getvalue().endswith("2 written.\n")
        stdout = io.StringIO()
        call_command("export_metadata", "--to", str(target), stdout=stdout)
        assert stdout.getvalue() == "2 unchanged.\n"

    def test_an_empty_catalogue_is_said_plainly(self, target):
        stdout = io.StringIO()
        call_command("export_metadata", "--to", str(target), stdout=stdout)
        assert "the catalogue is empty" in stdout.getvalue()


class TestSnapshot:
    """Batches of two; everything is changed after the first one was read."""

    @pytest.fixture(autouse=True)
    def small_batches(self, monkeypatch):
        monkeypatch.setattr(snapshot, "BATCH", 2)

    def change_half_way(self, order: Order) -> dict[str, Item]:
        run = Export(order).run()
        items = [next(run)]
        Recording.objects.update(display_name="Changed")
        Stem.objects.update(measured_lufs=-1.0)
        Profile.objects.update(index_json="{}")
        make_recording(Profile.objects.get(), "take_99")
        items += run
        return {item.path: item for item in items}

    def test_it_is_one_for_the_whole_export(self, band_, target):
        for number in range(7):
            imported(band_, f"take_{number}")
        items = self.change_half_way(Order(FolderTarget(target), False, []))
        assert len(items) == 8
        assert set(tree(target).values()) == {V8.encode(), INDEX.encode()}
        assert (export(target)["totals"]) == {"written": 9}

    def test_storage_never_gets_an_older_state_than_it_had(self, band_, media):
        for number in range(7):
            imported(band_, f"take_{number}")
        items = self.change_half_way(Order(*target_for("storage"), []))
        assert len(items) == 8
        for recording in Recording.objects.exclude(output_name="take_99"):
            text = (media / "band" / recording.output_name / "metadata.json").read_text()
            assert recording.metadata_json == text
            # The first two were written before the change, which is what a sidecar follows.
            late = items[f"band/{recording.output_name}/metadata.json"].code == "changed_meanwhile"
            assert (json.loads(text)["display_name"] == "Changed") == late
        assert sum(item.code == "changed_meanwhile" for item in items.values()) == 5

    def test_it_cannot_write(self, band_):
        with snapshot.snapshot() as taken, pytest.raises(Exception, match="read-only transaction"):
            snapshot._rows(taken._wrapper, "UPDATE profiles SET name = 'x' RETURNING 1")


class TestStorage:
    def test_local_storage_is_written_beside_the_audio_and_the_catalogue_notes_it(self, band_, media):
        recording = imported(band_)
        made = make_recording(band_, "take_2")
        before = list(Recording.objects.values_list("updated_at", flat=True))
        LocalStorage().save("band/Take_1_aaaaaaaa/vocals.opus", io.BytesIO(b"sound"))
        assert export("storage")["totals"] == {"written": 3}
        files = tree(media)
        assert files["band/Take_1_aaaaaaaa/vocals.opus"] == b"sound"
        recording.refresh_from_db()
        made.refresh_from_db()
        assert recording.metadata_json == V8
        assert made.metadata_json.encode() == files["band/take_2/metadata.json"]
        assert Profile.objects.get().index_json.encode() == files["band/.processed_hashes.json"]
        assert list(Recording.objects.values_list("updated_at", flat=True)) == before
        versions = list(Recording.objects.extra(select={"v": "xmin::text"}).values_list("v", flat=True))
        assert export("storage")["totals"] == {"unchanged": 3}
        assert list(Recording.objects.extra(select={"v": "xmin::text"}).values_list("v", flat=True)) == versions

    def test_the_media_folder_by_its_path_is_the_storage(self, band_, media):
        made = make_recording(band_, "take_2")
        export(media)
        made.refresh_from_db()
        assert made.metadata_json.encode() == tree(media)["band/take_2/metadata.json"]

    def test_another_folder_changes_no_row(self, band_, target):
        make_recording(band_, "take_2")
        export(target)
        assert Recording.objects.get().metadata_json == ""

    def test_what_a_killed_export_did_not_note_is_noted_by_the_next(self, band_, media):
        made = make_recording(band_, "take_2")
        export("storage")
        Recording.objects.update(metadata_json="")
        assert export("storage")["totals"] == {"unchanged": 2}
        made.refresh_from_db()
        assert made.metadata_json

    def test_checking_storage_changes_no_row(self, band_, media):
        make_recording(band_, "take_2")
        assert export("storage", "--check")["code"] == 2
        assert Recording.objects.get().metadata_json == ""
        assert not media.exists()

    def test_an_object_store_gets_the_same(self, band_, bucket, target):
        for number in range(30):
            make_recording(band_, f"take_{number}")
        imported(band_)
        (bucket_answer, folder_answer) = export("storage"), export(target)
        assert bucket_answer["totals"] == folder_answer["totals"] == {"written": 32}
        assert keys(bucket) == set(tree(target))
        for key, data in tree(target).items():
            assert bucket.get_object(Bucket=R2.bucket_name, Key=key)["Body"].read() == data
        assert not Recording.objects.filter(metadata_json="").exists()
        assert export("storage")["totals"] == {"unchanged": 32}
        assert export("storage", "--check")["code"] == 0

    def test_an_object_keeps_what_was_noted_beside_it(self, band_, bucket):
        imported(band_, display_name="Harbour")
        key = "band/Take_1_aaaaaaaa/metadata.json"
        noted = {"source-sha256": HASH, "original-mtime": "1"}
        bucket.put_object(Bucket=R2.bucket_name, Key=key, Body=V8.encode(), Metadata=noted)
        assert export("storage")["statuses"][key] == "written"
        there = bucket.get_object(Bucket=R2.bucket_name, Key=key)
        assert json.loads(there["Body"].read())["display_name"] == "Harbour"
        assert there["Metadata"] == {"source-sha256": HASH}
        assert there["ContentType"] == "application/json"

    def test_objects_are_compared_also_where_the_etag_says_nothing(self, band_, bucket):
        imported(band_)
        key = "band/Take_1_aaaaaaaa/metadata.json"
        upload = bucket.create_multipart_upload(Bucket=R2.bucket_name, Key=key)["UploadId"]
        part = bucket.upload_part(Bucket=R2.bucket_name, Key=key, UploadId=upload, PartNumber=1, Body=V8.encode())
        parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
        bucket.complete_multipart_upload(Bucket=R2.bucket_name, Key=key, UploadId=upload, MultipartUpload=parts)
        assert export("storage")["statuses"][key] == "unchanged"

    def test_an_object_store_is_pruned_with_care(self, band_, bucket):
        for key in ("gone/metadata.json", "lost/metadata.json", "lost/vocals.opus"):
            bucket.put_object(Bucket=R2.bucket_name, Key=f"band/{key}", Body=b"{}")
        assert export("storage", "--prune", "--check")["statuses"] == {
            "band/gone": "would_prune",
            "band/lost": "not_catalogued",
            "band/.processed_hashes.json": "would_write",
        }
        assert export("storage", "--prune")["totals"] == {"pruned": 1, "not_catalogued": 1, "written": 1}
        assert keys(bucket) == {"band/lost/metadata.json", "band/lost/vocals.opus", "band/.processed_hashes.json"}

    def test_an_object_store_that_is_not_there_is_said_plainly(self, band_, bucket, settings):
        imported(band_)
        options = settings.STORAGES["default"]["OPTIONS"]
        other = {**settings.STORAGES["default"], "OPTIONS": {**options, "bucket_name": "elsewhere"}}
        settings.STORAGES = {**settings.STORAGES, "default": other}
        with pytest.raises(CommandError, match="bucket elsewhere refuses") as stopped:
            export("storage")
        assert stopped.value.returncode == 1

    def test_a_storage_of_another_kind_is_said_plainly(self, band_, settings):
        other = {"BACKEND": f"{InMemoryStorage.__module__}.{InMemoryStorage.__name__}"}
        settings.STORAGES = {**settings.STORAGES, "default": other}
        with pytest.raises(CommandError, match="InMemoryStorage"):
            export("storage")


class TestPruning:
    @pytest.fixture
    def written(self, band_, target) -> Path:
        """An export with a recording that is gone by now, in each of two profiles."""
        for profile in (band_, make_profile("choir")):
            imported(profile, "Take_1")
            imported(profile, "Take_2")
        export(target)
        Stem.objects.filter(recording__output_name="Take_1").delete()
        Recording.objects.filter(output_name="Take_1").delete()
        return target

    def test_left_overs_are_told_and_stay_unless_asked(self, written):
        answer = export(written)
        assert answer["codes"] == {"band/Take_1": "left_over", "choir/Take_1": "left_over"}
        assert answer["code"] == 0
        assert (written / "band/Take_1/metadata.json").exists()
        assert export(written, "--check")["code"] == 0

    def test_they_go_with_their_folder_and_only_in_the_chosen_profiles(self, written):
        assert export(written, "--prune", "--profile", "band")["statuses"]["band/Take_1"] == "pruned"
        assert sorted(path.name for path in (written / "band").iterdir()) == [".processed_hashes.json", "Take_2"]
        assert (written / "choir/Take_1/metadata.json").exists()

    def test_checking_only_says_so(self, written):
        answer = export(written, "--prune", "--check")
        assert answer["code"] == 2
        assert answer["totals"] == {"would_prune": 2, "unchanged": 3}
        assert (written / "band/Take_1/metadata.json").exists()

    @pytest.mark.parametrize("beside", ["vocals.opus", ".DS_Store", "step_1/"])
    def test_a_folder_with_anything_else_is_not_touched(self, written, beside):
        path = written / "band/Take_1" / beside
        path.mkdir() if beside.endswith("/") else path.write_bytes(b"x")
        before = tree(written / "band")
        assert export(written, "--prune")["statuses"]["band/Take_1"] == "not_catalogued"
        assert tree(written / "band") == before

    def test_empty_folders_and_files_of_others_are_nobody_s_business(self, written):
        (written / "band/empty").mkdir()
        (written / "band/tracks.json").write_bytes(b"[]")
        (written / "elsewhere/Take_1").mkdir(parents=True)
        (written / "elsewhere/Take_1/metadata.json").write_bytes(b"{}")
        answer = export(written, "--prune")
        assert answer["totals"] == {"pruned": 2, "unchanged": 3}
        assert (written / "elsewhere/Take_1/metadata.json").exists()
        assert (written / "band/tracks.json").exists()

    def test_links_are_not_followed(self, written, tmp_path):
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "metadata.json").write_bytes(b"{}")
        (written / "band/linked").symlink_to(outside)
        inner = written / "band/Take_1/metadata.json"
        inner.unlink()
        inner.symlink_to(outside / "metadata.json")
        answer = export(written, "--prune")
        assert answer["statuses"]["band/linked"] == answer["statuses"]["band/Take_1"] == "not_catalogued"
        assert (outside / "metadata.json").exists()
        assert inner.is_symlink()


class TestContainment:
    @pytest.mark.parametrize("name", ["../outside", "..", ".", "a/b", "/etc/x", ".hidden", "é" * 130])
    def test_a_name_that_is_no_folder_s_name_is_refused_and_the_rest_goes_on(self, band_, target, name):
        imported(band_, name)
        imported(band_, "take_2")
        answer = export(target)
        assert (answer["code"], answer["totals"]) == (2, {"failed": 1, "written": 2})
        assert answer["codes"] == {f"band/{name}/metadata.json": "unsafe_name"}
        assert set(tree(target.parent)) == {
            "export/band/take_2/metadata.json",
            "export/band/.processed_hashes.json",
        }

    @pytest.mark.parametrize("link", ["band", "band/Take_1_aaaaaaaa", "band/Take_1_aaaaaaaa/metadata.json"])
    def test_nothing_is_written_through_a_link_that_leads_out(self, band_, target, link, tmp_path):
        imported(band_)
        outside = tmp_path / "outside"
        (outside / "Take_1_aaaaaaaa").mkdir(parents=True)
        (outside / "metadata.json").write_bytes(b"mine")
        path = target / link
        path.parent.mkdir(parents=True)
        path.symlink_to(outside / "metadata.json" if path.suffix else outside)
        answer = export(target)
        assert answer["code"] == 2
        assert "link_out_of_target" in answer["codes"].values()
        assert tree(outside) == {"metadata.json": b"mine"}
        assert path.is_symlink()

    def test_a_link_inside_is_read_but_not_written_over(self, band_, target):
        recording = imported(band_)
        folder = target / "band/Take_1_aaaaaaaa"
        folder.mkdir(parents=True)
        (target / "elsewhere.json").write_text(V8)
        (folder / "metadata.json").symlink_to(target / "elsewhere.json")
        assert export(target)["statuses"]["band/Take_1_aaaaaaaa/metadata.json"] == "unchanged"
        recording.display_name = "Harbour"
        recording.save()
        assert export(target)["codes"] == {"band/Take_1_aaaaaaaa/metadata.json": "link"}
        assert (target / "elsewhere.json").read_text() == V8

    def test_the_working_folder_is_no_link(self, band_, target, tmp_path):
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside/mine").write_bytes(b"x")
        target.mkdir()
        (target / INCOMING).symlink_to(tmp_path / "outside")
        with pytest.raises(CommandError, match="is a link"):
            export(target)
        assert (tmp_path / "outside/mine").exists()

    @pytest.mark.parametrize("in_the_way", ["band/Take_1_aaaaaaaa", "band/Take_1_aaaaaaaa/metadata.json/"])
    def test_what_is_in_the_way_stays_and_the_rest_goes_on(self, band_, target, in_the_way):
        imported(band_)
        imported(band_, "take_2")
        path = target / in_the_way
        if in_the_way.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True)
            path.write_bytes(b"mine")
        answer = export(target)
        assert (answer["code"], answer["totals"]) == (2, {"failed": 1, "written": 2})
        assert answer["codes"] == {"band/Take_1_aaaaaaaa/metadata.json": "in_the_way"}
        assert path.is_dir() or path.read_bytes() == b"mine"

    def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(self, band_, target):
        imported(band_)
        folder = target / "band/Take_1_aaaaaaaa"
        folder.mkdir(parents=True)
        os.mkfifo(folder / "metadata.json")
        assert export(target)["codes"] == {"band/Take_1_aaaaaaaa/metadata.json": "in_the_way"}


class TestCannotRun:
    def test_an_unknown_profile(self, band_, target):
        with pytest.raises(CommandError, match="no profile 'nobody'; it has: band") as stopped:
            export(target, "--profile", "nobody")
        assert stopped.value.returncode == 1
        assert not tree(target)

    def test_a_target_that_is_a_file(self, band_, target):
        target.write_bytes(b"mine")
        with pytest.raises(CommandError, match="cannot be written") as stopped:
            export(target)
        assert stopped.value.returncode == 1
        assert target.read_bytes() == b"mine"

    def test_a_disk_that_is_full(self, band_, target, monkeypatch):
        imported(band_)
        imported(band_, "take_2")

        def full(*_arguments):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(FolderTarget, "_write_temporary", full)
        with pytest.raises(CommandError, match="No space left on device"):
            export(target)

    def test_a_database_without_tables(self, target):
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE profiles RENAME COLUMN index_json TO index_json_")
        try:
            with pytest.raises(CommandError, match=r"Run manage\.py migrate") as stopped:
                export(target)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE profiles RENAME COLUMN index_json_ TO index_json")
        assert stopped.value.returncode == 1

    @pytest.mark.parametrize("arguments", [[], ["--to", "x", "--nonsense"]])
    def test_misuse(self, arguments):
        with pytest.raises(CommandError):
            call_command("export_metadata", *arguments)


def fill(profile: Profile, count: int) -> None:
    """Many recordings in few statements."""
    source = AudioFile.objects.create(
        profile=profile, filename="x", file_hash=HASH, storage_url="", file_size_bytes=1, duration_seconds=1
    )
    recordings = [
        Recording(profile=profile, output_name=f"take_{number:05}", metadata_json="", imported_at=IMPORTED)
        for number in range(count)
    ]
    Recording.objects.bulk_create(recordings)
    Stem.objects.bulk_create(
        Stem(
            recording=recording,
            audio_file=source,
            stem_type=name,
            measured_lufs=-20,
            peak_amplitude=0.5,
            stem_gain_adjustment_db=0,
            audio_url=f"{profile.name}/{recording.output_name}/{name}.opus",
            waveform_url=f"{profile.name}/{recording.output_name}/{name}_waveform.png",
            file_size_bytes=1,
            duration_seconds=1,
        )
        for recording in recordings
        for name in ("vocals", "drums")
    )


@pytest.mark.faults
class TestFaults:
    @pytest.mark.parametrize("place", ["target", "storage"])
    def test_killed_at_random_moments_then_run_again(self, band_, target, media, place):
        fill(band_, 1500)
        undisturbed = target.with_name("undisturbed")
        export(undisturbed)
        folder = media if place == "storage" else target
        left = set()
        for _ in range(site.KILLS // 2):
            Recording.objects.update(metadata_json="")
            shutil.copytree(undisturbed / "band", folder / "band", dirs_exist_ok=True)
            for path in folder.glob("band/*/metadata.json"):
                path.write_bytes(b"{}")
            shutil.rmtree(folder / INCOMING, ignore_errors=True)
            process = site.start("export_metadata", "--to", "storage" if place == "storage" else str(target))
            chosen = folder / "band" / f"take_{random.randrange(1500):05}" / "metadata.json"
            while process.poll() is None and chosen.read_bytes() == b"{}":
                time.sleep(0.002)
            time.sleep(random.uniform(0, 0.01))
            process.kill()
            process.communicate()
            former = 0
            for path in folder.glob("band/*/metadata.json"):
                text = path.read_bytes()
                former += text == b"{}"
                assert text in (b"{}", (undisturbed / path.relative_to(folder)).read_bytes())
            left.add(former)
        assert len(left - {0, 1500}) >= 2  # the kills were in time
        assert export("storage" if place == "storage" else target)["code"] == 0
        assert tree(folder) == tree(undisturbed)
        if place == "storage":
            for name, text in Recording.objects.values_list("output_name", "metadata_json"):
                assert (media / "band" / name / "metadata.json").read_text() == text

    def test_interrupted_it_says_so_and_leaves_no_working_files(self, band_, target):
        fill(band_, 1500)
        process = site.start("export_metadata", "--to", str(target), "--json")
        while process.poll() is None and not list(target.glob("band/*")):
            time.sleep(0.002)
        process.terminate()
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 130, stderr
        assert "Run the same command again" in stderr
        assert "Traceback" not in stderr
        assert json.loads(stdout)["totals"].get("written", 0) <= len(list(target.glob("band/*/metadata.json")))
        assert not list((target / INCOMING).glob("*"))

    def test_two_at_once_do_not_hurt_each_other(self, band_, target):
        fill(band_, 1500)
        both = [site.start("export_metadata", "--to", str(target), "--json", "--prune") for _ in range(2)]
        totals = [json.loads(process.communicate(timeout=60)[0])["totals"] for process in both]
        assert [process.returncode for process in both] == [0, 0]
        assert {"written": 1501} in totals
        assert {"unchanged": 1501} in totals
        assert len(tree(target)) == 1501

    def test_a_database_that_cannot_be_reached_is_said_plainly(self, target):
        run = site.run("export_metadata", "--to", str(target), DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
        assert run.returncode == 1
        assert "The database cannot be reached" in run.stderr
        assert "Traceback" not in run.stderr

    def test_misuse_exits_with_one(self):
        run = site.run("export_metadata")
        assert run.returncode == 1
        assert "usage:" in run.stderr


def test_the_text_of_a_document_does_not_depend_on_the_order_of_rows(band_, target):
    """Deterministic: the same catalogue, filled in another order, gives the same bytes."""
    stems = ["vocals", "drums", "bass", "other"]
    make_recording(band_, "take", stem_types=stems, imported_at=IMPORTED)
    export(target)
    before = tree(target)
    Stem.objects.all().delete()
    Recording.objects.all().delete()
    make_recording(band_, "take", stem_types=stems[::-1], imported_at=IMPORTED)
    export(target)
    assert tree(target) == before
    assert before["band/take/metadata.json"].decode() == to_json(json.loads(before["band/take/metadata.json"]))
