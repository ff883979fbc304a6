"""An upload that comes in one request, as multipart/form-data: the way of the existing client."""

from typing import Any

from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from catalog.access import Person
from catalog.models import Profile
from processing.models import Job
from processing.uploads import limits
from processing.uploads.accepting import Arrived, accept
from processing.uploads.body import BLOCK, Body, release_connection
from processing.uploads.refusals import Interrupted, UploadRefused
from processing.uploads.spool import Spool, folder, new_spool
from processing.uploads.sweeping import sweep

PART = "data"
# What the body has besides the file: the boundary, the part's headers, perhaps small fields.
ENVELOPE_BYTES = 64 * 1024
# Where the closing boundary must be; behind it there is a line break, or some words that nobody reads.
ENDING_BYTES = 1024
ONE_FILE = f"Send one file, in a part named “{PART}”."


class _Ending:
    """A body that is passed on to the parser, which does not mind when it has no end; so its last bytes are kept."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._last = b""

    def read(self, size: int = BLOCK) -> bytes:
        """Return the next bytes as the body does."""
        block = self._body.read(size)
        if block:
            self._last = (self._last + block)[-ENDING_BYTES:]
        return block

    def require(self, boundary: str) -> None:
        """Read what the parser has left, and raise Interrupted unless the closing boundary has come."""
        while self.read():
            pass
        if f"--{boundary}--".encode() not in self._last:
            raise Interrupted


class _Handler(FileUploadHandler):
    """Writes the one file of a body into a spool file."""

    chunk_size = BLOCK

    def __init__(self, spool: Spool) -> None:
        super().__init__()
        self._spool = spool
        self.filename = ""

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        if field_name != PART or self.filename:
            raise UploadRefused(400, ONE_FILE)
        self.filename = limits.require_name(file_name)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._spool.write(raw_data)

    def file_complete(self, file_size: int) -> None:
        return None


def receive(request: HttpRequest, profile: Profile, by: Person) -> Job:
    """Read the body of a request into a job of a profile that the person may upload to.

    Raises UploadRefused, before the body is read where that can be known.
    """
    body = Body(request)
    limit = limits.contract_max_bytes()
    limits.require_configured(profile)
    if request.content_type != "multipart/form-data":
        raise UploadRefused(415, f"An upload is multipart/form-data. {ONE_FILE}")
    if body.length > limit + ENVELOPE_BYTES:
        limits.require_size(body.length, limit)
    sweep()
    limits.require_disk(folder(), body.length)
    limits.require_quota(profile, max(0, body.length - ENVELOPE_BYTES))
    too_large = UploadRefused(413, f"The file is too large: up to {limit // limits.MIB} MiB can be uploaded here.")
    release_connection()
    with new_spool(limit, too_large) as spool:
        filename = _read(request, body, spool)
        limits.require_size(spool.size, limit)
        return accept(Arrived(spool.path, filename, spool.size, spool.file_hash), profile, by)


def _read(request: HttpRequest, body: Body, spool: Spool) -> str:
    """Read a body into a spool file and return the name of the file that was in it."""
    handler = _Handler(spool)
    stream = _Ending(body)
    try:
        MultiPartParser(request.META, stream, [handler], request.encoding or "utf-8").parse()  # type: ignore[arg-type]
    except MultiPartParserError:
        raise UploadRefused(400, f"The body cannot be understood. {ONE_FILE}") from None
    if not handler.filename:
        raise UploadRefused(400, ONE_FILE)
    stream.require(request.content_params["boundary"])  # type: ignore[index]  # else the parser would have complained
    return handler.filename
