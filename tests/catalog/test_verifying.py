"""`manage.py verify_catalog`: every finding is provoked by a real defect, and without defects there is none."""

import hashlib
import io
import json
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from catalog import services
from catalog.models import AudioFile, Profile, Recording, Stem
from catalog.storing import Mark, put_mark
from catalog.verifying.findings import KINDS
from processing.audio.header import read_header
from tests import verifying
from tests.importing import import_metadata
from tests.legacy_store import audio
from tests.verifying import Shelf, locked_by_others, shelf, verify

__all__ = ["shelf"]

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_catalogue_without_defects_gives_no_findings(shelf):
    for number, generation in enumerate(["V0", "V0'", "V1", "V2", "V3", "V4", "V5", "V6", "V7", "V8"]):
        kind = {"extension": [".opus", ".wav", ".m4a", ".aac", ".flac"][number % 5]}
        shelf.add(f"Old {number}", seed=10 + number, generation=generation, **kind)
    assert import_metadata().code == 0
    call_command("process", "second", stdout=io.StringIO())
    shelf.band.source_folder.joinpath("notes.txt").write_text("no recording")
    (run, with_processes) = verify("--fail-on", "warning"), verify("--fail-on", "warning", jobs=2)
    assert (run.code, run.found) == (0, set())
    assert run.document == with_processes.document
    assert run.document["looked_at"] == {"folders": 22, "recordings": 22, "stems": 66, "sources": 11}
    assert run.document["records"] == {"audio_files": 11, "profiles": 2, "recordings": 22, "stems": 66, "users": 0}


def test_an_empty_site_is_sound(band):
    run = verify()
    assert run.code == 0
    assert run.found == {("info", "profile_not_in_database", name) for name in ("band", "second")}


# --- rows against files ---


@pytest.mark.parametrize(
    ("severity", "defect"),
    [
        ("error", verifying.audio_missing),
        ("error", verifying.audio_empty),
        ("error", verifying.resized),
        ("error", verifying.audio_unreadable),
        ("error", verifying.waveform_missing),
        ("error", verifying.waveform_empty),
        ("error", verifying.file_refused),
        ("warning", verifying.peaks_missing),
        ("warning", verifying.peaks_empty),
        ("warning", verifying.duration_wrong),
        ("warning", verifying.file_not_catalogued),
        ("info", verifying.file_unknown),
    ],
)
def test_what_is_wrong_with_a_file_is_found_once(shelf, severity, defect):
    subject = f"{shelf.path}/{defect(shelf)}"
    run = verify()
    assert run.found == {(severity, defect.__name__, subject)}
    assert run.code == (2 if severity == "error" else 0)
    assert verify("--fail-on", "warning").code == (0 if severity == "info" else 2)
    assert run.only(defect.__name__)["detail"]
    assert run.document["totals"][severity] == 1
    assert run.document["codes"] == {defect.__name__: 1}
    assert not verify("--profile", "second").found


def test_a_file_in_another_spelling_is_named(shelf):
    (shelf.folder / "vocals.opus").rename(shelf.folder / "Vocals.opus")
    assert "Vocals.opus" in verify().only("audio_missing")["detail"]


def test_a_folder_that_is_gone_is_told_file_by_file(shelf):
    shutil.rmtree(shelf.folder)
    run = verify()
    assert run.document["codes"] == {"audio_missing": 4, "waveform_missing": 4}
    shelf.folder.symlink_to(shelf.band.source_folder)
    assert ("error", "folder_unreadable", shelf.path) in verify().found


def test_rows_that_name_files_elsewhere_are_found_and_not_followed(shelf):
    stem = Stem.objects.get(audio_url=f"{shelf.path}/vocals.opus")
    for url in ["/etc/passwd", "../x/vocals.opus", "https://example.org/vocals.opus", "band/other_take/vocals.opus"]:
        Stem.objects.filter(pk=stem.pk).update(audio_url=url)
        assert ("error", "file_elsewhere", shelf.path) in verify().found
    Stem.objects.filter(pk=stem.pk).update(audio_url=stem.audio_url, waveform_url="")
    assert ("error", "waveform_missing", shelf.path) in verify().found


