"""What an importer meets in the wild: damage, odd names, hostile paths, and changes on both sides."""

import json
import os
import unicodedata

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from catalog.importing.items import Action
from catalog.models import AudioFile, Profile, Recording, Stem
from catalog.services import sync_profile
from tests.importing import catalogue, import_metadata, row_versions
from tests.legacy_store import LUFS, STEMS, WHEN, LegacyStore, as_text

pytestmark = pytest.mark.django_db

NAME = "Take_1_0123abcd"
PATH = f"band/{NAME}"


@pytest.fixture
def store(band, media) -> LegacyStore:
    return LegacyStore(media)


def document(store: LegacyStore, name: str = NAME) -> dict:
    return json.loads((store.root / "band" / name / "metadata.json").read_bytes())


def recording(name: str = NAME) -> Recording:
    return Recording.objects.get(output_name=name)


def stem(stem_type: str, name: str = NAME) -> Stem:
    return Stem.objects.get(recording__output_name=name, stem_type=stem_type)


def settled() -> None:
    """A further run finds nothing to do and writes nothing."""
    before = row_versions()
    run = import_metadata()
    assert not any(run.totals[action] for action in (Action.CREATE, Action.HEAL, Action.UPDATE)), run.document["items"]
    assert row_versions() == before


# --- 1: loudness that is no number ----------------------------------------------------------------------------------


@pytest.mark.parametrize("written", [None, float("-inf"), "-inf"])
def test_no_loudness_is_silence(store, written):
    store.folder("band", NAME, lufs={"vocals": written})
    assert import_metadata().code == 0
    assert stem("vocals").measured_lufs is None
    settled()


@pytest.mark.parametrize("written", [float("nan"), "loud", True])
def test_nonsense_is_measured_again(store, written):
    folder = store.folder("band", NAME, seconds=0.6)
    content = document(store)
    content["stems"]["vocals"] |= {"measured_lufs": written, "peak_amplitude": written}
    store.metadata(folder, content)
    assert import_metadata().code == 0
    assert stem("vocals").measured_lufs == pytest.approx(LUFS["vocals"], abs=30)
    assert 0 < stem("vocals").peak_amplitude <= 1
    assert stem("drums").measured_lufs == LUFS["drums"]
    settled()


# --- 2: missing keys ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["measured_lufs", "peak_amplitude", "stem_gain_adjustment_db", "stem_url", "waveform_url", "stem_type"]
)
def test_a_missing_key_is_made_good(store, key):
    store.folder("band", NAME, seconds=0.6, without=[key])
    assert import_metadata().code == 0
    assert Stem.objects.count() == 4
    assert None not in Stem.objects.values_list("measured_lufs", flat=True)
    settled()


# --- 3: containment -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hostile",
    [
        "/etc/passwd",
        "../../second/Secret_00000000/vocals.opus",
        "..\\secret.opus",
        "https://example.com/vocals.opus",
        "file:///etc/passwd",
        "\0",
    ],
)
def test_no_path_out_of_the_folder_is_followed(store, hostile):
    store.folder("second", "Secret_00000000")
    folder = store.folder("band", NAME)
    content = document(store)
    for entry in content["stems"].values():
        entry |= {"stem_url": hostile, "waveform_url": hostile}
    store.metadata(folder, content)
    run = import_metadata()
    assert run.code == 0
    assert "path_refused" in run.notes(PATH)
    for row in recording().stems.all():  # the folder's own files are what is meant
        assert row.audio_url == f"{PATH}/{row.stem_type}.opus"
        assert row.waveform_url == f"{PATH}/{row.stem_type}_waveform.png"
    settled()


def test_a_path_out_of_the_folder_with_nothing_of_that_name_inside_is_left_out(store):
    folder = store.folder("band", NAME)
    (folder / "vocals.opus").unlink()
    (store.root / "secret.opus").write_bytes((folder / "drums.opus").read_bytes())
    content = document(store)
    content["stems"]["vocals"]["stem_url"] = "../../secret.opus"
    store.metadata(folder, content)
    run = import_metadata()
    assert run.code == 2
    assert run.notes(PATH)["stem_file_missing"]["serious"]
    assert sorted(recording().stems.values_list("stem_type", flat=True)) == ["bass", "drums", "other"]


