"""Lists of jobs: which there are, and how they are put into words."""

from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from catalog.access import Person
from processing.access import visible_jobs
from processing.models import Job

# What people look for; programs may ask for single states as well.
GROUPS = {
    "active": ("Under way", Job.ACTIVE),
    "complete": ("Complete", (Job.State.COMPLETE,)),
    "error": ("Failed", (Job.State.ERROR,)),
    "cancelled": ("Cancelled", (Job.State.CANCELLED,)),
}
STEPS = {
    "fetching": "Fetching the source",
    "decoding": "Reading the audio",
    "separating": "Separating",
    "encoding": "Measuring and encoding",
    "storing": "Storing",
    "done": "Storing",
    "remote": "With the remote worker",
    "collecting": "Collecting the stems",
}
ENDS = {Job.State.COMPLETE: "Complete", Job.State.ERROR: "Failed", Job.State.CANCELLED: "Cancelled"}


def listed_jobs(user: Person) -> QuerySet[Job]:
    """Return the jobs that a person may see with what lists tell of them, newest first, without large columns."""
    jobs = visible_jobs(user).select_related("profile", "recording", "uploader")
    return jobs.defer("profile__index_json", "recording__metadata_json", "error_detail", "source")


def of_state(jobs: QuerySet[Job], name: str) -> QuerySet[Job]:
    """Return those of a group, or of a single state."""
    return jobs.filter(state__in=GROUPS[name][1] if name in GROUPS else [name])


def status(job: Job) -> str:
    """Say what is happening to a job, or how it ended: for everybody."""
    if not job.is_active:
        return ENDS[Job.State(job.state)]
    if job.state == Job.State.QUEUED:
        return f"Waiting for another attempt. {job.error_text}" if job.error_text else "Waiting"
    return STEPS.get(job.step, "Starting")


def asked_by(job: Job) -> str:
    """Say who or what wanted it. Needs the uploader."""
    who = f" by {job.uploader}" if job.uploader else ""
    match Job.Origin(job.origin):
        case Job.Origin.UPLOAD:
            return f"Uploaded{who}"
        case Job.Origin.SCAN:
            return "Found in the source folder"
        case Job.Origin.COMMAND:
            return "From the command line"
        case Job.Origin.AGAIN:
            return f"Asked for again{who}"


def lasted(job: Job) -> timedelta | None:
    """Return how long it has been worked on, or was, all attempts together; None before the first one."""
    return None if job.started_at is None else (job.finished_at or timezone.now()) - job.started_at
