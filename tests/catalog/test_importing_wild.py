"""What an importer meets in the wild: damage, odd names and hostile paths."""

import os
import unicodedata

import pytest

import tests.crashing
from catalog.models import AudioFile, Profile, Recording, Stem
from tests.importing import NAME, PATH, catalogue, document, import_metadata, recording, settled, stem
from tests.legacy_store import LUFS, STEMS, WHEN, LegacyStore, as_text

pytestmark = pytest.mark.django_db

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


# --- decoders that fail in their own ways ---------------------------------------------------------------------------


def test_whatever_a_decoder_raises_is_that_file_s_trouble_only(store, monkeypatch):
    store.folder("band", NAME, generation="V2")
    store.folder("band", "Other_take")
    monkeypatch.setattr("processing.audio.meter.analyse_file", lambda _path: int("nonsense"))
    run = import_metadata()
    assert run.code == 2
    assert run.done(PATH) == ("quarantine", "no_stems")
    assert "ValueError" in run.notes(PATH)["audio_unreadable"]["message"]
    assert run.done("band/Other_take") == ("create", "new")


def test_a_file_that_crashes_its_reader_is_left_out_and_the_rest_goes_on(store, monkeypatch):
    """As a decoder's segmentation fault does, or the kernel when memory runs out."""
    for number in range(4):
        store.folder("band", f"Take_{number}", generation="V2", stems=("vocals", "bass"))
    monkeypatch.setattr("catalog.importing.audio_work.measure", tests.crashing.measure)
    store.file(store.root / "band" / "Take_2", "bass.opus", tests.crashing.DEADLY)
    run = import_metadata(jobs=2)
    assert run.code == 2
    assert run.notes("band/Take_2")["decoder_crashed"]["file"] == "bass.opus"
    assert Recording.objects.count() == 4
    assert Stem.objects.count() == 7


def test_a_header_that_claims_nonsense_costs_one_stem(store, monkeypatch):
    folder = store.folder("band", NAME, extension=".wav")
    monkeypatch.setattr("processing.audio.header.MAX_SECONDS", 1.0)
    store.stem_file(folder, "bass", seconds=1.5, extension=".wav")
    run = import_metadata()
    assert run.notes(PATH)["audio_absurd"]["file"] == "bass.wav"
    assert recording().stems.count() == 3
