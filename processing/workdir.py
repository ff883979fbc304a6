"""Folders for intermediate files that are gone in every outcome, kill -9 included.

A process keeps a lock on its folder's lock file; whoever sweeps later may remove a folder whose lock is free.
"""

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

PREFIX = "job-"


@contextlib.contextmanager
def work_folder(parent: Path) -> Iterator[Path]:
    """Yield a new empty folder below `parent` and remove it afterwards."""
    parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        with _exclusive(parent / "sweep.lock"):  # a sweep must not see the folder before its lock is held
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
            lock = folder.with_suffix(".lock")
            stack.enter_context(_exclusive(lock))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock.unlink(missing_ok=True)


def sweep(parent: Path, before_removal: Callable[[Path], bool] = lambda _folder: True) -> int:
    """Remove what killed processes left below `parent`, and return how many folders that were.

    `before_removal` gets each of them, to clear up what its contents tell of; the folder stays if it returns False.
    """
    removed = 0
    if not parent.is_dir():
        return removed
    with _exclusive(parent / "sweep.lock"):
        for folder in {path.with_suffix("") for path in parent.glob(f"{PREFIX}*")}:
            lock = folder.with_suffix(".lock")
            try:
                with lock.open("a") as stream:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if not before_removal(folder):
                        continue
                    shutil.rmtree(folder, ignore_errors=True)
                    lock.unlink(missing_ok=True)
                    removed += 1
            except BlockingIOError:
                continue  # its process lives
    return removed


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
