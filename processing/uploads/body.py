"""The body of a request, a block at a time: never in memory, never waited for without end."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.http import HttpRequest, UnreadablePostError
from django.http.response import HttpResponseBase

from processing.uploads.refusals import Interrupted, UploadRefused

BLOCK = 256 * 1024
# Who sends nothing for so long has gone: a phone that walks out of its network says no goodbye.
STALLED_SECONDS = 20
# A browser that is refused early reads our answer only if we go on taking what it is still sending.
DRAIN_SECONDS = 5


class Body:
    """What a request sends. It is a stream for whoever reads from it, and knows when it was cut short."""

    def __init__(self, request: HttpRequest) -> None:
        if "Transfer-Encoding" in request.headers:
            raise UploadRefused(411, "The request must say how long it is (Content-Length).")
        self.length = int(request.META.get("CONTENT_LENGTH") or 0)
        self._request = request
        self._left = self.length

    def read(self, size: int = BLOCK) -> bytes:
        """Return the next bytes, at most so many, and none at the end. Raises Interrupted."""
        if not self._left:
            return b""
        try:
            with _patience(self._request, STALLED_SECONDS):
                block: bytes = self._request.read(min(size, self._left))
        except UnreadablePostError:
            raise Interrupted from None
        if not block:
            raise Interrupted
        self._left -= len(block)
        return block

    def blocks(self) -> Iterator[bytes]:
        """Yield all of it."""
        while block := self.read():
            yield block


def release_connection() -> None:
    """Give the database connection back: a phone takes its time, and would keep one of the pool's for as long."""
    if not connection.in_atomic_block:  # as in a test
        connection.close()


def drained(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Have the server take, for a while and after it has answered, what the sender is still sending.

    Closing at once would make many browsers report a broken connection instead of showing our answer.
    """
    closers: list[Any] = response._resource_closers  # type: ignore[attr-defined]
    closers.append(lambda: _drain(request))
    return response


def _drain(request: HttpRequest) -> None:
    release_connection()
    last = time.monotonic() + DRAIN_SECONDS
    with contextlib.suppress(OSError), _patience(request, DRAIN_SECONDS):
        while time.monotonic() < last and request.read(BLOCK):
            pass


@contextlib.contextmanager
def _patience(request: HttpRequest, seconds: float) -> Iterator[None]:
    """Bound the wait for bytes of a request, where the server lets us at its socket (gunicorn does)."""
    socket = request.META.get("gunicorn.socket")
    if socket is None:
        yield
        return
    before = socket.gettimeout()
    socket.settimeout(seconds)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            socket.settimeout(before)
