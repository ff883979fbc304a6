"""Finding source recordings in a folder, and knowing them by their content."""

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from processing.errors import ProcessingError

EXTENSIONS = {".wav", ".wave", ".flac", ".mp3", ".m4a", ".aac", ".opus", ".ogg"}

# A file touched less than this many seconds ago may still be on its way from the recorder.
SETTLE_SECONDS = 2.0


@dataclass(frozen=True)
class SourceFile:
    """A file as it was when it was found."""

    path: Path
    size: int
    mtime_ns: int

    @classmethod
    def at(cls, path: Path) -> "SourceFile":
        """Look at a file. Raises ProcessingError when it is not there or not a file."""
        try:
            status = path.stat()
        except OSError as error:
            message = f"{displayable(path)} cannot be read: {error.strerror}."
            raise ProcessingError(message, code="unreadable") from None
        if not path.is_file():
            raise ProcessingError(f"{displayable(path)} is not a file.", code="not_a_file")
        return cls(path, status.st_size, status.st_mtime_ns)

    @property
    def name(self) -> str:
        """The file's name as text; bytes that are not UTF-8 become a replacement character."""
        return displayable(self.path.name)

    def require_unchanged(self) -> None:
        """Raise ProcessingError when the file is no longer the one that was found."""
        if SourceFile.at(self.path) != self:
            raise ProcessingError(
                f"{displayable(self.path)} changed while it was being read. "
                "Run again when it has been copied completely.",
                code="changing",
            )


@dataclass
class Scan:
    """What a folder holds: recordings, oldest first, and what was left alone with the reason."""

    files: list[SourceFile] = field(default_factory=list)
    left_alone: list[tuple[Path, str]] = field(default_factory=list)


def displayable(path: Path | str) -> str:
    """Return a path as text that can be encoded, whatever bytes it has."""
    return os.fsencode(path).decode("utf-8", "replace")


def scan(folder: Path, *, sleep: Callable[[float], None] = time.sleep) -> Scan:
    """Find every recording below a folder.

    Hidden files and folders, links that lead out of the folder and files that are still being written are left
    alone. Raises ProcessingError when the folder is missing.
    """
    root = Path(os.path.realpath(folder))  # Path.resolve raises on a link that leads to itself before Python 3.13
    if root.exists() and not root.is_dir():
        raise ProcessingError(f"The source folder {displayable(folder)} is not a folder.", code="no_source_folder")
    if not root.is_dir():
        raise ProcessingError(
            f"The source folder {displayable(folder)} does not exist. Is the card or disk plugged in? "
            "Otherwise correct source_folder in config.yaml.",
            code="no_source_folder",
        )
    result = Scan()

    def unreadable(error: OSError) -> None:
        if Path(error.filename) == root:  # nothing to do is not the same as nothing to see
            message = f"The source folder {displayable(folder)} cannot be read: {error.strerror}."
            raise ProcessingError(message, code="unreadable")
        result.left_alone.append((Path(error.filename), f"cannot be read: {error.strerror}"))

    for parent, folders, names in os.walk(root, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if name.startswith(".") or path.suffix.lower() not in EXTENSIONS:
                continue
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
                result.left_alone.append((path, "is a link that leads out of the source folder"))
                continue
            try:
                result.files.append(SourceFile.at(path))
            except ProcessingError as error:
                result.left_alone.append((path, str(error)))
    _leave_unfinished(result, sleep)
    # Oldest first, so that "newest first" in the library is the order in which they were recorded.
    result.files.sort(key=lambda file: (file.mtime_ns, file.path))
    return result


def _leave_unfinished(result: Scan, sleep: Callable[[float], None]) -> None:
    """Leave alone what is still growing: whatever was touched just now is looked at a second time."""
    now = time.time_ns()
    settled_before = now - int(SETTLE_SECONDS * 1e9)
    recent = {file.path: file for file in result.files if file.mtime_ns > settled_before}
    if not recent:
        return
    sleep(SETTLE_SECONDS)
    for path, before in recent.items():
        try:
            before.require_unchanged()
        except ProcessingError:
            result.files.remove(before)
            result.left_alone.append((path, "is still being written"))


def content_hash(source: SourceFile) -> str:
    """Return the SHA-256 of a file's content in hexadecimal, read in constant memory.

    Raises ProcessingError when it cannot be read or changes meanwhile.
    """
    try:
        with source.path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ProcessingError(
            f"{displayable(source.path)} cannot be read: {error.strerror}.", code="unreadable"
        ) from None
    source.require_unchanged()
    return digest
