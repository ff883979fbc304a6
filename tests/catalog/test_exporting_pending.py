"""export_metadata to storage loses nothing that was changed there since the last import, unless told to."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from catalog.exporting import snapshot
from catalog.exporting.pending import pending_metadata
from catalog.exporting.run import Export, Order, target_for
from catalog.models import Profile, Recording
from tests.catalog.test_exporting import HASH, INDEX, band_, export, imported, tree
from tests.catalog.test_rendering import NAME, V8
from tests.catalog.test_storage import R2, bucket, s3_server
from tests.factories import make_profile, make_recording

__all__ = ["band_", "bucket", "s3_server"]
pytestmark = pytest.mark.django_db(transaction=True)

KEY = "band/Take_1_aaaaaaaa/metadata.json"
CHANGED = V8.replace("-23.41", "-20.5")
TAKE_2 = "band/take_2/metadata.json"


def put(media: Path, key: str, text: str) -> Path:
    path = media / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("renamed_here", [True, False])
def test_what_was_changed_in_storage_is_left_alone_and_the_rest_goes_on(band_, media, renamed_here):
    imported(band_, display_name="Harbour" if renamed_here else NAME)
    imported(band_, "take_2", display_name="Second")
    path = put(media, KEY, CHANGED)
    answer = export("storage")
    assert answer["code"] == 2
    assert answer["statuses"] == {KEY: "store_changed", TAKE_2: "written", "band/.processed_hashes.json": "written"}
    (message,) = [item["message"] for item in answer["items"] if item["path"] == KEY]
    assert "(measured_lufs of vocals)" in message
    assert "run import_metadata" in message
    assert "--overwrite" in message
    assert path.read_text() == CHANGED
    assert Recording.objects.get(output_name="Take_1_aaaaaaaa").metadata_json == V8


def test_looking_says_the_same_and_writes_nothing(band_, media):
    imported(band_)
    put(media, KEY, CHANGED)
    put(media, "band/.processed_hashes.json", INDEX)
    before = tree(media)
    answer = export("storage", "--check")
    assert (answer["code"], answer["totals"]) == (2, {"store_changed": 1, "unchanged": 1})
    answer = export("storage", "--check", "--overwrite")
    assert (answer["code"], answer["statuses"][KEY]) == (2, "would_write")
    assert tree(media) == before


def test_told_to_it_writes_the_catalogue_s_state_all_the_same(band_, media):
    imported(band_, display_name="Harbour")
    path = put(media, KEY, CHANGED)
    answer = export("storage", "--overwrite")
    assert (answer["code"], answer["statuses"][KEY]) == (0, "written")
    assert path.read_text() == V8.replace(NAME, "Harbour") == Recording.objects.get().metadata_json
    assert export("storage")["totals"] == {"unchanged": 2}


def test_a_damaged_file_is_left_alone_until_told_otherwise(band_, media):
    """As it was at the import, so that the catalogue has no text of it."""
    imported(band_, text="", display_name="")
    path = put(media, KEY, V8[:-20])
    answer = export("storage")
    assert (answer["code"], answer["statuses"][KEY]) == (2, "store_changed")
    assert "is damaged in storage" in next(item["message"] for item in answer["items"] if item["path"] == KEY)
    assert path.read_text() == V8[:-20]
    assert export("storage", "--overwrite")["statuses"][KEY] == "written"
    assert json.loads(path.read_text())["display_name"] == ""


def test_another_folder_is_no_store_and_is_written_over(band_, tmp_path, media):
    imported(band_)
    path = put(tmp_path / "copy", KEY, CHANGED)
    assert export(tmp_path / "copy")["code"] == 0
    assert path.read_text() == V8


def test_an_older_generation_is_written_anew_when_nobody_changed_it(band_, media):
    flat = json.dumps({"vocals": {"stem_type": "vocals", "measured_lufs": -23.41, "target_lufs": float("nan")}})
    imported(band_, text=flat)
    path = put(media, KEY, json.dumps(json.loads(flat), indent=4))
    assert export("storage")["statuses"][KEY] == "written"
    assert json.loads(path.read_text())["stems"]["vocals"]["peak_amplitude"] == 0.8123


def test_a_bucket_is_treated_alike(band_, bucket):
    imported(band_, display_name="Harbour")
    imported(band_, "take_2", display_name="Second")
    for key, text in ((KEY, CHANGED), (TAKE_2, json.dumps(json.loads(V8)))):
        bucket.put_object(Bucket=R2.bucket_name, Key=key, Body=text.encode())
    answer = export("storage")
    assert (answer["code"], answer["statuses"][KEY], answer["statuses"][TAKE_2]) == (2, "store_changed", "written")
    assert bucket.get_object(Bucket=R2.bucket_name, Key=KEY)["Body"].read().decode() == CHANGED
    assert export("storage", "--overwrite")["code"] == 0


def test_what_is_changed_here_while_the_export_runs_does_not_get_around_it(band_, media, monkeypatch):
    monkeypatch.setattr(snapshot, "BATCH", 1)
    imported(band_, "take_1")
    imported(band_, "take_2")
    path = put(media, TAKE_2, CHANGED)
    run = Export(Order(*target_for("storage"), [])).run()
    items = [next(run)]
    Recording.objects.update(display_name="Changed")
    items += run
    assert {item.path: item.status for item in items}[TAKE_2] == "store_changed"
    assert path.read_text() == CHANGED


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({HASH: "Take_1_aaaaaaaa", "b" * 64: "Made_there_bbbbbbbb"}),
        "{}x",  # damaged
        json.dumps({"c" * 64: "Other"}),
    ],
)
def test_an_index_that_the_older_version_added_to_is_left_alone(band_, media, text):
    make_recording(band_, "take_2")
    path = put(media, "band/.processed_hashes.json", text)
    answer = export("storage")
    assert (answer["code"], answer["statuses"]["band/.processed_hashes.json"]) == (2, "store_changed")
    assert path.read_text() == text
    assert Profile.objects.get().index_json == INDEX
    assert export("storage", "--overwrite")["code"] == 0
    assert "take_2" in path.read_text()


def test_a_person_is_told_on_stderr(band_, media):
    imported(band_)
    put(media, KEY, CHANGED)
    stdout, stderr = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("export_metadata", "--to", "storage", stdout=stdout, stderr=stderr)
    assert end.value.code == 2
    assert f"store changed  {KEY}: was changed in storage since the last import" in stderr.getvalue()
    assert stdout.getvalue().endswith("1 store changed, 1 written.\n")


def test_files_that_are_current_are_not_read_twice(band_, media, monkeypatch):
    from catalog.exporting.folder import FolderTarget

    for number in range(5):
        imported(band_, f"take_{number}")
    export("storage")
    read: list[str] = []
    original = FolderTarget.read

    def counting(self, documents):
        read.extend(document.key for document in documents)
        return original(self, documents)

    monkeypatch.setattr(FolderTarget, "read", counting)
    Recording.objects.filter(output_name="take_3").update(display_name="Harbour")
    assert export("storage")["totals"] == {"unchanged": 5, "written": 1}
    assert read == ["band/take_3/metadata.json"]


def test_an_empty_target_is_refused(band_):
    make_profile("choir")
    with pytest.raises(CommandError, match="--to is empty") as stopped:
        export("")
    assert stopped.value.returncode == 1


def test_many_differences_are_named_in_part():
    there = V8.replace("-23.41", "-1").replace("0.8123", "0.1").replace("0.41", "3").replace(NAME, "X")
    refused = pending_metadata(there.encode(), V8, V8, made_here=False)
    assert "(display_name, measured_lufs of vocals, peak_amplitude of vocals and 1 more)" in str(refused)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "null", '"text"', '{"stems": 1}'])
def test_whatever_it_is_it_is_not_written_over(text):
    assert pending_metadata(text.encode(), V8, V8, made_here=True)
