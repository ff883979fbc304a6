"""The importer on stores as the older version left them: every generation, every file it wrote."""

import math
from datetime import UTC, datetime

import pytest
import soundfile
from django.core.management import CommandError, call_command

from catalog.models import AudioFile, ImportRun, Profile, Recording
from processing.audio.meter import analyse_file
from processing.batch import make_plan
from tests.importing import import_metadata, row_versions
from tests.legacy_store import LUFS, PEAKS, STEMS, WHEN, LegacyStore

pytestmark = pytest.mark.django_db

NAME = "Take_1_0123abcd"


@pytest.fixture
def store(band, media) -> LegacyStore:
    return LegacyStore(media)


def stems(name: str = NAME) -> dict[str, object]:
    return {stem.stem_type: stem for stem in Recording.objects.get(output_name=name).stems.all()}


@pytest.mark.parametrize("generation", ["V4", "V5", "V6", "V7", "V8"])
def test_what_metadata_says_is_taken_over_and_nothing_is_decoded(store, generation, monkeypatch):
    store.folder("band", NAME, generation=generation)
    monkeypatch.setattr("catalog.importing.audio_work.measure", None)
    run = import_metadata()
    assert (run.code, run.done(f"band/{NAME}")) == (0, ("create", "new"))
    for stem_type, stem in stems().items():
        assert (stem.measured_lufs, stem.peak_amplitude) == (LUFS[stem_type], PEAKS[stem_type])
        assert stem.stem_gain_adjustment_db == pytest.approx(max(-12, min(6.02, -23 - LUFS[stem_type])), abs=0.006)
        assert stem.audio_url == f"band/{NAME}/{stem_type}.opus"
        assert stem.waveform_url == f"band/{NAME}/{stem_type}_waveform.png"
        assert stem.duration_seconds == pytest.approx(0.3, abs=0.001)
        assert stem.file_size_bytes == (store.root / stem.audio_url).stat().st_size
    assert list(stems()) == sorted(STEMS)


def test_what_the_older_generations_did_not_say_is_measured(store, media):
    """V3 has no peak and no gain, V2 and V1 no picture either, V2 no gain."""
    for generation in ("V1", "V2", "V3"):
        store.folder("band", f"Take_{generation}", generation=generation)
    assert import_metadata().code == 0
    for generation in ("V1", "V2", "V3"):
        for stem_type, stem in stems(f"Take_{generation}").items():
            measured = analyse_file(media / stem.audio_url).analysis
            assert stem.measured_lufs == LUFS[stem_type]  # what was stored counts
            assert stem.peak_amplitude == measured.peak
            assert (media / stem.waveform_url).read_bytes().startswith(b"\x89PNG")
        if generation != "V1":
            gains = {name: stem.stem_gain_adjustment_db for name, stem in stems(f"Take_{generation}").items()}
            assert gains["drums"] == pytest.approx(-23 - LUFS["drums"])  # relative gains, here without a shift


def test_the_oldest_stems_had_their_gain_in_the_audio(store, media):
    store.folder("band", "Take_V0", generation="V0", seconds=0.6)
    store.folder("band", "Take_bare", generation="V0'", seconds=0.6)
    run = import_metadata()
    assert run.code == 0
    assert "gain_in_audio" in run.notes("band/Take_V0")
    assert {stem.stem_gain_adjustment_db for stem in stems("Take_V0").values()} == {0.0}
    for stem in [*stems("Take_V0").values(), *stems("Take_bare").values()]:
        assert stem.measured_lufs == analyse_file(media / stem.audio_url).analysis.lufs
    assert len({stem.stem_gain_adjustment_db for stem in stems("Take_bare").values()}) > 1


