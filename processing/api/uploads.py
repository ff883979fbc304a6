"""Uploads, as the existing client makes them."""

import logging
from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.access import Action, profile_for
from catalog.api.serializers import ErrorAnswer
from processing.api.jobs import contract_job
from processing.api.serializers import ContractJob
from processing.uploads.body import drained
from processing.uploads.receiving import receive
from processing.uploads.refusals import UploadRefused
from stemset.errors import error_body

logger = logging.getLogger(__name__)


class TakesUploads(APIView):
    """Answers refusals in words. Its body is read by us alone, never by a parser that would keep it."""

    def handle_exception(self, error: Exception) -> Response:
        """Return the answer to a refusal."""
        if not isinstance(error, UploadRefused):
            return super().handle_exception(error)
        if error.status >= 500:
            logger.error("An upload was refused: %s", error, exc_info=error.__cause__)
        return Response(error_body(str(error)), status=error.status, exception=True)

    def finalize_response(self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any) -> Any:
        """Have what is still being sent taken when the answer is a refusal."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        return drained(request._request, answer) if answer.status_code >= 400 else answer


@extend_schema(tags=["web client"])
class Upload(TakesUploads):
    """A whole file in one request."""

    @extend_schema(
        summary="Upload a recording",
        description=(
            "Leaders only. One file, in a part named `data`, up to 150 MiB. The answer is the job that makes the "
            "recording; for a file that the profile has already, the job or recording that is there."
        ),
        request={
            "multipart/form-data": {
                "type": "object",
                "properties": {"data": {"type": "string", "format": "binary"}},
                "required": ["data"],
            }
        },
        responses={201: ContractJob, **dict.fromkeys((400, 409, 411, 413, 415, 422, 503, 507), ErrorAnswer)},
    )
    def post(self, request: Request, name: str) -> Response:
        """Take an upload."""
        profile = profile_for(request.user, name, Action.UPLOAD)
        return Response(contract_job(receive(request._request, profile, request.user)), status=201)