def test_links_that_lead_out_of_the_store_are_not_followed(store, tmp_path):
    outside = LegacyStore(tmp_path / "outside")
    elsewhere = outside.folder("band", "Elsewhere")
    folder = store.folder("band", NAME)
    (folder / "vocals.opus").unlink()
    (folder / "vocals.opus").symlink_to(elsewhere / "vocals.opus")
    (store.root / "band" / "Linked").symlink_to(elsewhere)
    (store.root / "second").symlink_to(tmp_path / "outside" / "band")
    run = import_metadata()
    assert run.code == 2
    assert run.done("band/Linked") == ("quarantine", "link_out_of_store")
    assert run.done("second/") == ("quarantine", "link_out_of_store")
    assert run.notes(PATH)["link_out_of_store"]["file"] == "vocals.opus"
    assert sorted(recording().stems.values_list("stem_type", flat=True)) == ["bass", "drums", "other"]
    assert Recording.objects.count() == 1


def test_links_within_the_store_are_what_they_lead_to(store):
    folder = store.folder("band", NAME)
    (folder / "kept.opus").write_bytes((folder / "vocals.opus").read_bytes())
    (folder / "vocals.opus").unlink()
    (folder / "vocals.opus").symlink_to("kept.opus")
    assert import_metadata().code == 0
    assert recording().stems.count() == 4


# --- 4: metadata.json itself ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"stems": {"voc', "\x00\x00", '{"a": 1}', "[" * 100_000])
def test_metadata_that_cannot_be_read_costs_nothing_but_what_it_said(store, content):
    folder = store.folder("band", NAME, seconds=0.6)
    store.metadata(folder, content)
    run = import_metadata()
    assert run.code == 2
    assert run.notes(PATH)["metadata_unreadable"]["serious"]
    assert recording().stems.count() == 4
    settled()


def test_metadata_that_is_mended_later_is_taken_over(store):
    folder = store.folder("band", NAME, display_name="The one", seconds=0.6)
    good = (folder / "metadata.json").read_text()
    store.metadata(folder, good[:40])
    import_metadata()
    assert stem("vocals").measured_lufs != LUFS["vocals"]
    store.metadata(folder, good)
    run = import_metadata()
    assert run.done(PATH)[0] == "update"
    assert recording().display_name == "The one"
    assert stem("vocals").measured_lufs == LUFS["vocals"]
    settled()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
def test_any_editors_encoding(store, encoding):
    folder = store.folder("band", NAME, display_name="Größe")
    store.metadata(folder, (folder / "metadata.json").read_text().encode(encoding))
    assert import_metadata().code == 0
    assert recording().display_name == "Größe"
    settled()


def test_no_metadata_at_all(store):
    folder = store.folder("band", NAME)
    (folder / "metadata.json").unlink()
    assert import_metadata().code == 0
    assert recording().stems.count() == 4
    settled()


# --- 5: stems and files that do not match ---------------------------------------------------------------------------


def test_no_stems_listed_but_files_there(store):
    folder = store.folder("band", NAME)
    store.metadata(folder, {"stems": {}, "display_name": "Named"})
    assert import_metadata().code == 0
    assert recording().display_name == "Named"
    assert recording().stems.count() == 4
    settled()


def test_nothing_at_all(store):
    folder = store.folder("band", NAME, stems=())
    store.metadata(folder, {"stems": {}, "display_name": "Named"})
    (store.root / "band" / "Empty").mkdir()
    run = import_metadata()
    assert run.done(PATH) == ("quarantine", "no_stems")
    assert run.done("band/Empty") == ("ignore", "no_recording")
    assert not Recording.objects.exists()


@pytest.mark.parametrize(("damage", "code"), [("missing", "stem_file_missing"), ("empty", "stem_file_empty")])
def test_one_stem_less_loses_only_that_one_and_it_can_come_back(store, damage, code):
    folder = store.folder("band", NAME)
    whole = (folder / "bass.opus").read_bytes()
    (folder / "bass.opus").unlink()
    if damage == "empty":
        store.file(folder, "bass.opus", b"")
    run = import_metadata()
    assert run.code == 2
    assert run.done(PATH) == ("create", "new")
    assert run.notes(PATH)[code]["serious"]
    assert sorted(recording().stems.values_list("stem_type", flat=True)) == ["drums", "other", "vocals"]
    settled()
    store.file(folder, "bass.opus", whole)
    run = import_metadata()
    assert (run.code, run.done(PATH)) == (0, ("heal", "stem_missing"))
    assert stem("bass").measured_lufs == LUFS["bass"]
    settled()


def test_files_that_are_not_listed_are_named_and_left_alone(store):
    folder = store.folder("band", NAME)
    store.stem_file(folder, "guitar")
    run = import_metadata()
    assert run.code == 0
    assert run.notes(PATH)["file_not_listed"]["file"] == "guitar.opus"
    assert recording().stems.count() == 4


def test_a_stem_whose_file_vanishes_later_is_told_and_kept(store):
    folder = store.folder("band", NAME)
    import_metadata()
    (folder / "bass.opus").unlink()
    run = import_metadata()
    assert run.code == 2
    assert run.notes(PATH)["stem_file_missing"]["serious"]
    assert recording().stems.count() == 4
    settled()