def test_an_analysis_that_had_failed_is_made_good_and_silence_stays_silence(store):
    store.folder("band", "Failed", generation="V2", seconds=0.6, lufs={"vocals": None})
    store.folder("band", "Silent", generation="V3", lufs={"vocals": None})
    store.folder("band", "Minus_infinity", generation="V1", lufs={"vocals": -math.inf, "bass": "-inf"})
    assert import_metadata().code == 0
    assert stems("Failed")["vocals"].measured_lufs is not None
    assert stems("Silent")["vocals"].measured_lufs is None
    assert stems("Silent")["vocals"].stem_gain_adjustment_db == 0.0
    assert stems("Minus_infinity")["vocals"].measured_lufs is None
    assert stems("Minus_infinity")["bass"].measured_lufs is None
    assert stems("Minus_infinity")["drums"].measured_lufs == LUFS["drums"]


@pytest.mark.parametrize("extension", [".opus", ".wav", ".m4a", ".aac", ".flac"])
def test_every_format_that_was_written(store, extension):
    store.folder("band", NAME, generation="V6", extension=extension)
    assert import_metadata().code == 0
    assert {stem.audio_url.rpartition(".")[2] for stem in stems().values()} == {extension[1:]}
    for stem in stems().values():
        assert stem.duration_seconds == pytest.approx(0.3, abs=0.06)


def test_files_are_neither_moved_nor_changed(store):
    for generation in ("V1", "V4", "V8"):
        store.folder("band", f"Take_{generation}", generation=generation)
    before = store.snapshot()
    assert import_metadata().code == 0
    after = store.snapshot()
    assert {path: after[path] for path in before} == before
    # What had no waveform got one; nothing else came to it.
    assert {path.rpartition("/")[2] for path in set(after) - set(before)} == {f"{s}_waveform.png" for s in STEMS}


def test_a_second_run_writes_nothing_at_all(store):
    for generation in ("V0", "V0'", "V1", "V2", "V3", "V4", "V5", "V6", "V7", "V8"):
        store.folder("band", f"Take_{generation}", generation=generation)
    store.index("band", {"ab" * 32: "Take_V8"})
    assert import_metadata().totals["create"] == 10
    before = row_versions()
    run = import_metadata()
    assert (run.code, run.totals["unchanged"]) == (0, 10)
    assert row_versions() == before


def test_newest_first_is_what_people_had(store):
    store.folder("band", "Newer", when=WHEN + 86_400)
    store.folder("band", "Older", when=WHEN)
    import_metadata()
    recordings = Recording.objects.order_by("-created_at")
    assert [recording.output_name for recording in recordings] == ["Newer", "Older"]
    assert recordings[1].created_at == datetime.fromtimestamp(WHEN, UTC)


def test_a_rename_does_not_make_a_recording_new(store):
    folder = store.folder("band", NAME)
    store.touch(folder, WHEN)
    store.file(folder, "metadata.json", (folder / "metadata.json").read_bytes(), when=WHEN + 9_999_999)
    import_metadata()
    assert Recording.objects.get().created_at == datetime.fromtimestamp(WHEN, UTC)


# --- the true hash --------------------------------------------------------------------------------------------------


def source_of(name: str) -> AudioFile:
    return AudioFile.objects.filter(stems__recording__output_name=name).distinct().get()


def test_the_source_itself_is_trusted_most(store):
    path, digest = store.source("inputs/band/Take 1.wav", seed=3)
    name = f"Take_1_{digest[:8]}"
    store.folder("band", name)
    store.index("band", {"f" * 64: name})
    import_metadata()
    source = source_of(name)
    assert (source.file_hash, source.hash_provenance) == (digest, "content")
    assert (source.filename, source.file_size_bytes) == ("Take 1.wav", path.stat().st_size)
    assert source.storage_url == str(path)


def test_a_source_in_the_profiles_folder_makes_the_scanner_find_nothing_to_do(store, band):
    recorded = {band.record("Probe 1.wav", seed=1), band.record("sub/Probe Ü.wav", seed=2)}
    from hashlib import sha256

    from catalog.names import output_name

    for path in recorded:
        digest = sha256(path.read_bytes()).hexdigest()
        store.folder("band", output_name(path.stem, digest))
    assert import_metadata().code == 0
    plan = make_plan(band.config.profile("band"), None, force=False)
    assert plan.todo == []
    assert {item.status for item in plan.settled} == {"known"}


