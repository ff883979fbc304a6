"""A file as the answer to a request: conditions and ranges by RFC 9110, bytes sent by the system where it can."""

import os
import re
from collections.abc import Iterator
from typing import IO, Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import http_date

BLOCK = 64 * 1024
CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE")
_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


def file_answer(
    request: HttpRequest,
    file: IO[bytes],
    headers: dict[str, str],
    *,
    last_modified: int | None = None,
) -> HttpResponseBase:
    """Answer a GET or HEAD with an open file, which is closed with the answer.

    `headers` has at least the Content-Type and a strong ETag; `last_modified` is in seconds since 1970.
    """
    answer = _answer(request, file, headers, last_modified)
    if not answer.streaming:
        file.close()
    return answer


def _answer(
    request: HttpRequest, file: IO[bytes], headers: dict[str, str], last_modified: int | None
) -> HttpResponseBase:
    size = os.fstat(file.fileno()).st_size
    etag, date = headers["ETag"], http_date(last_modified) if last_modified is not None else ""
    headers = headers | {"Accept-Ranges": "bytes", "Content-Length": str(size)}
    if date:
        headers["Last-Modified"] = date
    # The standard has ranges for GET only: a HEAD is told about the whole file.
    if request.method == "HEAD" or not request.META.keys().isdisjoint(CONDITIONS):
        head = HttpResponse(headers=headers)
        answer: HttpResponse | None = get_conditional_response(request, etag, last_modified, head)
        if answer is not head or request.method == "HEAD":
            return answer or head  # 304, 412 or what HEAD asked for
    span = _requested_range(request, size, {etag, date})
    if span is None:
        return FileAnswer(FilePart(file, range(size)), headers=headers)
    if not span:
        headers |= {"Content-Length": "0", "Content-Range": f"bytes */{size}"}
        return HttpResponse(status=416, headers=headers)
    headers |= {"Content-Length": str(len(span)), "Content-Range": f"bytes {span.start}-{span.stop - 1}/{size}"}
    return FileAnswer(FilePart(file, span), status=206, headers=headers)


def _requested_range(request: HttpRequest, size: int, validators: set[str]) -> range | None:
    """Return the bytes that are asked for: None for the whole file, an empty range for what cannot be had.

    Several ranges at once and malformed headers are answered with the whole file, as RFC 9110 (14.2) allows.
    """
    match = _ONE_RANGE.fullmatch(request.META.get("HTTP_RANGE", ""))
    if match is None:
        return None
    # To the byte: a weak validator (W/) and a date that is not the file's own do not promise the same bytes.
    if_range = request.META.get("HTTP_IF_RANGE")
    if if_range is not None and if_range not in validators:
        return None
    first, last = match.groups()
    if first:
        stop = min(int(last) + 1, size) if last else size
        return None if last and int(last) < int(first) else range(int(first), stop)
    return range(max(0, size - int(last)), size) if last else None


class FilePart:
    """The bytes `span` of an open file, for whoever sends it: block by block, or by the system from where it stands."""

    def __init__(self, file: IO[bytes], span: range) -> None:
        self.file = file
        self.stop = span.stop
        self.seek(span.start)

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(BLOCK), b"")

    def seek(self, position: int) -> None:
        """Go to a byte of the file."""
        self.position = self.file.seek(position)

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`; none at the end of the part."""
        block = self.file.read(min(size, self.stop - self.position))
        self.position += len(block)
        return block

    def fileno(self) -> int:
        """Return the descriptor, with which gunicorn has the system send the bytes without reading them here."""
        return self.file.fileno()

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class FileAnswer(StreamingHttpResponse):
    """An answer that a server may send as a file (`wsgi.file_wrapper`), and closes also when the browser hangs up."""

    block_size = BLOCK

    def __init__(self, part: FilePart, **options: Any) -> None:
        super().__init__(part, **options)
        self.file_to_stream = part
