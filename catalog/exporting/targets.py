"""Where an export goes: a folder on disk or a bucket. Names come from the database and are not trusted."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from catalog.legacy.stores import name_problem

# A longer name fits no file system.
MAX_BYTES = 255


class Refused(Exception):
    """One file that cannot be written; `code` is stable, the message says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Listed:
    """A folder of a profile in the target. The target that listed it knows what the rest means."""

    name: str
    details: Any = None


@dataclass(frozen=True, slots=True)
class Document:
    """A file to be written. `listed` is its folder in the target's listing, if it is there."""

    key: str
    data: bytes
    listed: Listed | None = None


class Target(Protocol):
    """A place to export to."""

    def describe(self) -> str:
        """Say which place it is, for people."""

    def prepare(self) -> None:
        """Clear up after a killed export, and find out whether one can write. Raises ExportError."""

    def listing(self, profile: str) -> Iterator[Listed]:
        """Yield a profile's folders, ordered by `sort_key` of their names. Raises ExportError or Refused."""

    def are_current(self, documents: list[Document]) -> list[bool | Refused]:
        """Say of each whether it is there already, byte for byte."""

    def read(self, documents: list[Document]) -> list[bytes | Refused | None]:
        """Return what is there in the place of each, or None where there is nothing."""

    def write(self, documents: list[Document]) -> list[Refused | None]:
        """Write each, complete or not at all. Raises ExportError when there is no point in going on."""

    def is_left_over(self, profile: str, listed: Listed) -> bool | None:
        """Return whether a folder has a metadata.json and nothing else; None when it has nothing at all."""

    def prune(self, profile: str, listed: Listed) -> None:
        """Delete such a metadata.json with its folder. Raises Refused."""

    def finish(self) -> None:
        """Make everything that was written survive a power cut, and leave no working files."""


def refuse_name(name: str) -> Refused | None:
    """Return why a recording of this name can have no folder in a store, if so."""
    problem = name_problem(name)
    if problem:
        return Refused("unsafe_name", problem.message)
    if not name or name.startswith(".") or "/" in name:
        return Refused("unsafe_name", "its name is empty, begins with a dot or has a slash: that is no folder's name")
    if len(name.encode()) > MAX_BYTES:
        return Refused("unsafe_name", f"its name has more than {MAX_BYTES} bytes")
    return None