def test_a_source_inside_the_folder(store):
    folder = store.folder("band", "Old_take")
    path, digest = store.source("elsewhere.wav")
    store.file(folder, "source.wav", path.read_bytes())
    import_metadata()
    assert (source_of("Old_take").file_hash, source_of("Old_take").hash_provenance) == (digest, "content")


def test_a_file_of_the_same_name_but_other_content_is_not_the_source(store):
    store.source("inputs/band/Take 1.wav")
    store.folder("band", NAME)
    import_metadata()
    assert source_of(NAME).hash_provenance == "placeholder"


def test_the_index_is_trusted_when_it_agrees_with_the_name(store):
    agreeing, disagreeing = "0123abcd" + "7" * 56, "9" * 64
    store.folder("band", NAME)
    store.folder("band", "Other_89abcdef")
    store.index("band", {agreeing: NAME, disagreeing: "Other_89abcdef"})
    import_metadata()
    assert (source_of(NAME).file_hash, source_of(NAME).hash_provenance) == (agreeing, "index")
    assert source_of("Other_89abcdef").hash_provenance == "placeholder"


def test_a_date_at_the_end_of_a_name_is_no_hash(store):
    _path, digest = store.source("inputs/band/Gig_20251019.wav")
    store.folder("band", "Gig_20251019")
    store.folder("second", "Gig_20251020")
    store.index("second", {"5" * 64: "Gig_20251020"})
    import_metadata()
    assert (source_of("Gig_20251019").file_hash, source_of("Gig_20251019").hash_provenance) == (digest, "content")
    assert (source_of("Gig_20251020").file_hash, source_of("Gig_20251020").hash_provenance) == ("5" * 64, "index")


def test_a_source_known_by_name_alone_must_be_as_long_as_its_stems(store):
    """The oldest folders have no hash in their names, and recorders use names again."""
    store.source("inputs/band/STE-000.wav", seconds=2.0)
    store.folder("band", "STE-000")
    _path, digest = store.source("inputs/second/STE-001.wav", seconds=0.3)
    store.folder("second", "STE-001")
    import_metadata()
    assert source_of("STE-000").hash_provenance == "placeholder"
    assert source_of("STE-001").file_hash == digest


def test_a_placeholder_is_upgraded_when_the_source_comes_back(store):
    path, digest = store.source("inputs/band/Take 1.wav")
    content = path.read_bytes()
    path.unlink()
    name = f"Take_1_{digest[:8]}"
    store.folder("band", name)
    import_metadata()
    assert source_of(name).hash_provenance == "placeholder"
    path.write_bytes(content)
    run = import_metadata()
    assert run.done(f"band/{name}") == ("update", "source")
    assert (source_of(name).file_hash, source_of(name).hash_provenance) == (digest, "content")
    assert AudioFile.objects.count() == 1
    before = row_versions()
    assert import_metadata().totals["unchanged"] == 1
    assert row_versions() == before


def test_a_placeholder_is_the_same_at_every_import_and_differs_between_profiles(store):
    store.folder("band", NAME)
    store.folder("second", NAME)
    import_metadata()
    hashes = sorted(AudioFile.objects.values_list("file_hash", flat=True))
    assert len(set(hashes)) == 2
    for model in (Recording, AudioFile):
        model.objects.all().delete()
    import_metadata()
    assert sorted(AudioFile.objects.values_list("file_hash", flat=True)) == hashes


def test_one_source_in_several_profiles_and_folders_is_one_row(store):
    digest = "0123abcd" + "7" * 56
    store.folder("band", NAME)
    store.folder("band", "Again_0123abcd")
    store.folder("second", NAME)
    store.index("band", {digest: NAME})
    store.index("second", {digest: NAME})
    assert import_metadata().code == 0
    assert AudioFile.objects.filter(file_hash=digest).count() == 1
    assert Recording.objects.filter(stems__audio_file__file_hash=digest).distinct().count() == 2


