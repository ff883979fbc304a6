"""What the remote worker calls when it is done."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from processing.access import NO_JOB
from processing.api.serializers import ContractStatus


@extend_schema(tags=["web client"])
class JobDone(APIView):
    """What a remote worker calls, with a token of the job's own."""

    permission_classes = (AllowAny,)

    @extend_schema(
        summary="Report the end of a job",
        description="Called by the remote worker that did it.",
        request=None,
        responses={201: ContractStatus},
    )
    def post(self, request: Request, job_id: str, **_token: Any) -> Response:
        """Say that there is no such job."""
        raise Http404(NO_JOB)


@extend_schema_view(post=extend_schema(operation_id="jobs_complete_by_token_create"))
class JobDoneByToken(JobDone):
    """The same with the token in the address."""
