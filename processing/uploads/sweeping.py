"""What killed servers and people who never came back leave in the spool folder."""

import contextlib
import time
from pathlib import Path

from processing.uploads.accepting import settle
from processing.uploads.spool import KEY, PART, SPOOL, STATE, folder, locked

# How long an upload that was broken off can be resumed.
EXPIRE_SECONDS = 24 * 3600


def sweep() -> int:
    """Remove what nobody is writing and nobody will resume; return how many uploads that were. Never raises."""
    removed = 0
    for path in list(folder().iterdir()):
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            if path.suffix == SPOOL or (path.suffix == PART and _is_old(path.stat().st_mtime)):
                with locked(path):
                    settle(path.with_suffix(KEY))
                    path.with_suffix(STATE).unlink(missing_ok=True)
                    path.unlink()
                    removed += 1
            elif path.suffix == KEY and not _has_upload(path):
                settle(path)
            elif _is_old(path.stat().st_mtime) and not _has_upload(path):
                path.unlink()
    return removed


def _is_old(when: float) -> bool:
    return when < time.time() - EXPIRE_SECONDS


def _has_upload(path: Path) -> bool:
    return path.with_suffix(PART).exists() or path.with_suffix(SPOOL).exists()