def test_what_is_not_known_of_a_source_comes_from_its_longest_stem(store, media):
    folder = store.folder("band", NAME, stems=("vocals",))
    store.stem_file(folder, "vocals", seconds=0.9)
    import_metadata()
    source = source_of(NAME)
    assert source.duration_seconds == pytest.approx(0.9, abs=0.001)
    assert source.file_size_bytes == (folder / "vocals.opus").stat().st_size
    assert (source.filename, source.storage_url) == ("Take_1", "")


# --- the command ----------------------------------------------------------------------------------------------------


def test_a_dry_run_only_says_what_would_be_done(store):
    store.folder("band", NAME)
    store.folder("band", "Broken", stems=())
    before = row_versions()
    run = import_metadata("--dry-run")
    assert run.done(f"band/{NAME}") == ("create", "new")
    assert run.done("band/Broken") == ("quarantine", "no_stems")
    assert run.code == 2
    assert row_versions() == before


def test_only_the_named_profiles(store):
    store.folder("band", NAME)
    store.folder("second", NAME)
    assert import_metadata("--profile", "second").totals["folders"] == 1
    assert [r.profile.name for r in Recording.objects.all()] == ["second"]
    with pytest.raises(CommandError, match="no profile 'thrid'"):
        call_command("import_metadata", "--profile", "thrid")


def test_a_report_adds_up_and_proves_itself(store, tmp_path):
    import hashlib
    import json

    store.folder("band", NAME)
    store.folder("band", "Nothing_here", stems=(), generation="V0'")
    store.folder("elsewhere", NAME)
    target = tmp_path / "report.jsonl"
    run = import_metadata("--report", str(target))
    assert run.code == 3  # the folder of a profile that nobody named
    *lines, last = target.read_bytes().splitlines(keepends=True)
    assert json.loads(last)["sha256"] == hashlib.sha256(b"".join(lines)).hexdigest() == run.document["sha256"]
    totals = json.loads(lines[-1])["totals"]
    items = [line for line in map(json.loads, lines) if "action" in line]
    actions = ("create", "heal", "update", "unchanged", "conflict", "quarantine", "ignore")
    assert totals["folders"] == sum(totals[action] for action in actions) == len(items) == 3
    assert (totals["create"], totals["ignore"], totals["conflict"]) == (1, 1, 1)


def test_a_receipt_is_kept_of_every_run_that_changed_something(store):
    store.folder("band", NAME)
    run = import_metadata()
    kept = ImportRun.objects.get()
    assert (kept.state, kept.report_sha256, kept.totals) == ("done", run.document["sha256"], run.totals)
    import_metadata()
    assert ImportRun.objects.count() == 1


def test_profiles_are_kept_in_step_with_the_configuration(store, band):
    import_metadata()
    assert sorted(Profile.objects.values_list("name", "strategy_name")) == [("band", "quick"), ("second", "other_way")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--source", "/nowhere"], "is not a folder"),
        (["--report", "/nowhere/report"], "is not a folder"),
        (["--jobs", "0"], "from 1 to 256"),
        (["--rebuild"], "--no-input"),
    ],
)
def test_misuse_is_named(store, options, message):
    with pytest.raises(CommandError, match=message) as error:
        call_command("import_metadata", *options)
    assert error.value.returncode == 1


def test_people_get_a_summary(store, capsys):
    store.folder("band", NAME)
    folder = store.folder("band", "Torn\x1b[2J", stems=("vocals",))
    store.file(folder, "vocals.opus", b"OggS, no more")
    with pytest.raises(SystemExit) as end:
        call_command("import_metadata", "--jobs", "1")
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert "2 folders" in out
    assert "1 new" in out
    assert "1 left out (1 no_stems)" in out
    assert "left out       band/Torn\\x1b[2J/vocals.opus: “vocals.opus” is damaged" in err


def test_two_processes_read_as_one_does(store):
    for generation in ("V1", "V8"):
        store.folder("band", f"Take_{generation}", generation=generation)
    assert import_metadata(jobs=2).totals["create"] == 2
    assert soundfile.info(store.root / stems("Take_V1")["vocals"].audio_url).frames
