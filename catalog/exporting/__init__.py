"""Writing the catalogue back as a JSON store: a metadata.json per recording, a .processed_hashes.json per profile.

snapshot.py     what the database had at one moment, read in batches
documents.py    the text of the files
pending.py      what storage says and the catalogue does not know, which is not written over
targets.py      where they go: folder.py, bucket.py
run.py          the export itself, one item per file; the command renders them
locks.py        exports and sidecars keep out of each other's way
"""

from collections.abc import Generator
from dataclasses import asdict, dataclass
from typing import Any


class ExportError(Exception):
    """The export cannot run, or cannot go on; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one file or folder of the target.

    status  written, unchanged, pruned; would_write, would_prune (only checking); left_over (prune would delete it),
            not_catalogued, left_alone; store_changed (storage says what no import has taken over yet: left alone);
            failed
    code    a stable name for the reason, if there is one
    """

    path: str
    status: str
    code: str = ""
    message: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


Items = Generator[Item, None, None]
