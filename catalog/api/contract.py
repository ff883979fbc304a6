"""The routes that the existing client calls, in the shapes it expects. Both releases get the same answers."""

from contextlib import suppress
from typing import Any
from uuid import UUID

import orjson
from django.http import Http404, HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog import mixes, services
from catalog.access import Action, gone_is_missing, open_profile, recording_by_id
from catalog.api.conditional import CACHE_CONTROL, DEPENDS_ON, conditional
from catalog.api.contract_input import DisplayName, MixChange
from catalog.api.listing import file_of, files_of, profile_of, profiles_of
from catalog.api.serializers import (
    ContractConfig,
    ContractFile,
    ContractProfile,
)
from stemset.json_api import JsonRenderer

JSON = "application/json"


class WrittenAnswer(APIView):
    """Answers that are bytes already, sent only when they have changed. The client polls them: no throttle."""

    is_conditional = True
    throttle_classes = ()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer at once who is signed in. All others, other methods and errors take DRF's way, which is long."""
        if request.method == "GET" and request.user.is_authenticated:
            with suppress(Http404):
                answer: HttpResponse = self.get(request, *args, **kwargs)
                return answer
        answer = super().dispatch(request, *args, **kwargs)
        del self.response  # view and request refer to each other, so what they hold stays for long
        return answer

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[JsonRenderer, str]:
        """Settle on JSON: there is nothing else."""
        return JsonRenderer(), JSON

    def answer(self, request: HttpRequest, body: bytes, etag: str = "") -> HttpResponse:
        """Answer with a body and its tag, or with 304 when the browser has it already."""
        headers = {"Cache-Control": CACHE_CONTROL, "Vary": ", ".join(DEPENDS_ON)}
        return conditional(request, HttpResponse(body, content_type=JSON, headers=headers), etag)


@extend_schema(tags=["web client"])
class Profiles(WrittenAnswer):
    """Every open tab asks this every five seconds."""

    @extend_schema(
        summary="List the profiles",
        description="The profiles that the person may open, by name.",
        responses=ContractProfile(many=True),
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """List the profiles that the person may open."""
        return self.answer(request, orjson.dumps(profiles_of(request.user)))


@extend_schema(tags=["web client"])
class Profile(WrittenAnswer):
    """One of them."""

    @extend_schema(summary="Get a profile", description="One profile.", responses=ContractProfile)
    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        """Describe a profile."""
        return self.answer(request, orjson.dumps(profile_of(request.user, name)))


@extend_schema(tags=["web client"])
class Files(WrittenAnswer):
    """A profile's whole list, which the client loads at once."""

    @extend_schema(
        summary="List a profile's recordings",
        description="All recordings of a profile with their stems, newest first, in one answer.",
        responses=ContractFile(many=True),
    )
    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        """List a profile's recordings with their stems."""
        files = files_of(request.user, name)
        return self.answer(request, files.body, files.etag)


@extend_schema(tags=["web client"])
class DisplayNameOf(APIView):
    """What people see a recording called."""

    @extend_schema(
        summary="Rename a recording by its path",
        description="Give it the name that people see. An empty one shows the folder's name again.",
        request=DisplayName,
        responses=ContractFile,
    )
    def patch(self, request: Request, name: str, output_name: str) -> HttpResponse:
        """Rename a recording, and answer with it."""
        profile = open_profile(request.user, name, Action.RENAME)
        change = DisplayName(data=request.data)
        change.is_valid(raise_exception=True)
        with gone_is_missing():
            recording_id = services.rename(UUID(profile.id), output_name, change.validated_data["display_name"])
        return HttpResponse(file_of(profile, recording_id), content_type=JSON)


@extend_schema(tags=["web client"], responses=ContractConfig)
class MixOf(APIView):
    """How the person left a recording's faders, effects and playhead."""

    @extend_schema(summary="Get one's mix", description="What was kept for this person; 404 while there is nothing.")
    def get(self, request: Request, recording_id: UUID) -> Response:
        """Return what was kept."""
        found = mixes.read_mix(request.user, recording_by_id(request.user, recording_id))
        if found is None:
            raise Http404("Nothing was kept for this recording yet.")
        return Response(found)

    @extend_schema(
        summary="Keep a part of one's mix",
        description="Keep one of the three documents; the others stay as they are.",
        request=MixChange,
    )
    def patch(self, request: Request, recording_id: UUID) -> Response:
        """Keep one of the three documents."""
        recording = recording_by_id(request.user, recording_id)
        change = MixChange(data=request.data)
        change.is_valid(raise_exception=True)
        with gone_is_missing():
            return Response(mixes.write_mix(request.user, recording, **change.validated_data))
