"""The outside of a remote worker: HTTP."""

import json
import logging
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import default_storage
from django.utils.crypto import constant_time_compare
from pydantic import ValidationError

from catalog.storage import LocalStorage
from processing.remote.one_at_a_time import Worker
from processing.remote.work import Task
from stemset.gunicorn import is_loopback_host

logger = logging.getLogger(__name__)
MAX_BYTES = 64 * 1024
# How long a client may say nothing.
SILENCE_SECONDS = 10
# After how many seconds to ask again when there is enough to do.
FULL_SECONDS = 30


def serve(host: str, port: int, waiting: int) -> None:
    """Take jobs at an address until SIGTERM or Ctrl-C; then the job under way is dropped and its site told.

    Raises ImproperlyConfigured.
    """
    secret = _require_set_up(host)
    worker = Worker(waiting, settings.STEMSET_REMOTE_TIMEOUT_MINUTES)
    server = Server((host, port), worker, secret)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: worker.stopping.set())
    working = threading.Thread(target=worker.run)
    working.start()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"The remote worker listens at http://{host}:{server.server_address[1]}", flush=True)  # noqa: T201
    worker.stopping.wait()
    working.join()
    server.shutdown()


def _require_set_up(host: str) -> str:
    """Return the secret, which may be empty on this machine."""
    if isinstance(default_storage, LocalStorage):
        raise ImproperlyConfigured("A remote worker needs the object store: config.yaml has no r2.")
    secret: str = settings.STEMSET_REMOTE_SECRET
    if not secret and not is_loopback_host(host):
        raise ImproperlyConfigured(
            "Without STEMSET_REMOTE_SECRET anybody who reaches this machine could have it work for them. Set it, here "
            "and on the site, or listen on 127.0.0.1."
        )
    return secret


class Server(ThreadingHTTPServer):
    """Passes what it is asked on to the worker."""

    def __init__(self, address: tuple[str, int], worker: Worker, secret: str) -> None:
        super().__init__(address, Handler)
        self.worker, self.secret = worker, secret


class Handler(BaseHTTPRequestHandler):
    """POST / takes a job (202), GET /health says that the service is there."""

    server: Server
    timeout = SILENCE_SECONDS
    server_version, sys_version = "stemset", ""

    def do_GET(self) -> None:
        """Say that it is there."""
        self._answer(
            *((200, {"status": "ok"}) if self.path == "/health" else (404, {"detail": "There is nothing here."}))
        )

    def do_POST(self) -> None:
        """Take a job, or say why not."""
        self._answer(*self._judge())

    def _judge(self) -> tuple[int, dict[str, str]]:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BYTES:
            return 413, {"detail": f"A job has at most {MAX_BYTES} bytes, and says how many."}
        body = self.rfile.read(int(length))
        if not self._is_trusted():
            return 401, {"detail": "This worker is for those who know its secret (STEMSET_REMOTE_SECRET)."}
        try:
            task = Task.model_validate(json.loads(body))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            return 400, {"detail": f"This is no job: {wrong}"}
        except (ValueError, RecursionError):
            return 400, {"detail": "This is no JSON."}
        if not self.server.worker.offer(task):
            return 503, {"detail": "There is enough to do. Ask again later."}
        return 202, {"status": "accepted"}

    def _is_trusted(self) -> bool:
        secret = self.server.secret
        return not secret or constant_time_compare(self.headers.get("Authorization", ""), f"Bearer {secret}")

    def _answer(self, status: int, content: dict[str, str]) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if status == 503:
            self.send_header("Retry-After", str(FULL_SECONDS))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, text: str, *arguments: Any) -> None:
        """Log what was asked and how it was answered."""
        logger.info("%s: " + text, self.address_string(), *arguments)
