"""Uploads that go straight into the object store: a multipart upload of ours whose parts somebody else sends.

Each part is sent to an address that is signed for this part, of this length, for a short while; who has it can do
nothing else with the bucket.
"""

from typing import IO, Any, NamedTuple, cast

from botocore.exceptions import ClientError
from django.core.files.storage import default_storage

from catalog.storage import ObjectStorage, UnfinishedUpload, is_missing, storage


class InParts(NamedTuple):
    """A multipart upload: the key of the object that it is to become, and the store's own name for it."""

    key: str
    upload_id: str

    @property
    def _place(self) -> dict[str, str]:
        return {"Bucket": _bucket().bucket_name, "Key": self.key, "UploadId": self.upload_id}

    def address(self, number: int, size: int, seconds: int) -> str:
        """Return where so many bytes can be PUT as a part (from 1) for so many seconds. Asks nobody."""
        wanted = self._place | {"PartNumber": number, "ContentLength": size}
        return str(_client().generate_presigned_url("upload_part", Params=wanted, ExpiresIn=seconds))

    def parts(self) -> dict[int, tuple[int, str]]:
        """Return the size in bytes and the ETag of each part that the store has.

        Raises FileNotFoundError when the upload is over, either way, and STORAGE_ERRORS.
        """
        try:
            pages = _client().get_paginator("list_parts").paginate(**self._place)
            return {
                part["PartNumber"]: (part["Size"], part["ETag"]) for page in pages for part in page.get("Parts", ())
            }
        except ClientError as error:
            raise _known(error) from error

    def complete(self, tags: dict[int, str]) -> None:
        """Make an object of its parts, given the ETag of each. Raises FileNotFoundError and STORAGE_ERRORS."""
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in sorted(tags.items())]
        try:
            _client().complete_multipart_upload(**self._place, MultipartUpload={"Parts": parts})
        except ClientError as error:
            raise _known(error) from error

    def abort(self) -> None:
        """Throw its parts away; one that is over already is no error. Raises STORAGE_ERRORS."""
        storage().abort_upload(UnfinishedUpload(self.key, self.upload_id, 0))


def possible() -> bool:
    """Return whether audio is kept in an object store."""
    return isinstance(default_storage, ObjectStorage)


def begin(key: str) -> InParts:
    """Begin an upload. Raises STORAGE_ERRORS."""
    return InParts(key, _client().create_multipart_upload(Bucket=_bucket().bucket_name, Key=key)["UploadId"])


def begun(prefix: str) -> int:
    """Return how many are unfinished below a prefix, up to 1,000. Raises STORAGE_ERRORS."""
    found = _client().list_multipart_uploads(Bucket=_bucket().bucket_name, Prefix=prefix)
    return len(found.get("Uploads", ()))


def fetch_into(key: str, stream: IO[bytes]) -> None:
    """Write an object into a file that is open, in constant memory. Raises FileNotFoundError and STORAGE_ERRORS."""
    bucket = _bucket()
    try:
        _client().download_fileobj(bucket.bucket_name, key, stream, Config=bucket.transfer_config)
    except ClientError as error:
        raise _known(error) from error


def copy(key: str, to: str) -> None:
    """Copy an object within the store, part by part, so that no request takes long. Raises STORAGE_ERRORS."""
    bucket = _bucket()
    source = {"Bucket": bucket.bucket_name, "Key": key}
    _client().copy(source, bucket.bucket_name, to, Config=bucket.transfer_config)


def _bucket() -> ObjectStorage:
    return cast(ObjectStorage, default_storage)


def _client() -> Any:
    return _bucket().connection.meta.client


def _known(error: ClientError) -> Exception:
    return FileNotFoundError("It is not in the bucket.") if is_missing(error) else error
