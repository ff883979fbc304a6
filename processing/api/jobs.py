"""Jobs: one, as the existing client asks for it; our own list of them, and what can be done about one."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from django_filters.rest_framework import FilterSet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.access import Action
from catalog.api.filter_kinds import require_known_parameters
from catalog.api.serializers import ErrorAnswer
from catalog.api.viewsets import CatalogueViewSet
from processing.access import NO_JOB, job_for
from processing.api.serializers import ContractJob, JobSerializer
from processing.errors import ProcessingError
from processing.jobs import again, transitions
from processing.jobs.listing import ENDS, listed_jobs, of_state
from processing.models import Job

# The client knows three states.
_STATUS = {Job.State.COMPLETE: "complete", Job.State.ERROR: "error", Job.State.CANCELLED: "error"}


def contract_job(job: Job) -> dict[str, Any]:
    """Return a job as the contract has it. Before it is complete there are no stems to name."""
    status = _STATUS.get(Job.State(job.state), "processing")
    return {
        "job_id": str(job.pk),
        "profile_name": job.profile.name,
        "output_name": job.output_name,
        "filename": job.filename,
        "status": status,
        "stems": job.stems if status == "complete" else None,
        "error": job.error_text if status == "error" else None,
        "progress": job.progress,
    }


@extend_schema(tags=["web client"], responses=ContractJob)
class JobOf(APIView):
    """How far a separation has come. The client polls it: no throttle."""

    throttle_classes = ()

    @extend_schema(summary="Get a job", description="How far a separation has come.")
    def get(self, request: Request, job_id: str) -> Response:
        """Return the job."""
        return Response(contract_job(job_for(request.user, job_id)))


class JobStatus(JobOf):
    """The same at the address that the first release of the client asks."""


class JobFilters(FilterSet):
    """Jobs."""

    profile = django_filters.CharFilter(field_name="profile__name", help_text="The name of its profile.")
    state = django_filters.ChoiceFilter(
        choices=[("active", "still to be done"), *Job.State.choices],
        method="of_state",
        help_text="Its state; `active` is all that are still to be done.",
    )

    def of_state(self, queryset: QuerySet[Job], _name: str, value: str) -> QuerySet[Job]:
        """Return those of a state."""
        return of_state(queryset, value)


@extend_schema_view(
    list=extend_schema(
        summary="List jobs",
        description="The jobs of all profiles that the person may open, newest first.",
    )
)
@extend_schema(tags=["jobs"])
class Jobs(CatalogueViewSet):
    """The list that our pages poll."""

    http_method_names = ["get", "head", "options"]
    serializer_class = JobSerializer
    filterset_class = JobFilters
    queryset = Job.objects.none()
    nothing_found = NO_JOB

    def get_queryset(self) -> QuerySet[Job]:
        """Return what the person may see."""
        return listed_jobs(self.request.user)


class Refused(APIException):
    """It does not go together with how things are."""

    status_code = 409


class ChangeJob(APIView):
    """What leaders and staff can do about a job."""

    def asked(self, request: Request, job_id: str) -> Job:
        """Return the job, if the person may do something about it. Raises Http404."""
        require_known_parameters(request)
        return job_for(request.user, job_id, Action.UPLOAD)

    def told(self, request: Request, job: Job, *, status: int = 200) -> Response:
        """Return an answer with the job as it is now."""
        return Response(JobSerializer(listed_jobs(request.user).get(pk=job.pk)).data, status=status)


@extend_schema(tags=["jobs"], request=None, responses={200: JobSerializer, 409: ErrorAnswer})
class CancelJob(ChangeJob):
    """Cancelling."""

    @extend_schema(
        summary="Cancel a job",
        description=(
            "For leaders. The work on it stops within seconds and leaves nothing. One that is cancelled already is "
            "answered as it is, one that has ended otherwise by 409."
        ),
    )
    def post(self, request: Request, job_id: str) -> Response:
        """Cancel a job."""
        job = self.asked(request, job_id)
        if not transitions.cancel(job.pk, str(request.user)):
            job.refresh_from_db(fields=["state"])
            if job.state != Job.State.CANCELLED:
                raise Refused(f"{job} was over already: {ENDS[Job.State(job.state)].lower()}.")
        return self.told(request, job)


@extend_schema(tags=["jobs"], request=None, responses={201: JobSerializer, 200: JobSerializer, 409: ErrorAnswer})
class RetryJob(ChangeJob):
    """Trying again."""

    @extend_schema(
        summary="Try a job again",
        description=(
            "For leaders. A new job for the source of one that has failed or was cancelled (201). If somebody asked "
            "for it a moment earlier the answer is their job (200); 409 when there is nothing to try again, or the "
            "source is gone."
        ),
    )
    def post(self, request: Request, job_id: str) -> Response:
        """Try a job again."""
        try:
            job, made = again.retry(self.asked(request, job_id), request.user)
        except ProcessingError as refusal:
            raise Refused(str(refusal)) from None
        return self.told(request, job, status=201 if made else 200)
