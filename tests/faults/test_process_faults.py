"""What `process` leaves behind when it is killed, interrupted, runs out of disk or meets itself."""

import errno
import io
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
import soundfile
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from catalog import services
from catalog.models import AudioFile, Recording, Stem
from catalog.storage import LocalStorage
from catalog.storing import files_of
from tests import site
from tests.band import chord, settle

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults]


def work(settings) -> set[Path]:
    return set(settings.STEMSET_WORK_DIR.glob("*")) - {settings.STEMSET_WORK_DIR / "sweep.lock"}


def stored(media) -> set[str]:
    return {str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()}


def named() -> set[str]:
    return files_of(Stem.objects.all())


def wait_for_work(process: subprocess.Popen[str], settings) -> None:
    while process.poll() is None and not any(path.is_dir() for path in work(settings)):
        time.sleep(0.002)


# What appears in the work and media folders while one recording is made: folders, locks, intermediates, stems.
THINGS = 12


def wait_for_things(process: subprocess.Popen[str], settings, media, count: int) -> None:
    """Wait until so many files and folders have appeared, whether or not they are still there."""
    seen: set[Path] = set()
    while process.poll() is None and len(seen) < count:
        seen |= {*settings.STEMSET_WORK_DIR.rglob("*"), *media.glob("band/*/*")}
        time.sleep(0.002)


def complete(recording: Recording, frames: int, media) -> bool:
    stems = list(recording.stems.all())
    return len(stems) == 2 and all(soundfile.info(media / stem.audio_url).frames == frames for stem in stems)


def test_killed_at_random_moments_then_run_again(band, settings, media):
    landed = 0
    for number in range(site.KILLS):
        path = band.record(f"{number}.wav", seconds=4, seed=number)
        process = site.start("process", "band", config=band.config_path)
        before = len(list(media.glob("band/*/*")))
        wait_for_things(process, settings, media, before + random.randint(1, THINGS))
        time.sleep(random.uniform(0, 0.1))
        process.kill()
        process.communicate()
        landed += process.returncode == -signal.SIGKILL
        # Killed or not: no recording is half there, and no row points at nothing.
        assert all(complete(recording, 4 * 44_100, media) for recording in Recording.objects.all())
        call_command("process", "band", stdout=io.StringIO())
        assert Recording.objects.filter(stems__audio_file__filename=path.name).distinct().count() == 1
        assert stored(media) == named()
        assert not work(settings)
    assert Recording.objects.count() == AudioFile.objects.count() == site.KILLS
    assert all(complete(recording, 4 * 44_100, media) for recording in Recording.objects.all())
    assert landed > site.KILLS // 2  # the kills were in time


