"""Where audio and pictures lie: `<profile>/<output_name>/<file>` under media/, or as keys of an object store.

Either way a file appears complete or not at all.
"""

import contextlib
import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, cast

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.exceptions import SuspiciousOperation
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, default_storage
from s3transfer.exceptions import FatalError, RetriesExceededError
from storages.backends.s3 import S3Storage
from urllib3.exceptions import HTTPError

# What saving and reading may raise, on disk and in an object store; the last ones come from below boto3.
STORAGE_ERRORS = (
    OSError,
    BotoCoreError,
    ClientError,
    Boto3Error,
    SuspiciousOperation,
    RetriesExceededError,
    FatalError,
    HTTPError,
)
# On the same file system as its targets, so that a finished file is moved into place in one step.
INCOMING = ".incoming"


MIB = 1024**2
# Files larger than this go up in parts, a few at a time: that bounds the memory, and what a broken connection costs.
# A store takes at most 10,000 parts, so the largest file is 80 GB.
MULTIPART_BYTES = 16 * MIB
PART_BYTES = 8 * MIB
PARTS_AT_ONCE = 3
# A file that is passed on to a browser is read in pieces of this size: a store would not wait for a slow phone.
PIECE_BYTES = 2 * MIB
# How often a store is asked for the same thing, in all. In between botocore waits, longer each time.
ATTEMPTS = 4
CONNECT_SECONDS = 10  # for a connection, and for the store to take the next block of what we send
SILENCE_SECONDS = 30


class Stored(NamedTuple):
    """A file in storage: its key, its size in bytes, and for how many seconds it has lain there by storage's clock."""

    key: str
    size: int
    age: float


class Contents(NamedTuple):
    """What is in a file: how many bytes, and these in blocks, which are read as they are asked for."""

    size: int
    blocks: Iterator[bytes]


class UnfinishedUpload(NamedTuple):
    """A multipart upload that was neither completed nor aborted. Its parts cost money and are in no listing."""

    key: str
    upload_id: str
    age: float


