"""The importer on stores as the older version left them: every generation, every file it wrote."""

import math
from datetime import UTC, datetime

import pytest
import soundfile

from catalog.models import Profile, Recording
from processing.audio.meter import analyse_file
from tests.importing import import_metadata, row_versions
from tests.legacy_store import LUFS, PEAKS, STEMS, WHEN

pytestmark = pytest.mark.django_db

NAME = "Take_1_0123abcd"


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


def test_profiles_are_kept_in_step_with_the_configuration(store, band):
    import_metadata()
    assert sorted(Profile.objects.values_list("name", "strategy_name")) == [("band", "quick"), ("second", "other_way")]


def test_two_processes_read_as_one_does(store):
    for generation in ("V1", "V8"):
        store.folder("band", f"Take_{generation}", generation=generation)
    assert import_metadata(jobs=2).totals["create"] == 2
    assert soundfile.info(store.root / stems("Take_V1")["vocals"].audio_url).frames
