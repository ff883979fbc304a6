"""`manage.py scan`: what is new in a source folder becomes jobs, once."""

import io
import os

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from catalog.models import Recording
from processing import known_files
from processing.jobs import transitions
from processing.models import Job, KnownFile
from processing.scanning import scan_profile
from tests.band import settle

pytestmark = pytest.mark.django_db


@pytest.fixture
def scan(band):
    """Scan the profile "band" and count what became of its files."""

    def run():
        return sorted(item.status for item in scan_profile(band.config.profile("band"), "quick"))

    return run


def test_new_files_become_jobs_and_stay_one_job_each(band, scan):
    band.record("a.wav", seed=1)
    band.record("b.wav", seed=2)
    assert scan() == ["queued", "queued"]
    assert scan() == ["busy", "busy"]
    jobs = Job.objects.all()
    assert {(job.filename, job.state, job.origin) for job in jobs} == {
        ("a.wav", "queued", "scan"),
        ("b.wav", "queued", "scan"),
    }
    assert all(os.path.isabs(job.source) for job in jobs)  # the worker reads it where it is


def test_what_came_to_nothing_is_not_asked_for_again(band, scan):
    band.record("a.wav")
    scan()
    from processing.jobs import transitions

    transitions.cancel(Job.objects.get().pk, "Alice")
    assert scan() == ["left_alone"]
    assert Job.objects.count() == 1


def test_only_files_that_changed_are_read(band, scan, monkeypatch):
    path = band.record("a.wav")
    band.record("b.wav", seed=2)
    scan()
    read = []
    original = known_files.content_hash
    monkeypatch.setattr(known_files, "content_hash", lambda source: read.append(source.name) or original(source))
    scan()
    assert read == []
    band.record("a.wav", seed=3)
    os.utime(path, (1_700_000_100, 1_700_000_100))
    assert scan() == ["busy", "queued"]
    assert read == ["a.wav"]


def test_thousands_of_known_files_cost_a_handful_of_queries(band, scan, django_assert_max_num_queries):
    first = band.record("0.wav")
    for number in range(1, 300):
        os.link(first, band.source_folder / f"{number}.wav")
    scan()
    with django_assert_max_num_queries(8):
        scan()
    assert KnownFile.objects.count() == 300
    assert Job.objects.count() == 1  # the same content


def test_a_name_that_is_not_text_is_told_and_the_others_go_on(band, scan):
    band.record("a.wav")
    os.rename(band.record("b.wav", seed=2), os.fsencode(band.source_folder) + b"/b\xff.wav")
    assert scan() == ["failed", "queued"]
    assert scan() == ["busy", "failed"]


def test_the_command_scans_all_profiles_and_tells_of_a_missing_folder(band):
    band.record("a.wav")
    out, err = io.StringIO(), io.StringIO()
    call_command("scan", stdout=out, stderr=err)
    assert "band: 1 queued" in out.getvalue()
    assert Job.objects.count() == 2  # the folder is that of both profiles
    transitions.cancel(Job.objects.filter(profile__name="band").get().pk, "Alice")
    out.truncate(0)
    call_command("scan", stdout=out, stderr=err)
    assert "left alone" in err.getvalue()
    assert "band: 1 left_alone" in out.getvalue()
    assert "second: 1 busy" in out.getvalue()
    settle(band.source_folder).rename(band.source_folder.with_name("gone"))
    with pytest.raises(SystemExit) as left:
        call_command("scan", "band", stdout=out, stderr=err)
    assert left.value.code == 2
    assert "Is the card or disk plugged in?" in err.getvalue()
    with pytest.raises(CommandError, match="it has: band, second"):
        call_command("scan", "nobody")
    assert Recording.objects.count() == 0
