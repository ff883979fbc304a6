"""A load generator: N kept-alive connections in one process, each sending its next request when it has its answer.

Requests are bytes made beforehand and bodies go into one large buffer that is only looked at now and then, so that a
small answer costs about 20 µs here: the servers measured need many times as much. Answers need a Content-Length.

    python benchmarks/load.py http://127.0.0.1:8000/api/profiles [--header "Name: value"] [--connections 8]
"""

import argparse
import selectors
import socket
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import repeat
from typing import Self
from urllib.parse import urlsplit

Address = tuple[str, int]
# Gets the body of an answer, and raises an error if it is wrong.
Check = Callable[[bytes], None]
BUFFER = bytearray(1024 * 1024)
VIEW = memoryview(BUFFER)
# Of every so many answers one is kept and given to the check when all is over; the status is looked at in all.
SAMPLE = 50
PATIENCE_SECONDS = 60


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Return the bytes of a request; the path must be percent-encoded."""
    if body:
        headers = headers | {"Content-Length": str(len(body)), "Content-Type": "application/json"}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Load:
    """What a run has seen. Latencies are in seconds, in the order of the answers."""

    seconds: float = 0.0
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    bytes: int = 0

    @property
    def per_second(self) -> float:
        """How many answers came in a second."""
        return len(self.latencies) / self.seconds

    def milliseconds(self, share: float) -> float:
        """Return the latency that this share of the requests stayed below, e.g. 0.99."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


