"""Uploads straight into the bucket: begun, given addresses for their parts, completed or aborted here."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.access import Action, profile_for
from catalog.models import Profile
from processing.access import job_for
from processing.api.jobs import contract_job
from processing.api.uploads import TakesUploads
from processing.uploads import direct
from processing.uploads.direct import Direct

MOST_ADDRESSES = 100


class Wanted(serializers.Serializer):
    """A file that somebody wants to upload."""

    filename = serializers.CharField(max_length=4096)
    size = serializers.IntegerField(help_text="Bytes.")


class Token(serializers.Serializer):
    """An upload that was begun."""

    upload = serializers.CharField(max_length=16_384)


class Parts(Token):
    """Parts of it that are about to be sent."""

    numbers = serializers.ListField(child=serializers.IntegerField(), max_length=MOST_ADDRESSES)


@extend_schema(exclude=True)
class DirectUpload(TakesUploads):
    """What all of its requests have in common."""

    def asked(self, request: Request, name: str, kind: type[serializers.Serializer]) -> tuple[Profile, dict[str, Any]]:
        """Return the profile, if the person may upload there, and what the body says."""
        profile = profile_for(request.user, name, Action.UPLOAD)
        direct.require_bucket()
        body = kind(data=request.data)
        body.is_valid(raise_exception=True)
        return profile, body.validated_data

    def begun(self, request: Request, name: str) -> tuple[Profile, Direct]:
        """Return the profile and the upload that the body's token is about."""
        profile, body = self.asked(request, name, Token)
        return profile, direct.find(body["upload"], profile, request.user)


class Uploads(DirectUpload):
    """Where they begin."""

    def post(self, request: Request, name: str) -> Response:
        """Begin an upload."""
        profile, body = self.asked(request, name, Wanted)
        upload = direct.begin(profile, request.user, filename=body["filename"], size=body["size"])
        told = {"upload": upload.token(), "part_size": upload.part_size, "parts": upload.count}
        return Response(told, status=201)


class PartsOf(DirectUpload):
    """Addresses for its parts."""

    def post(self, request: Request, name: str) -> Response:
        """Tell where to send parts, and which have arrived."""
        profile, body = self.asked(request, name, Parts)
        upload = direct.find(body["upload"], profile, request.user)
        urls = direct.addresses(upload, body["numbers"])
        return Response({"urls": urls, "there": direct.arrived(upload)}, headers={"Cache-Control": "no-store"})


class Complete(DirectUpload):
    """Its end."""

    def post(self, request: Request, name: str) -> Response:
        """Ask for the recording."""
        profile, upload = self.begun(request, name)
        job = job_for(request.user, direct.finish(upload, profile, request.user))
        return Response(contract_job(job), status=201)


class Abort(DirectUpload):
    """Its other end."""

    def post(self, request: Request, name: str) -> Response:
        """Throw it away."""
        direct.give_up(self.begun(request, name)[1])
        return Response(status=204)
