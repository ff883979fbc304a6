"""Advisory locks: one export at a time to a place, one writer at a time of a recording's metadata.json in storage.

Nobody who changes a recording waits for one of these while the change is open, so they cannot make a deadlock.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator
from uuid import UUID

from django.db import Error, connection


@contextlib.contextmanager
def one_export_at_a_time(place: str, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the right to export to a place; `waiting` is called when somebody else has it and must end first."""
    key = _key("export", place)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        if not cursor.fetchone()[0]:
            waiting()
            cursor.execute("SELECT pg_advisory_lock(%s)", [key])
    try:
        yield
    finally:
        # A lost connection has released it already.
        with contextlib.suppress(Error), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


def hold_sidecars(recording_ids: Iterable[UUID]) -> None:
    """Keep others from writing these recordings' metadata.json in storage until this transaction ends."""
    keys = [_key("sidecar", recording_id.hex) for recording_id in recording_ids]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key", [keys])


def _key(kind: str, what: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{kind}\0{what}".encode()).digest()[:8], signed=True)
