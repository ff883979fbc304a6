"""Importing again: what changed in the store, what changed here, and what both sides changed."""

import hashlib
import io
import json

import pytest
from django.core.management import CommandError, call_command

from catalog.importing.run import LOCK
from catalog.models import AudioFile, Recording, Stem
from catalog.names import output_name
from catalog.services import sync_profile
from processing.audio.meter import analyse_file
from tests.importing import NAME, PATH, document, import_metadata, recording, row_versions, settled, stem
from tests.legacy_store import WHEN, LegacyStore, audio
from tests.verifying import held_by_others

pytestmark = pytest.mark.django_db

# --- 12, 13: display names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("   \t", ""),
        ("x" * 10_000, "x" * 10_000),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("half \ud83c", "half \ufffd"),
        ("nul \0 nul", "nul \ufffd nul"),
        (" Blues in E ", " Blues in E "),
    ],
)
def test_display_names_of_every_kind(store, written, shown):
    folder = store.folder("band", NAME)
    store.metadata(folder, json.dumps(document(store) | {"display_name": written}, indent=2))
    assert import_metadata().code == 0
    assert recording().display_name == shown
    settled()


def renamed_in_the_store(store: LegacyStore, name: str) -> None:
    store.metadata(store.root / "band" / NAME, document(store) | {"display_name": name})


def test_a_name_edited_here_wins_and_is_told(store):
    store.folder("band", NAME, display_name="Before")
    import_metadata()
    Recording.objects.update(display_name="Edited here")
    run = import_metadata()
    assert run.code == 0
    assert "“Edited here”" in run.notes(PATH)["display_name_differs"]["message"]
    assert recording().display_name == "Edited here"
    settled()


def test_a_name_changed_only_in_the_store_is_taken_over(store):
    store.folder("band", NAME, display_name="Before")
    import_metadata()
    renamed_in_the_store(store, "After")
    run = import_metadata()
    assert (run.code, run.done(PATH)) == (0, ("update", "display_name"))
    assert recording().display_name == "After"
    settled()


def test_a_name_changed_on_both_sides_is_for_a_person_to_decide(store):
    store.folder("band", NAME, display_name="Before")
    import_metadata()
    Recording.objects.update(display_name="Edited here")
    renamed_in_the_store(store, "Edited there")
    run = import_metadata()
    assert (run.code, run.done(PATH)) == (3, ("conflict", "display_name_changed_twice"))
    assert recording().display_name == "Edited here"
    assert import_metadata("--overwrite-display-names").code == 0
    assert recording().display_name == "Edited there"
    settled()


# --- 14: half-made rows ---------------------------------------------------------------------------------------------


def test_empty_recordings_that_an_earlier_importer_left_are_completed(store, band):
    store.folder("band", NAME, display_name="Whole")
    profile = sync_profile(band.config.profile("band"))
    left = Recording.objects.create(profile=profile, output_name=NAME)
    run = import_metadata()
    assert (run.code, run.done(PATH)) == (0, ("heal", "recording_without_stems"))
    assert recording().id == left.id
    assert recording().display_name == "Whole"
    assert recording().created_at.timestamp() == WHEN
    assert recording().stems.count() == 4
    settled()


def test_missing_rows_are_made_again_and_the_others_are_not_touched(store):
    store.folder("band", NAME)
    store.folder("band", "Other_take")
    import_metadata()
    untouched = {row for row in row_versions()["stems"] if row[0] != str(stem("bass").id)}
    stem("bass").delete()
    run = import_metadata()
    assert run.done(PATH) == ("heal", "stem_missing")
    assert run.done("band/Other_take") == ("unchanged", "unchanged")
    assert untouched < set(row_versions()["stems"])
    settled()


def test_a_waveform_that_was_lost_is_drawn_again(store, media):
    folder = store.folder("band", NAME)
    import_metadata()
    (folder / "bass_waveform.png").unlink()
    run = import_metadata()
    assert run.done(PATH) == ("heal", "waveform_missing")
    assert (media / stem("bass").waveform_url).stat().st_size
    settled()


