"""Serving audio and waveforms at `/media/<profile>/<output_name>/<file>`, addresses that never expire.

Making a recording again gives its stems new files and so new addresses; its page's address stays.

The path of a request is only compared with what the catalogue names; a file is opened by the catalogue's own value.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import default_storage
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from django.views.decorators.http import require_safe

from catalog.access import visible_profiles
from catalog.models import Stem

BLOCK = 64 * 1024
# How long a browser may reuse a redirect to the object store; less than the life of the address it leads to.
REDIRECT_SECONDS = 300
# Not left to the machine's mimetypes table, which differs from system to system.
CONTENT_TYPES = {
    ".opus": "audio/ogg",
    ".ogg": "audio/ogg",
    ".flac": "audio/flac",
    ".wav": "audio/wav",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".mp3": "audio/mpeg",
    ".png": "image/png",
}
_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


# Media is fetched by <audio> and <img>, to which a redirect to the sign-in page would mean nothing: strangers get the
# same 404 as everybody else who may not see a file.
@login_not_required
@require_safe
def media(request: HttpRequest, path: str) -> HttpResponseBase:
    """Answer with a stem's audio or waveform, or where the object store has it."""
    name = _catalogued(request, path)
    content_type = CONTENT_TYPES.get(Path(name).suffix.lower(), "application/octet-stream")
    try:
        local_path = default_storage.path(name)
    except NotImplementedError:
        return _redirect(request, name, content_type)
    except SuspiciousFileOperation as error:
        raise Http404("There is no such file.") from error
    return _serve(request, local_path, content_type)


def _catalogued(request: HttpRequest, path: str) -> str:
    """Return the storage name of a file that a stem of a visible recording has, or raise Http404."""
    folder, _, _file = path.rpartition("/")
    profile_name, _, output_name = folder.partition("/")
    stem = (
        Stem.objects.filter(
            Q(audio_url=path) | Q(waveform_url=path),
            recording__profile__in=visible_profiles(request.user),
            recording__profile__name=profile_name,
            recording__output_name=output_name,
        )
        .only("audio_url", "waveform_url")
        .order_by()
        .first()
    )
    if stem is None:
        raise Http404("There is no such file.")
    return stem.audio_url if stem.audio_url == path else stem.waveform_url


def _redirect(request: HttpRequest, name: str, content_type: str) -> HttpResponse:
    storage: Any = default_storage
    # The signature covers the method, and the type is the one we promise whatever the object was uploaded with.
    url = storage.url(name, parameters={"ResponseContentType": content_type}, http_method=request.method)
    max_age = min(REDIRECT_SECONDS, storage.querystring_expire // 2)
    # Not an HttpResponseRedirect: signed addresses of long names outgrow its limit, which guards against input.
    return HttpResponse(status=302, headers={"Location": url, "Cache-Control": f"private, max-age={max_age}"})


def _serve(request: HttpRequest, local_path: str, content_type: str) -> HttpResponseBase:
    try:
        file = Path(local_path).open("rb")  # noqa: SIM115  # a streamed answer closes it
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise Http404("There is no such file.") from error
    answer = _answer(request, file, content_type)
    if not answer.streaming:
        file.close()
    return answer


def _answer(request: HttpRequest, file: IO[bytes], content_type: str) -> HttpResponseBase:
    facts = os.fstat(file.fileno())
    size, last_modified = facts.st_size, int(facts.st_mtime)
    # A file is replaced whole by a rename and never written to, so these two tell its contents apart.
    etag = f'"{facts.st_mtime_ns:x}-{size:x}"'
    headers = {
        "Content-Type": content_type,
        "ETag": etag,
        "Last-Modified": http_date(last_modified),
        "Accept-Ranges": "bytes",
        # A browser may keep a copy of its own but asks every time whether the person may still have it.
        "Cache-Control": "private, no-cache",
    }
    whole = HttpResponse(headers=headers | {"Content-Length": str(size)})
    conditional = get_conditional_response(request, etag, last_modified, whole)
    if conditional is not None and conditional is not whole:
        return conditional  # 304 or 412
    if request.method == "HEAD":
        return whole
    span = _requested_range(request, size, etag, headers["Last-Modified"])
    if span is None:
        return StreamingHttpResponse(FileBlocks(file, range(size)), headers=whole.headers)
    if not span:
        return HttpResponse(status=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    headers["Content-Length"] = str(len(span))
    headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    return StreamingHttpResponse(FileBlocks(file, span), status=206, headers=headers)


def _requested_range(request: HttpRequest, size: int, etag: str, last_modified: str) -> range | None:
    """Return the bytes that are asked for: None for the whole file, an empty range for what cannot be had.

    Several ranges at once and malformed headers are answered with the whole file, as RFC 9110 (14.2) allows.
    """
    match = _ONE_RANGE.fullmatch(request.headers.get("Range", ""))
    if match is None or request.headers.get("If-Range", etag) not in (etag, last_modified):
        return None
    first, last = match.groups()
    if first:
        stop = min(int(last) + 1, size) if last else size
        return None if last and int(last) < int(first) else range(int(first), stop)
    return range(max(0, size - int(last)), size) if last else None


class FileBlocks:
    """The bytes `span` of an open file, a block at a time. A server closes it also when the browser hangs up."""

    def __init__(self, file: IO[bytes], span: range) -> None:
        self.file = file
        self.left = len(span)
        file.seek(span.start)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block = self.file.read(min(BLOCK, self.left))
        if not block:
            raise StopIteration
        self.left -= len(block)
        return block

    def close(self) -> None:
        """Close the file."""
        self.file.close()
