"""Statements that many requests ask: prepared by the server, answered in binary. Django's own cursor does neither."""

import time
from collections.abc import Mapping
from typing import Any

import psycopg
from django.db import connection
from psycopg.pq import Format
from psycopg.types.string import ByteaBinaryLoader


def fetch(statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a statement with `%(name)s` parameters. Columns of the type `text` come as bytes (UTF-8)."""
    connection.ensure_connection()
    started = time.monotonic()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.format = Format.BINARY
        cursor.adapters.register_loader("text", ByteaBinaryLoader)
        rows = cursor.execute(statement, parameters, prepare=True).fetchall()
    if connection.queries_logged:  # so that tests count it with all others
        connection.queries_log.append({"sql": statement, "time": f"{time.monotonic() - started:.3f}"})
    return rows