# --- 15: two at once ------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_second_import_leaves_with_a_message(store):
    store.folder("band", NAME)
    with held_by_others(LOCK):
        with pytest.raises(CommandError, match="Another import is running") as error:
            call_command("import_metadata")
        assert error.value.returncode == 1
        assert not Recording.objects.exists()
        # Looking is allowed at any time.
        assert import_metadata("--dry-run").totals["create"] == 1
    assert import_metadata().code == 0


# --- 16: changed since the last import ------------------------------------------------------------------------------


def test_measurements_changed_in_the_store_are_taken_over(store):
    folder = store.folder("band", NAME)
    import_metadata()
    content = document(store)
    content["stems"]["bass"] |= {"measured_lufs": -30.5, "stem_gain_adjustment_db": 1.25}
    store.metadata(folder, content)
    run = import_metadata()
    assert (run.code, run.done(PATH)) == (0, ("update", "measurements"))
    assert (stem("bass").measured_lufs, stem("bass").stem_gain_adjustment_db) == (-30.5, 1.25)
    settled()


def test_measurements_changed_here_stay(store):
    store.folder("band", NAME)
    import_metadata()
    Stem.objects.filter(stem_type="bass").update(measured_lufs=-40.0)
    assert import_metadata().code == 0
    assert stem("bass").measured_lufs == -40.0


def test_measurements_changed_on_both_sides_are_for_a_person_to_decide(store):
    folder = store.folder("band", NAME)
    import_metadata()
    Stem.objects.filter(stem_type="bass").update(measured_lufs=-40.0)
    content = document(store)
    content["stems"]["bass"]["measured_lufs"] = -30.5
    store.metadata(folder, content)
    run = import_metadata()
    assert (run.code, run.done(PATH)) == (3, ("conflict", "measurements_changed_twice"))
    assert import_metadata("--rebuild", "--no-input").code == 0
    assert stem("bass").measured_lufs == -30.5
    settled()


def test_another_audio_file_is_measured_for_length_and_size(store):
    folder = store.folder("band", NAME)
    import_metadata()
    store.stem_file(folder, "bass", seconds=0.8)
    run = import_metadata()
    assert run.done(PATH) == ("update", "audio_changed")
    assert stem("bass").duration_seconds == pytest.approx(0.8, abs=0.001)
    assert stem("bass").file_size_bytes == (folder / "bass.opus").stat().st_size
    settled()


# --- 18: unknown keys -----------------------------------------------------------------------------------------------


def test_unknown_keys_are_kept_and_followed(store):
    folder = store.folder("band", NAME, extra={"tags": ["live"]}, stem_extra={"mic": "SM57"})
    import_metadata()
    assert recording().metadata_json == (folder / "metadata.json").read_text()
    store.metadata(folder, document(store) | {"tags": ["live", "good"]})
    assert import_metadata().done(PATH) == ("update", "extra_keys")
    assert json.loads(recording().metadata_json)["tags"] == ["live", "good"]
    settled()


# --- people who work meanwhile --------------------------------------------------------------------------------------


def test_a_rename_while_the_import_runs_is_not_overwritten(store, monkeypatch):
    from catalog.importing import writing

    store.folder("band", NAME, display_name="Before")
    store.folder("band", "Other_take", display_name="Before")
    import_metadata()
    for name in (NAME, "Other_take"):
        store.metadata(store.root / "band" / name, document(store, name) | {"display_name": "Store"})
    original = writing.write

    def renamed_first(batch, profile):
        Recording.objects.filter(output_name=NAME).update(display_name="Just now")
        original(batch, profile)

    monkeypatch.setattr(writing, "write", renamed_first)
    run = import_metadata()
    assert (run.code, run.done(PATH)) == (3, ("conflict", "changed_meanwhile"))
    assert recording().display_name == "Just now"
    assert recording("Other_take").display_name == "Store"