def test_a_recording_without_stems_is_an_error(shelf):
    Stem.objects.filter(recording__output_name=shelf.folder.name, recording__profile__name="band").delete()
    run = verify()
    assert run.found == {("error", "recording_without_stems", shelf.path)}
    assert "import_metadata --profile band" in run.only("recording_without_stems")["hint"]


def test_stems_of_unequal_length_or_rate_are_found(shelf):
    shelf.add("Long", seed=2)
    long = shelf.add("Long", seed=2)
    shelf.store.stem_file(long, "bass", seconds=1.7)
    shelf.store.stem_file(shelf.add("Almost", seed=3), "bass", seconds=1.4)
    mixed = shelf.add("Mixed", seed=4, extension=".wav")
    shelf.store.stem_file(mixed, "bass", seconds=1, extension=".wav", sample_rate=22_050)
    import_metadata("--profile", "band")
    run = verify("--profile", "band")
    assert run.found == {
        ("warning", "stems_differ_in_length", f"band/{long.name}"),
        ("warning", "stems_differ_in_sample_rate", f"band/{mixed.name}"),
    }
    assert "bass 1.7 s" in run.only("stems_differ_in_length")["detail"]


def test_raw_aac_whose_headers_only_guess_is_decoded_before_it_is_accused(band, media):
    shelf = Shelf(band, media)
    folder = shelf.add("Raw", seed=2, generation="V0", extension=".aac")
    loud, silent = (audio("vocals", seconds=3, extension=".aac", silent=silent) for silent in (False, True))
    for name, parts in {"vocals": (loud, silent), "drums": (silent, loud), "bass": (loud, loud)}.items():
        # FFmpeg guesses the length by how many bytes the first packets need; silence needs few.
        content = b"".join(part[part.index(b"\xff\xf1") :] for part in parts)
        shelf.store.file(folder, f"{name}.aac", content)
    (folder / "other.aac").unlink()
    guesses = [read_header(path).duration_seconds for path in folder.glob("*.aac")]
    assert max(guesses) - min(guesses) > 1
    import_metadata("--profile", "band")
    assert not verify("--profile", "band").found
    shelf.store.file(folder, "bass.aac", loud)
    assert "stems_differ_in_length" in verify("--profile", "band").codes


# --- files against rows ---


def test_folders_that_no_row_names_are_told_by_what_an_import_would_do(shelf):
    new = shelf.add("New", seed=2)
    (shelf.store.root / "band/notes").mkdir()
    (shelf.store.root / "band/notes/lyrics.txt").write_text("la")
    broken = shelf.add("Broken", seed=3, stems=("vocals",))
    (broken / "vocals.opus").write_bytes(b"")
    (shelf.store.root / "cats").mkdir()
    run = verify()
    assert run.found == {
        ("warning", "not_imported", f"band/{new.name}"),
        ("info", "folder_not_catalogued", "band/notes"),
        ("warning", "left_out", f"band/{broken.name}"),
        ("warning", "profile_folder_unknown", "cats"),
    }
    assert "0 bytes" in run.only("left_out")["detail"]
    assert "import_metadata --profile band" in run.only("not_imported")["hint"]


def test_a_mark_whose_process_is_dead_is_found_and_a_living_one_left_alone(shelf, media):
    put_mark("second/half_made", Mark("a" * 64, ["bass.flac"]))
    (media / "second/half_made/bass.flac").write_bytes(b"half")
    run = verify()
    assert run.found == {("warning", "storing_leftover", "second/half_made/.storing")}
    put_mark(shelf.path, Mark("b" * 64, ["vocals.1234abcd.flac"]))
    shelf.store.file(shelf.folder, "vocals.1234abcd.flac", b"half")
    with locked_by_others("second", "a" * 64), locked_by_others("band", "b" * 64):
        assert not verify().found
    assert verify().codes == {"storing_leftover", "file_not_catalogued"}
    (media / "second/half_made/.storing").write_text("[]")
    (detail,) = [
        one["detail"] for one in verify().document["findings"] if one["subject"] == "second/half_made/.storing"
    ]
    assert "not of our making" in detail


