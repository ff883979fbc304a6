"""What the remote worker calls when it is done."""

from collections.abc import Callable
from typing import Any

from django.http import Http404
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.serializers import ErrorAnswer
from processing.access import NO_JOB
from processing.api.serializers import ContractStatus
from processing.remote.returning import Answer, NotExpected, require_expected, take
from stemset.bearer import bearer_token


class JobReport(serializers.Serializer):
    """How the remote worker's job ended."""

    job_id = serializers.CharField(help_text="The job's id, as in the address.")
    status = serializers.ChoiceField(choices=["complete", "error"])
    stems = serializers.ListField(
        child=serializers.CharField(max_length=64),
        max_length=64,
        allow_null=True,
        default=None,
        help_text="Names of the stems that are in the store now.",
    )
    error = serializers.CharField(
        allow_null=True, allow_blank=True, default=None, help_text="Why it could not be done."
    )


@extend_schema(tags=["web client"])
class JobDone(APIView):
    """What a remote worker calls, with a token of the job's own. Whose credentials come along is not looked at."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Return the view, which programs may ask that say nothing of where they come from."""
        view: Callable[..., HttpResponseBase] = super().as_view(**initkwargs)
        view.is_origin_exempt = True  # type: ignore[attr-defined]
        return view

    @extend_schema(
        summary="Report the end of a job",
        description=(
            "Called by the remote worker that did it, with the token that it was given for this job, as Bearer or at "
            "the end of the address. Saying the same again changes nothing. What is not expected, or no longer, is "
            "answered by 404."
        ),
        request=JobReport,
        responses={201: ContractStatus, 400: ErrorAnswer, 404: ErrorAnswer},
    )
    def post(self, request: Request, job_id: str, token: str | None = None) -> Response:
        """Take the answer."""
        given = token or bearer_token(request._request) or ""
        try:
            pk = require_expected(job_id, given)
            take(pk, given, _answer(request, job_id))
        except NotExpected:
            raise Http404(NO_JOB) from None
        return Response({"status": "ok"}, status=201)


@extend_schema_view(post=extend_schema(operation_id="jobs_complete_by_token_create"))
class JobDoneByToken(JobDone):
    """The same with the token in the address."""


def _answer(request: Request, job_id: str) -> Answer:
    report = JobReport(data=request.data)
    report.is_valid(raise_exception=True)
    said = report.validated_data
    if said["job_id"] != job_id:
        raise serializers.ValidationError({"job_id": "This is another job's address."})
    if said["status"] == "error":
        return Answer(error=said["error"] or "")
    return Answer(stems=said["stems"])
