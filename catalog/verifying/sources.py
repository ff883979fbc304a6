"""Source files that the catalogue saw itself: are they still where they were, and what they were?"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.core.files.storage import default_storage

from catalog.importing import audio_work
from catalog.importing.workers import Workers, pipelined
from catalog.legacy import INPUTS
from catalog.legacy.stores import Store
from catalog.models import AudioFile
from catalog.storage import storage
from catalog.verifying import checksums
from catalog.verifying.findings import Finding, finding

BATCH = 500
_FIRST = UUID(int=0)


@dataclass(slots=True)
class _Source:
    place: str
    file_hash: str
    gone: bool = False
    digest: "Future[str | None] | None" = None


class Sources:
    """Looks at the sources of some profiles."""

    def __init__(self, profiles: list[str], store: Store, workers: Workers) -> None:
        rows = AudioFile.objects.filter(
            profile__name__in=profiles, hash_provenance=AudioFile.HashProvenance.CONTENT
        ).exclude(storage_url="")
        self._rows = rows.order_by("id")
        self._profiles, self._store, self._workers = profiles, store, workers

    def count(self) -> int:
        """Return how many there are."""
        return self._rows.order_by().count()

    def check(self, *, content: bool) -> Iterator[tuple[int, list[Finding]]]:
        """Yield how many were looked at, and what was found; with `content` they are read from end to end."""
        # Listed once, since in a bucket each question costs a request: some bytes of memory for each upload.
        uploads = {one.key for profile in self._profiles for one in storage().walk(f"{INPUTS}/{profile}/")}
        for batch in pipelined(self._batches(), lambda sources: self._begin(sources, uploads, content=content)):
            found = [one for source in batch for one in _judge(source)]
            yield len(batch), found

    def _batches(self) -> Iterator[list[_Source]]:
        last = _FIRST
        while rows := list(self._rows.filter(id__gt=last).values_list("id", "storage_url", "file_hash")[:BATCH]):
            last = rows[-1][0]
            yield [_Source(place, file_hash) for _id, place, file_hash in rows]

    def _begin(self, sources: list[_Source], uploads: set[str], *, content: bool) -> Callable[[], None]:
        for source in sources:
            if Path(source.place).is_absolute():
                source.gone = not _is_file(source.place)
                if content and not source.gone:
                    source.digest = self._workers.by_thread(audio_work.sha256, source.place)
            elif source.place.startswith(f"{INPUTS}/"):
                # What was uploaded since the listing is in no listing.
                source.gone = source.place not in uploads and not default_storage.exists(source.place)
                if content and not source.gone:
                    source.digest = checksums.begin(self._store, source.place, self._workers)

        def finish() -> None:
            for source in sources:
                if source.digest is not None:
                    source.digest.result()

        return finish


def _is_file(place: str) -> bool:
    try:
        return Path(place).is_file()
    except OSError:  # a folder that we may not look into
        return False


def _judge(source: _Source) -> list[Finding]:
    digest = source.digest.result() if source.digest else source.file_hash
    if source.gone or digest is None:
        return [finding("source_gone", source.place, "the source is no longer there, or cannot be read")]
    if digest != source.file_hash:
        message = f"the source has the SHA-256 {digest[:12]}…, but had {source.file_hash[:12]}…"
        return [finding("source_altered", source.place, message)]
    return []