def test_a_recording_that_is_made_while_the_import_runs_stays(store, band, monkeypatch):
    from catalog.importing import writing

    store.folder("band", NAME)
    store.folder("band", "Other_take")
    original = writing.write

    def made_first(batch, profile):
        Recording.objects.create(profile=profile, output_name=NAME, display_name="Made here")
        original(batch, profile)

    monkeypatch.setattr(writing, "write", made_first)
    run = import_metadata()
    assert (run.code, run.done(PATH)) == (3, ("conflict", "changed_meanwhile"))
    assert recording().display_name == "Made here"
    assert recording("Other_take").stems.count() == 4


# --- changes that come together -------------------------------------------------------------------------------------


def test_what_the_store_says_of_a_stem_that_was_left_out_is_not_forgotten(store):
    folder = store.folder("band", NAME)
    import_metadata()
    whole = (folder / "vocals.opus").read_bytes()
    content = document(store) | {"display_name": "Named"}
    content["stems"]["vocals"]["measured_lufs"] = -30.5
    store.metadata(folder, content)
    store.file(folder, "vocals.opus", whole[:30])  # half copied
    run = import_metadata()
    assert run.code == 2
    assert recording().display_name == "Named"
    store.file(folder, "vocals.opus", whole)
    assert import_metadata().code == 0
    assert stem("vocals").measured_lufs == -30.5
    settled()


@pytest.mark.django_db(transaction=True)  # an export looks from another connection
def test_a_recording_made_here_follows_renames_in_the_store(store, band):
    band.record("take.wav", seconds=1.0)
    call_command("process", "band", stdout=io.StringIO())
    call_command("export_metadata", "--to", "storage", stdout=io.StringIO())
    name = Recording.objects.get().output_name
    for title in ("One", "Two", ""):
        store.metadata(store.root / "band" / name, document(store, name) | {"display_name": title})
        run = import_metadata()
        assert (run.code, run.done(f"band/{name}")) == (0, ("update", "display_name"))
        assert Recording.objects.get().display_name == title
        assert Recording.objects.get().imported_at is None
        settled()


def test_stems_that_were_made_again_here_do_not_come_back(store, band):
    source = band.record("take.wav", seconds=1.0)
    name = output_name("take", hashlib.sha256(source.read_bytes()).hexdigest())
    folder = store.folder("band", name, stems=("vocals", "drums"))
    import_metadata()
    call_command("process", "band", "--force", stdout=io.StringIO())
    assert sorted(recording(name).stems.values_list("stem_type", flat=True)) == ["bass", "other"]
    store.stem_file(folder, "vocals")  # a file that a killed process had not yet removed
    assert import_metadata().code == 0
    assert sorted(recording(name).stems.values_list("stem_type", flat=True)) == ["bass", "other"]


def test_rebuilding_leaves_recordings_made_here_as_they_are(store, band):
    band.record("take.wav", seconds=1.0)
    call_command("process", "band", stdout=io.StringIO())
    before = row_versions()["recordings"]
    assert import_metadata("--rebuild", "--no-input").code == 0
    assert row_versions()["recordings"] == before


def test_rebuilding_takes_nothing_out_when_all_files_are_gone(store):
    folder = store.folder("band", NAME)
    import_metadata()
    for path in folder.glob("*.opus"):
        path.unlink()  # a disk that is not mounted looks like this
    run = import_metadata("--rebuild", "--no-input")
    assert (run.code, run.done(PATH)) == (2, ("quarantine", "no_stems"))
    assert recording().stems.count() == 4


def test_checksums_stay_when_the_audio_does(store):
    folder = store.folder("band", NAME)
    import_metadata()
    Stem.objects.update(file_sha256="a" * 64)
    content = document(store)
    content["stems"]["bass"]["measured_lufs"] = -30.5
    store.metadata(folder, content)
    import_metadata()
    assert stem("bass").measured_lufs == -30.5
    assert stem("bass").file_sha256 == "a" * 64
    store.stem_file(folder, "bass", seconds=0.7)
    import_metadata()
    assert stem("bass").file_sha256 == ""
    assert stem("drums").file_sha256 == "a" * 64


