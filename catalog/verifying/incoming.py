"""Half-written files that killed processes left in a local storage."""

import fcntl
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage

from catalog.storage import INCOMING, LocalStorage
from catalog.verifying.findings import Finding, finding


def local_storage() -> LocalStorage | None:
    """Return the configured storage, if it is a local one."""
    storage: Any = default_storage
    storage = getattr(storage, "_wrapped", storage)  # `default_storage` is a lazy object around the real one
    return storage if isinstance(storage, LocalStorage) else None


def leftovers() -> list[Finding]:
    """Find files whose writers have ended without finishing them."""
    storage = local_storage()
    if storage is None:
        return []
    return [
        finding("incoming_leftover", f"{INCOMING}/{path.name}", "was left half-written by a process that was killed")
        for path in sorted(Path(storage.path(INCOMING)).glob("*"))
        if _is_abandoned(path)
    ]


def _is_abandoned(path: Path) -> bool:
    """Writers hold a lock for as long as they live."""
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True
