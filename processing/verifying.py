"""What verify_catalog finds about jobs and uploaded sources, and making recordings again whose files are damaged.

Importing this module adds that to catalog.verifying, whose commands look for modules of this name in all rooms.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import batched
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateWorker

from catalog.models import DeletedRecording, Recording
from catalog.storage import Stored, storage
from catalog.verifying.findings import Finding, Kind, Severity, finding
from catalog.verifying.registry import Check, Scope, register
from catalog.verifying.repairs.changes import Result, Status
from catalog.verifying.repairs.run import REPAIRS, Repair
from processing.errors import ProcessingError
from processing.jobs.again import process_again
from processing.jobs.inputs import named_inputs
from processing.jobs.rescue import SILENT_SECONDS
from processing.jobs.sources import INPUTS
from processing.models import Job
from processing.sweeping import OLD_SECONDS

# Workers say every second that they live; by then somebody should have noticed.
STALLED_SECONDS = 300
BATCH = 500

KINDS = {
    "input_unknown": Kind(
        Severity.WARNING, "manage.py prune_jobs takes it away, when nobody has asked for it within a day."
    ),
    "job_without_recording": Kind(
        Severity.WARNING, "It was complete, and nobody deleted its recording: bring the database back from a backup."
    ),
    "job_source_gone": Kind(Severity.WARNING, "Upload the file again; the job will fail and say so."),
    "job_stalled": Kind(Severity.WARNING, "Start a worker: manage.py worker"),
}
AGAIN = "queue the recording to be made again from its source, if that is still there (manage.py worker makes it)"
# Findings that only the source can mend.
MADE_AGAIN = ("audio_missing", "audio_empty", "audio_unreadable")


def find(scope: Scope) -> Iterator[list[Finding]]:
    """Yield what is wrong about jobs and uploaded sources."""
    yield from _unknown_inputs(scope)
    jobs = Job.objects.select_related("profile").filter(profile__name__in=scope.profiles).order_by("created_at")
    yield [*_without_recording(jobs), *_without_source(jobs), *_stalled(jobs)]


CHECK = Check(KINDS, find)


def _about(code: str, job: Job, detail: str) -> Finding:
    return finding(code, f"{job.profile.name}/{job.output_name}", f"the job {job.pk} ({job.filename}) {detail}")


def _unknown_inputs(scope: Scope) -> Iterator[list[Finding]]:
    prefixes = [f"{INPUTS}/"] if scope.everything else [f"{INPUTS}/{name}/" for name in scope.profiles]
    for prefix in prefixes:
        for some in batched(storage().walk(prefix), BATCH):
            named = named_inputs([stored.key for stored in some])
            yield [_unknown(stored) for stored in some if stored.key not in named]


def _unknown(stored: Stored) -> Finding:
    one = finding("input_unknown", stored.key, "is an uploaded source that no job and no recording names")
    # What was stored a moment ago may get its row in the next one.
    return one if stored.age > OLD_SECONDS else replace(one, severity=Severity.INFO)


def _without_recording(jobs: QuerySet[Job]) -> list[Finding]:
    deleted = DeletedRecording.objects.filter(profile=OuterRef("profile"), output_name=OuterRef("output_name"))
    lost = jobs.filter(~Exists(deleted), state=Job.State.COMPLETE, recording=None)
    return [_about("job_without_recording", job, "is complete, but has no recording") for job in lost]


def _without_source(jobs: QuerySet[Job]) -> list[Finding]:
    return [
        _about("job_source_gone", job, f"is to be made from {job.source}, which is no longer there")
        for job in jobs.filter(state__in=Job.ACTIVE, source__startswith=f"{INPUTS}/")
        if not default_storage.exists(job.source)
    ]


def _stalled(jobs: QuerySet[Job]) -> list[Finding]:
    now = timezone.now()
    since = now - timedelta(seconds=STALLED_SECONDS)
    silent = Q(state__in=Job.RUNNING, remote_deadline_at=None) & (Q(heartbeat_at=None) | Q(heartbeat_at__lt=since))
    overdue = Q(state__in=Job.RUNNING, remote_deadline_at__lt=since)
    found = [
        _about("job_stalled", job, "is under way, but its worker says nothing") for job in jobs.filter(silent | overdue)
    ]
    if not ProcrastinateWorker.objects.filter(last_heartbeat__gte=now - timedelta(seconds=SILENT_SECONDS)).exists():
        waiting = jobs.filter(state=Job.State.QUEUED, created_at__lt=since)
        found += [_about("job_stalled", job, "waits, and no worker is running") for job in waiting]
    return found


def make_again(folder: str, findings: list[Finding], dry_run: bool) -> list[Result]:
    """Queue the recording of a folder to be made again in its place; one result for each finding about it."""

    def results(status: Status, detail: str) -> list[Result]:
        return [Result(one.code, one.subject, status, detail) for one in findings]

    profile, _slash, name = folder.partition("/")
    recording = Recording.objects.select_related("profile").filter(profile__name=profile, output_name=name).first()
    if recording is None:
        return results(Status.REFUSED, "its recording is no longer in the catalogue")
    try:
        if dry_run:
            return results(*_would_be_made_again(recording))
        job, _made = process_again(recording, _strategy(recording), Job.Mode.REPLACE, None)
    except ProcessingError as error:
        return results(Status.REFUSED, str(error))
    return results(Status.REPAIRED, f"its recording is queued to be made again (job {job.pk})")


def _would_be_made_again(recording: Recording) -> tuple[Status, str]:
    """Say whether the source is there. `process_again` might copy it into storage."""
    stem = recording.stems.select_related("audio_file").first()
    place = stem.audio_file.storage_url if stem else ""
    there = Path(place).is_file() if Path(place).is_absolute() else bool(place) and default_storage.exists(place)
    if there:
        return Status.WOULD_REPAIR, f"its recording would be made again from {place}"
    return Status.REFUSED, "the source of its recording is no longer there"


def _strategy(recording: Recording) -> str:
    """Return how it was made, or, if config.yaml has forgotten that, how its profile's recordings are made today."""
    config = settings.STEMSET.profile(recording.profile.name)
    known = recording.strategy_name in settings.STEMSET.strategies
    return recording.strategy_name if known or config is None else config.strategy


register(CHECK)
REPAIRS.update(dict.fromkeys(MADE_AGAIN, Repair(AGAIN, redo=make_again)))
