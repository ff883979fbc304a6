"""The report of a run: a line of JSON for every folder, then totals that add up, then the SHA-256 of all lines before.

head -n -1 report.jsonl | sha256sum      # is the same as in the last line
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO, Any

from catalog.importing.items import Action, Item
from catalog.legacy import Note


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
        self._write({"report": "stemset import", **head})

    def add(self, items: Iterable[Item]) -> None:
        """Add items."""
        for item in items:
            self.totals.add(item)
            self._write(item.as_dict())

    def add_notes(self, profile: str, notes: Iterable[Note]) -> None:
        """Add what is to be said about a profile as a whole."""
        for note in notes:
            self._write({"profile": profile, "code": note.code, "message": note.message})

    def finish(self, **tail: Any) -> None:
        """Write the totals and the receipt."""
        self._write({"totals": self.totals.as_dict(), **tail})
        self.sha256 = self._digest.hexdigest()
        self._stream.write(json.dumps({"sha256": self.sha256}) + "\n")
        self._stream.flush()

    def _write(self, line: dict[str, Any]) -> None:
        text = json.dumps(line) + "\n"
        self._digest.update(text.encode())
        self._stream.write(text)
