"""The content of files, by SHA-256."""

from concurrent.futures import Future

from catalog.importing import audio_work
from catalog.importing.workers import Workers
from catalog.legacy.stores import Store
from catalog.verifying.findings import Finding, finding


def begin(store: Store, key: str, workers: Workers) -> "Future[str | None]":
    """Begin to hash a file in storage; None comes of one that cannot be read."""
    # Threads do: hashing lets the others run.
    return workers.by_thread(sha256, store, key)


def sha256(store: Store, key: str) -> str | None:
    """Return the SHA-256 of a file in storage, or None."""
    try:
        with store.local_copy(key) as path:
            return audio_work.sha256(str(path))
    except OSError:
        return None


def judge(key: str, known: str, found: str | None) -> list[Finding]:
    """Compare a stem's checksum."""
    if found == known:
        return []
    if found is None:
        return [finding("audio_unreadable", key, "cannot be read (audio_unreadable)")]
    return [finding("altered", key, f"has the SHA-256 {found[:12]}…, but had {known[:12]}…, at the same size")]
