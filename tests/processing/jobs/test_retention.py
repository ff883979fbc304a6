"""Forgetting jobs that ended long ago, and the command for cron."""

import io
import json
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone

from processing.jobs import retention, transitions
from processing.jobs.enqueue import enqueue
from processing.models import Job, JobEvent, KnownFile
from tests.processing.test_sweeping import date_back

pytestmark = pytest.mark.django_db(transaction=True)


def prune(*options: str) -> tuple[int, dict]:
    out = io.StringIO()
    code = 0
    try:
        call_command("prune_jobs", *options, "--json", stdout=out, stderr=io.StringIO())
    except SystemExit as end:
        code = int(end.code or 0)
    return code, json.loads(out.getvalue())


def ended(job: Job, days: float) -> Job:
    transitions.cancel(job.pk, "Alice")
    Job.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(days=days))
    return job


def test_what_ended_long_ago_is_forgotten_with_its_events(wish):
    old, young, waiting = (enqueue(wish(f"{number}.wav", seed=number))[0] for number in (1, 2, 3))
    ended(old, 31)
    ended(young, 29)
    Job.objects.filter(pk=waiting.pk).update(created_at=timezone.now() - timedelta(days=400))
    assert prune("--dry-run")[1]["jobs"] == 1
    assert Job.objects.count() == 3
    assert prune()[1]["jobs"] == 1
    assert set(Job.objects.all()) == {young, waiting}
    assert not JobEvent.objects.exclude(job__in=[young, waiting]).exists()
    assert prune()[1] == {"dry_run": False, "jobs": 0, "busy": False, "leftovers": [], "troubles": [], "totals": {}}


def test_never_what_ended_within_a_week(job):
    ended(job, 6.9)
    assert retention.forget(0) == 0
    with pytest.raises(CommandError, match="at least 7"):
        call_command("prune_jobs", "--days", "6")
    Job.objects.update(finished_at=timezone.now() - timedelta(days=7.1))
    assert retention.forget(7) == 1


def test_many_go_in_batches(job, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    ended(job, 40)
    job.refresh_from_db()
    Job.objects.bulk_create(
        Job(**{field.attname: getattr(job, field.attname) for field in Job._meta.fields if field.name != "id"})
        for _ in range(6)
    )
    assert retention.forget() == 7
    assert not Job.objects.exists()


def test_a_file_that_came_to_nothing_does_not_come_back_by_itself(job):
    """A scan leaves it alone because it knows the job."""
    ended(job, 400)
    known = KnownFile.objects.create(
        profile=job.profile, path=b"/in/take.wav", size=1, mtime_ns=1, file_hash=job.file_hash
    )
    assert retention.forget() == 0
    known.delete()
    assert retention.forget() == 1


def test_then_the_storage_is_swept(job, media):
    key = f"inputs/band/{'1' * 64}.wav"
    default_storage.save(key, ContentFile(b"RIFF"))
    Job.objects.update(source=key)
    ended(job, 31)
    date_back(media)
    code, document = prune()
    assert (code, document["jobs"]) == (0, 1)
    assert document["leftovers"] == [{"kind": "input", "subject": key, "size": 4}]
    assert not default_storage.exists(key)


def test_for_people(job, media, monkeypatch):
    ended(job, 31)
    key = f"inputs/band/{'1' * 64}.wav"
    default_storage.save(key, ContentFile(b"RIFF"))
    date_back(media)
    out = io.StringIO()
    call_command("prune_jobs", "--dry-run", stdout=out)
    assert f"would be taken away: {key} (input)" in out.getvalue()
    assert "1 jobs would be forgotten" in out.getvalue()

    def refuse(*_arguments):
        raise PermissionError("read-only")

    monkeypatch.setattr(type(default_storage._wrapped), "delete", refuse)
    assert prune()[0] == 2
