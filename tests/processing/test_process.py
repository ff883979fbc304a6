"""`manage.py process`: recordings in, catalogued stems out, and what happens to everything else."""

import io
import json
import shutil
import unicodedata
from collections import Counter

import pytest
import soundfile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import AudioFile, Profile, Recording, Stem
from catalog.storing import files_of
from processing.separators import get_separator
from stemset.config.strategy import Node
from tests.band import chord, settle
from tests.conftest import HARBOUR

pytestmark = pytest.mark.django_db(transaction=True)


def process(*arguments: object, code: int = 0) -> dict:
    """Run the command and return its JSON; `code` is the exit code it must have."""
    stdout = io.StringIO()
    found = 0
    try:
        call_command("process", *map(str, arguments), "--json", stdout=stdout, stderr=io.StringIO())
    except SystemExit as stopped:
        found = stopped.code
    assert found == code
    return json.loads(stdout.getvalue())


def files(folder) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def untouched(media, settings) -> bool:
    """Nothing half-made: no recording, no file in storage, no work folder."""
    work = set(settings.STEMSET_WORK_DIR.glob("*")) - {settings.STEMSET_WORK_DIR / "sweep.lock"}
    return not Recording.objects.exists() and not AudioFile.objects.exists() and not files(media) and not work


def test_a_beat_between_the_last_write_and_the_last_word_cancels_nothing(band, monkeypatch):
    monkeypatch.setattr("processing.jobs.beat.BEAT_SECONDS", 0.001)
    for number in range(3):
        band.record(f"take {number}.wav", seconds=1 + 0.1 * number)
    assert [item["status"] for item in process("band")["items"]] == ["created"] * 3


def test_a_recording_goes_in_and_stems_come_out(band, media, settings):
    path = band.record("Take 1.wav", seconds=2)
    (item,) = process("band")["items"]
    assert (item["status"], item["stems"]) == ("created", ["bass", "other"])
    recording = Recording.objects.get()
    assert recording.output_name == item["output_name"]
    assert recording.output_name.startswith("Take_1_")
    assert (recording.strategy_name, list(recording.made_by)) == ("quick", ["dsp:lowband"])
    audio = AudioFile.objects.get()
    assert (audio.filename, audio.storage_url, audio.file_size_bytes) == ("Take 1.wav", str(path), path.stat().st_size)
    assert audio.duration_seconds == pytest.approx(2, abs=1e-4)
    stems = list(recording.stems.all())
    mix = chord(2)
    for stem in stems:
        sound, rate = soundfile.read(media / stem.audio_url, dtype="float32")
        assert (len(sound), rate) == (len(mix), 44_100)
        assert stem.file_size_bytes == (media / stem.audio_url).stat().st_size
        assert stem.peak_amplitude == pytest.approx(abs(sound).max(), abs=1e-4)
        assert -70 < stem.measured_lufs < 0
        assert (media / stem.waveform_url).read_bytes().startswith(b"\x89PNG")
    together = sum(soundfile.read(media / stem.audio_url, dtype="float32")[0] for stem in stems)
    assert abs(together - mix).max() < 1e-4
    assert len(files(media)) == 6
    assert files(settings.STEMSET_WORK_DIR) == {"sweep.lock"}


@pytest.mark.parametrize("count", [1, 12])
def test_a_second_time_there_is_nothing_to_do_in_five_queries_however_many_files(band, count):
    for number in range(count):
        band.record(f"{number}.wav", seconds=0.1, seed=number)
    assert process("band")["totals"] == {"created": count}
    before = list(Stem.objects.order_by("id").values())
    with CaptureQueriesContext(connection) as queries:
        assert process("band")["totals"] == {"known": count}
    assert len(queries) <= 5  # files read before, the profile (twice), recordings, deletions
    assert list(Stem.objects.order_by("id").values()) == before


def test_two_files_with_one_content_are_one_recording(band):
    first = band.record("a.wav")
    settle(shutil.copy(first, band.source_folder / "b.wav"))
    answer = process("band")
    assert answer["totals"] == {"created": 1, "duplicate": 1}
    assert Recording.objects.count() == 1
    (copy,) = [item for item in answer["items"] if item["status"] == "duplicate"]
    assert "same content" in copy["message"]


def test_the_same_content_in_two_profiles_is_two_recordings_of_one_file(band):
    band.record()
    process("band")
    assert process("second")["totals"] == {"created": 1}
    assert (AudioFile.objects.count(), Recording.objects.count()) == (1, 2)
    assert process("second")["totals"] == {"known": 1}


def test_a_dry_run_only_tells(band, media, settings):
    band.record()
    (item,) = process("band", "--dry-run")["items"]
    assert (item["status"], item["output_name"][:5]) == ("would_process", "take_")
    assert untouched(media, settings)
    assert not Profile.objects.exists()


def test_a_strategy_may_be_chosen(band):
    band.record()
    (item,) = process("band", "--strategy", "other_way")["items"]
    assert item["stems"] == ["drums", "other"]
    assert Recording.objects.get().strategy_name == "other_way"


def test_files_may_be_named_and_one_bad_one_does_not_stop_the_rest(band, media, tmp_path):
    bad = tmp_path / "notes.wav"
    bad.write_text("not audio at all")
    good = band.record()
    answer = process("band", tmp_path / "nowhere.wav", bad, good, code=2)
    assert Counter(item["status"] for item in answer["items"]) == {"failed": 2, "created": 1}
    codes = {item["path"].rsplit("/", 1)[1]: item["code"] for item in answer["items"]}
    assert codes == {"nowhere.wav": "unreadable", "notes.wav": "not_audio", "take.wav": None}
    assert Recording.objects.count() == 1
    assert len(files(media)) == 6


