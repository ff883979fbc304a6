"""Exporting to a folder on disk, be it the media folder or another.

A file is written beside the tree and renamed into place, so it is whole or the former one at any moment. In the site's
own storage it is brought to the disk before that. Elsewhere one sync at the end does: after a power cut the export is
run again, and finds and mends what did not reach the disk. Links out of the folder are never followed, and no link is
written over.
"""

import contextlib
import errno
import fcntl
import os
import stat
import uuid
from collections.abc import Iterator, Sequence
from itertools import batched
from pathlib import Path

from catalog.exporting import ExportError
from catalog.exporting.targets import Document, Listed, Refused
from catalog.legacy import METADATA
from catalog.legacy.stores import sort_key
from catalog.storage import INCOMING, LocalStorage

# Some systems give a process 256 open files.
OPEN_AT_ONCE = 100
# After one of these the next file would fare no better.
_HOPELESS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE}


class FolderTarget:
    """A folder. It is made when it is not there."""

    def __init__(self, root: Path, *, is_storage: bool = False) -> None:
        self.root = Path(os.path.realpath(root))
        self._incoming = self.root / INCOMING
        self._is_storage = is_storage
        self._wrote = False

    def describe(self) -> str:
        """Return the folder."""
        return str(self.root)

    def prepare(self) -> None:
        """Make the folder, sweep it and try to write."""
        if self._incoming.is_symlink():
            raise ExportError(f"{self._incoming} is a link. Remove it, and run again.")
        try:
            self._incoming.mkdir(parents=True, exist_ok=True)
            LocalStorage(str(self.root)).sweep_incoming()
            descriptor, path = self._temporary()
            os.close(descriptor)
            path.unlink()
        except OSError as error:
            raise ExportError(
                f"{self.root} cannot be written: {error.strerror}. Make it writable for this user, or choose another."
            ) from None

    def listing(self, profile: str) -> Iterator[Listed]:
        """Yield the folders, with whether each is a link."""
        root = self.root / profile
        if root.is_symlink():
            self._require_inside(root)
        try:
            with os.scandir(root) as entries:
                found = [
                    Listed(entry.name, entry.is_symlink())
                    for entry in entries
                    if not entry.name.startswith(".") and (entry.is_dir() or entry.is_symlink())
                ]
        except FileNotFoundError:
            return
        except OSError as error:
            raise Refused("unreadable", f"cannot be read: {error.strerror}") from None
        yield from sorted(found, key=lambda listed: sort_key(listed.name))

    def are_current(self, documents: list[Document]) -> list[bool | Refused]:
        """Compare with what is there."""
        return [self._is_current(document) for document in documents]

    def read(self, documents: list[Document]) -> list[bytes | Refused | None]:
        """Read each; links are not followed."""
        return [self._content(document) for document in documents]

    def write(self, documents: list[Document]) -> list[Refused | None]:
        """Write some hundred at a time."""
        self._wrote = True
        return [answer for some in batched(documents, OPEN_AT_ONCE) for answer in self._write_some(some)]

    def is_left_over(self, profile: str, listed: Listed) -> bool | None:
        """Look into the folder. What a link leads to is never ours."""
        if listed.details:
            return False
        try:
            with os.scandir(self.root / profile / listed.name) as entries:
                found = {entry.name: entry.is_file(follow_symlinks=False) for entry in entries}
        except OSError:
            return False
        return found == {METADATA: True} if found else None

    def prune(self, profile: str, listed: Listed) -> None:
        """Delete the file; the folder goes only if nothing came into it meanwhile."""
        folder = self.root / profile / listed.name
        try:
            (folder / METADATA).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                folder.rmdir()
        except OSError as error:
            raise _refused(error) from None

    def finish(self) -> None:
        """Sync once for all that was written."""
        if self._is_storage:
            return  # everything is on the disk already
        with contextlib.suppress(OSError):  # somebody else's file is in it
            self._incoming.rmdir()
        if self._wrote:
            os.sync()

    def _is_current(self, document: Document) -> bool | Refused:
        path = self.root / document.key
        try:
            if document.listed is None or document.listed.details:
                self._require_inside(path.parent)
            try:
                there = _read(path, len(document.data))
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
                self._require_inside(path)
                there = _read(Path(os.path.realpath(path)), len(document.data))
                if there != document.data:
                    return Refused("link", "is a link, which is not written over; put the file itself there")
        except FileNotFoundError:
            return False
        except Refused as refused:
            return refused
        except OSError as error:
            return _refused(error)
        return there == document.data

    def _content(self, document: Document) -> bytes | Refused | None:
        path = self.root / document.key
        try:
            self._require_inside(path.parent)
            return _read(path)
        except FileNotFoundError:
            return None
        except Refused as refused:
            return refused
        except OSError as error:
            return _refused(error)

    def _require_inside(self, path: Path) -> None:
        if not Path(os.path.realpath(path)).is_relative_to(self.root):
            raise Refused("link_out_of_target", f"{path.relative_to(self.root)} is a link that leads out of the target")

    def _write_some(self, documents: Sequence[Document]) -> list[Refused | None]:
        with contextlib.ExitStack() as stack:
            try:
                written = [self._write_temporary(document, stack) for document in documents]
                if self._is_storage:
                    _bring_to_disk([descriptor for descriptor, _path in written])
            except OSError as error:
                raise ExportError(f"{self._incoming} cannot be written: {error.strerror}.") from None
            answers = [self._move(path, document.key) for (_, path), document in zip(written, documents, strict=True)]
        if self._is_storage:
            # The catalogue is about to note what storage says: that must hold after a power cut as well.
            moved = [
                self.root / document.key for document, answer in zip(documents, answers, strict=True) if not answer
            ]
            _bring_folders_to_disk({parent for path in moved for parent in path.parents[:2]})
        return answers

    def _write_temporary(self, document: Document, stack: contextlib.ExitStack) -> tuple[int, Path]:
        descriptor, path = self._temporary()
        stack.callback(os.close, descriptor)
        stack.callback(path.unlink, missing_ok=True)
        with open(descriptor, "wb", closefd=False) as stream:
            stream.write(document.data)
        return descriptor, path

    def _temporary(self) -> tuple[int, Path]:
        """Open a new file whose lock tells sweep_incoming that its writer lives."""
        while True:
            path = self._incoming / uuid.uuid4().hex
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            except FileNotFoundError:
                self._incoming.mkdir(parents=True, exist_ok=True)
                continue
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return descriptor, path
            os.close(descriptor)  # it was swept before it was locked

    def _move(self, path: Path, key: str) -> Refused | None:
        target = self.root / key
        try:
            try:
                path.replace(target)
            except FileNotFoundError:
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
        except OSError as error:
            return _refused(error)
        return None


