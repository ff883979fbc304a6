"""Jobs, as the existing client asks for them."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from processing.access import job_for
from processing.api.serializers import ContractJob
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
        "stems": job.stems,
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
