"""`manage.py repair` as a command: all or nothing, beside people who work, and nothing that is there is lost."""

import io
import json
import shutil

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from catalog.importing.run import LOCK
from catalog.models import Stem
from catalog.storing import Mark, put_mark
from catalog.verifying.repairs import run as repairing
from catalog.verifying.repairs.run import REPAIRS
from tests import site
from tests import verifying as defects
from tests.catalog.test_storage import bucket, s3_server
from tests.importing import import_metadata, row_versions
from tests.verifying import Shelf, held_by_others, locked_by_others, repair, shelf, stem, verify

__all__ = ["bucket", "s3_server", "shelf"]

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_failure_leaves_rows_and_files_as_they_were(shelf, monkeypatch):
    defects.file_not_catalogued(shelf)
    before, files = row_versions(), shelf.store.snapshot()

    def fail(*_arguments):
        raise OSError("the disk was pulled out")

    monkeypatch.setattr("catalog.sidecars.follow", fail)
    run = repair("file_not_catalogued")
    assert (run.code, run.details) == (2, "the disk was pulled out")
    assert shelf.store.snapshot() == files
    assert Stem.objects.filter(stem_type="kazoo").count() == 0
    assert [len(rows) for rows in row_versions().values()] == [len(rows) for rows in before.values()]


def test_somebody_changes_the_recording_meanwhile(shelf, monkeypatch):
    defects.resized(shelf)

    def change_meanwhile(patient, subjects):
        change = repairing.by_audio.as_the_file_is(patient, subjects)
        Stem.objects.filter(stem_type="bass").update(audio_url=f"{shelf.path}/other name.opus")
        return change

    monkeypatch.setitem(REPAIRS, "resized", repairing.Repair("", change_meanwhile))
    run = repair("resized")
    assert run.code == 2
    assert "run again" in run.details
    assert stem(shelf, "bass").duration_seconds == pytest.approx(1)


def test_a_picture_that_somebody_drew_meanwhile_is_not_overwritten(shelf, monkeypatch):
    defects.waveform_missing(shelf)

    def drawn_meanwhile(patient, subjects):
        change = repairing.by_audio.draw_waveforms(patient, subjects)
        (shelf.folder / "vocals_waveform.png").write_bytes(b"theirs")
        return change

    monkeypatch.setitem(REPAIRS, "waveform_missing", repairing.Repair("", drawn_meanwhile))
    assert repair("waveform_missing").code == 2
    assert (shelf.folder / "vocals_waveform.png").read_bytes() == b"theirs"


def test_a_recording_that_is_being_made_again_is_left_alone(shelf):
    defects.resized(shelf)
    file_hash = stem(shelf, "bass").audio_file.file_hash
    with locked_by_others("band", file_hash):
        run = repair("resized")
    assert (run.code, run.results) == (2, [("refused", shelf.path)])
    assert repair("resized").code == 0


def test_it_waits_for_nobody_but_says_who_is_at_work(shelf):
    with held_by_others(LOCK):
        with pytest.raises(CommandError, match="import or another repair") as error:
            repair("measure")
        assert error.value.returncode == 1
        assert repair("measure", "--dry-run").code == 0


def test_sidecars_follow_repairs(shelf, settings):
    settings.STEMSET_SIDECARS = True
    defects.file_not_catalogued(shelf)
    repair("file_not_catalogued")
    document = json.loads((shelf.folder / "metadata.json").read_text())
    assert document["stems"]["kazoo"]["stem_url"] == "kazoo.opus"
    defects.resized(shelf)
    repair("resized", "measure")
    document = json.loads((shelf.folder / "metadata.json").read_text())
    assert document["stems"]["bass"]["measured_lufs"] == round(stem(shelf, "bass").measured_lufs, 2)
    assert not verify("--fail-on", "warning").found


def test_no_link_out_of_the_store_is_followed(shelf):
    Stem.objects.filter(recording__profile__name="band").update(measured_lufs=-1, file_sha256="")
    defects.file_refused(shelf)
    run = repair("measure", "--profile", "band")
    assert ("refused", f"{shelf.path}/vocals.opus") in run.results
    assert stem(shelf, "vocals").measured_lufs == -1


# --- the command itself ---


def test_without_a_code_the_repairs_are_listed():
    out = io.StringIO()
    call_command("repair", stdout=out)
    assert [line.split()[0] for line in out.getvalue().splitlines()[:-1]] == list(REPAIRS)
    assert "verify_catalog" in out.getvalue()
    out = io.StringIO()
    call_command("repair", "--json", stdout=out)
    assert set(json.loads(out.getvalue())["repairs"]) == set(REPAIRS)


@pytest.mark.parametrize(
    ("arguments", "needle"),
    [
        (["names_alike"], "there are: storing_leftover, deleted_leftover, incoming_leftover, resized"),
        (["resized", "nonsense"], "no repair 'nonsense'"),
        (["measure", "--profile", "nobody"], "known: band, second"),
        (["resized", "--profile", "nobody"], "known: band, second"),
    ],
)
def test_what_cannot_run_exits_with_one(shelf, arguments, needle):
    with pytest.raises(CommandError, match=needle) as error:
        call_command("repair", *arguments)
    assert error.value.returncode == 1


def test_as_a_process_for_people(shelf):
    defects.waveform_missing(shelf)
    run = site.run("repair", "waveform_missing", config=shelf.band.config_path)
    assert run.returncode == 0, run.stderr
    assert f"repaired      {shelf.path}/vocals_waveform.png: drawn (waveform_missing)" in run.stdout
    assert "1 repaired." in run.stdout
    run = site.run("repair", "waveform_missing", config=shelf.band.config_path)
    assert "nothing of that kind" in run.stdout


def test_interrupted_it_says_so(shelf, monkeypatch):
    def interrupt(_self, _steps):
        raise KeyboardInterrupt

    monkeypatch.setattr("catalog.management.commands.verify_catalog.BarObserver.advance", interrupt)
    run = repair("measure")
    assert (run.code, run.document["finished"]) == (130, False)


def test_in_an_object_store(bucket, band, media):
    source = Shelf(band, media)
    source.store.upload(bucket, "stemset-media")
    name = source.folder.name
    shutil.rmtree(media)
    import_metadata("--profile", "band")
    bucket.delete_object(Bucket="stemset-media", Key=f"band/{name}/vocals_waveform.png")
    source.store.stem_file(source.folder, "bass", seconds=1.3)
    bucket.upload_file(str(source.folder / "bass.opus"), "stemset-media", f"band/{name}/bass.opus")
    bucket.upload_file(str(source.folder / "bass.opus"), "stemset-media", f"band/{name}/kazoo.opus")
    put_mark("band/half", Mark("a" * 64, ["bass.opus"]))
    bucket.put_object(Bucket="stemset-media", Key="band/half/bass.opus", Body=b"half")
    codes = ["waveform_missing", "resized", "file_not_catalogued", "storing_leftover", "checksum_unknown"]
    run = repair(*codes, "--profile", "band", jobs=2)
    assert (run.code, run.document["totals"]["repaired"]) == (0, 7), run.details
    found = verify("--checksums", "--profile", "band", jobs=2)
    assert found.codes == set(), found.document
    assert default_storage.exists(f"band/{name}/kazoo_waveform.png")
    assert not default_storage.exists("band/half/bass.opus")
