"""A build of the existing web client, served to everybody: it holds nothing but code, and asks the API for the rest.

`/` and everything below `/p` answer its index.html, whose code looks at the address itself. Every other file of the
build has the address that it has in the folder. Addresses of ours come first, whatever is in the folder.
"""

import base64
import hashlib
import os
import threading
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from typing import IO

from cachetools import LRUCache, cached
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, re_path
from django.utils.csp import CSP
from django.views.decorators.http import require_safe

from stemset.file_answer import file_answer

# First segments of our own addresses; a file of the client's by such a name is never served.
OURS = ("account", "admin", "api", "auth", "jobs", "library", "login", "logout", "media", "static", "upload")
# Vite puts a hash of the content into these names. Everything else keeps its name when its content changes.
ASSETS = "assets/"
FOR_EVER = "public, max-age=31536000, immutable"
ASK_EVERY_TIME = "no-cache"
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".wav": "audio/wav",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
# A build may bring these beside its files.
ENCODINGS = {"br": ".br", "gzip": ".gz"}


def routes() -> list[URLPattern]:
    """Return the client's addresses, to come after all of ours; none if no client is configured."""
    if settings.STEMSET_CLIENT_DIR is None:
        return []
    ours = "|".join(OURS)
    return [
        re_path(r"^(?:p(?:/[^\x00]*)?)?$", index, name="client"),
        re_path(rf"^(?!(?:{ours})(?:/|$))(?P<path>[^\x00]+)$", client_file, name="client-file"),
    ]


@login_not_required
@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    """Answer with the page that the client is, wherever in it somebody wants to go."""
    return _answer(request, "index.html")


@login_not_required
@require_safe
def client_file(request: HttpRequest, path: str) -> HttpResponseBase:
    """Answer with another file of the build."""
    return _answer(request, path)


def _answer(request: HttpRequest, name: str) -> HttpResponseBase:
    file = _open(name)
    if file is None:
        raise Http404("There is no such file.")
    content_type = CONTENT_TYPES.get(os.path.splitext(name)[1].lower(), "application/octet-stream")
    page = file.read() if content_type.startswith("text/html") else b""
    file, encoding = (file, "") if page else _smaller(request, name, file)
    headers = {
        "Content-Type": content_type,
        "Cache-Control": FOR_EVER if name.startswith(ASSETS) else ASK_EVERY_TIME,
        "ETag": _etag(file),
        # The page's own, and that of a worker, which has one for itself.
        CSP.HEADER_ENFORCE.value: _policy(page),
        "Vary": "Accept-Encoding",
    }
    if encoding:
        headers["Content-Encoding"] = encoding
    return file_answer(request, file, headers)


def _open(name: str) -> IO[bytes] | None:
    """Open a file of the build, or return None for what is none: hidden, a folder, or outside, also by a link."""
    if any(not part or part.startswith(".") for part in name.split("/")):
        return None
    folder = Path(settings.STEMSET_CLIENT_DIR or os.devnull).resolve()
    try:
        path = (folder / name).resolve()
        return path.open("rb", buffering=0) if path.is_relative_to(folder) and path.is_file() else None
    except OSError:  # a name that is too long, links in a circle, not for us to read
        return None


def _smaller(request: HttpRequest, name: str, file: IO[bytes]) -> tuple[IO[bytes], str]:
    """Return the compressed file that lies beside, if the browser can read it, and how it is compressed."""
    accepted = {word.strip().lower() for word in request.headers.get("Accept-Encoding", "").split(",")}
    for encoding, suffix in ENCODINGS.items():
        if encoding in accepted and (compressed := _open(name + suffix)):
            file.close()
            return compressed, encoding
    return file, ""


def _etag(file: IO[bytes]) -> str:
    """Return a name of the content: builds may all be dated alike, and index.html keeps its size."""
    facts = os.fstat(file.fileno())
    identity = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    return _digest(identity, file)


# Of the file that is open, and not of whatever has taken its name meanwhile.
@cached(LRUCache(512), key=lambda identity, _file: identity, lock=threading.Lock())
def _digest(_identity: tuple[int, ...], file: IO[bytes]) -> str:
    file.seek(0)
    digest = hashlib.sha256(file.read()).hexdigest()[:32]
    file.seek(0)
    return f'"{digest}"'


def _policy(page: bytes) -> str:
    """Return what the client may do: run its own code, make workers of it, and fetch from us and where media are."""
    ours = " ".join(["'self'", *([settings.BACKEND_URL] if settings.BACKEND_URL else []), *settings.MEDIA_ORIGINS])
    elsewhere = " ".join(["", *settings.STEMSET_CLIENT_ORIGINS])
    return "; ".join(
        [
            "default-src 'self'",
            # AudioWorklets are loaded as scripts, also those that a library makes as a blob; a blob can only be made by
            # a script that runs already. What the page itself says inline is known by its hash.
            " ".join(["script-src 'self' blob: 'wasm-unsafe-eval'", *_inline_scripts(page)]),
            "worker-src 'self' blob:",
            # Libraries of components set styles at run time.
            f"style-src 'self' 'unsafe-inline'{elsewhere}",
            f"font-src 'self' data:{elsewhere}",
            f"img-src {ours} data: blob:{elsewhere}",
            f"media-src {ours} data: blob:",
            f"connect-src {ours} data: blob:{elsewhere}",
            "frame-ancestors 'none'",
            "form-action 'self'",
            "base-uri 'none'",
            "object-src 'none'",
        ]
    )


class _Scripts(HTMLParser):
    """Collects the scripts that a page holds itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag == "script" and not any(name == "src" for name, _value in attrs)

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.found.append(data)


@lru_cache(maxsize=8)
def _inline_scripts(page: bytes) -> list[str]:
    parser = _Scripts()
    parser.feed(page.decode(errors="replace"))
    parser.close()
    digests = (hashlib.sha256(script.encode()).digest() for script in parser.found)
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
