"""Peaks files: made with a recording, made later for imported ones, served to whom the audio is, and gone with it."""

import io
import json
import re

import numpy as np
import pytest
import soundfile
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from catalog.deleting import delete_recording
from catalog.models import Recording, Stem
from processing import peaks
from processing.peaks import LOCK, make_peaks, without_peaks
from tests.cast import alice, bob, charlie, demo_band, other_band
from tests.catalog.test_storage import bucket, keys, s3_server
from tests.factories import make_recording, make_user, write_files
from tests.importing import import_metadata
from tests.legacy_store import audio
from tests.peaks_file import read_peaks
from tests.processing.test_audio_peaks import require_right
from tests.processing.test_process import files, process
from tests.verifying import held_by_others, locked_by_others, repair, shelf, verify

__all__ = ["alice", "bob", "bucket", "charlie", "demo_band", "other_band", "s3_server", "shelf"]

pytestmark = pytest.mark.django_db(transaction=True)


def run(*options: str) -> tuple[int, str, str]:
    """Run the command; return its exit code and what it said."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command("make_peaks", *options, stdout=out, stderr=err)
    except SystemExit as end:
        code = int(end.code or 0)
    return code, out.getvalue(), err.getvalue()


def require_peaks(media, stem: Stem) -> None:
    """The peaks are those of the audio as it lies in storage."""
    assert stem.peaks_url == stem.audio_url + ".peaks"
    found = read_peaks((media / stem.peaks_url).read_bytes())
    sound, rate = soundfile.read(media / stem.audio_url, dtype="float32", always_2d=True)
    assert found.sample_rate == rate
    require_right(found, sound)
    assert len(found.loudness) == -(-len(sound) * 2 // rate)


def test_a_recording_comes_with_its_peaks_and_they_are_exchanged_with_it(band, media):
    band.record(seconds=2)
    process("band")
    for stem in Stem.objects.all():
        require_peaks(media, stem)
    before = {stem.peaks_url for stem in Stem.objects.all()}
    process("band", "--force")
    after = {stem.peaks_url for stem in Stem.objects.all()}
    assert not before & after
    assert {file for file in files(media) if file.endswith(".peaks")} == after
    assert not verify("--profile", "band").found
    assert run()[:2] == (0, "Every stem has its peaks.\n")


class TestCommand:
    def test_makes_those_of_imported_stems_once(self, shelf, media, settings):
        before = {stem.pk for stem in Stem.objects.exclude(peaks_url="")}
        assert len(before) == 2  # of what was made here
        assert without_peaks(["band"]).count() == 4
        assert without_peaks(["second"]).count() == 0
        assert run("--profile", "band")[:2] == (0, "4 made, 0 failed.\n")
        for stem in Stem.objects.exclude(pk__in=before):
            require_peaks(media, stem)
        assert run()[:2] == (0, "Every stem has its peaks.\n")
        assert not verify().found
        assert import_metadata("--profile", "band").totals["unchanged"] == 1
        assert not [file for file in files(settings.STEMSET_WORK_DIR) if file.startswith("job-")]

    def test_names_what_it_cannot_read_and_makes_the_rest(self, shelf, media, tmp_path):
        (shelf.folder / "vocals.opus").write_bytes(b"OggS" + b"?" * 1000)
        (shelf.folder / "drums.opus").unlink()
        (tmp_path / "secret.opus").write_bytes((shelf.folder / "other.opus").read_bytes())
        (shelf.folder / "other.opus").unlink()
        (shelf.folder / "other.opus").symlink_to(tmp_path / "secret.opus")
        code, out, err = run()
        assert (code, out) == (2, "1 made, 3 failed.\n")
        for name, why in (("vocals", "."), ("drums", "not in storage"), ("other", "not in its recording's folder")):
            assert re.search(rf"{shelf.path}/{name}.opus: .*{why}", err)
        require_peaks(media, Stem.objects.get(audio_url=f"{shelf.path}/bass.opus"))
        assert not Stem.objects.filter(audio_url=f"{shelf.path}/vocals.opus").exclude(peaks_url="").exists()
        assert not (shelf.folder / "vocals.opus.peaks").exists()

    def test_follows_no_row_out_of_its_folder(self, shelf):
        Stem.objects.filter(audio_url=f"{shelf.path}/bass.opus").update(audio_url="second/x/bass.flac")
        assert "not in its recording's folder" in run()[2]

    def test_goes_on_where_it_was_stopped(self, shelf, media, monkeypatch):
        making = make_peaks(without_peaks(), jobs=1)
        assert not next(making).trouble
        making.close()
        assert without_peaks().count() == 3

        def interrupt(*_arguments):
            raise KeyboardInterrupt

        with monkeypatch.context() as patches:
            patches.setattr(peaks, "_store", interrupt)
            code, out, err = run("--jobs", "1")
        assert (code, out) == (130, "0 made, 0 failed.\n")
        assert "again to continue" in err
        assert without_peaks().count() == 3
        assert run()[:2] == (0, "3 made, 0 failed.\n")

    def test_one_at_a_time(self, shelf):
        with held_by_others(LOCK), pytest.raises(CommandError, match="Another make_peaks is running") as error:
            run()
        assert error.value.returncode == 1
        assert without_peaks().count() == 4

    def test_leaves_a_recording_alone_that_somebody_else_is_making(self, shelf):
        with locked_by_others("band", Stem.objects.filter(peaks_url="")[0].audio_file.file_hash):
            code, out, err = run()
        assert (code, out) == (2, "0 made, 4 failed.\n")
        assert "being made again" in err
        assert not list(shelf.folder.glob("*.peaks"))

    def test_takes_its_file_back_when_the_stem_has_changed_meanwhile(self, shelf):
        making = make_peaks(without_peaks(["band"]), jobs=4)
        first = next(making)  # all four have been looked up by now
        left = Stem.objects.filter(recording__profile__name="band").exclude(audio_url=first.audio)
        left.update(file_size_bytes=1)
        assert ["changed meanwhile" in one.trouble for one in making] == [True] * 3
        assert [path.name for path in shelf.folder.glob("*.peaks")] == [first.audio.rpartition("/")[2] + ".peaks"]

    def test_knows_its_profiles(self):
        with pytest.raises(CommandError, match="There is no profile 'x'"):
            run("--profile", "x")

    def test_works_in_an_object_store(self, bucket, band):
        band.record()
        process("band")
        Stem.objects.filter(stem_type="bass").update(peaks_url="")
        bass = Stem.objects.get(stem_type="bass")
        made = bucket.get_object(Bucket="stemset-media", Key=bass.audio_url + ".peaks")["Body"].read()
        bucket.delete_object(Bucket="stemset-media", Key=bass.audio_url + ".peaks")
        assert run() == (0, "1 made, 0 failed.\n", "")
        bass.refresh_from_db()
        again = bucket.get_object(Bucket="stemset-media", Key=bass.peaks_url)["Body"].read()
        for (_, points), (_, before) in zip(read_peaks(again).levels, read_peaks(made).levels, strict=True):
            assert np.abs(points - before).max() <= 1  # FLAC has 24 bits of the samples
        delete_recording(Recording.objects.get(), make_user("leader@example.org"))
        assert keys(bucket) == set()


class TestWhenTheAudioIsAnother:
    def test_after_an_import(self, shelf):
        run()
        (shelf.folder / "bass.opus").write_bytes(audio("another", seconds=0.9))
        import_metadata("--profile", "band")
        assert [stem.stem_type for stem in without_peaks()] == ["bass"]
        assert run()[:2] == (0, "1 made, 0 failed.\n")
        found = read_peaks((shelf.folder / "bass.opus.peaks").read_bytes())
        assert found.frames / found.sample_rate == pytest.approx(0.9, abs=0.01)

    def test_after_a_repair(self, shelf):
        run()
        (shelf.folder / "bass.opus").write_bytes(audio("another", seconds=0.9))
        assert repair("resized").code == 0
        assert [stem.stem_type for stem in without_peaks()] == ["bass"]


def test_peaks_that_are_gone_are_found_and_made_again(shelf):
    run()
    kept = (shelf.folder / "bass.opus.peaks").read_bytes()
    (shelf.folder / "bass.opus.peaks").unlink()
    (shelf.folder / "drums.opus.peaks").write_bytes(b"")
    (shelf.folder / "vocals.opus.peaks").unlink()
    (shelf.folder / "vocals.opus").unlink()
    assert {("warning", "peaks_missing", f"{shelf.path}/bass.opus.peaks")} < verify("--profile", "band").found
    done = repair("peaks_missing", "peaks_empty")
    assert sorted(done.results) == [
        ("refused", f"{shelf.path}/vocals.opus.peaks"),
        ("repaired", f"{shelf.path}/bass.opus.peaks"),
        ("repaired", f"{shelf.path}/drums.opus.peaks"),
    ]
    assert (shelf.folder / "bass.opus.peaks").read_bytes() == kept


class TestServed:
    @pytest.fixture
    def recording(self, demo_band) -> Recording:
        recording = make_recording(demo_band, "x", duration=3)
        write_files(recording)
        run()
        return recording

    URL = "/media/demo-band/x/vocals.opus.peaks"

    def test_in_pieces_to_those_who_may_hear_the_audio(self, client, bob, charlie, recording):
        assert client.get(self.URL).status_code == 404
        client.force_login(charlie)
        assert client.get(self.URL).status_code == 404
        client.force_login(bob)
        whole = client.get(self.URL)
        content = whole.getvalue()
        assert (whole.status_code, whole["Content-Type"]) == (200, "application/octet-stream")
        assert whole["ETag"]
        read_peaks(content)
        part = client.get(self.URL, headers={"range": "bytes=100-299"})
        assert (part.status_code, part.getvalue()) == (206, content[100:300])
        assert client.get(self.URL, headers={"if-none-match": whole["ETag"]}).status_code == 304

    def test_from_an_object_store_by_a_redirect(self, client, bob, demo_band, bucket):
        recording = make_recording(demo_band, "x", stem_types=["vocals"])
        recording.stems.update(peaks_url="demo-band/x/vocals.opus.peaks")
        default_storage.save("demo-band/x/vocals.opus.peaks", ContentFile(b"peaks"))
        client.force_login(bob)
        answer = client.get(self.URL)
        assert answer.status_code == 302
        assert "/vocals.opus.peaks?" in answer["Location"]
        assert "octet-stream" in answer["Location"]

    def test_the_page_names_them_and_those_that_are_not_there_not(self, client, bob, recording):
        Stem.objects.filter(stem_type="drums").update(peaks_url="")
        client.force_login(bob)
        page = client.get("/library/demo-band/x").content.decode()
        found = re.search(r'<script id="stems" type="application/json">(.*?)</script>', page)
        assert found is not None
        stems = {stem["type"]: stem["peaks"] for stem in json.loads(found[1])}
        assert stems["vocals"] == self.URL
        assert stems["drums"] is None

    def test_the_existing_client_is_told_nothing_new(self, client, bob, recording):
        client.force_login(bob)
        assert "peaks" not in client.get("/api/profiles/demo-band/files").content.decode()


def test_they_go_with_their_recording(alice, demo_band, media):
    recording = make_recording(demo_band, "x", duration=0.1)
    write_files(recording)
    run()
    assert len([file for file in files(media) if file.endswith(".peaks")]) == 4
    delete_recording(recording, alice)
    assert files(media) == set()
