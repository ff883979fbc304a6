"""The load generator of benchmarks/api.py counts what there is, and does not take a wrong answer for a fast one."""

import importlib.util
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from types import SimpleNamespace

import pytest

from tests.site import ROOT

_spec = importlib.util.spec_from_file_location("load", ROOT / "benchmarks" / "load.py")
load = importlib.util.module_from_spec(_spec)
sys.modules["load"] = load  # its dataclasses look themselves up
_spec.loader.exec_module(load)

BODY = bytes(range(256)) * 20_000  # more than its buffer holds


class Handler(BaseHTTPRequestHandler):
    """Answers with kept-alive connections; the address says what."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked[self.path] += 1
        body = BODY if self.path == "/large" else b"small"
        self.send_response(int(self.path[1:]) if self.path[1:].isdigit() else 200)
        if self.path != "/no-length":
            self.send_header("Content-Length", str(len(body)))
        if self.path == "/in-pieces":
            self.flush_headers()
        self.end_headers()
        if self.path != "/304":
            self.wfile.write(body)

    do_PATCH = do_GET

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[SimpleNamespace]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.asked = Counter()
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield SimpleNamespace(address=server.server_address, asked=server.asked)
        server.shutdown()


def get(path: str) -> bytes:
    return load.request("GET", path, {"Host": "localhost"})


@pytest.mark.parametrize(("path", "body"), [("/small", b"small"), ("/large", BODY), ("/in-pieces", b"small")])
def test_every_request_is_sent_and_every_answer_read(server, path, body):
    checked = []
    found = load.run(server.address, repeat(get(path), 101), connections=3, check=checked.append)
    assert server.asked[path] == len(found.latencies) == 101
    assert found.bytes > 101 * len(body)
    assert checked == [body]  # equal ones are looked at once


def test_it_goes_on_for_as_long_as_it_is_told(server):
    found = load.run(server.address, repeat(get("/small")), connections=2, seconds=0.2)
    assert found.seconds >= 0.2
    assert found.per_second * found.seconds == pytest.approx(server.asked["/small"])
    assert 0 < found.milliseconds(0.5) <= found.milliseconds(0.99)


def test_an_answer_of_another_status_is_no_answer(server):
    with pytest.raises(AssertionError, match="503 instead of 200"):
        load.run(server.address, [get("/small"), get("/503")], connections=1)
    assert len(load.run(server.address, [get("/304")] * 3, connections=1, status=304).latencies) == 3


def test_a_wrong_body_is_found(server):
    def check(body: bytes) -> None:
        assert body == BODY

    with pytest.raises(AssertionError):
        load.run(server.address, [get("/small")], connections=1, check=check)


def test_an_answer_whose_end_nobody_knows_is_refused(server):
    with pytest.raises(ValueError, match="without a length"):
        load.run(server.address, [get("/no-length")], connections=1)


def test_connections_in_turn(server):
    with load.InTurn(server.address, 2) as connections:
        answers = [connections.ask(get("/large")) for _ in range(4)]
        assert [answer.body for answer in answers] == [BODY] * 4
        assert answers[0].header("content-LENGTH") == str(len(BODY))
        sent = load.request("PATCH", "/small", {"Host": "localhost"}, b"{}")
        assert b"Content-Length: 2\r\n" in sent
        assert connections.ask(sent).status == 200