def _read(path: Path, expected: int | None = None) -> bytes | None:
    """Return a file's content, or None when it has not the expected length.

    Does not follow a link, nor wait for a pipe.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Refused("in_the_way", "is there, but is no file; move it away")
        if expected is not None and status.st_size != expected:
            return None
        with open(descriptor, "rb", closefd=False) as stream:
            return stream.read()
    finally:
        os.close(descriptor)


def _bring_to_disk(descriptors: list[int]) -> None:
    """Sync files. Where the kernel can be asked to begin writing all of them first, the syncs share their waiting."""
    if hasattr(os, "posix_fadvise"):
        for descriptor in descriptors:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    for descriptor in descriptors:
        os.fsync(descriptor)


def _bring_folders_to_disk(folders: set[Path]) -> None:
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _refused(error: OSError) -> Refused:
    if error.errno in _HOPELESS:
        raise ExportError(f"{error.filename or 'The disk'}: {error.strerror}. Make room, and run again.") from None
    if error.errno in {errno.EACCES, errno.EPERM}:
        return Refused("not_writable", f"{error.strerror}; make the folder readable and writable for this user")
    if error.errno in {errno.ENOTDIR, errno.EEXIST, errno.EISDIR}:
        return Refused("in_the_way", "something that is no folder is in its place; move it away")
    return Refused("io_error", f"{error.strerror or error}")