def test_half_written_files_are_found(shelf, media):
    (media / ".incoming/left").write_bytes(b"half")
    assert verify().found == {("info", "incoming_leftover", ".incoming/left")}


def test_files_of_a_deleted_recording_are_found(shelf, media):
    verifying.deleted_leftover(media)
    run = verify()
    assert run.found == {("warning", "deleted_leftover", "band/gone")}
    assert run.only("deleted_leftover")["detail"].endswith("still in storage: vocals.opus")
    assert verify("--profile", "second").found == set()


# --- rows against rows, and against config.yaml ---


def test_orphans_are_found_by_the_queries_of_the_migration_document(shelf):
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # as if there were no foreign keys
        cursor.execute("DELETE FROM recordings WHERE profile_id = (SELECT id FROM profiles WHERE name = 'second')")
        cursor.execute("UPDATE audio_files SET profile_id = gen_random_uuid()")
        cursor.execute("SET session_replication_role = DEFAULT")
    run = verify()
    assert run.code == 2
    assert run.document["codes"]["orphaned_stem"] == 2
    assert ("error", "orphaned_audio_file", "Take 1.wav") in run.found


def test_duplicates_and_placeholders_and_unused_sources(shelf):
    first = Stem.objects.filter(audio_url__startswith=shelf.path).first()
    again = shelf.store.folder("band", "again", seconds=1)
    import_metadata("--profile", "band")
    assert verify().found == {("info", "placeholder_hash", "band/again")}
    Stem.objects.filter(recording__output_name="again").update(audio_file=first.audio_file)
    run = verify()
    assert {found[:2] for found in run.found} == {("warning", "duplicate_source"), ("info", "source_unused")}
    assert again.name in run.only("duplicate_source")["subject"] + run.only("duplicate_source")["detail"]


def test_names_that_differ_only_in_case_or_accents(shelf):
    names = ["ÜBUNG", "Übung", unicodedata.normalize("NFD", "übung"), "straße", "STRASSE", "other"]
    for name in names:
        shelf.store.folder("band", name, seconds=1)
    import_metadata("--profile", "band")
    found = [one for one in verify().document["findings"] if one["code"] == "names_alike"]
    assert [one["severity"] for one in found] == ["warning"] * 2
    assert {name for one in found for name in names if name in one["detail"]} == set(names) - {"other"}


def test_stems_and_profiles_whose_names_are_alike(shelf):
    Stem.objects.filter(audio_url=f"{shelf.path}/bass.opus").update(stem_type="Vocals")
    Profile.objects.create(name="BAND", source_folder="", strategy_name="")
    found = verify().found
    assert {("warning", "names_alike", shelf.path), ("warning", "names_alike", "BAND")} <= found
    assert ("warning", "profile_not_configured", "BAND") in found


# --- content ---


def test_content_is_compared_by_checksum_when_that_is_asked_for(shelf):
    run = verify("--checksums")
    assert run.code == 0
    assert run.document["codes"] == {"checksum_unknown": 4}  # process computes them, the importer does not
    stem = Stem.objects.filter(recording__profile__name="second").first()
    path = shelf.store.root / stem.audio_url
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert not verify().found
    run = verify("--checksums", "--profile", "second")
    assert (run.code, run.found) == (2, {("error", "altered", stem.audio_url)})


def test_what_process_stores_has_its_checksum(shelf):
    for stem in Stem.objects.filter(recording__profile__name="second"):
        assert stem.file_sha256 == hashlib.sha256((shelf.store.root / stem.audio_url).read_bytes()).hexdigest()


def test_sources_that_changed_or_are_gone(shelf):
    source = AudioFile.objects.get()
    path = Path(source.storage_url)
    content = path.read_bytes()
    path.write_bytes(content + b"x")
    assert not verify().found
    assert ("warning", "source_altered", str(path)) in verify("--checksums").found
    path.unlink()
    assert verify().found == {("info", "source_gone", str(path))}
    assert ("info", "source_gone", str(path)) in verify("--checksums").found
    AudioFile.objects.update(hash_provenance="index")
    assert "source_gone" not in verify().codes


