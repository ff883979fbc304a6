"""gunicorn's settings: `gunicorn --config python:stemset.gunicorn stemset.wsgi`.

STEMSET_BIND is the address to listen on, WEB_CONCURRENCY the number of worker processes.
"""

import ctypes
import ipaddress
import logging
import multiprocessing
import os
import socket
from collections.abc import Iterable
from typing import Any

from stemset.env import StrictEnv
from stemset.log_secrets import HideTokens

bind = os.environ.get("STEMSET_BIND", "127.0.0.1:8000")
workers = StrictEnv().number("WEB_CONCURRENCY", default=2, at_least=1)
# Threads, because a request for audio spends its time waiting for a phone to take the bytes; many, because a browser
# fetches all stems of a recording at once. Those that wait cost nothing.
worker_class = "stemset.even_worker.EvenWorker"
threads = 32
keepalive = 75
# Whether a proxy's word is taken is for the settings to say (STEMSET_HTTPS); gunicorn would take anybody's on this
# machine, also through a proxy that passes on what it was sent.
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
# Several checkouts may run side by side, and nobody asked for a control interface.
control_socket_disable = True
loglevel = "warning"
accesslog = "-" if os.environ.get("STEMSET_ACCESS_LOG") else None
# The page that the address printed at the start leads to.
open_path = os.environ.get("STEMSET_OPEN_PATH", "/library")

# Who takes nothing of an answer for so long has gone: a phone that walks out of its network says no goodbye, and would
# occupy a thread for a quarter of an hour. A player that is paused for longer fetches the rest anew when it goes on.
STALLED_SECONDS = 20
# glibc's names for what mallopt sets, and from which size on a block of memory goes back to the system when it is free.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
LARGE_BLOCK = 1024 * 1024

# As gunicorn has them: host and port, the path of a unix socket, or the number of a file that is open already.
Address = tuple[str, int] | str | int


def on_starting(server: Any) -> None:
    """Refuse to start with a mistake in the configuration, before any worker fails by it.

    A process of its own judges: settings loaded in here would be inherited by every worker, and neither --reload nor
    SIGHUP could load them anew.
    """
    judge = multiprocessing.get_context("fork").Process(target=refuse_mistakes, args=(server.cfg.address,))
    judge.start()
    judge.join()
    if judge.exitcode:
        raise SystemExit(1)


def refuse_mistakes(addresses: list[Address]) -> None:
    """Load the settings; exit 1 with a message when the site must not be served like this at these addresses."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stemset.settings")
    from django.conf import settings  # noqa: PLC0415  # these three must not be imported by gunicorn itself
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415

    from stemset.checks import check_client, check_static_files  # noqa: PLC0415
    from stemset.start import configuration_mistakes_as_text  # noqa: PLC0415

    with configuration_mistakes_as_text():
        foreign = [describe(address) for address in addresses if not is_this_machine_only(address)]
        if settings.STEMSET_BYPASS_AUTH and foreign:
            raise ImproperlyConfigured(
                "STEMSET_BYPASS_AUTH signs everybody in, so the server must listen on 127.0.0.1 only, "
                f"not on {', '.join(foreign)}."
            )
        found = [*check_static_files(), *check_client()]
        complaints = [message for message in found if not message.is_silenced()]
        if complaints:
            raise ImproperlyConfigured("\n".join(f"{message.msg}. {message.hint}" for message in complaints))


def post_worker_init(worker: Any) -> None:
    """Prepare a worker process: it can serve from now on."""
    hang_up_on_the_stalled(worker.sockets, STALLED_SECONDS)
    logging.getLogger("gunicorn.error").addFilter(is_worth_logging)
    logging.getLogger("gunicorn.access").addFilter(HideTokens())
    keep_memory_flat()


def hang_up_on_the_stalled(listeners: Iterable[Any], seconds: float) -> None:
    """Have the connections of these sockets end when the other side takes nothing for so long, where that can be set.

    It is set for the listening socket and inherited by its connections (Linux).
    """
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    for listener in listeners:
        if option is not None and listener.family in (socket.AF_INET, socket.AF_INET6):
            listener.setsockopt(socket.IPPROTO_TCP, option, int(seconds * 1000))


def is_worth_logging(record: logging.LogRecord) -> bool:
    """Return whether a message is to be logged: all but that somebody went without a goodbye."""
    return record.exc_info is None or record.exc_info[0] is not TimeoutError


def keep_memory_flat() -> None:
    """Have the C library give memory back, where it is one that listens (glibc).

    By itself it keeps a heap for each thread and learns to keep large blocks too: after a day of lists of thousands a
    worker would hold twice what it needs.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for setting, value in ((M_ARENA_MAX, 2), (M_MMAP_THRESHOLD, LARGE_BLOCK), (M_TRIM_THRESHOLD, LARGE_BLOCK)):
            mallopt(setting, value)


def when_ready(server: Any) -> None:
    """Say where the site is: the sockets know it even when a port was left to the system."""
    places = [str(listener) for listener in server.LISTENERS] or [describe(address) for address in server.cfg.address]
    pages = [f"Open {place}{open_path}" if place.startswith("http") else f"It listens at {place}" for place in places]
    print("\nStemset is running.", "\n".join(pages) + "\n(Ctrl-C stops it.)\n", flush=True)  # noqa: T201


def describe(address: Address) -> str:
    """Return an address of gunicorn's as people write it."""
    if isinstance(address, int):
        return f"fd://{address}"
    if isinstance(address, str):
        return f"unix:{address}"
    host, port = address
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_this_machine_only(address: Address) -> bool:
    """Return whether nobody else can reach an address of gunicorn's."""
    if isinstance(address, int):
        return False  # whoever opened it knows what it is; we do not
    if isinstance(address, str):
        return True  # a unix socket is a file; a proxy before it is the middleware's business
    return is_loopback_host(address[0])


def listens_on_loopback(address: str) -> bool:
    """Return whether an address as STEMSET_BIND has it is reachable from this machine only."""
    return address.startswith("unix:") or is_loopback_host(address.rpartition(":")[0].strip("[]"))


def is_loopback_host(host: str) -> bool:
    """Return whether a host's name or number is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