def test_killed_while_making_it_again_the_old_one_stays_whole(band, settings, media):
    band.record("take.wav", seconds=4)
    call_command("process", "band", stdout=io.StringIO())
    for _ in range(site.KILLS // 2):
        process = site.start("process", "band", "--force", config=band.config_path)
        wait_for_things(process, settings, media, len(stored(media)) + random.randint(1, THINGS))
        time.sleep(random.uniform(0, 0.1))
        process.kill()
        process.communicate()
        assert complete(Recording.objects.get(), 4 * 44_100, media)
        call_command("process", "band", stdout=io.StringIO())  # knows it, and clears up all the same
        assert stored(media) == named()
    call_command("process", "band", "--force", stdout=io.StringIO())
    assert complete(Recording.objects.get(), 4 * 44_100, media)
    assert stored(media) == named()
    assert not work(settings)


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_nothing_half_made_stays_and_a_rerun_continues(band, settings, media, with_signal):
    for number in range(2):
        band.record(f"{number}.wav", seconds=40, seed=number)
    process = site.start("process", "band", "--json", config=band.config_path)
    wait_for_work(process, settings)
    process.send_signal(with_signal)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Run the same command again" in stderr
    assert "Traceback" not in stderr
    assert json.loads(stdout)["totals"].get("created", 0) == Recording.objects.count()
    assert stored(media) == named()
    assert not work(settings)
    call_command("process", "band", stdout=io.StringIO())
    assert Recording.objects.count() == 2


def test_two_at_once_make_one_recording(band, media):
    band.record(seconds=10)
    both = [site.start("process", "band", "--json", config=band.config_path) for _ in range(2)]
    answers = [json.loads(process.communicate(timeout=60)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    statuses = sorted(status for answer in answers for status in answer["totals"])
    assert statuses in (["busy", "created"], ["created", "known"])
    assert Recording.objects.count() == 1
    assert stored(media) == named()


def test_a_file_that_changes_while_it_is_processed_is_not_catalogued(band, settings, media):
    path = band.record(seconds=30)
    process = site.start("process", "band", "--json", config=band.config_path)
    wait_for_work(process, settings)
    with path.open("ab") as stream:
        stream.write(b"the rest of the copy")
    stdout, _stderr = process.communicate(timeout=60)
    (item,) = json.loads(stdout)["items"]
    assert (process.returncode, item["code"]) == (2, "changing")
    assert not Recording.objects.exists()
    assert not stored(media)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 3 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root; CI is root")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("seconds", [4, 60])
def test_a_full_work_disk_is_said_plainly(band, settings, media, small_disk, seconds):
    settings.STEMSET_WORK_DIR = small_disk / "work"
    path = band.source_folder / "take.flac"
    soundfile.write(path, chord(seconds), 44_100)
    settle(path)
    answer = run_in_process("band")
    assert [item["code"] for item in answer["items"]] == ["disk_full"]
    assert not Recording.objects.exists()
    assert not stored(media)
    assert not work(settings)


def test_a_full_media_disk_is_said_plainly_and_nothing_stays(band, settings, small_disk):
    settings.MEDIA_ROOT = small_disk / "media"
    band.record("long.wav", seconds=20)
    answer = run_in_process("band")
    assert [item["code"] for item in answer["items"]] == ["disk_full"]
    assert "Make room" in answer["items"][0]["message"]
    assert not Recording.objects.exists()
    assert not stored(Path(settings.MEDIA_ROOT))
    band.record("short.wav", seconds=1, seed=2)
    assert run_in_process("band")["totals"] == {"created": 1, "failed": 1}  # the rest goes on


def run_in_process(profile: str) -> dict:
    stdout = io.StringIO()
    with pytest.raises(SystemExit) as stopped:
        call_command("process", profile, "--json", stdout=stdout, stderr=io.StringIO())
    assert stopped.value.code == 2
    return json.loads(stdout.getvalue())


def test_a_database_that_cannot_be_reached_is_said_plainly(band, media):
    band.record()
    run = site.run("process", "band", config=band.config_path, DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    assert run.returncode == 1
    assert "The database cannot be reached" in run.stderr
    assert "Traceback" not in run.stderr
    assert not stored(media)


@pytest.mark.parametrize("arguments", [[], ["band", "--local", "--remote"], ["band", "--nonsense"]])
def test_misuse_exits_with_one(band, arguments):
    run = site.run("process", *arguments, config=band.config_path)
    assert run.returncode == 1
    assert "usage:" in run.stderr


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_right_after_the_commit_does_not_take_the_files_back(band, media, monkeypatch, failure):
    band.record()
    commit = services.catalogue_recording

    def interrupted(*arguments, **options):
        commit(*arguments, **options)
        raise failure

    monkeypatch.setattr(services, "catalogue_recording", interrupted)
    with pytest.raises(SystemExit):
        call_command("process", "band", stdout=io.StringIO(), stderr=io.StringIO())
    assert stored(media) == named()
    assert len(named()) == 6


def test_a_database_that_goes_away_for_a_moment_costs_no_work(band, settings, media):
    band.record(seconds=40)
    process = site.start("process", "band", "--json", config=band.config_path)
    wait_for_work(process, settings)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone()[0] >= 1
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert json.loads(stdout)["totals"] == {"created": 1}
    assert stored(media) == named()


def test_closed_folders_are_said_plainly(band, settings, media, monkeypatch):
    band.record()

    def closed(*_arguments, **_options):
        raise PermissionError(errno.EACCES, "Permission denied", str(media))

    monkeypatch.setattr(LocalStorage, "_save", closed)
    (item,) = run_in_process("band")["items"]
    assert item["code"] == "not_writable"
    assert "Make it writable" in item["message"]
    assert not work(settings)


def test_files_that_could_not_be_judged_go_with_the_next_run(band, settings, media, monkeypatch):
    band.record()

    def lost(*_arguments, **_options):
        connection.close()
        patches.setattr(connection, "connect", unreachable)
        raise OperationalError("the server closed the connection")

    def unreachable():
        raise OperationalError("nobody there")

    with monkeypatch.context() as patches:
        patches.setattr(services, "catalogue_recording", lost)
        with pytest.raises(CommandError, match="cannot be reached"):
            call_command("process", "band", stdout=io.StringIO())
    assert len(stored(media)) == 7  # the mark too: no importer may take them for a recording
    call_command("process", "band", stdout=io.StringIO())
    assert Recording.objects.count() == 1
    assert stored(media) == named()
    assert not work(settings)
