"""The pool's connections: looked at without asking the server, and replaced when the server has ended them."""

import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg_pool import ConnectionPool

from stemset.pool import TRUSTED_SECONDS, USED_AT, check_connection

SIZE = 4


@pytest.fixture
def pool(db) -> Iterator["ConnectionPool[psycopg.Connection[Any]]"]:
    """A pool like the site's, full."""
    params = connection.get_connection_params() | {"autocommit": True}
    del params["cursor_factory"]
    with ConnectionPool(kwargs=params, min_size=SIZE, max_size=SIZE, timeout=10, check=check_connection) as pool:
        pool.wait()
        everybody = [pool.getconn() for _ in range(SIZE)]  # so that each was looked at once
        for one in everybody:
            pool.putconn(one)
        yield pool


def last_asked(pid: int) -> Any:
    """Return when the server was last asked something by that connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot(), query_start FROM pg_stat_activity WHERE pid = %s", [pid])
        return cursor.fetchone()[1]


def pids(pool) -> list[int]:
    everybody = [pool.getconn() for _ in range(SIZE)]
    found = [one.info.backend_pid for one in everybody]
    for one in everybody:
        pool.putconn(one)
    return found


def test_taking_a_connection_does_not_ask_the_server(pool):
    before = {pid: last_asked(pid) for pid in pids(pool)}
    assert {pid: last_asked(pid) for pid in pids(pool)} == before


def test_one_that_was_idle_for_long_is_asked(pool):
    with pool.connection() as one:
        pid = one.info.backend_pid
        setattr(one, USED_AT, time.monotonic() - TRUSTED_SECONDS)
    before = last_asked(pid)
    assert pid in pids(pool)
    assert last_asked(pid) > before


def test_nobody_gets_one_that_the_server_has_ended(pool):
    """All at once, as a restart does it: the first one who comes is served, and waits for no more than one."""
    ended = pids(pool)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s) AS pid", [ended])
    began = time.monotonic()
    for _ in range(2 * SIZE):
        with pool.connection() as one:
            assert one.execute("SELECT 1").fetchone() == (1,)
    assert not set(pids(pool)) & set(ended)
    assert time.monotonic() - began < pool.timeout


def test_news_from_the_server_are_no_end(pool):
    """Something has come on an idle connection, but it works."""
    with pool.connection() as one:
        pid = one.info.backend_pid
        one.execute("LISTEN news")
    with psycopg.connect(**pool.kwargs) as other:
        other.execute("NOTIFY news")
    assert pid in pids(pool)
