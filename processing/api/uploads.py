"""Uploads, as the existing client makes them."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.access import Action, open_profile
from catalog.api.serializers import ErrorAnswer
from processing.api.serializers import ContractJob

NO_UPLOADS = "This version of Stemset takes no uploads yet."


@extend_schema(tags=["web client"])
class Upload(APIView):
    """Uploads come with the jobs; until then the client is told so."""

    @extend_schema(
        summary="Upload a recording",
        description="Not yet: a leader's upload is answered by 503, without being read.",
        request=None,
        responses={201: ContractJob, 503: ErrorAnswer},
    )
    def post(self, request: Request, name: str) -> Response:
        """Refuse an upload."""
        open_profile(request.user, name, Action.UPLOAD)
        return Response({"detail": NO_UPLOADS}, status=503)
