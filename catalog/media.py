"""Serving audio, waveforms and peaks at `/media/<profile>/<output_name>/<file>`, addresses that never expire.

Making a recording again gives its stems new files and so new addresses; its page's address stays.

The path of a request is compared with what the catalogue names, and only one that is the same to the byte is opened.
"""

import os
import re
from collections.abc import Callable
from functools import lru_cache
from io import FileIO
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import default_storage
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from catalog.access import open_profiles
from catalog.media_urls import is_key_of
from catalog.relay import relay
from stemset.file_answer import file_answer
from stemset.prepared import fetch

# How long a browser may reuse a redirect to the object store; less than the life of the address it leads to.
REDIRECT_SECONDS = 300
# A browser may keep a copy of its own but asks every time whether the person may still have it.
CACHE_CONTROL = "private, no-cache"
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
_ESCAPED = re.compile(rb"[%\x00-\x1f\x7f]")
# By hand, because this is asked for every stem and every picture: the ORM takes longer to write it than PostgreSQL to
# answer it, and to plan joins takes longer than to look up one thing after the other.
_EXISTS = """SELECT EXISTS (SELECT FROM stems WHERE %(path)s IN ({columns}) AND recording_id = (
    SELECT id FROM recordings WHERE output_name = %(output_name)s AND profile_id = (
        SELECT id FROM profiles WHERE name = %(profile_name)s)))"""
_STEM = _EXISTS.format(columns="audio_url, waveform_url, peaks_url")
_WAVEFORM = _EXISTS.format(columns="waveform_url")


# Media is fetched by <audio> and <img>, to which a redirect to the sign-in page would mean nothing: strangers get the
# same 404 as everybody else who may not see a file.
@login_not_required
@require_safe
def media(request: HttpRequest, path: str) -> HttpResponseBase:
    """Answer with a stem's audio, waveform or peaks, or where the front server or the object store has it."""
    if not _may_have(request, path):
        raise Http404("There is no such file.")
    if not connection.in_atomic_block:  # as in a test
        # A phone takes its time, and would keep one of the pool's connections for as long.
        connection.close()
    content_type = CONTENT_TYPES.get(os.path.splitext(path)[1].lower(), "application/octet-stream")
    try:
        local_path = default_storage.path(path)
    except NotImplementedError:
        return _from_store(request, path, content_type)
    except SuspiciousFileOperation as error:
        raise Http404("There is no such file.") from error
    return _hand_over(path, local_path, content_type) or _serve(request, local_path, content_type)


def _may_have(request: HttpRequest, path: str) -> bool:
    """Return whether a stem of a recording that is open to this request has that file."""
    folder, _, _file = path.rpartition("/")
    profile_name, _, output_name = folder.partition("/")
    asked = (path, profile_name, output_name)
    key = request.GET.get("key")
    if key is not None and is_key_of(key, path):
        return _exists(_WAVEFORM, *asked)
    profile = next((one for one in open_profiles(request.user) if one.name == profile_name), None)
    return profile is not None and _is_of_a_stem(profile.list_version, *asked)


@lru_cache(maxsize=4096)
def _is_of_a_stem(_list_version: str, path: str, profile_name: str, output_name: str) -> bool:
    """Return whether the catalogue names a file, which is remembered as long as the profile's list is the same one.

    The client fetches each stem twice, and a player asks for it part by part.
    """
    return _exists(_STEM, path, profile_name, output_name)


def _exists(statement: str, path: str, profile_name: str, output_name: str) -> bool:
    asked = {"path": path, "profile_name": profile_name, "output_name": output_name}
    return bool(fetch(statement, asked)[0][0])


def _from_store(request: HttpRequest, name: str, content_type: str) -> HttpResponseBase:
    """Return a redirect to the object store, or what is there if it is to come by way of us."""
    storage: Any = default_storage
    # The signature covers the method, and the type is the one we promise whatever the object was uploaded with.
    url = storage.url(name, parameters={"ResponseContentType": content_type}, http_method=request.method)
    if settings.STEMSET_RELAY_OBJECTS:
        return relay(request, url, {"Content-Type": content_type, "Cache-Control": CACHE_CONTROL})
    max_age = min(REDIRECT_SECONDS, storage.querystring_expire // 2)
    headers = {
        "Location": url,
        "Cache-Control": f"private, max-age={max_age}",
        # Kept without asking again, so not for whoever uses this browser next.
        "Vary": "Cookie, Authorization",
    }
    # Not an HttpResponseRedirect: signed addresses of long names outgrow its limit, which guards against input.
    return HttpResponse(status=302, headers=headers)


def _hand_over(name: str, local_path: str, content_type: str) -> HttpResponse | None:
    """Return an answer that has the server in front of us send the file, if there is one that does.

    It looks at ranges and conditions itself, and says what it knows of the file.
    """
    handover = settings.STEMSET_SENDFILE
    if handover is None:
        return None
    headers = {"Content-Type": content_type, "Cache-Control": CACHE_CONTROL}
    if handover.prefix:
        headers[handover.header] = f"{handover.prefix}/{quote(name)}"
    else:
        # mod_xsendfile calls every file "0" that has no name yet.
        headers |= {handover.header: _as_header(local_path), "ETag": _etag(_found(os.stat, local_path))}
    return HttpResponse(headers=headers)


def _as_header(path: str) -> str:
    """Return a path on the disk as X-Sendfile has it: as it is, except for what would be decoded or end the header.

    lighttpd decodes it, Apache (mod_xsendfile 0.12) does not: names with a % or a line break are beyond the latter.
    """
    escaped = _ESCAPED.sub(lambda found: b"%%%02X" % found[0][0], os.fsencode(path))
    return escaped.decode("latin-1")  # what WSGI takes for bytes


def _serve(request: HttpRequest, local_path: str, content_type: str) -> HttpResponseBase:
    file: Any = _found(FileIO, local_path)  # the answer closes it
    facts = os.fstat(file.fileno())
    headers = {"Content-Type": content_type, "Cache-Control": CACHE_CONTROL, "ETag": _etag(facts)}
    return file_answer(request, file, headers, last_modified=int(facts.st_mtime))


def _found[Found](look: Callable[[str], Found], local_path: str) -> Found:
    try:
        return look(local_path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise Http404("There is no such file.") from error


def _etag(facts: os.stat_result) -> str:
    # A file is replaced whole by a rename and never written to, so these two tell its contents apart.
    return f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