class Connection:
    """A connection and the answer it is waiting for."""

    __slots__ = ("began", "head", "kept", "left", "sock", "status", "wanted")

    def __init__(self, address: Address) -> None:
        self.sock = socket.create_connection(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.wanted = False

    def send(self, data: bytes, *, wanted: bool) -> None:
        """Send a request; keep its answer if it is wanted."""
        self.head, self.kept, self.left, self.wanted = b"", bytearray(), -1, wanted
        self.began = time.perf_counter()
        self.sock.sendall(data)

    def receive(self) -> int:
        """Take what has come, and return how many bytes that was. The answer is whole when nothing is `left`."""
        got = self.sock.recv_into(BUFFER)
        if got == 0:
            raise ConnectionError("the server closed the connection")
        start = 0
        if self.left < 0:
            start = self._read_head(got)
            if start < 0:
                return got
        if self.wanted:
            self.kept += VIEW[start:got]
        self.left -= got - start
        return got

    def _read_head(self, got: int) -> int:
        """Read status and length; return where in the buffer the body begins, or -1 if the head is not whole yet."""
        before = len(self.head)
        if before or (end := BUFFER.find(b"\r\n\r\n", 0, got)) < 0:
            self.head += VIEW[:got]
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return -1
        else:
            self.head = bytes(VIEW[:end])
        self.head = self.head[:end]
        self.status = int(self.head[9:12])
        self.left = 0 if self.status == 304 else content_length(self.head)
        return end + 4 - before


def content_length(head: bytes) -> int:
    """Return the length that an answer's head announces."""
    lower = head.lower()
    place = lower.find(b"\r\ncontent-length:")
    if place < 0:
        raise ValueError(f"an answer without a length:\n{head.decode('latin-1')}")
    return int(lower[place + 17 :].split(b"\r\n", 1)[0])


def run(
    address: Address,
    requests: Iterable[bytes],
    *,
    connections: int = 8,
    seconds: float = float("inf"),
    status: int = 200,
    check: Check | None = None,
) -> Load:
    """Send requests for so many seconds, or until there are none left.

    Raises AssertionError for an answer of another status, and what `check` raises.
    """
    load = Load()
    samples: set[bytes] = set()
    queue: Iterator[bytes] = iter(requests)
    selector = selectors.DefaultSelector()
    busy = 0
    everybody = [Connection(address) for _ in range(connections)]
    began = time.perf_counter()
    stop = began + seconds
    try:
        for connection in everybody:
            busy += _next(connection, queue, wanted=check is not None and not busy)
            selector.register(connection.sock, selectors.EVENT_READ, connection)
        while busy:
            events = selector.select(PATIENCE_SECONDS)
            assert events, "the server does not answer"
            for key, _mask in events:
                connection = key.data
                load.bytes += connection.receive()
                if connection.left:
                    continue
                now = time.perf_counter()
                load.latencies.append(now - connection.began)
                _must_have(connection, status)
                if connection.wanted:
                    samples.add(bytes(connection.kept))
                wanted = check is not None and len(load.latencies) % SAMPLE == 0
                if now >= stop or not _next(connection, queue, wanted=wanted):
                    selector.unregister(connection.sock)
                    busy -= 1
        load.seconds = time.perf_counter() - began
    finally:
        selector.close()
        for connection in everybody:
            connection.sock.close()
    for body in samples:
        assert check
        check(body)
    return load


def _next(connection: Connection, queue: Iterator[bytes], *, wanted: bool) -> bool:
    data = next(queue, None)
    if data is None:
        return False
    connection.send(data, wanted=wanted)
    return True


def _must_have(connection: Connection, status: int) -> None:
    assert connection.status == status, f"{connection.status} instead of {status}:\n{connection.head.decode()}"


@dataclass(frozen=True)
class Answer:
    """An answer, and the seconds from the request's first byte to its own last one."""

    status: int
    head: bytes
    body: bytes
    seconds: float

    def header(self, name: str) -> str:
        """Return a header's value, or "" without it."""
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return ""


class InTurn:
    """Several connections of which one asks at a time, so that every worker process gets its share."""

    def __init__(self, address: Address, connections: int = 8) -> None:
        self._connections = [Connection(address) for _ in range(connections)]
        self._asked = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for connection in self._connections:
            connection.sock.close()

    def ask(self, data: bytes) -> Answer:
        """Send one request and wait for its answer."""
        connection = self._connections[self._asked % len(self._connections)]
        self._asked += 1
        connection.send(data, wanted=True)
        while connection.left:
            connection.receive()
        seconds = time.perf_counter() - connection.began
        return Answer(connection.status, connection.head, bytes(connection.kept), seconds)


def hang_up(address: Address, data: bytes, *, connections: int, seconds: float, after: int) -> int:
    """Close connections in the middle of answers, again and again: after so many bytes. Return how often."""
    stop = time.perf_counter() + seconds
    count = 0
    while time.perf_counter() < stop:
        group = [socket.create_connection(address) for _ in range(connections)]
        for sock in group:
            sock.sendall(data)
        for sock in group:
            sock.settimeout(PATIENCE_SECONDS)
            left = after
            with suppress(ConnectionError):
                while left > 0 and (got := sock.recv_into(BUFFER, min(left, len(BUFFER)))):
                    left -= got
            sock.close()
            count += 1
    return count


@contextmanager
def stalled(address: Address, data: bytes, *, connections: int) -> Iterator[None]:
    """Have so many connections that sent a request and take nothing of the answer."""
    with ExitStack() as stack:
        for _ in range(connections):
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            sock.connect(address)
            sock.sendall(data)
        yield


def main() -> None:
    """Load one address and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--status", type=int, default=200)
    options = parser.parse_args()
    parts = urlsplit(options.url)
    headers = {"Host": parts.netloc} | dict(header.split(": ", 1) for header in options.header)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    load = run(
        (parts.hostname or "127.0.0.1", parts.port or 80),
        repeat(request("GET", path, headers)),
        connections=options.connections,
        seconds=options.seconds,
        status=options.status,
    )
    print(f"{load.per_second:,.0f} requests/s, {load.bytes / load.seconds / 1e6:,.1f} MB/s", end="; ")
    print(f"p50 {load.milliseconds(0.5):.2f} ms, p99 {load.milliseconds(0.99):.2f} ms, all {options.status}")


if __name__ == "__main__":
    main()
