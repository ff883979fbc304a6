"""A store as folders of files: a media/ tree on disk. (bucket.py: the same in an object store.)

Containment: a profile, folder or file that is a link out of the tree is named, with the reason, and not opened; links
within the tree are what they lead to. Opened are the names that a listing gave, and the index of a profile, which has a
fixed name; no path or address out of a metadata.json ever is. What is read whole (`read`) must be a regular file.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from catalog.legacy import BEING_MADE, INPUTS, Note

# Leftovers of the older version inside a recording's folder.
_LEFTOVER = re.compile(r"step_\d+")
MAX_NAME = 255
_LINK_OUT = Note("link_out_of_store", "is a link that leads out of the store", serious=True)
# Links have been looked at before, and a pipe in a file's place must not be waited for.
_READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class StoredFile(NamedTuple):
    """A file of a folder: size in bytes, time of its content in seconds since 1970."""

    name: str
    size: int
    mtime: float


@dataclass(slots=True)
class Folder:
    """One recording's folder. `problem` says why it cannot be read at all."""

    profile: str
    name: str
    mtime: float = 0.0
    files: dict[str, StoredFile] = field(default_factory=dict)
    # Files that must not be opened, with the reason.
    refused: dict[str, Note] = field(default_factory=dict)
    problem: Note | None = None
    being_made: bool = False

    @property
    def path(self) -> str:
        """Its path in the store."""
        return f"{self.profile}/{self.name}"

    def key(self, file: str) -> str:
        """The path of one of its files in the store."""
        return f"{self.profile}/{self.name}/{file}"


# What a header reader takes: a path, or an open file that seeks.
Audio = Path | BinaryIO


class Store(Protocol):
    """A media/ tree, wherever it is."""

    def describe(self) -> str:
        """Say which store it is, for people."""

    def profiles(self) -> list[str]:
        """Folders at the top: profiles, or what looks like them."""

    def count(self, profile: str) -> int:
        """How many folders a profile has."""

    def refusal(self, profile: str) -> Note | None:
        """Say why a profile cannot be looked into as a whole, if so."""

    def folders(self, profile: str) -> Iterator[Folder]:
        """Yield a profile's folders, ordered by `sort_key` of their names, one at a time."""

    def read(self, key: str) -> bytes:
        """Read a small file. Raises FileNotFoundError or OSError."""

    def tags(self, key: str) -> dict[str, str]:
        """What an object store keeps beside a file; nothing on disk."""

    def audio(self, key: str, size: int) -> AbstractContextManager[Audio]:
        """Open a file of so many bytes to read its headers."""

    def local_copy(self, key: str) -> AbstractContextManager[Path]:
        """Have a whole file on disk while it is read from end to end."""

    def uploads(self, profile: str) -> Iterator[tuple[str, StoredFile]]:
        """Yield the key and file of every upload of a profile (`inputs/<profile>/`). Raises OSError."""


def sort_key(name: str) -> str:
    """Order names as object stores list them: by whole key, where a slash follows the name."""
    return name + "/"


def name_problem(name: str) -> Note | None:
    """Say why a folder of this name cannot be catalogued, if so."""
    if not is_text(name):
        return Note("name_not_text", "its name is not UTF-8; rename the folder", serious=True)
    if len(name) > MAX_NAME or name in {".", ".."} or "\\" in name:  # which the storage library takes for a slash
        message = f"its name has more than {MAX_NAME} characters or a backslash; rename the folder"
        return Note("name_unusable", message, serious=True)
    return None


