"""PostgreSQL advisory locks: one process at a time makes a given recording, on however many machines.

The server releases them when the connection ends, however it ends. They belong to a connection, so a pooler in front
of the server must keep sessions together.
"""

import contextlib
import hashlib
from collections.abc import Iterator

from django.db import Error, connection


class RecordingLock:
    """The right to make one recording; `mine` says whether it was to be had."""

    def __init__(self, profile_name: str, file_hash: str) -> None:
        digest = hashlib.sha256(f"{profile_name}\0{file_hash}".encode()).digest()
        self._key = int.from_bytes(digest[:8], signed=True)
        self.mine = self._take()

    def renew(self) -> bool:
        """Say whether it is still ours after a long silence; take it again if the server went away meanwhile."""
        if self.mine and not connection.is_usable():
            connection.close()
            self.mine = self._take()
        return self.mine

    def release(self) -> None:
        """Let others have it. A lost connection has done so already."""
        if self.mine:
            with contextlib.suppress(Error), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [self._key])

    def _take(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [self._key])
            taken: bool = cursor.fetchone()[0]
        return taken


@contextlib.contextmanager
def recording_lock(profile_name: str, file_hash: str) -> Iterator[RecordingLock]:
    """Try to become the one that makes this recording."""
    lock = RecordingLock(profile_name, file_hash)
    try:
        yield lock
    finally:
        lock.release()
