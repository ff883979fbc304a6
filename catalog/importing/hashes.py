"""Which source a recording was made from, by the order of trust.

1. the real file: found, hashed, its hash beginning as the folder's name says
2. the store's index, read backwards, agreeing likewise
3. what the object store notes beside its objects, agreeing likewise
4. a placeholder: always the same one for the same folder, and marked as such

The folder's last eight digits are a claim to be verified: the oldest folders have no suffix, and a date is valid
hexadecimal too.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from catalog.importing.items import Candidate, SourceClaim
from catalog.importing.state import CONTENT, INDEX, OBJECT_METADATA, PLACEHOLDER, TRUST, RecordingRow
from catalog.importing.views import Stores, View
from catalog.legacy import INDEX as INDEX_FILE
from catalog.legacy import METADATA, Note
from catalog.legacy.bucket import BucketStore
from catalog.legacy.rendering import read_index
from catalog.legacy.stores import Store
from catalog.names import readable_part

_SUFFIXED = re.compile(r"(.+)_([0-9a-f]{8})", re.DOTALL)
_SHA256 = re.compile(r"[0-9a-f]{64}")
SOURCE_EXTENSIONS = {".wav", ".wave", ".flac", ".mp3", ".m4a", ".aac", ".opus", ".ogg", ".aif", ".aiff"}


class SourceFinder:
    """Finds the sources of one profile's recordings."""

    def __init__(self, stores: Stores, profile: str, source_folder: str) -> None:
        self._stores = stores
        self._profile = profile
        self._source_folder = source_folder
        self._candidates: dict[str, list[Candidate]] | None = None
        self.notes: list[Note] = []
        self.index_text = ""
        self._folder_hashes = self._read_index()
        self.unseen = set(self._folder_hashes)  # folders that the index names and nobody has come across yet

    def claim(self, view: View, row: RecordingRow | None) -> SourceClaim | None:
        """Return what is to be found out about a folder's source, or None when nothing better is to be had."""
        provenance = row.provenance if row else ""
        if provenance == CONTENT:
            return None
        base, suffix = split_name(view.folder.name)
        candidates = [*self._inside(view), *self._named(base)]
        if suffix:
            candidates += self._named(view.folder.name)
        if provenance == INDEX and not candidates:
            return None
        index_hash = self._by_index(view.folder.name, suffix)
        claim = SourceClaim(base, suffix, candidates, index_hash=index_hash, known_provenance=provenance)
        claim.placeholder = placeholder(view.folder.path)
        if not index_hash:
            claim.tag_keys = self._tags(view, claim)
        if (
            provenance
            and not claim.candidates
            and not claim.tag_keys
            and not (index_hash and is_better(INDEX, provenance))
        ):
            return None
        return claim

    def _read_index(self) -> dict[str, list[str]]:
        folders: dict[str, list[str]] = {}
        for store in self._stores.all:
            try:
                raw = store.read(f"{self._profile}/{INDEX_FILE}")
            except OSError:
                continue
            if not self.index_text:
                self.index_text = _exactly(raw)
            index = read_index(raw.decode(errors="replace"))
            if index is None:
                message = "cannot be read (it may have been cut off); sources are recognised by other means"
                self.notes.append(Note("index_unreadable", f"{self._profile}/{INDEX_FILE} {message}", INDEX_FILE))
                continue
            for digest, folder in index.items():
                if _SHA256.fullmatch(digest):
                    folders.setdefault(folder, []).append(digest)
        return folders

    def _by_index(self, folder: str, suffix: str) -> str:
        hashes = self._folder_hashes.get(folder, [])
        agreeing = [digest for digest in hashes if digest.startswith(suffix)]
        # A date at the end of an old name is not the beginning of a hash, so the index need not agree with it.
        chosen = agreeing or (hashes if is_date(suffix) else [])
        return chosen[0] if len(set(chosen)) == 1 else ""

    def _inside(self, view: View) -> list[Candidate]:
        return [
            Candidate(view.store(file.name), view.folder.key(file.name), file.name, file.size, file.mtime)
            for file in view.folder.files.values()
            if file.name.startswith("source.") and Path(file.name).suffix.lower() in SOURCE_EXTENSIONS and file.size
        ]

    def _named(self, base: str) -> list[Candidate]:
        if self._candidates is None:
            self._candidates = {}
            for candidate in self._everywhere():
                stem = candidate.name.rpartition(".")[0]
                for spelling in {readable_part(stem), readable_part(stem, compose=False)}:
                    self._candidates.setdefault(spelling, []).append(candidate)
        return self._candidates.get(base, [])

    def _everywhere(self) -> Iterator[Candidate]:
        for store in self._stores.all:
            for key, file in store.uploads(self._profile):
                if Path(file.name).suffix.lower() in SOURCE_EXTENSIONS and file.size:
                    bucket = store if isinstance(store, BucketStore) else None
                    yield Candidate(bucket, key, file.name, file.size, file.mtime)
        if self._source_folder:
            for path in _audio_below(Path(self._source_folder)):
                try:
                    status = path.stat()
                except OSError:
                    continue
                if status.st_size:
                    yield Candidate(None, str(path), path.name, status.st_size, status.st_mtime)

    def _tags(self, view: View, claim: SourceClaim) -> list[tuple[Store, str, str]]:
        keys: list[tuple[Store, str, str]] = [
            (c.store, c.key, "sha256") for c in claim.candidates if isinstance(c.store, BucketStore)
        ]
        if isinstance(view.storage, BucketStore) and METADATA in view.folder.files and METADATA not in view.store_of:
            keys.append((view.storage, view.folder.key(METADATA), "source-sha256"))
        return keys