def test_a_stem_that_the_store_lists_no_longer_is_for_a_person_to_decide(store):
    folder = store.folder("band", NAME)
    import_metadata()
    content = document(store)
    del content["stems"]["bass"]
    store.metadata(folder, content)
    run = import_metadata()
    assert (run.code, run.done(PATH)) == (3, ("conflict", "stem_gone"))
    assert recording().stems.count() == 4
    assert import_metadata("--rebuild", "--no-input").code == 0
    assert recording().stems.count() == 3
    settled()


# --- 6, 7: audio ----------------------------------------------------------------------------------------------------


def test_what_no_decoder_opens_is_left_out_and_the_rest_goes_on(store):
    folder = store.folder("band", NAME)
    store.file(folder, "bass.opus", b"not audio at all" * 100)
    torn = store.folder("band", "Torn", generation="V2")
    for name in STEMS:
        store.file(torn, f"{name}.opus", (torn / f"{name}.opus").read_bytes()[:20])
    run = import_metadata()
    assert run.code == 2
    assert run.notes(PATH)["not_audio"]["file"] == "bass.opus"
    assert run.done("band/Torn") == ("quarantine", "no_stems")
    assert recording().stems.count() == 3
    assert not Recording.objects.filter(output_name="Torn").exists()
    settled()


def test_stems_of_differing_length_and_rate_are_taken_and_told(store):
    folder = store.folder("band", NAME, extension=".wav")
    store.stem_file(folder, "bass", seconds=1.2, extension=".wav", sample_rate=48_000)
    run = import_metadata()
    assert run.code == 0
    assert {"stems_differ_in_length", "stems_differ_in_sample_rate"} <= set(run.notes(PATH))
    assert stem("bass").duration_seconds == pytest.approx(1.2)
    assert stem("drums").duration_seconds == pytest.approx(0.3)


def test_files_over_two_gigabytes(store):
    folder = store.folder("band", NAME, stems=("vocals",), extension=".wav")
    path = folder / "vocals.wav"
    with path.open("r+b") as file:  # mono, one byte per sample, and mostly a hole
        size = (1 << 31) + 4096
        head = bytearray(file.read(44))
        head[4:8], head[40:44] = (size - 8).to_bytes(4, "little"), (size - 44).to_bytes(4, "little")
        file.seek(0)
        file.write(head)
        file.truncate(size)
    assert import_metadata().code == 0
    assert stem("vocals").file_size_bytes == size
    assert stem("vocals").duration_seconds > 6_000
    settled()


# --- 8, 9: the same again, and names --------------------------------------------------------------------------------


def test_the_same_folder_in_two_profiles(store):
    store.folder("band", NAME, display_name="Ours")
    store.folder("second", NAME, display_name="Theirs")
    assert import_metadata().code == 0
    assert dict(Recording.objects.values_list("profile__name", "display_name")) == {"band": "Ours", "second": "Theirs"}
    settled()


NAMES = [
    "take",
    "Take",
    "Übung",
    "Übung",
    "リハーサル",
    "репетиция",
    "תרגול",
    "ﬁnale",
    "🎸_solo",
    "👨‍👩‍👧",
    "a'b\"c<d>&",
    "x\ny",
]


def test_names_of_every_kind_are_kept_exactly(store):
    names = [*NAMES, unicodedata.normalize("NFD", "Übung"), unicodedata.normalize("NFC", "Übung")]
    for name in dict.fromkeys(names):
        store.folder("band", name, stems=("vocals", "gitarre_ä"))
    assert import_metadata().code == 0
    assert set(Recording.objects.values_list("output_name", flat=True)) == set(names)
    settled()


def test_a_file_name_composed_otherwise_is_found(store):
    folder = store.folder("band", NAME, stems=("gitarre_ä",))
    composed = folder / "gitarre_ä.opus"
    composed.rename(folder / unicodedata.normalize("NFD", "gitarre_ä.opus"))
    assert import_metadata().code == 0
    assert recording().stems.get().audio_url.endswith(unicodedata.normalize("NFD", "gitarre_ä.opus"))
    settled()


def test_a_name_that_is_not_text_is_left_out(store):
    folder = store.folder("band", NAME)
    os.rename(os.fsencode(folder), os.fsencode(store.root / "band") + b"/Caf\xe9")
    run = import_metadata()
    assert run.code == 2
    (item,) = run.document["items"]
    assert (item["action"], item["code"]) == ("quarantine", "name_not_text")


