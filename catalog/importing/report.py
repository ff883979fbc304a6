"""The report of a run: a line of JSON for every folder, then totals that add up, then the SHA-256 of all lines before.

head -n -1 report.jsonl | sha256sum      # is the same as in the last line
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from catalog.importing.items import Action, Item
from catalog.legacy import Note

REPORT = "stemset import"


@dataclass(slots=True)
class Totals:
    """What a run came to. `actions` adds up to `folders`."""

    folders: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    attention: int = 0  # folders of which something was left out

    def add(self, item: Item) -> None:
        """Count an item."""
        self.folders += 1
        self.actions[item.action.value] += 1
        self.codes[f"{item.action.value}: {item.code}"] += 1
        self.notes.update(note.code for note in item.notes)
        self.attention += item.attention

    @property
    def changed(self) -> int:
        """How many recordings were written, or would be."""
        return sum(self.actions[action.value] for action in (Action.CREATE, Action.HEAL, Action.UPDATE))

    def as_dict(self) -> dict[str, Any]:
        """Return them for JSON: every action is there, also with none."""
        return {
            "folders": self.folders,
            **{action.value: self.actions[action.value] for action in Action},
            "attention": self.attention,
            "codes": dict(sorted(self.codes.items())),
            "notes": dict(sorted(self.notes.items())),
        }


class Report:
    """Writes a report as the run goes."""

    def __init__(self, stream: IO[str], head: dict[str, Any]) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self.totals = Totals()
        self.sha256 = ""
        self._write({"report": REPORT, **head})

    def add(self, items: Iterable[Item]) -> None:
        """Add items."""
        for item in items:
            self.totals.add(item)
            self._write(item.as_dict())

    def add_notes(self, profile: str, notes: Iterable[Note]) -> None:
        """Add what is to be said about a profile as a whole."""
        for note in notes:
            self._write({"profile": profile, "code": note.code, "message": note.message})

    def finish(self) -> None:
        """Write the totals and the receipt."""
        self._write({"totals": self.totals.as_dict()})
        self.sha256 = self._digest.hexdigest()
        self._stream.write(json.dumps({"sha256": self.sha256}) + "\n")
        self._stream.flush()

    def _write(self, line: dict[str, Any]) -> None:
        text = json.dumps(line) + "\n"
        self._digest.update(text.encode())
        self._stream.write(text)


class UnusableTarget(Exception):
    """No report can be written there; the message says why."""


class ReportTarget:
    """Where somebody wants the report.

    A file is replaced, whole or not at all, where the links to it lead. A pipe or a device is written into, since it
    would be gone if a file took its place.
    """

    def __init__(self, name: str) -> None:
        """Find out whether a report can be written there. Raises UnusableTarget."""
        self.name = name
        self._mode = _mode(name)
        self._path = Path(os.path.realpath(name))
        self._descriptor = _descriptor(name)
        if self._descriptor is not None:
            _require_open_for_writing(name, self._descriptor)
        elif self._mode is None or stat.S_ISREG(self._mode):
            _require_replaceable(name, self._path, there=self._mode is not None)
            if self._mode is not None:
                _require_no_other_file(name, self._path)
        elif not os.access(name, os.W_OK):
            raise UnusableTarget(f"{name} is not writable; the report cannot go there.")

    def place(self, report: Path) -> None:
        """Write the report there. Raises OSError."""
        with report.open("rb") as source:
            if self._descriptor is not None:
                # Opened by its name it would be written from its beginning, over what is in it.
                with open(os.dup(self._descriptor), "wb") as stream:
                    shutil.copyfileobj(source, stream)
            elif self._mode is None or stat.S_ISREG(self._mode):
                self._replace(source)
            else:
                with open(self.name, "wb") as stream:
                    shutil.copyfileobj(source, stream)

    def _replace(self, source: IO[bytes]) -> None:
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(
                tempfile.NamedTemporaryFile(dir=self._path.parent, prefix=".stemset-report-", delete=False)
            )
            stack.callback(Path(temporary.name).unlink, missing_ok=True)
            shutil.copyfileobj(source, temporary)
            temporary.flush()
            os.fchmod(temporary.fileno(), _new_mode() if self._mode is None else stat.S_IMODE(self._mode))
            os.fsync(temporary.fileno())
            Path(temporary.name).replace(self._path)


def _mode(name: str) -> int | None:
    """Return what kind of file is there, or None when there is none. Raises UnusableTarget for one of no use."""
    if not name:
        raise UnusableTarget("--report is empty (a variable that is not set?). Name a file.")
    try:
        mode = os.stat(name).st_mode
    except FileNotFoundError:
        if name.endswith(os.sep):
            raise UnusableTarget(f"{name} is the name of a folder. Name a file for the report.") from None
        return None
    except OSError as error:
        raise UnusableTarget(f"The report cannot go to {name}: {error.strerror}.") from None
    except ValueError:  # a NUL, or what no file system can spell
        raise UnusableTarget(f"{name!a} is no name that a file can have; the report cannot go there.") from None
    if stat.S_ISDIR(mode):
        raise UnusableTarget(f"{name} is a folder. Name a file in it for the report.")
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        raise UnusableTarget(f"{name} is a disk or a socket, and not written over. Name a file for the report.")
    return mode


def _descriptor(name: str) -> int | None:
    """Return the number of our own open file that a name means: /dev/stdout, /dev/fd/3."""
    own = {"/dev/fd", f"/proc/{os.getpid()}/fd"}
    path = os.path.abspath(name)
    for _ in range(40):  # links in a row; _mode has refused a circle of them
        folder, last = os.path.split(path)
        folder = os.path.realpath(folder)
        if folder in own and last.isdecimal():
            return int(last)
        path = os.path.join(folder, last)
        if not os.path.islink(path):
            break
        path = os.path.join(folder, os.readlink(path))
    return None


def _require_open_for_writing(name: str, descriptor: int) -> None:
    try:
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    except OSError as error:
        raise UnusableTarget(f"The report cannot go to {name}: {error.strerror}.") from None
    if flags & os.O_ACCMODE == os.O_RDONLY:
        raise UnusableTarget(f"{name} is open for reading only; the report cannot go there.")


def _require_no_other_file(name: str, path: Path) -> None:
    """A report may take the place of an earlier report, and of nothing else: least of all a file of the store."""
    beginning = (json.dumps({"report": REPORT})[:-1]).encode()
    with path.open("rb") as stream:
        head = stream.read(len(beginning))
    if head and head != beginning:
        raise UnusableTarget(f"{name} is there and is no report; name another file for the report.")


def _require_replaceable(name: str, path: Path, *, there: bool) -> None:
    if not path.parent.is_dir():
        raise UnusableTarget(f"{path.parent} is not a folder; the report cannot go there.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UnusableTarget(f"The folder {path.parent} is not writable; the report cannot go there.")
    if there and not os.access(path, os.W_OK):
        raise UnusableTarget(f"{name} is write-protected; the report cannot go there.")


def _new_mode() -> int:
    """Return the permissions that a new file gets; a temporary one would be for its owner only."""
    umask = os.umask(0o077)
    os.umask(umask)
    return 0o666 & ~umask
