"""PostgreSQL advisory locks: one process at a time makes a given recording, on however many machines.

The server releases them when the connection ends, however it ends.
"""

import contextlib
import hashlib
from collections.abc import Iterator

from django.db import Error, connection


@contextlib.contextmanager
def recording_lock(profile_name: str, file_hash: str) -> Iterator[bool]:
    """Try to become the one that makes this recording; yields whether that worked."""
    digest = hashlib.sha256(f"{profile_name}\0{file_hash}".encode()).digest()
    key = int.from_bytes(digest[:8], signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        (taken,) = cursor.fetchone()
    try:
        yield taken
    finally:
        if taken:
            # A lost connection has released it.
            with contextlib.suppress(Error), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [key])
