"""A store in an S3-compatible bucket: `<profile>/<folder>/<file>` and `inputs/<profile>/<file>`."""

import contextlib
import io
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from catalog.legacy import BEING_MADE, INPUTS, Note
from catalog.legacy.stores import Audio, Folder, StoredFile, name_problem

# Headers are read in pieces: an Ogg file's length stands in its last page, the rest at its beginning.
BLOCK = 64 * 1024
# HTTPError: what the layer below lets through while the body of an answer is being read.
_FAILURES = (ClientError, BotoCoreError, HTTPError)
READS = 3


class BucketStore:
    """The bucket of the configured object storage. Listings are paged, and never whole in memory."""

    def __init__(self, storage: Any, work_folder: Path) -> None:
        self._client = storage.connection.meta.client
        self._bucket = storage.bucket_name
        self._work = work_folder

    def describe(self) -> str:
        """Return the bucket's name."""
        return f"bucket {self._bucket}"

    def profiles(self) -> list[str]:
        """Prefixes at the top, but for the uploads'."""
        return sorted(name for name in self._prefixes("") if name != INPUTS and not name.startswith("."))

    def count(self, profile: str) -> int:
        """How many folders a profile has."""
        return sum(not name.startswith(".") for name in self._prefixes(f"{profile}/"))

    def refusal(self, profile: str) -> Note | None:
        """Nothing: keys are no folders that could be closed or lead elsewhere."""
        return None

    def folders(self, profile: str) -> Iterator[Folder]:
        """Yield a profile's folders as the listing goes by."""
        prefix = f"{profile}/"
        folder: Folder | None = None
        for item in self._objects(prefix):
            name, slash, file = item["Key"].removeprefix(prefix).partition("/")
            if not slash or not name or name.startswith("."):
                continue
            if folder is None or folder.name != name:
                if folder is not None:
                    yield folder
                folder = Folder(profile, name, problem=name_problem(name))
            _add(folder, file, item)
        if folder is not None:
            yield folder

    def read(self, key: str) -> bytes:
        """Read an object."""
        with _as_os_errors(key):
            return self._read(key, _whole)

    def tags(self, key: str) -> dict[str, str]:
        """Return the object's own metadata."""
        with _as_os_errors(key):
            return dict(self._client.head_object(Bucket=self._bucket, Key=key)["Metadata"])

    @contextmanager
    def audio(self, key: str, size: int) -> Iterator[Audio]:
        """Open an object of which only pieces are fetched."""
        yield cast(BinaryIO, io.BufferedReader(_Ranges(self, key, size), BLOCK))

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        """Fetch an object into the work folder, and remove it afterwards."""
        self._work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._work, prefix="import-") as folder:
            path = Path(folder, key.rpartition("/")[2])  # messages tell its name
            with _as_os_errors(key):
                self._read(key, partial(_copy, path))
            yield path

    def uploads(self, profile: str) -> Iterator[tuple[str, StoredFile]]:
        """Yield what lies in `inputs/<profile>/`."""
        prefix = f"{INPUTS}/{profile}/"
        for item in self._objects(prefix):
            name = item["Key"].removeprefix(prefix)
            if name and "/" not in name:
                yield item["Key"], StoredFile(name, item["Size"], item["LastModified"].timestamp())

    def read_range(self, key: str, start: int, end: int) -> bytes:
        """Return bytes `start` up to, not including, `end`."""
        with _as_os_errors(key):
            return self._read(key, _whole, Range=f"bytes={start}-{end - 1}")

    def _read[Result](self, key: str, reading: Callable[[IO[bytes]], Result], **options: str) -> Result:
        """Read an object or a part of it. boto3 asks again when it gets no answer, but not when a body breaks off."""
        for _ in range(READS - 1):
            with contextlib.suppress(BotoCoreError, HTTPError):
                return reading(self._get(key, **options))
        return reading(self._get(key, **options))

    def _get(self, key: str, **options: str) -> IO[bytes]:
        return cast(IO[bytes], self._client.get_object(Bucket=self._bucket, Key=key, **options)["Body"])

    def _objects(self, prefix: str) -> Iterator[Any]:
        for page in self._pages(Prefix=prefix):
            yield from page.get("Contents", [])

    def _prefixes(self, prefix: str) -> Iterator[str]:
        for page in self._pages(Prefix=prefix, Delimiter="/"):
            for item in page.get("CommonPrefixes", []):
                yield item["Prefix"].removeprefix(prefix).rstrip("/")

    def _pages(self, **options: str) -> Iterator[Any]:
        try:
            yield from self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, **options)
        except _FAILURES as error:
            raise OSError(f"the bucket {self._bucket} cannot be listed: {error}") from error


def _add(folder: Folder, file: str, item: Any) -> None:
    if file == BEING_MADE:
        folder.being_made = True
        return
    if not file or file.startswith(".") or "/" in file:
        return
    if "\\" in file:
        folder.refused[file] = Note("name_unusable", "its name has a backslash; rename it", file, serious=True)
        return
    mtime = item["LastModified"].timestamp()
    folder.files[file] = StoredFile(file, item["Size"], mtime)
    folder.mtime = max(folder.mtime, mtime)


def _whole(body: IO[bytes]) -> bytes:
    return body.read()


def _copy(path: Path, body: IO[bytes]) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(body, file, 1 << 20)


class _Ranges(io.RawIOBase):
    """An object as a file of which only the parts asked for are fetched."""

    def __init__(self, store: BucketStore, key: str, size: int) -> None:
        self._store, self._key, self._size, self._at = store, key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._size, self._at + len(buffer))
        if end <= self._at:
            return 0
        data = self._store.read_range(self._key, self._at, end)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


@contextmanager
def _as_os_errors(key: str) -> Iterator[None]:
    """Turn whatever goes wrong between us and the bucket into what a disk would raise."""
    try:
        yield
    except _FAILURES as error:
        details = error.response.get("Error", {}) if isinstance(error, ClientError) else {}
        if details.get("Code") in {"NoSuchKey", "404"}:
            raise FileNotFoundError(f"{key} is not in the bucket") from None
        raise OSError(f"{key} cannot be read: {details.get('Message') or error}") from error
