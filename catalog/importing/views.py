"""A folder as the importer sees it: of one store, or of two that are to be read as one.

The first store is where the site serves from. The second, if there is one, is another copy: the media/ tree of the
machine that made the recordings, while the site serves from a bucket; or a tree on another disk. What only the copy
has is brought into storage; where both have a metadata.json, the newer one counts. Where storage must not be looked
into, nothing is brought: it would be written through a link, perhaps onto the very file that it is read from.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from catalog.legacy import METADATA, Note
from catalog.legacy.bucket import BucketStore
from catalog.legacy.stores import Folder, LocalStore, Store, StoredFile, sort_key

BATCH = 250
# Requests to a bucket spend their time waiting.
REQUESTS = 16
ORIGINAL_MTIME = "original-mtime"
# The last second that any recorder's file system can write (FAT: the end of 2107).
LATEST = 4_354_819_199


@dataclass(slots=True)
class View:
    """A folder, which store has each of its files, and the raw metadata.json."""

    folder: Folder
    storage: Store
    store_of: dict[str, Store] = field(default_factory=dict)  # of files that are not in storage
    copied_metadata: StoredFile | None = None  # when both stores have one
    metadata: bytes | None = None
    notes: list[Note] = field(default_factory=list)

    def store(self, file: str) -> Store:
        """Where to read a file."""
        return self.store_of.get(file, self.storage)


class Stores:
    """The store, or the two of them."""

    def __init__(self, storage: Store, copy: Store | None = None) -> None:
        self.storage = storage
        self.copy = copy

    @property
    def all(self) -> list[Store]:
        """Both, the one that is served first."""
        return [self.storage] if self.copy is None else [self.storage, self.copy]

    def describe(self) -> str:
        """Say what is read, for people."""
        return " and ".join(store.describe() for store in self.all)

    def profiles(self) -> list[str]:
        """Folders at the top of any."""
        return sorted({name for store in self.all for name in store.profiles()})

    def count(self, profile: str) -> int:
        """How many folders a profile has; an estimate when two stores have different ones."""
        return max(store.count(profile) for store in (self.all if self._copy_counts(profile) else [self.storage]))

    def batches(self, profile: str) -> Iterator[list[View]]:
        """Yield a profile's folders, some hundred at a time, with their metadata.json read."""
        batch: list[View] = []
        with ThreadPoolExecutor(REQUESTS) as pool:
            for view in self._views(profile):
                batch.append(view)
                if len(batch) == BATCH:
                    yield self._read(batch, pool)
                    batch = []
            if batch:
                yield self._read(batch, pool)

    def _read(self, batch: list[View], pool: ThreadPoolExecutor) -> list[View]:
        if any(isinstance(store, BucketStore) for store in self.all):
            list(pool.map(self._read_metadata, batch))
        else:
            for view in batch:
                self._read_metadata(view)
        return batch

    def _views(self, profile: str) -> Iterator[View]:
        folders = self.storage.folders(profile)
        if self.copy is None or not self._copy_counts(profile):
            for folder in folders:
                yield View(folder, self.storage)
            return
        copies = self.copy.folders(profile)
        one, other = next(folders, None), next(copies, None)
        while one is not None or other is not None:
            if other is None or (one is not None and sort_key(one.name) < sort_key(other.name)):
                assert one is not None  # noqa: S101 - for the type checker
                yield View(one, self.storage)
                one = next(folders, None)
            elif one is None or sort_key(other.name) < sort_key(one.name):
                yield _only_copied(other, self.storage, self.copy)
                other = next(copies, None)
            else:
                yield _merged(one, other, self.storage, self.copy)
                one, other = next(folders, None), next(copies, None)

    def _copy_counts(self, profile: str) -> bool:
        """Whether there is another copy of a profile, and storage can take what it lacks."""
        if self.copy is None or self.storage.refusal(profile):
            return False
        return not (
            isinstance(self.storage, LocalStore)
            and isinstance(self.copy, LocalStore)
            and _same_folder(self.storage.root / profile, self.copy.root / profile)
        )

    def _read_metadata(self, view: View) -> None:
        file = view.folder.files.get(METADATA)
        if file is None or view.folder.problem:
            return
        key = view.folder.key(METADATA)
        try:
            view.metadata = view.store(METADATA).read(key)
            if view.copied_metadata is not None and self.copy is not None:
                self._choose(view, key, file, view.copied_metadata, self.copy)
        except OSError as error:
            view.notes.append(Note("metadata_unreadable", f"cannot be read: {error}", METADATA, serious=True))

    def _choose(self, view: View, key: str, stored: StoredFile, copied: StoredFile, copy: Store) -> None:
        """Take the newer of two: renames were written to the bucket only, new stems to the disk first."""
        other = copy.read(key)
        if other == view.metadata:
            return
        # An object's own time is that of its upload; what was uploaded as it was knows the time of the file.
        stored_at = original_mtime(self.storage.tags(key)) or stored.mtime
        winner = "storage"
        if copied.mtime > stored_at:
            view.metadata, winner = other, "the copy"
        message = f"differs between {self.storage.describe()} and {copy.describe()}; the newer one, of {winner}, counts"
        view.notes.append(Note("copies_differ", message, METADATA))


def original_mtime(tags: dict[str, str]) -> float | None:
    """Return the time that an object's metadata gives for the file that it was made from, if it can be one."""
    try:
        seconds = float(tags[ORIGINAL_MTIME])
    except (KeyError, ValueError):
        return None
    return seconds if 0 < seconds <= LATEST else None  # NaN is neither


def _same_folder(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:  # one of them is not there
        return False


def _only_copied(folder: Folder, storage: Store, copy: Store) -> View:
    return View(folder, storage, store_of=dict.fromkeys(folder.files, copy))


def _merged(stored: Folder, copied: Folder, storage: Store, copy: Store) -> View:
    """Files of storage, and those of the copy that storage has not (or only an empty one of).

    What storage refused to open stays refused: people see what lies there, and it must not be written over.
    """
    view = View(stored, storage)
    if stored.problem:
        return view
    view.copied_metadata = copied.files.get(METADATA) if METADATA in stored.files else None
    for name, file in copied.files.items():
        if name in stored.refused:
            continue
        mine = stored.files.get(name)
        if mine is None or (mine.size == 0 and file.size > 0):
            stored.files[name] = file
            view.store_of[name] = copy
        elif mine.size != file.size and name != METADATA:
            message = (
                f"has {mine.size} bytes in {storage.describe()} but {file.size} in {copy.describe()}; the former counts"
            )
            view.notes.append(Note("copies_differ", message, name))
    return view
