"""The tus protocol 1.0 (https://tus.io/protocols/resumable-upload): core, creation, termination, expiration, checksum.

The answer to the request that brings the last bytes names the job in the header Stemset-Job. A request without bytes
at the end of an upload asks for it once more, as after a storage that was away.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import http_date
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.access import Action, profile_for
from processing.api.uploads import TakesUploads
from processing.uploads import limits, resumable
from processing.uploads.body import Body
from processing.uploads.refusals import UploadRefused

VERSION = "1.0.0"
BYTES = "application/offset+octet-stream"
ALGORITHMS = ("sha1", "sha256")
JOB = "Stemset-Job"


class Tus(TakesUploads):
    """What all of its requests have in common."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Ask who it is, then whether they speak this version."""
        super().initial(request, *args, **kwargs)
        if request.method != "OPTIONS" and request.headers.get("Tus-Resumable") != VERSION:
            raise UploadRefused(412, f"This speaks version {VERSION} of the tus protocol (Tus-Resumable).")

    def finalize_response(self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any) -> Any:
        """Name the version in every answer."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer.headers["Tus-Resumable"] = VERSION
        if answer.status_code == 412:
            answer.headers["Tus-Version"] = VERSION
        return answer

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Tell what is spoken here."""
        profile_for(request.user, kwargs["name"], Action.UPLOAD)
        spoken = {
            "Tus-Version": VERSION,
            "Tus-Extension": "creation,termination,expiration,checksum",
            "Tus-Max-Size": str(limits.max_bytes()),
            "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
        }
        return Response(status=204, headers=spoken)


@extend_schema(exclude=True)
class Uploads(Tus):
    """Where uploads begin."""

    def post(self, request: Request, name: str) -> Response:
        """Begin an upload."""
        profile = profile_for(request.user, name, Action.UPLOAD)
        filename = _metadata(request.headers.get("Upload-Metadata", "")).get("filename", "")
        length = _number(request, "Upload-Length")
        upload = resumable.begin(profile, request.user, filename=filename, length=length)
        place = reverse("api-resumable-upload", args=[profile.name, upload.id])
        return Response(status=201, headers={"Location": place, "Upload-Expires": http_date(upload.expires_at)})


@extend_schema(exclude=True)
class UploadOf(Tus):
    """One upload."""

    def head(self, request: Request, name: str, upload_id: str) -> Response:
        """Tell how far it is."""
        upload = resumable.find(upload_id, profile_for(request.user, name, Action.UPLOAD), request.user)
        there = {
            "Upload-Offset": str(upload.offset),
            "Upload-Length": str(upload.length),
            "Upload-Metadata": f"filename {base64.b64encode(upload.filename.encode()).decode()}",
            "Upload-Expires": http_date(upload.expires_at),
            "Cache-Control": "no-store",
        }
        return Response(headers=there | ({JOB: upload.job_id} if upload.job_id else {}))

    def patch(self, request: Request, name: str, upload_id: str) -> Response:
        """Take the next bytes; after the last ones, ask for the recording."""
        profile = profile_for(request.user, name, Action.UPLOAD)
        upload = resumable.find(upload_id, profile, request.user)
        if request._request.content_type != BYTES:
            raise UploadRefused(415, f"The body's Content-Type must be {BYTES}.")
        check, intact = _checksum(request.headers.get("Upload-Checksum"))
        body = Body(request._request)
        offset = resumable.append(upload, _number(request, "Upload-Offset"), body, check, intact)
        now = {"Upload-Offset": str(offset)}
        if offset == upload.length:
            now[JOB] = resumable.finish(upload, profile, request.user)
        else:
            now["Upload-Expires"] = http_date(upload.expires_at)
        return Response(status=204, headers=now)

    def delete(self, request: Request, name: str, upload_id: str) -> Response:
        """Throw it away."""
        resumable.give_up(resumable.find(upload_id, profile_for(request.user, name, Action.UPLOAD), request.user))
        return Response(status=204)


def _number(request: Request, name: str) -> int:
    text = request.headers.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise UploadRefused(400, f"The header {name} must be a number of bytes.")
    return int(text)


def _metadata(text: str) -> dict[str, str]:
    """Return what Upload-Metadata says: keys with values in Base64, UTF-8 inside."""
    found = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except ValueError:  # neither Base64 nor UTF-8
            raise UploadRefused(400, "The header Upload-Metadata cannot be understood.") from None
    return found


def _checksum(header: str | None) -> tuple[Callable[[bytes], None], Callable[[], bool]]:
    """Return what is to see the bytes, and what then tells whether they are those that were sent."""
    if header is None:
        return lambda _block: None, lambda: True
    algorithm, _, value = header.partition(" ")
    if algorithm not in ALGORITHMS:
        raise UploadRefused(400, f"The header Upload-Checksum must name one of {', '.join(ALGORITHMS)}.")
    try:
        said = base64.b64decode(value.strip(), validate=True)
    except ValueError:
        raise UploadRefused(400, "The checksum in the header Upload-Checksum is not Base64.") from None
    digest = hashlib.new(algorithm, usedforsecurity=False)

    def intact() -> bool:
        return hmac.compare_digest(digest.digest(), said)

    return digest.update, intact
