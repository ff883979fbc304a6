"""Jobs on pages."""

from typing import Any

from django import template
from django.template import Context
from django.urls import reverse
from django.utils.http import urlencode

from catalog.access import Person
from catalog.models import Profile
from processing.jobs import listing
from processing.models import Job
from processing.pages import rows_of

register = template.Library()
register.filter("status", listing.status)
register.filter("asked_by", listing.asked_by)

# On a profile's page, which is about recordings.
MOST = 10


@register.filter
def seconds_worked(job: Job) -> float | None:
    """Return how long it was worked on."""
    lasted = listing.lasted(job)
    return None if lasted is None else lasted.total_seconds()


@register.inclusion_tag("processing/under_way.html", takes_context=True)
def jobs_under_way(context: Context, profile: Profile, user: Person) -> dict[str, Any]:
    """Show a profile's jobs that are to be done: one query."""
    jobs = listing.of_state(listing.listed_jobs(user).filter(profile=profile), "active")[:MOST]
    asked = urlencode({"profile": profile.name, "state": "active", "page_size": str(MOST)})
    return {
        "profile": profile,
        "rows": rows_of(jobs, user),
        "poll": f"{reverse('api-jobs')}?{asked}",
        "here": context["request"].get_full_path(),
        "csrf_token": context.get("csrf_token"),
        "messages": context.get("messages"),
    }
