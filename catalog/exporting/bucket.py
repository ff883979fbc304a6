"""Exporting to the bucket of the configured object storage. What is there already is known from its listing."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from catalog.exporting import ExportError
from catalog.exporting.targets import Document, Listed, Refused
from catalog.legacy import METADATA

# Requests spend their time waiting.
REQUESTS = 16
_MISSING = {"NoSuchKey", "404", "NotFound"}
# After one of these the next request would fare no better.
_HOPELESS = {"AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket"}
# What is written is new: the time of the file that a former object was uploaded from is not its own.
_NOT_KEPT = {"original-mtime"}


@dataclass(slots=True)
class _Contents:
    """What a listing tells of a folder: ETag and size of its metadata.json, and whether it has anything else."""

    etag: str = ""
    size: int | None = None
    others: bool = False


class BucketTarget:
    """A bucket."""

    def __init__(self, storage: Any) -> None:
        self._client = storage.connection.meta.client
        self._bucket = storage.bucket_name

    def describe(self) -> str:
        """Return its name."""
        return f"bucket {self._bucket}"

    def prepare(self) -> None:
        """Ask for its listing; whether one can write shows with the first object."""
        self._ask(self._client.list_objects_v2, MaxKeys=1)

    def listing(self, profile: str) -> Iterator[Listed]:
        """Yield the folders as the listing goes by; it is never whole in memory."""
        prefix = f"{profile}/"
        name, contents = "", _Contents()
        for item in self._objects(prefix):
            folder, slash, file = item["Key"].removeprefix(prefix).partition("/")
            if not slash or not folder or folder.startswith("."):
                continue
            if folder != name:
                if name:
                    yield Listed(name, contents)
                name, contents = folder, _Contents()
            if file == METADATA:
                contents.etag, contents.size = item["ETag"].strip('"'), item["Size"]
            elif file:
                contents.others = True
        if name:
            yield Listed(name, contents)

    def are_current(self, documents: list[Document]) -> list[bool | Refused]:
        """Compare by size and ETag, which is the MD5 in most stores; else by what is there."""
        with ThreadPoolExecutor(REQUESTS) as pool:
            return list(pool.map(_one_by_one(self._is_current), documents))

    def read(self, documents: list[Document]) -> list[bytes | Refused | None]:
        """Fetch several at a time."""
        with ThreadPoolExecutor(REQUESTS) as pool:
            return list(pool.map(_one_by_one(self._content), documents))

    def write(self, documents: list[Document]) -> list[Refused | None]:
        """Write several at a time. An object appears when its upload is complete."""
        with ThreadPoolExecutor(REQUESTS) as pool:
            return list(pool.map(_one_by_one(self._write_one), documents))

    def is_left_over(self, _profile: str, listed: Listed) -> bool | None:
        """Tell from the listing."""
        return listed.details.size is not None and not listed.details.others

    def prune(self, profile: str, listed: Listed) -> None:
        """Delete the object, unless something came beside it since the listing."""
        prefix = f"{profile}/{listed.name}/"
        if [item["Key"] for item in self._objects(prefix)] == [prefix + METADATA]:
            self._ask(self._client.delete_object, Key=prefix + METADATA)

    def finish(self) -> None:
        """Nothing is left to do."""

    def _is_current(self, document: Document) -> bool:
        contents = document.listed.details if document.listed else None
        if contents is not None:
            if contents.size != len(document.data):
                return False
            if contents.etag == hashlib.md5(document.data, usedforsecurity=False).hexdigest():
                return True
        return self._content(document) == document.data

    def _content(self, document: Document) -> bytes | None:
        answer = self._find(self._client.get_object, Key=document.key)
        return None if answer is None else cast(bytes, answer["Body"].read())

    def _write_one(self, document: Document) -> None:
        former = self._find(self._client.head_object, Key=document.key)
        kept = {name: value for name, value in (former or {}).get("Metadata", {}).items() if name not in _NOT_KEPT}
        self._ask(
            self._client.put_object,
            Key=document.key,
            Body=document.data,
            ContentType="application/json",
            Metadata=kept,
        )

    def _find(self, request: Callable[..., Any], **parameters: Any) -> Any:
        try:
            return self._ask(request, **parameters)
        except Refused as refused:
            if refused.code == "missing":
                return None
            raise

    def _ask(self, request: Callable[..., Any], **parameters: Any) -> Any:
        try:
            return request(Bucket=self._bucket, **parameters)
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"].get("Message") or error
            if code in _MISSING:
                raise Refused("missing", "is not in the bucket") from None
            if code in _HOPELESS:
                raise ExportError(f"The bucket {self._bucket} refuses: {message} ({code}).") from None
            raise Refused("store_error", f"{message} ({code})") from None
        except (BotoCoreError, ConnectionError) as error:
            raise ExportError(f"The object store cannot be reached: {error}") from None

    def _objects(self, prefix: str) -> Iterator[Any]:
        token: dict[str, str] = {}
        while True:
            try:
                page = self._ask(self._client.list_objects_v2, Prefix=prefix, **token)
            except Refused as refused:
                raise ExportError(f"The bucket {self._bucket} cannot be listed: {refused}") from None
            yield from page.get("Contents", [])
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}


def _one_by_one[T](work: Callable[[Document], T]) -> Callable[[Document], T | Refused]:
    """Return the work, giving back what was refused, so that it stops no other document."""

    def guarded(document: Document) -> T | Refused:
        try:
            return work(document)
        except Refused as refused:
            return refused

    return guarded
