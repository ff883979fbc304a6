"""What makes a pool of connections survive a restart of the server."""

import math
import select
import time
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool

# A connection that was used a moment ago can only have been closed by the server, and then its socket says so. What was
# idle for longer may have been forgotten by a firewall on the way, without a word.
TRUSTED_SECONDS = 30
USED_AT = "_stemset_used_at"


def check_connection(connection: "Connection[Any]") -> None:
    """Raise psycopg's error when a pooled connection is broken, after having looked at all the others as well.

    Asking the server costs as much as a small statement, and every request takes a connection: it is asked only when
    something has come (an idle connection gets nothing but its end) or after a while. The pool itself tries one after
    the other with growing pauses, and a restart breaks all of them at once: with ten of them nobody would be served in
    time.
    """
    now = time.monotonic()
    recently_used = now - getattr(connection, USED_AT, -math.inf) < TRUSTED_SECONDS
    try:
        if not (recently_used and is_silent(connection)):
            ConnectionPool.check_connection(connection)
    except Exception:
        pool = getattr(connection, "_pool", None)
        if pool is not None:
            pool.check()
        raise
    setattr(connection, USED_AT, now)


def is_silent(connection: "Connection[Any]") -> bool:
    """Return whether nothing has come from the server: no news, no end. Asks only the operating system.

    Raises psycopg.OperationalError when the connection was closed on this side.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
