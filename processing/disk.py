"""Saying plainly that a disk is full or closed to us, wherever it was noticed."""

import contextlib
import errno
from collections.abc import Iterator

from processing.errors import ProcessingError


@contextlib.contextmanager
def naming_disk_troubles() -> Iterator[None]:
    """Turn "no space left" and its relatives into a ProcessingError that says what to do; let the rest pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = "Make room" if full else "Make it writable for this user"
        raise ProcessingError(
            f"{error.filename or 'The disk'}: {error.strerror}. {remedy} and run again; nothing half-made was kept.",
            code="disk_full" if full else "not_writable",
        ) from error
