"""All stems of a recording in one zip file, made while it is sent."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe
from zipstream import ZipStream

from catalog.access import recording_for
from catalog.models import Recording
from catalog.storage import storage

# What Windows does not allow in names, and what is no name on other systems.
_FORBIDDEN = dict.fromkeys(map(ord, '<>:"/\\|?*'), "_") | dict.fromkeys([*range(32), 127])
# Of a title in a name; file systems allow 255 bytes for all of it.
TITLE_BYTES = 150
# Where it is said which files are missing.
MISSING = "What is missing.txt"


class Member(NamedTuple):
    """A file of the zip: its key in storage, and what people call it."""

    key: str
    name: str


@require_safe
def stems_zip(request: HttpRequest, profile_name: str, output_name: str) -> HttpResponseBase:
    """Answer with the stems of a recording, as they are, under the names that people know.

    It is stored without compression, which audio does not profit from, so that its length is known beforehand: a
    browser shows how far it is, and notices when the connection breaks, as it does when a file cannot be read to its
    end.
    """
    recording = recording_for(request.user, profile_name, output_name)
    members = members_of(recording)
    if not members:
        raise Http404("This recording has no stems.")
    if not connection.in_atomic_block:  # as in a test
        # A phone takes its time, and would keep one of the pool's connections for as long.
        connection.close()
    stream = zip_of(members)
    headers = {
        "Content-Type": "application/zip",
        "Content-Length": str(len(stream)),
        "Content-Disposition": content_disposition_header(True, f"{_safe(recording.title)} stems.zip") or "attachment",
        "Cache-Control": "private, no-store",
    }
    if request.method == "HEAD":
        return HttpResponse(headers=headers)
    return StreamingHttpResponse(_whole(stream), headers=headers)


def members_of(recording: Recording) -> list[Member]:
    """Return the files of a recording's stems: "Harbour - bass.opus". No two have the same name on any system."""
    members: list[Member] = []
    taken: set[str] = set()
    for stem in sorted(recording.stems.all(), key=lambda stem: stem.stem_type):
        base = f"{_safe(recording.title)} - {_safe(stem.stem_type)}"
        extension = os.path.splitext(stem.audio_url)[1].lower()
        name, number = base + extension, 1
        while name.casefold() in taken:
            number += 1
            name = f"{base} ({number}){extension}"
        taken.add(name.casefold())
        members.append(Member(stem.audio_url, name))
    return members


def zip_of(members: list[Member]) -> ZipStream:
    """Return the zip file of files in storage, whose length is known and whose bytes are read as they are asked for.

    Those that are missing now are named in a text beside the others; Http404 is raised when all are. When one goes
    missing later, or is not what it was, reading raises.
    """
    stream = ZipStream(sized=True)
    missing = []
    for key, name in members:
        try:
            size, blocks = storage().contents(key)
        except (FileNotFoundError, NotADirectoryError):
            missing.append(name)
        else:
            stream.add(blocks, name, size=size)
    if len(missing) == len(members):
        raise Http404("All files are missing.")
    if missing:
        stream.add("\n".join(["These files are missing on the server:", *missing, ""]), MISSING)
    return stream


def _whole(stream: ZipStream) -> Iterator[bytes]:
    """Yield the bytes. A generator is closed when the browser hangs up, and with it the file that is being read."""
    yield from stream


def _safe(text: str) -> str:
    """Return what can be part of a name on every system."""
    name = text.translate(_FORBIDDEN).encode()[:TITLE_BYTES].decode(errors="ignore").strip(" .")
    return name or "unnamed"