@pytest.mark.parametrize("name", [b"Caf\xe9", b"two words", "Ω".encode()])
def test_a_profile_folder_whose_name_no_address_can_have_is_left_out(store, name):
    folder = store.folder("band", NAME)
    os.rename(os.fsencode(folder.parent), os.fsencode(store.root) + b"/" + name)
    run = import_metadata()
    assert run.code == 2
    (item,) = run.document["items"]
    assert (item["action"], item["code"]) == ("quarantine", "profile_name_unsafe")


# --- 10, 11: profiles and litter ------------------------------------------------------------------------------------


def test_a_profile_that_the_configuration_does_not_name_is_for_a_person_to_decide(store):
    store.folder("old-band", NAME)
    run = import_metadata()
    assert (run.code, run.done(f"old-band/{NAME}")) == (3, ("conflict", "profile_not_configured"))
    assert not Recording.objects.exists()
    assert import_metadata("--profile", "old-band").code == 0
    assert Recording.objects.get().profile.name == "old-band"
    settled()  # and from then on it belongs to the catalogue


def test_litter_is_passed_over(store):
    folder = store.folder("band", NAME)
    for name in (".DS_Store", "._vocals.opus", "._metadata.json", "Thumbs.db", "notes.txt"):
        store.file(folder, name, b"x")
    store.folder("band/" + NAME, "step_1")
    (store.root / "profiles.json").write_text("{}")
    (store.root / "band" / "tracks.json").write_text("{}")
    (store.root / ".Trashes").mkdir()
    run = import_metadata()
    assert (run.code, run.totals["folders"], run.notes(PATH)) == (0, 1, {})


def test_a_folder_that_may_not_be_read_stops_nothing(store, monkeypatch):
    store.folder("band", NAME)
    closed = store.folder("band", "Closed")
    scandir = os.scandir

    def refusing(path):
        if str(path) == str(closed):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("os.scandir", refusing)  # the tests may run as root, who may read everything
    run = import_metadata()
    assert run.code == 2
    assert run.done("band/Closed") == ("quarantine", "unreadable")
    assert run.done(PATH) == ("create", "new")


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
    from catalog.importing.run import LOCK
    from catalog.locks import Lock

    store.folder("band", NAME)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [Lock.key_of(LOCK)])
        with pytest.raises(CommandError, match="Another import is running") as error:
            call_command("import_metadata")
        assert error.value.returncode == 1
        assert not Recording.objects.exists()
        # Looking is allowed at any time.
        assert import_metadata("--dry-run").totals["create"] == 1
    finally:
        other.close()
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


# --- the index ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ['{"0123', "[]", "", "\ufeff{}"])
def test_an_index_that_cannot_be_read_costs_only_what_it_said(store, content):
    store.folder("band", NAME)
    (store.root / "band" / ".processed_hashes.json").write_text(content)
    assert import_metadata().code == 0
    assert recording().stems.count() == 4


def test_an_index_entry_without_folder_is_a_failure_and_told(store):
    store.folder("band", NAME)
    store.index("band", {"a" * 64: "Never_made", "b" * 64: NAME})
    run = import_metadata()
    assert any("Never_made" in note["message"] for note in run.document["notes"])
    assert not AudioFile.objects.filter(file_hash="a" * 64).exists()
    assert Profile.objects.get(name="band").index_json == as_text({"a" * 64: "Never_made", "b" * 64: NAME})


# --- one among many -------------------------------------------------------------------------------------------------


def test_one_damaged_folder_changes_nothing_for_the_others(store):
    for number in range(60):
        store.folder("band", f"Take_{number:02}", stems=("vocals",))
    import_metadata()
    whole = {row[1]: row for row in catalogue()}
    for model in (Stem, Recording, AudioFile):
        model.objects.all().delete()
    damaged = store.root / "band" / "Take_31"
    store.file(damaged, "vocals.opus", b"OggS torn", when=WHEN)
    run = import_metadata()
    assert run.code == 2
    assert run.done("band/Take_31") == ("quarantine", "no_stems")
    assert {row[1]: row for row in catalogue()} == {name: row for name, row in whole.items() if name != "Take_31"}


def test_a_recording_that_the_database_refuses_stops_no_other(store, monkeypatch):
    from catalog.importing import resolving

    for number in range(5):
        store.folder("band", f"Take_{number}")
    original = resolving.with_headers

    def spoiled(batches, workers, storage):
        for batch in original(batches, workers, storage):
            for item in batch:
                if item.path == "band/Take_3":
                    item.draft.stems[0].peak = -1.0
            yield batch

    monkeypatch.setattr(resolving, "with_headers", spoiled)
    run = import_metadata()
    assert run.code == 2
    assert run.done("band/Take_3") == ("quarantine", "refused_by_database")
    assert Recording.objects.count() == 4
    assert Stem.objects.count() == 16


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
