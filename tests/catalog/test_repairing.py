"""`manage.py repair`: each repair ends with verify_catalog finding nothing, and a second one has nothing to do."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from catalog.models import Recording, Stem
from catalog.storing import Mark, put_mark
from catalog.verifying.repairs.run import REPAIRS
from processing.audio.meter import analyse_file
from processing.audio.waveform import render_waveform
from tests import verifying as defects
from tests.importing import import_metadata, row_versions
from tests.legacy_store import audio
from tests.verifying import Shelf, locked_by_others, repair, shelf, stem, verify

__all__ = ["shelf"]

pytestmark = pytest.mark.django_db(transaction=True)


def altered(shelf: Shelf) -> str:
    repair("checksum_unknown")
    shelf.store.stem_file(shelf.folder, "drums", seconds=1)
    size = (shelf.folder / "drums.opus").stat().st_size
    Stem.objects.filter(audio_url=f"{shelf.path}/drums.opus").update(file_sha256="0" * 64, file_size_bytes=size)
    return "drums.opus"


def checksum_unknown(shelf: Shelf) -> str:
    Stem.objects.exclude(audio_url=f"{shelf.path}/vocals.opus").update(file_sha256="f" * 64)
    return "vocals.opus"


@pytest.mark.parametrize(
    "defect",
    [
        defects.resized,
        defects.duration_wrong,
        defects.file_not_catalogued,
        defects.waveform_missing,
        defects.waveform_empty,
        defects.peaks_missing,
        defects.peaks_empty,
        altered,
        checksum_unknown,
    ],
)
def test_a_repair_ends_with_a_clean_catalogue_and_needs_no_second_one(shelf, defect):
    subject = f"{shelf.path}/{defect(shelf)}"
    code = defect.__name__
    looking = ["--checksums"] if code in {"altered", "checksum_unknown"} else []
    assert code in verify(*looking).codes
    before, files = row_versions(), shelf.store.snapshot()
    look = repair(code, "--dry-run")
    assert look.results == [("would_repair", subject)]
    assert (row_versions(), shelf.store.snapshot()) == (before, files)
    run = repair(code)
    assert (run.code, run.results) == (0, [("repaired", subject)])
    assert run.details == look.details
    assert code not in verify(*looking).codes
    assert not verify("--fail-on", "warning").found
    after, files = row_versions(), shelf.store.snapshot()
    assert repair(code).results == []
    assert (row_versions(), shelf.store.snapshot()) == (after, files)
    assert import_metadata("--profile", "band").totals["unchanged"] == 1


def test_every_repair_is_tested():
    elsewhere = Path(__file__).parent.parent / "processing" / "test_verifying.py"  # what processing adds
    text = Path(__file__).read_text() + elsewhere.read_text()
    assert [code for code in REPAIRS if code not in text] == []


def test_a_file_that_changed_is_taken_as_it_is_and_gains_stay(shelf):
    Stem.objects.update(stem_gain_adjustment_db=-3.5, file_sha256="0" * 64)
    defects.resized(shelf)
    run = repair("resized")
    bass, path = stem(shelf, "bass"), shelf.folder / "bass.opus"
    truth = analyse_file(path)
    assert bass.file_size_bytes == path.stat().st_size
    assert bass.duration_seconds == truth.duration_seconds == pytest.approx(1.2)
    assert bass.measured_lufs == truth.analysis.lufs
    assert bass.peak_amplitude == truth.analysis.peak
    assert bass.file_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert bass.stem_gain_adjustment_db == -3.5
    assert "duration_seconds 1.00 → 1.20" in run.details


def test_measuring_again_is_for_everything_and_writes_only_what_differs(shelf):
    Stem.objects.filter(recording__profile__name="second", stem_type="drums").update(measured_lufs=-1)
    # The others were measured before they were encoded; that may differ a little.
    assert "measured_lufs -1.00 → " in repair("measure", "--profile", "second").details
    run = repair("measure")
    assert {subject.rpartition("/")[0] for _status, subject in run.results} == {shelf.path}
    vocals = stem(shelf, "vocals")
    assert vocals.measured_lufs == analyse_file(shelf.folder / "vocals.opus").analysis.lufs
    assert (
        vocals.stem_gain_adjustment_db
        == json.loads((shelf.folder / "metadata.json").read_text())["stems"]["vocals"]["stem_gain_adjustment_db"]
    )
    assert repair("measure").results == []
    assert not verify().found
    defects.audio_unreadable(shelf)
    (shelf.folder / "drums.opus").unlink()
    run = repair("measure")
    assert (run.code, sorted(run.results)) == (
        2,
        [("refused", f"{shelf.path}/drums.opus"), ("refused", f"{shelf.path}/other.opus")],
    )
    (shelf.folder / "vocals.opus").write_bytes((shelf.folder / "bass.opus").read_bytes())
    Stem.objects.filter(pk=vocals.pk).update(measured_lufs=None)
    assert ("repaired", f"{shelf.path}/vocals.opus") in repair("measure").results


def test_the_store_s_two_decimals_are_no_difference(shelf):
    for one in Stem.objects.all():
        found = analyse_file(shelf.store.root / one.audio_url).analysis
        lufs = None if found.lufs is None else round(found.lufs, 2)
        Stem.objects.filter(pk=one.pk).update(measured_lufs=lufs, peak_amplitude=round(found.peak, 4))
    assert repair("measure").results == []


def test_waveforms_are_drawn_to_one_scale_and_those_that_are_there_stay(shelf):
    shelf.store.stem_file(shelf.folder, "vocals", seconds=1, silent=True)
    repair("resized")
    kept = {name: (shelf.folder / f"{name}_waveform.png").read_bytes() for name in ("bass", "other")}
    for name in ("vocals", "drums"):
        (shelf.folder / f"{name}_waveform.png").unlink()
    repair("waveform_missing")
    columns = {
        name: analyse_file(shelf.folder / f"{name}.opus").analysis.rms_columns
        for name in ("vocals", "drums", "bass", "other")
    }
    loudest = max(float(column.max()) for column in columns.values())
    for name in ("vocals", "drums"):
        assert (shelf.folder / f"{name}_waveform.png").read_bytes() == render_waveform(columns[name], scale=loudest)
    for name, content in kept.items():
        assert (shelf.folder / f"{name}_waveform.png").read_bytes() == content


def test_a_waveform_that_no_row_named_gets_a_free_name(shelf):
    taken = (shelf.folder / "bass_waveform.png").read_bytes()
    Stem.objects.filter(audio_url=f"{shelf.path}/bass.opus").update(waveform_url="")
    assert repair("waveform_missing").results == [("repaired", f"{shelf.path}/bass.1_waveform.png")]
    assert stem(shelf, "bass").waveform_url == f"{shelf.path}/bass.1_waveform.png"
    assert (shelf.folder / "bass_waveform.png").read_bytes() == taken
    assert repair("waveform_missing").results == []


def test_what_cannot_be_drawn_is_refused_and_the_rest_is_drawn(shelf):
    for name in ("vocals", "drums"):
        (shelf.folder / f"{name}_waveform.png").unlink()
    (shelf.folder / "drums.opus").unlink()
    run = repair("waveform_missing")
    assert run.code == 2
    assert sorted(run.results) == [
        ("refused", f"{shelf.path}/drums_waveform.png"),
        ("repaired", f"{shelf.path}/vocals_waveform.png"),
    ]
    assert "not in storage" in run.details


def test_an_adopted_file_becomes_a_stem_among_the_others(shelf):
    others = list(Stem.objects.order_by("id").values())
    recording = Recording.objects.get(profile__name="band")
    defects.file_not_catalogued(shelf)
    repair("file_not_catalogued")
    kazoo, truth = stem(shelf, "kazoo"), analyse_file(shelf.folder / "kazoo.opus")
    assert kazoo.recording == recording
    assert kazoo.audio_file == stem(shelf, "vocals").audio_file
    assert (kazoo.measured_lufs, kazoo.peak_amplitude) == (truth.analysis.lufs, truth.analysis.peak)
    assert kazoo.duration_seconds == truth.duration_seconds
    assert -12 <= kazoo.stem_gain_adjustment_db <= 6.02
    assert kazoo.file_sha256 == hashlib.sha256((shelf.folder / "kazoo.opus").read_bytes()).hexdigest()
    with Image.open(shelf.folder / "kazoo_waveform.png") as picture:
        assert picture.size == (1920, 256)
    assert list(Stem.objects.exclude(pk=kazoo.pk).order_by("id").values()) == others
    assert Recording.objects.get(pk=recording.pk).updated_at > recording.updated_at


def test_an_adopted_file_brings_its_waveform(shelf):
    defects.file_not_catalogued(shelf)
    picture = shelf.store.waveform_file(shelf.folder, "kazoo").read_bytes()
    repair("file_not_catalogued")
    assert stem(shelf, "kazoo").waveform_url == f"{shelf.path}/kazoo_waveform.png"
    assert (shelf.folder / "kazoo_waveform.png").read_bytes() == picture


def test_files_that_are_no_further_stem_are_not_adopted(shelf):
    names = ["vocals.wav", "Drums.flac", "bass.1a2b3c4d.opus", "x" * 65 + ".opus", "damaged.opus"]
    for name in names:
        extension = "." + name.rpartition(".")[2]
        shelf.store.file(
            shelf.folder,
            name,
            audio("vocals", seconds=1, extension=extension) if name != "damaged.opus" else b"OggS and more",
        )
    before = row_versions()
    run = repair("file_not_catalogued")
    assert run.code == 2
    assert sorted(run.results) == sorted(("refused", f"{shelf.path}/{name}") for name in names)
    assert row_versions() == before
    Stem.objects.filter(recording__profile__name="band").delete()
    assert repair("file_not_catalogued").results == []


def test_only_what_a_dead_process_stored_is_cleared(shelf, media):
    put_mark("second/half_made", Mark("a" * 64, ["bass.flac", "bass_waveform.png", "other.flac"]))
    folder = media / "second/half_made"
    for name in ("bass.flac", "bass_waveform.png", "notes.txt", "vocals.opus"):
        (folder / name).write_bytes(b"half")
    with locked_by_others("second", "a" * 64):
        assert repair("storing_leftover").results == []  # it lives
    assert repair("storing_leftover", "--dry-run").code == 0
    assert len(os.listdir(folder)) == 5
    run = repair("storing_leftover")
    assert run.results == [("repaired", "second/half_made/.storing")]
    assert sorted(os.listdir(folder)) == ["notes.txt", "vocals.opus"]


def test_a_mark_in_a_complete_recording_takes_no_file_with_it(shelf):
    files = {path.name for path in shelf.folder.iterdir()}
    put_mark(shelf.path, Mark("a" * 64, [*files - {"metadata.json"}, "vocals.11112222.flac", "gone.flac"]))
    shelf.store.file(shelf.folder, "vocals.11112222.flac", b"half")
    assert verify().codes == {"storing_leftover", "file_not_catalogued"}
    assert repair("storing_leftover").results == [("repaired", f"{shelf.path}/.storing")]
    assert {path.name for path in shelf.folder.iterdir()} == files
    assert not verify().found


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"file_hash": "x", "files": "bass.opus"}',
        '{"file_hash": "x", "files": ["metadata.json"]}',
        '{"file_hash": "x", "files": ["../../config.wav"]}',
    ],
)
def test_a_mark_that_is_not_ours_is_left_alone(shelf, media, content):
    (media / "second/odd").mkdir()
    (media / "second/odd/.storing").write_text(content)
    assert repair("storing_leftover").results == [("refused", "second/odd/.storing")]
    assert (media / "second/odd/.storing").exists()


def test_half_written_files_are_cleared(shelf, media):
    (media / ".incoming/left").write_bytes(b"half")
    assert repair("incoming_leftover", "--dry-run").results == [("would_repair", ".incoming/left")]
    assert repair("incoming_leftover").results == [("repaired", ".incoming/left")]
    assert not verify().found


def test_files_of_a_deleted_recording_are_cleared(shelf, media):
    path = defects.deleted_leftover(media)
    assert repair("deleted_leftover", "--dry-run").results == [("would_repair", "band/gone")]
    assert path.exists()
    assert repair("deleted_leftover").results == [("repaired", "band/gone")]
    assert not path.parent.exists()
    assert not verify().found
    assert repair("deleted_leftover").results == []


def test_several_at_once(shelf):
    defects.resized(shelf)
    defects.waveform_missing(shelf)
    defects.file_not_catalogued(shelf)
    run = repair("waveform_missing", "resized", "file_not_catalogued", "checksum_unknown", jobs=2)
    assert (run.code, run.document["totals"]["repaired"]) == (0, 6)
    assert not verify("--checksums").found
