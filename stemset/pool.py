"""What makes a pool of connections survive a restart of the server."""

from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool


def check_connection(connection: "Connection[Any]") -> None:
    """Raise psycopg's error when a pooled connection is broken, after having looked at all the others as well.

    The pool itself tries one after the other with growing pauses, and a restart breaks all of them at once: with ten
    of them nobody would be served in time.
    """
    try:
        ConnectionPool.check_connection(connection)
    except Exception:
        pool = getattr(connection, "_pool", None)
        if pool is not None:
            pool.check()
        raise
