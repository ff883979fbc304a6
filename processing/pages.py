"""The page of jobs. It asks catalog.access what may be seen and pressed, and only renders."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import prefetch_related_objects
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.http import require_POST, require_safe

from catalog.access import Action, Person, may, open_profiles, profile_for
from processing.access import job_for
from processing.errors import ProcessingError
from processing.jobs import again, transitions
from processing.jobs.listing import ENDS, GROUPS, listed_jobs, of_state
from processing.models import Job

PER_PAGE = 25


@dataclass(frozen=True)
class Row:
    """A job with what the person who looks at it may do."""

    job: Job
    may_change: bool
    was_tried_since: bool = False

    @property
    def kind(self) -> str:
        """Active, or how it ended: what decides how it is shown."""
        return "active" if self.job.is_active else self.job.state

    @property
    def can_cancel(self) -> bool:
        """Whether there is something to cancel, for this person."""
        return self.may_change and self.job.is_active

    @property
    def can_retry(self) -> bool:
        """Whether there is something to try again, for this person."""
        return self.may_change and self.job.state in again.FAILED and not self.was_tried_since


def rows_of(jobs: Iterable[Job], user: Person) -> list[Row]:
    """Return jobs as rows of a list: one query more when some have failed."""
    jobs = list(jobs)
    tried_since = again.tried_since(jobs)
    return [Row(job, may(user, job.profile.name, Action.UPLOAD), job.pk in tried_since) for job in jobs]


@require_safe
def jobs(request: HttpRequest) -> HttpResponse:
    """Show the jobs of all profiles that are open to the person, or of one."""
    found = listed_jobs(request.user)
    name, state = request.GET.get("profile", ""), request.GET.get("state", "")
    if name:
        found = found.filter(profile=profile_for(request.user, name))
    state = state if state in GROUPS else ""
    if state:
        found = of_state(found, state)
    if request.user.is_staff:
        found = found.defer(None).defer("profile__index_json", "recording__metadata_json")
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    shown = list(page)
    if request.user.is_staff:
        prefetch_related_objects(shown, "events")
    asked = {"profile": name, "state": state, "page": page.number if page.number > 1 else "", "page_size": PER_PAGE}
    context = {
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1),
        "rows": rows_of(shown, request.user),
        "profiles": open_profiles(request.user),
        "groups": GROUPS,
        "profile": name,
        "state": state,
        "poll": f"{reverse('api-jobs')}?{urlencode({key: value for key, value in asked.items() if value})}",
        "here": request.get_full_path(),
    }
    return render(request, "processing/jobs.html", context)


@require_POST
def cancel(request: HttpRequest, job_id: str) -> HttpResponse:
    """Cancel a job, and go back to where the button was."""
    job = job_for(request.user, job_id, Action.UPLOAD)
    if transitions.cancel(job.pk, str(request.user)):
        messages.success(request, f"{job} was cancelled.")
    else:
        job.refresh_from_db(fields=["state"])
        messages.warning(request, f"{job} was over already: {ENDS[Job.State(job.state)].lower()}.")
    return _back(request)


@require_POST
def retry(request: HttpRequest, job_id: str) -> HttpResponse:
    """Try a job again, and go back to where the button was."""
    job = job_for(request.user, job_id, Action.UPLOAD)
    try:
        again.retry(job, request.user)
        messages.success(request, f"{job} is tried again.")
    except ProcessingError as refusal:
        messages.error(request, str(refusal))
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    place = request.POST.get("next", "")
    is_ours = place.startswith("/") and url_has_allowed_host_and_scheme(place, allowed_hosts=None)
    return HttpResponseRedirect(place if is_ours else reverse("jobs"))