def test_force_makes_it_again_under_the_same_name_and_leaves_no_old_file(band, media):
    band.record()
    process("band")
    before = Recording.objects.get()
    Recording.objects.update(display_name="Opening night")
    old_files = files(media)
    (item,) = process("band", "--force", "--strategy", "other_way")["items"]
    assert item["status"] == "replaced"
    after = Recording.objects.get()
    assert (after.id, after.output_name, after.display_name) == (before.id, before.output_name, "Opening night")
    assert sorted(after.stems.values_list("stem_type", flat=True)) == ["drums", "other"]
    named = files_of(Stem.objects.all())
    assert files(media) == named
    assert not named & old_files


@pytest.mark.parametrize("old_file", ["metadata.json", "bass.flac", "vocals.aac", "vocals.opus"])
def test_files_of_the_old_store_are_not_overwritten(band, media, old_file):
    band.record()
    (item,) = process("band", "--dry-run")["items"]
    folder = media / "band" / item["output_name"]
    folder.mkdir(parents=True)
    (folder / old_file).write_bytes(b"years of work")
    (item,) = process("band", code=2)["items"]
    assert item["code"] == "not_imported"
    assert (folder / old_file).read_bytes() == b"years of work"
    assert files(media) == {f"band/{folder.name}/{old_file}"}
    assert not Recording.objects.exists()


def test_an_imported_recording_with_a_made_up_hash_is_recognised(band):
    band.record()
    process("band")
    true_hash = AudioFile.objects.get().file_hash
    AudioFile.objects.update(file_hash="take", hash_provenance="placeholder")
    assert process("band")["totals"] == {"known": 1}
    audio = AudioFile.objects.get()
    assert (audio.file_hash, audio.hash_provenance) == (true_hash, "content")


def test_another_recording_of_that_name_is_a_clear_error(band):
    band.record()
    process("band")
    AudioFile.objects.update(file_hash="f" * 64)
    (item,) = process("band", code=2)["items"]
    assert item["code"] == "name_taken"
    assert Recording.objects.count() == 1


@pytest.mark.parametrize(
    "name",
    [
        "Проба №1.wav",
        "リハーサル 🎸.wav",
        unicodedata.normalize("NFD", "Übung.wav"),
        "'; DROP TABLE stems; --.wav",
        "-rf.wav",
        "x" * 250 + ".wav",
        "(?).wav",
    ],
)
def test_names_of_any_kind(band, media, name):
    band.record(name)
    (item,) = process("band")["items"]
    assert item["status"] == "created"
    stem = Stem.objects.filter(recording__output_name=item["output_name"]).first()
    assert (media / stem.audio_url).is_file()
    assert process("band")["totals"] == {"known": 1}


def test_the_demo_recording_with_the_real_default_strategy():
    get_separator("spleeter:2stems").check()  # `make test` has fetched it
    (item,) = process("demo", HARBOUR)["items"]
    assert item["stems"] == ["vocals", "drums", "bass", "other"]
    # The address that `make demo` opens.
    assert f"/library/demo/{item['output_name']}" in (HARBOUR.parents[2] / "Makefile").read_text()
    lengths = set(Stem.objects.values_list("duration_seconds", flat=True))
    assert lengths == {1_584_843 / 44_100}


def test_what_cannot_run_says_why_before_any_work(band, media, settings):
    band.record()
    for arguments, needle in [
        (["nobody"], "it has: band, second"),
        (["band", "--strategy", "magic"], "it has: other_way, quick"),
        (["band", "--remote"], "gpu_worker_url"),
    ]:
        with pytest.raises(CommandError, match=needle) as caught:
            call_command("process", *arguments)
        assert caught.value.returncode == 1
    shutil.rmtree(band.source_folder)
    with pytest.raises(CommandError, match="does not exist"):
        call_command("process", "band")
    assert untouched(media, settings)


@pytest.mark.parametrize(
    ("tree", "needle"),
    [
        (Node("dsp:5stems", {"vocals": "vocals"}), "dsp:4stems"),
        (Node("dsp:lowband", {"bass": Node("dsp:hpss", {"snare": "snare"})}), r"strategies\.quick\.bass\.snare"),
        (Node("htdemucs_ft", {"vocals": "vocals"}), r"requirements/neural\.txt"),
    ],
)
def test_a_strategy_that_cannot_run_is_refused_before_any_work(band, media, settings, monkeypatch, tree, needle):
    monkeypatch.setenv("STEMSET_NEURAL_PYTHON", "/nowhere/python")
    band.record()
    settings.STEMSET = band.config.model_copy(update={"strategies": {"quick": tree}})
    with pytest.raises(CommandError, match=needle) as caught:
        call_command("process", "band")
    assert caught.value.returncode == 1
    assert untouched(media, settings)


def test_text_output_is_for_people(band):
    band.record()
    stdout = io.StringIO()
    call_command("process", "band", stdout=stdout)
    name = Recording.objects.get().output_name
    assert f"created       bass, other: /library/band/{name}" in stdout.getvalue()
    assert "1 created." in stdout.getvalue()
    stdout = io.StringIO()
    call_command("process", "band", stdout=stdout)
    assert "Nothing to do: 1 known" in stdout.getvalue()
