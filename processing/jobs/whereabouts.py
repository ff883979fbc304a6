"""Which process does a job: by machine and number, so that others on the machine can see whether it still lives."""

import os
import socket


def worker_name() -> str:
    """Return how a job names this process."""
    return f"{socket.gethostname()}/{os.getpid()}"


def is_dead_here(worker: str) -> bool:
    """Whether that was a process of this machine that is gone. Of other machines nothing is known."""
    host, _, number = worker.rpartition("/")
    if host != socket.gethostname() or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