def is_text(name: str) -> bool:
    """Return whether a name can be encoded; on disk it may be any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def displayable(name: str) -> str:
    """Return a name as text that can be encoded, whatever bytes it has."""
    return os.fsencode(name).decode("utf-8", "replace")


class LocalStore:
    """A media/ tree on disk."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.realpath(root))

    def describe(self) -> str:
        """Return the folder."""
        return str(self.root)

    def profiles(self) -> list[str]:
        """Folders at the top, but for the uploads'."""
        if not self.root.is_dir():
            return []
        with os.scandir(self.root) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".") and _may_be_folder(entry)]
        return sorted(name for name in names if name != INPUTS)

    def refusal(self, profile: str) -> Note | None:
        """Say why a profile's folder is not looked into, if so."""
        names = self._names(profile)
        return names if isinstance(names, Note) else None

    def count(self, profile: str) -> int:
        """How many folders a profile has; one that cannot be looked into counts as one."""
        names = self._names(profile)
        return 1 if isinstance(names, Note) else len(names)

    def folders(self, profile: str) -> Iterator[Folder]:
        """Yield a profile's folders, or one that tells why there are none to be seen."""
        names = self._names(profile)
        if isinstance(names, Note):
            yield Folder(profile, "", problem=names)
            return
        for name in names:
            yield self._folder(profile, name)

    def read(self, key: str) -> bytes:
        """Read a file: a regular one of this store, or a link to one."""
        path, linked = str(self.root), False
        for part in key.split("/"):
            path = f"{path}/{part}"
            linked = linked or os.path.islink(path)
        if linked:
            if not self._inside(path):
                raise OSError(f"it {_LINK_OUT.message}")
            path = os.path.realpath(path)
        with open(path, "rb", opener=_open_regular) as stream:
            return stream.read()

    def tags(self, key: str) -> dict[str, str]:
        """Nothing: files on disk have no such thing."""
        return {}

    def audio(self, key: str, size: int) -> AbstractContextManager[Audio]:
        """Return the path itself."""
        return nullcontext(self.root / key)

    def local_copy(self, key: str) -> AbstractContextManager[Path]:
        """Return the path itself."""
        return nullcontext(self.root / key)

    def uploads(self, profile: str) -> Iterator[tuple[str, StoredFile]]:
        """Yield what lies in `inputs/<profile>/`, beside the tree. Names may be any bytes."""
        folder = str(self.root.parent / INPUTS / profile)
        if not os.path.lexists(folder):
            return
        real = os.path.realpath(folder)
        if real != folder:
            raise OSError(f"{folder} is reached through a link, which is not followed: name {real} as source_folder")
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:  # removed meanwhile
                        continue
                    yield entry.path, StoredFile(entry.name, status.st_size, status.st_mtime)

    def _names(self, profile: str) -> list[str] | Note:
        root = f"{self.root}/{profile}"
        if not os.path.lexists(root):
            return []
        if not self._inside(root):
            return _LINK_OUT
        try:
            with os.scandir(root) as entries:
                names = [entry.name for entry in entries if not entry.name.startswith(".") and _may_be_folder(entry)]
        except NotADirectoryError:
            return []
        except OSError as error:
            return Note("unreadable", f"cannot be read: {error.strerror}", serious=True)
        return sorted(names, key=sort_key)

    def _folder(self, profile: str, name: str) -> Folder:
        # Plain strings and one stat per file: this runs for every folder of a store at every run.
        path = f"{self.root}/{profile}/{name}"
        folder = Folder(profile, name, problem=name_problem(name))
        if folder.problem:
            return folder
        try:
            if os.path.islink(path) and not self._inside(path):
                folder.problem = _LINK_OUT
                return folder
            folder.mtime = os.stat(path).st_mtime
            with os.scandir(path) as entries:
                for entry in entries:
                    name = entry.name
                    if (
                        name[0] != "."
                        and name.isascii()
                        and "\\" not in name
                        and not entry.is_symlink()
                        and entry.is_file()
                    ):
                        status = entry.stat()
                        folder.files[name] = StoredFile(name, status.st_size, status.st_mtime)
                    else:
                        self._add_odd(folder, entry)
        except OSError as error:
            folder.problem = Note("unreadable", f"cannot be read: {error.strerror}", serious=True)
        return folder

    def _add_odd(self, folder: Folder, entry: os.DirEntry[str]) -> None:
        """Hidden files, links, folders and names that are not text."""
        name = entry.name
        if name[0] == ".":
            folder.being_made |= name == BEING_MADE
            return
        if not is_text(name):
            shown = name.encode("utf-8", "replace").decode()
            folder.refused[shown] = Note("name_not_text", "its name is not UTF-8; rename the file", shown, serious=True)
            return
        if "\\" in name:
            folder.refused[name] = Note(
                "name_unusable", "its name has a backslash; rename the file", name, serious=True
            )
            return
        try:
            if not self._inside(entry.path):
                folder.refused[name] = replace(_LINK_OUT, file=name)
                return
            status = entry.stat()
        except OSError as error:
            folder.refused[name] = Note("unreadable", f"cannot be read: {error.strerror}", name, serious=True)
            return
        if stat.S_ISREG(status.st_mode):
            folder.files[name] = StoredFile(name, status.st_size, status.st_mtime)
        elif stat.S_ISDIR(status.st_mode) and not _LEFTOVER.fullmatch(name):
            folder.refused[name] = Note("folder_inside", "is a folder inside a recording's folder; left alone", name)

    def _inside(self, path: str) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self.root)


def _may_be_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether it is a folder, or a link of which nobody can tell: that is looked at, and named."""
    try:
        return entry.is_dir() or (entry.is_symlink() and not os.path.exists(entry.path))
    except OSError:  # a link to itself or into a closed folder
        return True


def _open_regular(path: str, _flags: int) -> int:
    descriptor = os.open(path, _READING)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError("it is not a regular file")
