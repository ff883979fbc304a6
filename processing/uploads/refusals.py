"""Uploads that are not taken, each with a sentence for people and its status."""

import contextlib
import errno
from collections.abc import Iterator

from catalog.storage import STORAGE_ERRORS
from processing.errors import ProcessingError

NO_ROOM = "There is no room left on the server for this upload. Tell whoever runs this site."
STORAGE_AWAY = "The place where the audio is kept did not answer as it should. Try again in a few minutes."


class UploadRefused(ProcessingError):
    """Why an upload is not taken; `status` is that of the HTTP answer.

    `may_pass` says that the same upload may be taken another time, so that what arrived of it is worth keeping.
    """

    code = "upload"

    def __init__(self, status: int, message: str, *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.may_pass = may_pass


class Interrupted(UploadRefused):
    """The sender went away, or sent nothing for too long, before everything had come."""

    def __init__(self) -> None:
        super().__init__(400, "The upload broke off before everything had arrived. Send it again.", may_pass=True)


@contextlib.contextmanager
def naming_full_disks() -> Iterator[None]:
    """Turn a full disk into a refusal (507)."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise UploadRefused(507, NO_ROOM, may_pass=True) from error


@contextlib.contextmanager
def naming_storage_troubles() -> Iterator[None]:
    """Turn what storage raises into a refusal that may pass: 507 for a full disk, else 503."""
    try:
        with naming_full_disks():
            yield
    except STORAGE_ERRORS as error:
        raise UploadRefused(503, STORAGE_AWAY, may_pass=True) from error
