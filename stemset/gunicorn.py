"""gunicorn's settings: `gunicorn --config python:stemset.gunicorn stemset.wsgi`.

STEMSET_BIND is the address to listen on, WEB_CONCURRENCY the number of worker processes.
"""

import ipaddress
import os
from typing import Any

from stemset.env import TRUE

bind = os.environ.get("STEMSET_BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
# Threads, because a request for audio spends its time waiting for a phone to take the bytes.
worker_class = "gthread"
threads = 8
keepalive = 75
# Several checkouts may run side by side, and nobody asked for a control interface.
control_socket_disable = True
loglevel = "warning"
accesslog = "-" if os.environ.get("STEMSET_ACCESS_LOG") else None
# The page that the address printed at the start leads to.
open_path = os.environ.get("STEMSET_OPEN_PATH", "/library")


def on_starting(_server: Any) -> None:
    """Refuse to show everybody's recordings to the network."""
    bypass = os.environ.get("STEMSET_BYPASS_AUTH", "").strip().lower() in TRUE
    if bypass and not listens_on_loopback(bind):
        raise SystemExit(
            f"STEMSET_BYPASS_AUTH signs everybody in, so the server must listen on 127.0.0.1, not on {bind}."
        )


def when_ready(_server: Any) -> None:
    """Say where the site is."""
    print(f"\nStemset is running. Open http://{bind}{open_path}\n(Ctrl-C stops it.)\n", flush=True)  # noqa: T201


def listens_on_loopback(address: str) -> bool:
    """Return whether a gunicorn bind address is reachable from this machine only."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
