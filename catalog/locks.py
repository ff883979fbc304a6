"""Locks in PostgreSQL: one process at a time makes a given recording, on however many machines.

The server releases advisory locks when the connection ends, however it ends. They belong to a connection, so a pooler
in front of the server must keep sessions together.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from uuid import UUID

from django.db import Error, connection

from catalog.models import Profile


class Lock:
    """The right to do one thing, named by text; `mine` says whether it was to be had."""

    def __init__(self, name: str) -> None:
        self._key = self.key_of(name)
        self.mine = self._take()

    @staticmethod
    def key_of(name: str) -> int:
        """Return the number by which the server knows it."""
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)

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
def exclusive(name: str) -> Iterator[Lock]:
    """Try to become the only one that does this."""
    lock = Lock(name)
    try:
        yield lock
    finally:
        lock.release()


def recording_lock(profile_name: str, file_hash: str) -> contextlib.AbstractContextManager[Lock]:
    """Try to become the one that makes this recording."""
    return exclusive(f"{profile_name}\0{file_hash}")


def lock_list(profile_id: UUID) -> None:
    """Have the list of a profile to oneself until the transaction ends.

    Changing a recording changes its profile's list_version too. Who takes that lock first, and only then those of the
    recordings, never waits in a circle with somebody who renames one.
    """
    Profile.objects.select_for_update(no_key=True).filter(pk=profile_id).order_by().values_list("pk").first()