def test_uploaded_sources_in_storage_are_looked_at_too(shelf, media):
    """Their place is a key, relative to storage."""
    source = AudioFile.objects.get()
    key = f"inputs/band/{source.file_hash}.wav"
    (media / key).parent.mkdir(parents=True)
    shutil.copyfile(source.storage_url, media / key)
    AudioFile.objects.update(storage_url=key)
    assert not verify("--fail-on", "warning").found
    assert verify("--checksums").codes == {"checksum_unknown"}
    (media / key).write_bytes(b"RIFF")
    assert ("warning", "source_altered", key) in verify("--checksums").found
    (media / key).unlink()
    assert verify().found == {("info", "source_gone", key)}
    assert ("info", "source_gone", key) in verify("--checksums").found


def test_uploads_beside_the_profiles_are_no_recordings(shelf, media):
    """Neither for a verification nor for an import."""
    source = AudioFile.objects.get()
    key = f"inputs/band/{source.file_hash}.wav"
    for place in (key, "inputs/band/looks_like_a_take/vocals.wav"):
        (media / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.storage_url, media / place)
    AudioFile.objects.update(storage_url=key)
    before = Recording.objects.count()
    run = import_metadata()
    assert (run.code, run.totals["create"], run.totals["folders"]) == (0, 0, 2)
    assert not [item for item in run.document["items"] if item["path"].startswith("inputs")]
    assert Recording.objects.count() == before
    assert "profile_folder_unknown" not in verify().codes


# --- the catalogue against the JSON store ---


def change_metadata(folder: Path, **changes: Any) -> None:
    path = folder / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_changed_in_the_store_since_the_import_is_told(shelf):
    change_metadata(shelf.folder, display_name="Renamed by the older version")
    run = verify()
    assert run.found == {("warning", "store_changed", shelf.path)}
    assert "Renamed by the older version" in run.only("store_changed")["detail"]
    assert "(display_name)" in run.only("store_changed")["detail"]
    Recording.objects.filter(output_name=shelf.folder.name).update(display_name="Renamed here")
    assert "(display_name_changed_twice)" in verify().only("store_changed")["detail"]
    import_metadata("--profile", "band", "--overwrite-display-names")
    assert not verify().found


def test_a_rename_here_is_no_finding(shelf):
    services.rename_recording(Recording.objects.get(profile__name="band"), "Opening night")
    assert not verify().found


def test_a_defect_does_not_hide_what_else_changed(shelf):
    verifying.waveform_missing(shelf)
    assert verify().codes == {"waveform_missing"}
    change_metadata(shelf.folder, display_name="New name")
    assert verify().codes == {"waveform_missing", "store_changed"}


def test_what_an_import_would_leave_out_is_told(shelf):
    document = json.loads((shelf.folder / "metadata.json").read_text())
    document["stems"]["kazoo"] = {"stem_type": "kazoo", "stem_url": "kazoo.opus"}
    change_metadata(shelf.folder, stems=document["stems"])
    assert ("warning", "left_out", f"{shelf.path}/kazoo") in verify().found
    (shelf.folder / "metadata.json").write_text('{"stems": ')
    assert ("warning", "left_out", f"{shelf.path}/metadata.json") in verify().found


def test_an_index_that_names_folders_which_are_not_there(shelf):
    shelf.store.index("band", {"c" * 64: "failed_cccccccc"})
    assert verify().found == {("info", "index_differs", "band/.processed_hashes.json")}


def test_every_code_is_provoked_by_some_test():
    elsewhere = Path(verifying.__file__).with_name("processing") / "test_verifying.py"  # what processing adds
    text = "".join(path.read_text() for path in map(Path, (__file__, verifying.__file__, elsewhere)))
    assert [code for code in KINDS if code not in text] == []