def test_another_audio_file_of_which_nothing_is_said_is_measured_again(store, media):
    folder = store.folder("band", NAME, generation="V0'", stems=("vocals",), seconds=0.6)
    import_metadata()
    before = (stem("vocals").peak_amplitude, (media / stem("vocals").waveform_url).read_bytes())
    (folder / "vocals.opus").write_bytes(audio("another", seconds=0.9))
    assert import_metadata().done(PATH)[0] in {"heal", "update"}
    assert stem("vocals").duration_seconds == pytest.approx(0.9, abs=0.001)
    assert stem("vocals").measured_lufs == analyse_file(media / stem("vocals").audio_url).analysis.lufs
    assert (stem("vocals").peak_amplitude, (media / stem("vocals").waveform_url).read_bytes()) != before
    settled()


def test_a_stem_of_which_metadata_says_nothing_is_measured(store):
    folder = store.folder("band", NAME, seconds=0.6)
    content = document(store)
    content["stems"]["drums"] = None
    store.metadata(folder, content)
    assert import_metadata().code == 0
    assert stem("drums").measured_lufs is not None
    settled()


def test_metadata_that_cannot_be_read_just_now_is_waited_for(store, monkeypatch):
    from catalog.legacy.stores import LocalStore

    store.folder("band", NAME)
    store.folder("band", "Other_take")
    read = LocalStore.read

    def failing(self, key):
        if NAME in key:
            raise OSError(5, "Input/output error")
        return read(self, key)

    monkeypatch.setattr(LocalStore, "read", failing)
    run = import_metadata()
    assert (run.code, run.done(PATH)) == (2, ("quarantine", "unreadable"))
    assert Recording.objects.get().output_name == "Other_take"
    monkeypatch.undo()
    assert import_metadata().done(PATH) == ("create", "new")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "spoiled",
    [
        {"created_at": "9999-12-31T23:59:59-14:00"},
        {"strategy_name": "a\0b"},
        {"made_by": {"a": float("nan")}},
        {"made_by": {"a": "\ud800"}},
        {"source": None},
        {"source": {"file_size_bytes": 1 << 70}},
    ],
)
def test_what_this_version_said_of_itself_is_checked_before_it_is_believed(store, band, spoiled):
    band.record("take.wav", seconds=1.0)
    call_command("process", "band", stdout=io.StringIO())
    call_command("export_metadata", "--to", "storage", stdout=io.StringIO())
    name = Recording.objects.get().output_name
    for model in (Stem, Recording, AudioFile):
        model.objects.all().delete()
    content = document(store, name)
    for key, value in spoiled.items():
        old = content["stemset"][key]
        content["stemset"][key] = {**old, **value} if isinstance(value, dict) and isinstance(old, dict) else value
    store.metadata(store.root / "band" / name, json.dumps(content))
    assert import_metadata().code == 0
    assert recording(name).stems.count() == 2


def test_a_stem_that_still_cannot_be_read_is_not_called_completed(store):
    folder = store.folder("band", NAME)
    store.file(folder, "bass.opus", b"not audio at all" * 100)
    import_metadata()
    run = import_metadata("--rebuild", "--no-input")
    assert (run.code, run.done(PATH)) == (2, ("update", "stems_changed"))
    assert run.notes(PATH)["not_audio"]["file"] == "bass.opus"


def test_a_conflict_tells_what_waits_for_it(store):
    folder = store.folder("band", NAME)
    import_metadata()
    content = document(store) | {"display_name": "Named there"}
    del content["stems"]["bass"]
    store.metadata(folder, content)
    assert "Named there" in import_metadata().item(PATH)["reason"]