class Storage(Protocol):
    """What both kinds of storage can do beyond Django's interface."""

    def walk(self, prefix: str) -> Iterator[Stored]:
        """Yield all files whose keys begin with `prefix`, a folder ("band/") or nothing, one listing page at a time."""

    def age(self, name: str) -> float | None:
        """Return for how many seconds a file has lain there by storage's clock, or None when it is not there."""

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file to a path of this machine in constant memory. Raises FileNotFoundError and STORAGE_ERRORS."""

    def contents(self, name: str) -> Contents:
        """Return what is in a file, in constant memory and without a copy on this machine.

        Raises FileNotFoundError and STORAGE_ERRORS, and so does reading the blocks when it is gone or replaced by then.
        """

    def unfinished_uploads(self) -> Iterator[UnfinishedUpload]:
        """Yield what is being uploaded in parts, or was abandoned."""

    def abort_upload(self, upload: UnfinishedUpload) -> None:
        """Throw the parts away."""


def storage() -> Storage:
    """Return the configured storage: `default_storage`, as what it is."""
    return cast(Storage, default_storage)


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

    def walk(self, prefix: str) -> Iterator[Stored]:
        """Yield all files below a folder, but for those that are half-written. Links are not followed."""
        root = Path(self.path(""))
        now = time.time()
        for folder, folders, files in os.walk(root / prefix):
            if Path(folder) == root:
                folders[:] = [name for name in folders if name != INCOMING]
            for file in files:
                path = Path(folder, file)
                with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                    status = path.lstat()
                    yield Stored(path.relative_to(root).as_posix(), status.st_size, now - status.st_mtime)

    def age(self, name: str) -> float | None:
        """Return for how many seconds a file has lain there, or None when it is not there."""
        try:
            return time.time() - os.stat(self.path(name)).st_mtime
        except (FileNotFoundError, NotADirectoryError):
            return None

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file. Raises FileNotFoundError."""
        shutil.copyfile(self.path(name), target)

    def contents(self, name: str) -> Contents:
        """Return what is in a file. It is opened when its first block is asked for. Raises FileNotFoundError."""
        path = Path(self.path(name))
        return Contents(path.stat().st_size, _blocks(path))

    def unfinished_uploads(self) -> Iterator[UnfinishedUpload]:
        """Yield nothing: what is half-written here has no key yet, see sweep_incoming."""
        yield from ()

    def abort_upload(self, upload: UnfinishedUpload) -> None:
        """Do nothing: there are none."""

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
    """An S3-compatible bucket; an object appears when its upload is complete.

    attempts         how often the store is asked for the same thing before that is an error
    silence_seconds  how long it may say nothing before that counts as a failure. So a store that hangs ends every
                     call after about attempts · silence_seconds; parts of a file share that time
    """

    def __init__(self, *, attempts: int = ATTEMPTS, silence_seconds: float = SILENCE_SECONDS, **options: Any) -> None:
        options.setdefault("file_overwrite", True)
        options.setdefault("default_acl", None)
        options.setdefault("signature_version", "s3v4")
        options.setdefault("querystring_expire", 3600)
        options.setdefault("max_memory_size", PART_BYTES)  # of an object that is opened; the rest goes to a spool file
        options.setdefault("transfer_config", transfer_config())
        # boto3 sends CRC trailers by default since 1.36, which R2 refuses.
        options.setdefault(
            "client_config",
            Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                connect_timeout=min(CONNECT_SECONDS, silence_seconds),
                read_timeout=silence_seconds,
                tcp_keepalive=True,
                retries={"mode": "standard", "total_max_attempts": attempts},
            ),
        )
        super().__init__(**options)

    def walk(self, prefix: str) -> Iterator[Stored]:
        """Yield all objects under a prefix, page by page of the listing."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket_name, Prefix=prefix)
        for page in pages:
            now = _time_of(page)
            for item in page.get("Contents", ()):
                yield Stored(item["Key"], item["Size"], now - item["LastModified"].timestamp())

    def age(self, name: str) -> float | None:
        """Return for how many seconds an object has lain there, or None when it is not there."""
        try:
            answer = self._client.head_object(Bucket=self.bucket_name, Key=self._normalize_name(name))
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        return _time_of(answer) - float(answer["LastModified"].timestamp())

    def fetch(self, name: str, target: Path) -> None:
        """Copy an object to a path of this machine, in constant memory.

        It comes in ranges of one version of the object; a range that breaks off is asked for again. The path appears
        when all of it has come. Raises FileNotFoundError and STORAGE_ERRORS.
        """
        try:
            self._client.download_file(
                self.bucket_name, self._normalize_name(name), str(target), Config=self.transfer_config
            )
        except ClientError as error:
            if is_missing(error):
                raise FileNotFoundError(f"There is no {name} in the bucket {self.bucket_name}.") from error
            raise

    def contents(self, name: str) -> Contents:
        """Return what is in an object, in ranges of one version of it. Raises FileNotFoundError and STORAGE_ERRORS."""
        key = self._normalize_name(name)
        try:
            facts = self._client.head_object(Bucket=self.bucket_name, Key=key)
        except ClientError as error:
            if is_missing(error):
                raise FileNotFoundError(f"There is no {name} in the bucket {self.bucket_name}.") from error
            raise
        size = int(facts["ContentLength"])
        ranges = (f"bytes={at}-{min(at + PIECE_BYTES, size) - 1}" for at in range(0, size, PIECE_BYTES))
        return Contents(size, (self._piece(key, asked, facts["ETag"]) for asked in ranges))

    def _piece(self, key: str, asked: str, etag: str) -> bytes:
        for attempt in range(1, ATTEMPTS + 1):
            answer = self._client.get_object(Bucket=self.bucket_name, Key=key, Range=asked, IfMatch=etag)
            try:
                return cast(bytes, answer["Body"].read())
            except (BotoCoreError, HTTPError):  # it broke off; that it does not begin botocore has tried again already
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError  # never reached

    def unfinished_uploads(self) -> Iterator[UnfinishedUpload]:
        """Yield multipart uploads that are under way, or were abandoned."""
        for page in self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket_name):
            now = _time_of(page)
            for item in page.get("Uploads", ()):
                yield UnfinishedUpload(item["Key"], item["UploadId"], now - item["Initiated"].timestamp())

    def abort_upload(self, upload: UnfinishedUpload) -> None:
        """Throw the parts of a multipart upload away; one that is over already is no error."""
        try:
            self._client.abort_multipart_upload(Bucket=self.bucket_name, Key=upload.key, UploadId=upload.upload_id)
        except ClientError as error:
            if not is_missing(error):
                raise

    @property
    def _client(self) -> Any:
        return self.connection.meta.client


def transfer_config() -> TransferConfig:
    """Return how large files come and go: in parts, of which only a few are in memory."""
    config: Any = TransferConfig(
        multipart_threshold=MULTIPART_BYTES,
        multipart_chunksize=PART_BYTES,
        max_concurrency=PARTS_AT_ONCE,
        max_io_queue=32,  # of 256 KiB each, on their way to the disk
        num_download_attempts=ATTEMPTS,
    )
    config.max_in_memory_upload_chunks = PARTS_AT_ONCE  # boto3 has no parameter for it, and would keep ten more
    return cast(TransferConfig, config)


def _time_of(answer: Any) -> float:
    """Return what time it was for the store when it answered: ours may be another one."""
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(date).timestamp() if date else time.time()


def is_missing(error: ClientError) -> bool:
    """Return whether a store says that what was asked about is not there."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404


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


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while block := stream.read(256 * 1024):
            yield block


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
