"""Saying plainly that a disk is full, wherever it was noticed."""

import contextlib
import errno
from collections.abc import Iterator

from processing.errors import ProcessingError


@contextlib.contextmanager
def naming_full_disks() -> Iterator[None]:
    """Turn "no space left" and its relatives into a ProcessingError that says what to do; let the rest pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        raise ProcessingError(
            f"{error.filename or 'The disk'}: {error.strerror}. Make room and run again; nothing half-made was kept.",
            code="disk_full",
        ) from error
