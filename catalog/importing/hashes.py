"""What there is to tell a recording's source by: files of its name, the store's index, what a bucket notes.

Nothing but names is read here. source_search.py reads the files and chooses.

The last eight digits of a folder's name are a claim to be verified: the oldest folders have no suffix, and a date is
valid hexadecimal too.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from django.conf import settings

from catalog.importing.items import Candidate, SourceClaim
from catalog.importing.state import CONTENT, INDEX, PLACEHOLDER, TRUST, RecordingRow
from catalog.importing.views import Stores, View
from catalog.legacy import INDEX as INDEX_FILE
from catalog.legacy import METADATA, Note
from catalog.legacy.bucket import BucketStore
from catalog.legacy.rendering import read_index
from catalog.legacy.stores import LocalStore, Store, displayable
from catalog.names import readable_part

_SUFFIXED = re.compile(r"(.+)_([0-9a-f]{8})", re.DOTALL)
SHA256 = re.compile(r"[0-9a-f]{64}")
SOURCE_EXTENSIONS = {".wav", ".wave", ".flac", ".mp3", ".m4a", ".aac", ".opus", ".ogg", ".aif", ".aiff"}


class SourceFinder:
    """Knows what may be the sources of one profile's recordings. Uploads and source folder are listed when needed."""

    def __init__(self, stores: Stores, profile: str, source_folder: str) -> None:
        self._stores = stores
        self._profile = profile
        self._source_folder = source_folder
        self._candidates: dict[str, list[Candidate]] | None = None
        self._troubles: list[Note] = []  # of listing them, to be told when a source stays unknown
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
        if provenance in {"", PLACEHOLDER} and not index_hash:
            self.notes += self._troubles
            self._troubles = []
        claim = SourceClaim(base, suffix, candidates, index_hash=index_hash, known_provenance=provenance)
        claim.placeholder = placeholder(view.folder.path)
        if row is not None and row.stems:
            claim.duration = max(stem.duration for stem in row.stems.values())
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
            except FileNotFoundError:
                continue
            except OSError as error:
                self._tell_index(f"cannot be read: {error.strerror or error}")
                continue
            if not self.index_text:
                self.index_text = _exactly(raw)
            index = read_index(raw.decode(errors="replace"))
            if index is None:
                self._tell_index("cannot be read (it may have been cut off); sources are recognised by other means")
                continue
            for digest, folder in index.items():
                if SHA256.fullmatch(digest):
                    folders.setdefault(folder, []).append(digest)
        return folders

    def _tell_index(self, message: str) -> None:
        self.notes.append(Note("index_unreadable", f"{self._profile}/{INDEX_FILE} {message}", INDEX_FILE))

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
            self._candidates = self._listed()
        return self._candidates.get(base, [])

    def _listed(self) -> dict[str, list[Candidate]]:
        """Return all uploads and everything in the source folder by the names that folders made from them have."""
        # A source folder may be that of the uploads.
        files = {candidate.key: candidate for candidate in [*self._uploads(), *self._in_source_folder()]}
        found: dict[str, list[Candidate]] = {}
        for candidate in files.values():
            stem = candidate.name.rpartition(".")[0]
            for spelling in {readable_part(stem), readable_part(stem, compose=False)}:
                found.setdefault(spelling, []).append(candidate)
        return found

    def _uploads(self) -> Iterator[Candidate]:
        for store in self._stores.all:
            bucket = store if isinstance(store, BucketStore) else None
            try:
                for key, file in store.uploads(self._profile):
                    if Path(file.name).suffix.lower() in SOURCE_EXTENSIONS and file.size:
                        yield Candidate(bucket, key, displayable(file.name), file.size, file.mtime)
            except OSError as error:
                message = f"the uploads of {store.describe()} cannot be looked through: {error.strerror or error}"
                self._troubles.append(Note("uploads_unreadable", message))

    def _in_source_folder(self) -> Iterator[Candidate]:
        if not self._source_folder:
            return
        media = {os.path.realpath(settings.MEDIA_ROOT)}
        media |= {str(store.root) for store in self._stores.all if isinstance(store, LocalStore)}
        folder = _SourceFolder(self._source_folder, media)
        yield from folder.files()
        if folder.trouble:
            message = f"the source folder {self._source_folder} {folder.trouble}"
            self._troubles.append(Note("source_folder_unusable", message))

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


class _SourceFolder:
    """The folder where a band's recorder is mounted or its recordings are dropped; `trouble` is known when it is read.

    media  folders of stems, which are no sources of anything even if the source folder contains them
    """

    def __init__(self, folder: str, media: set[str]) -> None:
        self._root = os.path.realpath(folder)
        self._media = media
        self.trouble = ""

    def files(self) -> Iterator[Candidate]:
        """Yield all audio files below it that are not hidden."""
        self.trouble = self._refusal()
        if self.trouble:
            return
        closed: list[OSError] = []
        found = False
        for path in self._paths(closed):
            try:
                status = path.stat()
            except OSError:  # removed meanwhile, or a link into a closed folder
                continue
            if status.st_size and stat.S_ISREG(status.st_mode):
                found = True
                yield Candidate(None, str(path), displayable(path.name), status.st_size, status.st_mtime)
        if not os.path.exists(self._root):
            self.trouble = "is not there; is the card or disk plugged in?"
        elif closed:
            where = displayable(closed[0].filename)
            self.trouble = f"cannot be read as a whole: {where}: {closed[0].strerror}"
        elif not found:
            self.trouble = "holds no recordings; is the card or disk plugged in?"

    def _refusal(self) -> str:
        if self._root == os.path.sep:
            return "is the whole machine, which is not searched; name a folder in config.yaml"
        if any(Path(self._root).is_relative_to(media) for media in self._media):
            return "lies in the media folder, whose files are stems and not sources"
        return ""

    def _paths(self, closed: list[OSError]) -> Iterator[Path]:
        for parent, folders, names in os.walk(self._root, onerror=closed.append):
            folders[:] = sorted(
                name for name in folders if not name.startswith(".") and os.path.join(parent, name) not in self._media
            )
            for name in sorted(names):
                path = Path(parent, name)
                if name.startswith(".") or path.suffix.lower() not in SOURCE_EXTENSIONS:
                    continue
                if not path.is_symlink() or self._is_own(Path(os.path.realpath(path))):
                    yield path

    def _is_own(self, path: Path) -> bool:
        return path.is_relative_to(self._root) and not any(path.is_relative_to(media) for media in self._media)


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
