"""An object store that fails: a proxy in front of a real one, which answers some requests as a bad day would.

    with faulty(endpoint, rate=0.1, seed=1) as address: …

Which requests fail is drawn from `seed`, one number for each request in the order in which they come. `when` decides
instead of chance where a test wants certain ones.
"""

import contextlib
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

# error     500, nothing was done
# slow_down 503, nothing was done
# refused   the connection is closed, nothing was done
# lost      it was done, but the connection is closed before anybody is told
# cut       it was done, but the answer breaks off in the middle of its body (one without a body is lost)
# hang      nothing is done and nothing is said, for `hang_seconds`
KINDS = ("error", "slow_down", "refused", "lost", "cut")
HANGS = "hang"
BLOCK = 64 * 1024
# Headers that belong to one connection and not to the message.
_HOP = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "te",
    "upgrade",
    "proxy-connection",
    "expect",
    "content-length",
}


@dataclass(frozen=True)
class Asked:
    """A request that arrived: its number, from 0; what it asks for, as S3 calls it; and about which key."""

    number: int
    operation: str
    key: str


@dataclass
class Day:
    """What is to go wrong, and what has: `asked` grows with every request, `failed` with each that was failed."""

    rate: float = 0.0
    seed: int = 1
    kinds: Sequence[str] = KINDS
    when: Callable[[Asked], str | None] | None = None
    hang_seconds: float = 60.0
    asked: list[Asked] = field(default_factory=list)
    failed: list[tuple[Asked, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()
        self.over = threading.Event()

    def judge(self, operation: str, key: str) -> str | None:
        """Take note of a request and return how it is to fail, or None."""
        with self._lock:
            asked = Asked(len(self.asked), operation, key)
            self.asked.append(asked)
            chance, kind = self._random.random(), self._random.choice(list(self.kinds))
            verdict = self.when(asked) if self.when else kind if chance < self.rate else None
            if verdict:
                self.failed.append((asked, verdict))
            return verdict


@contextlib.contextmanager
def faulty(
    endpoint: str,
    *,
    rate: float = 0.1,
    seed: int = 1,
    kinds: Sequence[str] = KINDS,
    when: Callable[[Asked], str | None] | None = None,
    hang_seconds: float = 60.0,
) -> Iterator[str]:
    """Run a proxy in front of the store at `endpoint`, and yield its address."""
    with bad_day(endpoint, Day(rate, seed, kinds, when, hang_seconds)) as address:
        yield address


@contextlib.contextmanager
def bad_day(endpoint: str, day: Day) -> Iterator[str]:
    """The same for a Day, whose terms may be changed while it lasts, and which tells what has happened."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.store, server.day = urlsplit(endpoint).netloc, day
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        day.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def operation_of(method: str, path: str) -> tuple[str, str]:
    """Return the name of what a request asks for, and the key."""
    address = urlsplit(path)
    asked = parse_qs(address.query, keep_blank_values=True)
    key = address.path.lstrip("/").partition("/")[2]
    names = {
        "GET": "GetObject" if key else "ListMultipartUploads" if "uploads" in asked else "ListObjects",
        "HEAD": "HeadObject" if key else "HeadBucket",
        "PUT": "UploadPart" if "partNumber" in asked else "PutObject" if key else "CreateBucket",
        "POST": "CreateMultipartUpload"
        if "uploads" in asked
        else "CompleteMultipartUpload"
        if "uploadId" in asked
        else "DeleteObjects",
        "DELETE": "AbortMultipartUpload" if "uploadId" in asked else "DeleteObject" if key else "DeleteBucket",
    }
    return names.get(method, method), key


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    store: str
    day: Day

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away: that is what they are to do here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        verdict = self.server.day.judge(*operation_of(self.command, self.path))
        match verdict:
            case "error":
                self._refuse(500, "InternalError")
            case "slow_down":
                self._refuse(503, "SlowDown")
            case "refused":
                self._hang_up()
            case "hang":
                self.server.day.over.wait(self.server.day.hang_seconds)
                self._hang_up()
            case _:
                self._pass_on(body, verdict)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle

    def _pass_on(self, body: bytes, verdict: str | None) -> None:
        connection = HTTPConnection(self.server.store, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            connection.request(
                self.command, self.path, body if body or self.command in {"PUT", "POST"} else None, headers
            )
            self._answer(connection.getresponse(), verdict)
        except (OSError, HTTPException):
            self._hang_up()
        finally:
            connection.close()

    def _answer(self, answer: HTTPResponse, verdict: str | None) -> None:
        length = int(answer.headers.get("Content-Length") or 0)
        without_body = self.command == "HEAD" or answer.status in {204, 304}
        if verdict == "lost" or (verdict == "cut" and (without_body or not length)):
            self._hang_up()
            return
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        content = None
        if "Content-Length" not in answer.headers and not without_body:
            content = answer.read()
            length = len(content)
        if answer.status != 204:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if without_body:
            return
        left = length // 2 if verdict == "cut" else length
        while left and (block := content if content is not None else answer.read(min(left, BLOCK))):
            self.wfile.write(block[:left])
            left -= len(block[:left])
        if verdict == "cut":
            self._hang_up()

    def _refuse(self, status: int, code: str) -> None:
        content = f"<Error><Code>{code}</Code><Message>On purpose.</Message></Error>".encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