def _exactly(raw: bytes) -> str:
    """Return a text that gives the same bytes again, to be written back one day, or nothing."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return ""
    return "" if "\0" in text else text


def _audio_below(root: Path) -> Iterator[Path]:
    root = Path(os.path.realpath(root))
    for parent, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if name.startswith(".") or path.suffix.lower() not in SOURCE_EXTENSIONS:
                continue
            if not path.is_symlink() or Path(os.path.realpath(path)).is_relative_to(root):
                yield path


def split_name(folder: str) -> tuple[str, str]:
    """Split a folder's name into its readable part and the beginning of the hash that it claims, if any."""
    match = _SUFFIXED.fullmatch(folder)
    return (match[1], match[2]) if match else (folder, "")


def is_date(digits: str) -> bool:
    """Return whether eight digits are a day of the calendar."""
    try:
        datetime.strptime(digits, "%Y%m%d")  # noqa: DTZ007 - only whether it is one
    except ValueError:
        return False
    return True


def placeholder(path: str) -> str:
    """Return the made-up hash of a folder whose source nobody knows: the same one at every import."""
    return hashlib.sha256(path.encode()).hexdigest()


def is_better(provenance: str, known: str) -> bool:
    """Return whether a hash of this provenance is more trustworthy than the one that is known."""
    return not known or TRUST.index(provenance) < TRUST.index(known)


def settle(claim: SourceClaim, hashed: dict[str, str], tags: dict[str, str], fits: dict[str, bool]) -> None:
    """Write the answer into a claim.

    hashed  SHA-256 of candidates by key, as far as they could be read
    tags    tagged SHA-256 by key
    fits    whether a candidate's length is that of the stems, by key, for claims without a suffix
    """
    for candidate in claim.candidates:
        digest = hashed.get(candidate.key, "")
        if digest and _agrees(claim, digest, fits.get(candidate.key, False)):
            _take(claim, digest, CONTENT, candidate)
            return
    if claim.index_hash:
        _take(claim, claim.index_hash, INDEX, None)
        return
    for _store, key, _tag in claim.tag_keys:
        digest = tags.get(key, "").lower()
        if _SHA256.fullmatch(digest) and digest.startswith(claim.suffix):
            _take(claim, digest, OBJECT_METADATA, next((c for c in claim.candidates if c.key == key), None))
            return
    _take(claim, claim.placeholder, PLACEHOLDER, None)


def _agrees(claim: SourceClaim, digest: str, fits: bool) -> bool:
    if claim.suffix and digest.startswith(claim.suffix):
        return True
    if claim.suffix and not is_date(claim.suffix):
        return False
    # An old name without a hash: recorders use names again, so the name alone proves nothing.
    return digest == claim.index_hash if claim.index_hash else fits


def _take(claim: SourceClaim, digest: str, provenance: str, candidate: Candidate | None) -> None:
    claim.file_hash, claim.provenance = digest, provenance
    claim.filename = candidate.name if candidate else claim.base_name
    claim.storage_url = candidate.key if candidate else ""
    claim.size = candidate.size if candidate else None
