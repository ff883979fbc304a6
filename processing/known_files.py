"""What scans have read already: a file that has the same size and date as then is not read again."""

import os
from dataclasses import dataclass, field

from catalog.models import Profile
from processing.models import KnownFile
from processing.scanner import SourceFile, content_hash


@dataclass
class KnownFiles:
    """The memory of one profile: read in one query, written in a few."""

    profile_name: str
    _read: dict[bytes, tuple[int, int, str]] = field(init=False)
    _new: dict[bytes, tuple[int, int, str]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        rows = KnownFile.objects.filter(profile__name=self.profile_name)
        self._read = {
            bytes(path): (size, mtime_ns, file_hash)
            for path, size, mtime_ns, file_hash in rows.values_list("path", "size", "mtime_ns", "file_hash").iterator()
        }

    def hash_of(self, source: SourceFile) -> str:
        """Return a file's SHA-256, from memory or by reading it. Raises ProcessingError as `content_hash` does."""
        key = os.fsencode(source.path)
        known = self._read.get(key)
        if known is not None and known[:2] == (source.size, source.mtime_ns):
            return known[2]
        digest = content_hash(source)
        self._new[key] = self._read[key] = (source.size, source.mtime_ns, digest)
        return digest

    def save(self, profile: Profile) -> None:
        """Remember what was read. Files that are not there now stay known: cards are taken out and come back."""
        KnownFile.objects.bulk_create(
            [
                KnownFile(profile=profile, path=key, size=size, mtime_ns=mtime_ns, file_hash=digest)
                for key, (size, mtime_ns, digest) in self._new.items()
            ],
            batch_size=1000,
            update_conflicts=True,
            unique_fields=["profile", "path"],
            update_fields=["size", "mtime_ns", "file_hash"],
        )
        self._new.clear()
