"""Where audio and pictures lie: `<profile>/<output_name>/<file>` under media/, or as keys of an object store.

Either way a file appears complete or not at all.
"""

import contextlib
import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.exceptions import SuspiciousOperation
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage
from storages.backends.s3 import S3Storage

# What saving and reading may raise, on disk and in an object store.
STORAGE_ERRORS = (OSError, BotoCoreError, ClientError, Boto3Error, SuspiciousOperation)
# On the same file system as its targets, so that a finished file is moved into place in one step.
INCOMING = ".incoming"


class LocalStorage(FileSystemStorage):
    """Files under MEDIA_ROOT. Saving writes beside the library, syncs to disk and renames over what was there."""

    def __init__(self, location: str | None = None, base_url: str | None = None) -> None:
        super().__init__(location, base_url, allow_overwrite=True)

    def _save(self, name: str, content: File) -> str:  # type: ignore[type-arg]
        target = Path(self.path(name))
        incoming = Path(self.path(INCOMING))
        incoming.mkdir(parents=True, exist_ok=True)
        temporary = incoming / uuid.uuid4().hex
        try:
            with _locked(temporary) as stream:
                _copy(content, stream)
                stream.flush()
                os.fsync(stream.fileno())
                target.parent.mkdir(parents=True, exist_ok=True)
                temporary.replace(target)
            _sync_folder(target.parent)
        finally:
            temporary.unlink(missing_ok=True)
        return name

    def sweep_incoming(self) -> int:
        """Remove what killed processes left half-written, and return how many files that were."""
        removed = 0
        for path in Path(self.path(INCOMING)).glob("*"):
            try:
                with path.open("rb") as stream:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                    removed += 1
            except (BlockingIOError, FileNotFoundError):
                continue  # being written, or just finished
        return removed


class ObjectStorage(S3Storage):
    """An S3-compatible bucket; an object appears when its upload is complete."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("file_overwrite", True)
        options.setdefault("default_acl", None)
        options.setdefault("signature_version", "s3v4")
        options.setdefault("querystring_expire", 3600)
        # boto3 sends CRC trailers by default since 1.36, which R2 refuses.
        options.setdefault(
            "client_config",
            Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                connect_timeout=10,
                read_timeout=60,
                retries={"mode": "standard", "max_attempts": 5},
            ),
        )
        super().__init__(**options)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file with a lock that tells sweep_incoming that its writer lives."""
    while True:
        with path.open("wb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if os.fstat(stream.fileno()).st_nlink:
                yield stream
                return
        # A sweep came between opening and locking, and took it away: once more.


def _copy(content: File, stream: IO[bytes]) -> None:  # type: ignore[type-arg]
    for chunk in content.chunks():
        stream.write(chunk.encode() if isinstance(chunk, str) else chunk)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
