"""Whose jobs somebody sees: those of the profiles that are open to them. What may be done is catalog.access's say."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404

from catalog.access import Action, Person, open_profile, visible_profiles
from processing.models import Job

NO_JOB = "There is no such job."


def visible_jobs(user: Person) -> QuerySet[Job]:
    """Return the jobs of the profiles that a person may open, newest first."""
    return Job.objects.filter(profile__in=visible_profiles(user)).select_related("profile")


def job_for(user: Person, job_id: str, action: Action = Action.LISTEN) -> Job:
    """Return a job, or raise Http404: also for an id that is none, and for what only leaders may do."""
    try:
        job = visible_jobs(user).filter(pk=UUID(job_id)).first()
    except ValueError:
        job = None
    if job is None:
        raise Http404(NO_JOB)
    open_profile(user, job.profile.name, action)
    return job
