"""What our own page of a recording keeps for a person. The contract's route beside it stays as it is."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog import mixes
from catalog.access import gone_is_missing, recording_by_id
from catalog.api.serializers import ContractConfig, Document


class Practice(ContractConfig):
    """How a person left a recording, in either client."""

    practice = Document(allow_null=True, help_text="What our own page kept: faders, loops, speed and more.")
    is_theirs_newer = serializers.BooleanField(
        help_text="Whether the existing client has kept one of the other documents since."
    )


class PracticePatch(serializers.Serializer):
    """A merge patch."""

    practice = serializers.DictField(
        help_text=f"What changed (RFC 7396): null takes a member out. The whole has at most {mixes.MAX_BYTES} bytes."
    )

    def validate_practice(self, value: dict[str, Any]) -> dict[str, Any]:
        """Refuse what cannot be kept."""
        try:
            mixes.require_storable(value)
        except mixes.BadDocument as mistake:
            raise serializers.ValidationError(str(mistake)) from None
        return value


@extend_schema(tags=["recordings"], responses=Practice)
class PracticeOf(APIView):
    """How the person left a recording, in either client."""

    @extend_schema(
        summary="Get how one left a recording",
        description="What our own page and the existing client kept for this person; null where there is nothing.",
    )
    def get(self, request: Request, recording_id: UUID) -> Response:
        """Return what was kept."""
        return Response(mixes.read_practice(request.user, recording_by_id(request.user, recording_id)))

    @extend_schema(
        summary="Keep how one left a recording",
        description="Apply a merge patch to what our own page keeps. What the existing client keeps stays as it is.",
        request=PracticePatch,
    )
    def patch(self, request: Request, recording_id: UUID) -> Response:
        """Keep what changed."""
        recording = recording_by_id(request.user, recording_id)
        change = PracticePatch(data=request.data)
        change.is_valid(raise_exception=True)
        try:
            with gone_is_missing():
                return Response(mixes.merge_practice(request.user, recording, change.validated_data["practice"]))
        except mixes.BadDocument as mistake:
            raise serializers.ValidationError({"practice": [str(mistake)]}) from None
