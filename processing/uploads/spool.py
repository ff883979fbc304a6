"""Files that grow while uploads arrive, below STEMSET_UPLOAD_DIR.

<id>.spool   an upload that comes in one request; it is gone in every outcome
<id>.part    one that may be resumed, with <id>.json, what is known of it (processing.uploads.resumable)
<id>.key     under which key the upload is being put into storage, for as long as no row may name it

Who writes a file has its lock, which the system takes from a process that is killed: whoever sweeps later may remove
what is not locked.
"""

import contextlib
import fcntl
import hashlib
import os
import uuid
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from django.conf import settings

from processing.uploads.refusals import UploadRefused, naming_full_disks

SPOOL, PART, STATE, KEY = ".spool", ".part", ".json", ".key"


def folder() -> Path:
    """Return where spool files lie; it is made when it is missing."""
    path = Path(settings.STEMSET_UPLOAD_DIR)
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


class Spool:
    """A file that is being written and hashed on the way."""

    def __init__(self, path: Path, stream: FileIO, limit: int, too_large: UploadRefused) -> None:
        self.path = path
        self.size = 0
        self._stream, self._limit, self._too_large = stream, limit, too_large
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Add bytes. Raises UploadRefused when that is too much, for us or for the disk."""
        self.size += len(data)
        if self.size > self._limit:
            raise self._too_large
        self._digest.update(data)
        write_all(self._stream, data)

    @property
    def file_hash(self) -> str:
        """The SHA-256 of what was written, in hexadecimal."""
        return self._digest.hexdigest()


@contextlib.contextmanager
def new_spool(limit: int, too_large: UploadRefused) -> Iterator[Spool]:
    """Yield a new spool file for at most so many bytes; it is gone afterwards."""
    path = folder() / f"{uuid.uuid4().hex}{SPOOL}"
    with new_locked(path) as stream:
        try:
            yield Spool(path, stream, limit, too_large)
        finally:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def new_locked(path: Path) -> Iterator[FileIO]:
    """Make a file and have its lock."""
    while True:
        with path.open("wb", buffering=0) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if os.fstat(stream.fileno()).st_nlink:
                with _releasing(stream):
                    yield stream
                return
        # A sweep came between opening and locking, and took it away: once more.


@contextlib.contextmanager
def locked(path: Path) -> Iterator[FileIO]:
    """Have the lock of a file that is there, to read and to add to it.

    Raises BlockingIOError when somebody else has it, FileNotFoundError when the file is gone.
    """
    with path.open("r+b", buffering=0) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.fstat(stream.fileno()).st_nlink:
            raise FileNotFoundError(path)
        with _releasing(stream):
            yield stream


@contextlib.contextmanager
def _releasing(stream: FileIO) -> Iterator[None]:
    """Release a lock in the end. Closing is not enough: a process that is just being started shares it for a moment."""
    try:
        yield
    finally:
        fcntl.flock(stream, fcntl.LOCK_UN)


def write_all(stream: FileIO, data: bytes) -> None:
    """Write all of `data`. Raises UploadRefused (507) when the disk is full."""
    view = memoryview(data)
    with naming_full_disks():
        while view:
            view = view[stream.write(view) :]
