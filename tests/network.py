"""A network between a browser and a server that can be slow, cut, or answer itself; it counts what comes back."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

BLOCK = 16 * 1024


class Network:
    """Listens on a port of its own and passes on. All attributes may be set while it runs."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.server = server
        self.received = 0
        # Bytes a second of all connections together; None is as fast as it goes.
        self.speed: float | None = None
        # New connections are closed at once, and the present ones by cut().
        self.is_cut = False
        self._answers: tuple[int, str] | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where browsers find the server."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """Break all connections, and let no new one through until is_cut is False again."""
        self.is_cut = True
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def answer(self, status: int | None, text: str = "") -> None:
        """Answer requests whose first line contains a text with a status; None is to pass all on again."""
        self._answers = (status, text) if status else None

    def close(self) -> None:
        """Stop."""
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self.is_cut:
                connection.close()
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, browser: socket.socket) -> None:
        with contextlib.suppress(OSError), browser, socket.create_connection(self.server) as server:
            ends = {browser, server}
            for end in ends:  # as servers do: else an answer's body waits 40 ms for its head to be acknowledged
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= ends
            try:
                back = threading.Thread(target=self._back, args=(server, browser), daemon=True)
                back.start()
                self._forth(browser, server)
                back.join()
            finally:
                with self._lock:
                    self._open -= ends

    def _forth(self, browser: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := browser.recv(BLOCK):
                answers = self._answers
                line = data.split(b"\r\n", 1)[0].decode("latin-1")
                if answers and answers[1] in line:
                    browser.sendall(
                        f"HTTP/1.1 {answers[0]} No\r\nContent-Length: 0\r\nCache-Control: no-store\r\n\r\n".encode()
                    )
                    continue
                server.sendall(data)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def _back(self, server: socket.socket, browser: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(BLOCK):
                if self.speed is not None:
                    time.sleep(len(data) / self.speed)
                self.received += len(data)
                browser.sendall(data)
        with contextlib.suppress(OSError):
            browser.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def network(server: tuple[str, int]) -> Iterator[Network]:
    """Run one."""
    between = Network(server)
    try:
        yield between
    finally:
        between.close()
