"""Uploads of which the browser sends the bytes straight into the bucket, in parts, each to an address that is signed.

What has arrived is in the bucket under a key that nobody asks for, below `inputs/<profile>/.incoming/`; the sweep takes
it away after a day. What is known of the upload is in a signed token that its person keeps, so there is no table.
In the end it is fetched once, to be hashed and judged like every upload, and copied to its place within the bucket.
From there on it is a resumable upload with all its bytes (processing.uploads.resumable), which remembers its job.
"""

import contextlib
import logging
import math
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from django.core import signing
from django.core.files.storage import default_storage
from django.http import Http404

from catalog import bucket_uploads
from catalog.access import Person
from catalog.bucket_uploads import InParts
from catalog.models import Profile
from catalog.storage import INCOMING, PART_BYTES, STORAGE_ERRORS
from processing.jobs.sources import INPUTS
from processing.uploads import limits, resumable
from processing.uploads.body import release_connection
from processing.uploads.refusals import UploadRefused, naming_storage_troubles
from processing.uploads.resumable import MOST_OPEN, NO_UPLOAD
from processing.uploads.spool import folder
from processing.uploads.sweeping import EXPIRE_SECONDS

logger = logging.getLogger(__name__)
# An address is for a part that is about to be sent. Who is slower asks for another one.
ADDRESS_SECONDS = 15 * 60
# What S3 allows.
MOST_PARTS = 10_000
SALT = "processing.uploads.direct"
NOT_HERE = "This site keeps its audio on its own disk. Upload by the other ways."
OTHER_SIZE = "What has arrived is not as large as the file was said to be. Begin again."


@dataclass(frozen=True)
class Direct:
    """What a token says."""

    key: str
    upload_id: str
    user_id: str
    profile_id: str
    filename: str
    size: int
    part_size: int

    @property
    def count(self) -> int:
        """How many parts it has. All are of `part_size` bytes, the last one of what is left."""
        return -(-self.size // self.part_size)

    @property
    def in_parts(self) -> InParts:
        """Where it is in the bucket."""
        return InParts(self.key, self.upload_id)

    def size_of(self, number: int) -> int:
        """Return how many bytes a part has, from 1."""
        return min(self.part_size, self.size - (number - 1) * self.part_size)

    def token(self) -> str:
        """Return it signed, for its person to keep."""
        return signing.dumps(asdict(self), salt=SALT)

    def as_resumable(self) -> resumable.Upload:
        """Return what it is on our side when all has come."""
        name = self.key.rpartition("/")[2]
        return resumable.Upload(name, self.user_id, self.profile_id, self.filename, self.size)


def require_bucket() -> None:
    """Raise UploadRefused where there is no object store."""
    if not bucket_uploads.possible():
        raise UploadRefused(409, NOT_HERE)


def begin(profile: Profile, by: Person, *, filename: str, size: int) -> Direct:
    """Begin an upload of so many bytes to a profile that the person may upload to. Raises UploadRefused."""
    limits.require_configured(profile)
    name = limits.require_name(filename)
    limits.require_size(size, limits.max_bytes())
    limits.require_quota(profile, size)
    incoming = f"{INPUTS}/{profile.name}/{INCOMING}/"
    with naming_storage_troubles():
        if bucket_uploads.begun(incoming) >= MOST_OPEN:
            raise UploadRefused(429, f"{MOST_OPEN} uploads to {profile.name} are not finished. Finish or cancel some.")
        upload = bucket_uploads.begin(incoming + uuid.uuid4().hex)
    part_size = max(PART_BYTES, math.ceil(size / MOST_PARTS))
    return Direct(upload.key, upload.upload_id, str(by.pk), str(profile.pk), name, size, part_size)


def find(token: str, profile: Profile, by: Person) -> Direct:
    """Return what a token of a person's says about an upload to a profile, or raise Http404."""
    try:
        upload = Direct(**signing.loads(token, salt=SALT, max_age=EXPIRE_SECONDS))
    except (signing.BadSignature, TypeError):
        raise Http404(NO_UPLOAD) from None
    if upload.user_id != str(by.pk) or upload.profile_id != str(profile.pk):
        raise Http404(NO_UPLOAD)
    return upload


def arrived(upload: Direct) -> list[int]:
    """Return the numbers of the parts that are there. Raises UploadRefused, and Http404 when it is over."""
    with naming_storage_troubles(), _gone_is_missing():
        try:
            return sorted(upload.in_parts.parts())
        except FileNotFoundError:
            if not _job_of(upload):
                default_storage.size(upload.key)
            return list(range(1, upload.count + 1))


def addresses(upload: Direct, numbers: list[int]) -> dict[str, str]:
    """Return where to PUT these parts, by their numbers. Raises UploadRefused for parts that it does not have."""
    if not all(1 <= number <= upload.count for number in numbers):
        raise UploadRefused(400, f"This upload has the parts 1 to {upload.count}.")
    return {str(number): upload.in_parts.address(number, upload.size_of(number), ADDRESS_SECONDS) for number in numbers}


def finish(upload: Direct, profile: Profile, by: Person) -> str:
    """Return the id of the job of an upload whose parts are all there; asking again gives the same.

    Raises UploadRefused and Http404. What can never be taken is thrown away.
    """
    job_id = _job_of(upload)
    if job_id:
        return job_id
    limits.require_disk(folder(), upload.size)

    def bring(path: Path) -> None:
        release_connection()
        with naming_storage_troubles(), _gone_is_missing():
            _join(upload)
            with path.open("wb") as stream:
                bucket_uploads.fetch_into(upload.key, stream)

    try:
        job_id = resumable.collect(upload.as_resumable(), bring, profile, by, upload.key)
    except (UploadRefused, Http404) as error:
        if not getattr(error, "may_pass", False):
            _throw_away(upload)
        raise
    _throw_away(upload)
    return job_id


def give_up(upload: Direct) -> None:
    """Throw an upload away; its job stays, if it has one. Raises UploadRefused."""
    with contextlib.suppress(Http404):
        resumable.give_up(upload.as_resumable())
    with naming_storage_troubles():
        upload.in_parts.abort()
        default_storage.delete(upload.key)


def _job_of(upload: Direct) -> str:
    return resumable.job_of(upload.as_resumable())


def _join(upload: Direct) -> None:
    """Make one object of the parts, if that is not done yet. Raises UploadRefused, FileNotFoundError."""
    with contextlib.suppress(FileNotFoundError):  # it is done, or was aborted
        there = upload.in_parts.parts()
        missing = [number for number in range(1, upload.count + 1) if number not in there]
        if missing:
            raise UploadRefused(409, f"{len(missing)} of {upload.count} parts have not arrived yet.", may_pass=True)
        if any(there[number][0] != upload.size_of(number) for number in there):
            raise UploadRefused(400, OTHER_SIZE)
        upload.in_parts.complete({number: tag for number, (_size, tag) in there.items()})
    if default_storage.size(upload.key) != upload.size:
        raise UploadRefused(400, OTHER_SIZE)


def _throw_away(upload: Direct) -> None:
    """Take it out of the bucket. Never raises: the sweep comes after a day."""
    try:
        upload.in_parts.abort()
        default_storage.delete(upload.key)
    except STORAGE_ERRORS:
        logger.warning("What an upload left in the bucket stays until it is swept", exc_info=True)


@contextlib.contextmanager
def _gone_is_missing() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise Http404(NO_UPLOAD) from None
