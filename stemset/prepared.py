"""Statements that many requests ask: prepared by the server, answered in binary. Django's own cursor does neither."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection
from psycopg.pq import Format
from psycopg.types.string import ByteaBinaryLoader


def fetch(statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a statement with `%(name)s` parameters. Columns of the type `text` come as bytes (UTF-8)."""
    started = time.monotonic()
    with connection.wrap_database_errors, _borrowed() as own, psycopg.Cursor(own) as cursor:
        cursor.format = Format.BINARY
        cursor.adapters.register_loader("text", ByteaBinaryLoader)
        rows = cursor.execute(statement, parameters, prepare=True).fetchall()
    if connection.queries_logged:  # so that tests count it with all others
        connection.queries_log.append({"sql": statement, "time": f"{time.monotonic() - started:.3f}"})
    return rows


@contextmanager
def _borrowed() -> Iterator["psycopg.Connection[Any]"]:
    """Give the request's connection or, if it has none yet, one of the pool's for this statement only.

    Most requests ask nothing else, and what Django does around a connection takes half as long as the statement.
    """
    pool = connection.pool if connection.connection is None else None  # type: ignore[attr-defined]  # unknown to its stubs
    if pool is None:
        connection.ensure_connection()
        yield connection.connection
        return
    pool.open()
    own = pool.getconn()
    try:
        yield own
    finally:
        pool.putconn(own)
