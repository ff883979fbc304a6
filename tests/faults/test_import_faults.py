"""What the import leaves behind when it is killed, interrupted or meets itself: the same as an undisturbed one."""

import contextlib
import random
import signal
import subprocess
import time

import pytest
from django.core.management import CommandError
from django.db import connection

from catalog.models import AudioFile, Profile, Recording, Stem
from tests import site
from tests.importing import catalogue, import_metadata, row_versions
from tests.legacy_store import WHEN, LegacyStore

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults]

FOLDERS = 300


def empty_the_catalogue() -> None:
    for model in (Stem, Recording, AudioFile, Profile):
        model.objects.all().delete()


@pytest.fixture
def store(band, media) -> LegacyStore:
    """Two transactions' worth; some of the second have to be decoded and drawn, for which the first does not wait."""
    store = LegacyStore(media)
    for number in range(FOLDERS):
        generation = "V2" if number >= FOLDERS - 4 else "V8"
        store.folder("band", f"Take_{number:03}", generation=generation, stems=("vocals",), when=WHEN + number)
    return store


def wait_for_work(process: subprocess.Popen[str]) -> None:
    """Wait until it has connected to the database: before that there is nothing to break."""
    while process.poll() is None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            if cursor.fetchone():
                break
        time.sleep(0.01)


def test_killed_at_random_moments_then_run_again(store, band):
    assert import_metadata().code == 0
    undisturbed = catalogue()
    empty_the_catalogue()
    process = site.start("import_metadata", config=band.config_path)
    wait_for_work(process)
    began = time.monotonic()
    process.communicate()
    span = time.monotonic() - began
    assert process.returncode == 0
    killed = half_done = 0
    for number in range(site.KILLS):
        empty_the_catalogue()
        process = site.start("import_metadata", config=band.config_path)
        if number % 2:
            wait_for_work(process)
            time.sleep(random.uniform(0, span))
        else:  # in the thick of it
            while process.poll() is None and not Recording.objects.exists():
                time.sleep(0.001)
            time.sleep(random.uniform(0, 0.05))
        process.kill()
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        there = Recording.objects.count()
        half_done += 0 < there < FOLDERS
        # Complete or absent, at every moment.
        assert Stem.objects.count() == there
        assert not Recording.objects.filter(stems__isnull=True).exists()
        while (run := _import_when_free()) is None:  # the server needs a moment to notice that it is gone
            time.sleep(0.05)
        assert run.code == 0
        assert catalogue() == undisturbed
    assert killed > site.KILLS // 4
    assert half_done  # some kills were in time


def _import_when_free():
    with contextlib.suppress(CommandError):  # another import is running, as far as the server knows
        return import_metadata()


def test_two_imports_at_once_are_as_one(store, band):
    assert import_metadata().code == 0
    alone = catalogue()
    empty_the_catalogue()
    both = [site.start("import_metadata", config=band.config_path) for _ in range(2)]
    ends = [(process.communicate(timeout=120)[1], process.returncode) for process in both]
    assert sorted(code for _err, code in ends)[0] == 0
    for message, code in ends:
        assert code == 0 or (code == 1 and "Another import is running" in message)
    assert catalogue() == alone


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_says_so_and_what_is_there_is_whole(store, band, ending):
    process = site.start("import_metadata", config=band.config_path)
    while process.poll() is None and not Recording.objects.exists():
        time.sleep(0.001)
    process.send_signal(ending)
    _out, err = process.communicate(timeout=60)
    if process.returncode != 0:  # it may just have been done
        assert process.returncode == 130
        assert "Interrupted" in err
        assert "Traceback" not in err
    assert Stem.objects.count() == Recording.objects.count() > 0
    assert import_metadata().code == 0
    assert Recording.objects.count() == FOLDERS


def test_one_damaged_folder_among_a_thousand_changes_nothing_for_the_others(store):
    for number in range(FOLDERS, 1000):
        store.folder("band", f"Take_{number:03}", stems=("vocals",), when=WHEN + number)
    assert import_metadata().totals["create"] == 1000
    whole = {row[1]: row for row in catalogue()}
    empty_the_catalogue()
    folder = store.root / "band" / "Take_500"
    store.file(folder, "vocals.opus", b"OggS and then nothing", when=WHEN)
    store.metadata(folder, '{"stems": {"vocals"', when=WHEN)
    run = import_metadata()
    assert (run.code, run.totals["create"], run.totals["quarantine"]) == (2, 999, 1)
    del whole["Take_500"]
    assert {row[1]: row for row in catalogue()} == whole
    before = row_versions()
    assert import_metadata().code == 2
    assert row_versions() == before


def test_a_server_that_is_restarted_meanwhile_ends_it_with_a_sentence(store, band):
    process = site.start("import_metadata", config=band.config_path)
    while process.poll() is None and not Recording.objects.exists():
        time.sleep(0.001)
    with connection.cursor() as cursor:  # as a restart would
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database() AND backend_type = 'client backend'"
        )
    _out, err = process.communicate(timeout=60)
    if process.returncode != 0:
        assert process.returncode == 1
        assert "database" in err
        assert "Traceback" not in err
    assert Stem.objects.count() == Recording.objects.count()
    assert import_metadata().code == 0
    assert Recording.objects.count() == FOLDERS


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_impatient_people_are_heard_once(store, band, ending):
    """Ctrl-C three times in a row, while worker processes are at it."""
    process = site.start("import_metadata", config=band.config_path)
    while process.poll() is None and not Recording.objects.exists():
        time.sleep(0.001)
    for _ in range(3):
        process.send_signal(ending)
        time.sleep(0.05)
    _out, err = process.communicate(timeout=30)
    assert process.returncode in {0, 130}, err
    assert "Traceback" not in err
    assert import_metadata().code == 0
    assert Recording.objects.count() == FOLDERS


def test_interrupted_before_it_has_begun(store, band):
    process = site.start("import_metadata", config=band.config_path)
    time.sleep(0.25)
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=30)
    assert process.returncode in {0, 130}
    assert "Traceback" not in err
