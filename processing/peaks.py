"""Peaks for stems that have none: imported ones, and those whose audio was replaced. See `manage.py make_peaks`."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db.models import QuerySet

from catalog.importing.audio_work import Failure, failure
from catalog.importing.sources import storage_store
from catalog.legacy import PEAKS_SUFFIX
from catalog.legacy.stores import LocalStore, Store
from catalog.locks import exclusive, recording_lock
from catalog.models import Stem
from catalog.storage import STORAGE_ERRORS
from catalog.storing import named_keys
from processing.audio.meter import analyse_file
from processing.errors import AudioError
from processing.workdir import work_folder
from stemset.cores import usable_cores

LOCK = "make_peaks"


class AnotherRun(Exception):
    """Somebody else is making peaks; the message is a sentence."""


@dataclass(frozen=True)
class Made:
    """What became of a stem; `trouble` says why it has no peaks still, in words, if so."""

    audio: str
    trouble: str = ""


def without_peaks(profiles: list[str] | None = None) -> QuerySet[Stem]:
    """Return the stems that have no peaks, of these profiles or of all."""
    stems = Stem.objects.filter(peaks_url="").select_related("recording__profile", "audio_file")
    if profiles:
        stems = stems.filter(recording__profile__name__in=profiles)
    return stems.order_by("recording__created_at", "recording_id", "stem_type")


def make_peaks(stems: QuerySet[Stem], jobs: int | None = None) -> Iterator[Made]:
    """Make peaks for these stems, some at a time; yield what became of each. Each is complete as it is yielded.

    Raises AnotherRun: two would do the same work, and take each other's for changes.
    """
    store = storage_store()
    count = jobs or usable_cores()
    window: deque[tuple[Stem, Path, Future[Failure | None]]] = deque()
    with (
        exclusive(LOCK) as lock,
        work_folder(settings.STEMSET_WORK_DIR) as folder,
        ThreadPoolExecutor(count) as pool,
    ):
        if not lock.mine:
            raise AnotherRun("Another make_peaks is running. Wait until it is done, then run again.")
        try:
            for number, stem in enumerate(list(stems)):
                target = folder / f"{number}{PEAKS_SUFFIX}"
                window.append((stem, target, pool.submit(_analyse, store, stem, target)))
                if len(window) > 2 * count:
                    yield _finish(*window.popleft())
            while window:
                yield _finish(*window.popleft())
        finally:
            for _stem, _target, future in window:
                future.cancel()


def _analyse(store: Store, stem: Stem, target: Path) -> Failure | None:
    try:
        _require_own(store, stem)
        with store.local_copy(stem.audio_url) as path:
            analyse_file(path, peaks=target)
    except Exception as error:  # whatever a decoder makes of a damaged file, it is this file's trouble only
        return failure(error)
    return None


def _require_own(store: Store, stem: Stem) -> None:
    """Follow neither a row nor a link to somewhere else."""
    folder = f"{stem.recording.profile.name}/{stem.recording.output_name}"
    elsewhere = stem.audio_url.rpartition("/")[0] != folder
    if isinstance(store, LocalStore) and not elsewhere:
        target = Path(os.path.realpath(store.root / stem.audio_url))
        elsewhere = not target.is_relative_to(store.root)
        if not elsewhere and not target.is_file():
            raise FileNotFoundError(2, "it is not in storage")
    if elsewhere:
        raise AudioError("it is not in its recording's folder", code="file_elsewhere")


def _finish(stem: Stem, target: Path, future: Future[Failure | None]) -> Made:
    trouble = future.result()
    if trouble is not None:
        target.unlink(missing_ok=True)
        return Made(stem.audio_url, trouble.message)
    # By this lock `process` knows that somebody is at the recording, and leaves its files alone.
    with recording_lock(stem.recording.profile.name, stem.audio_file.file_hash) as lock:
        if not lock.mine:
            return Made(stem.audio_url, "its recording is being made again at this moment; run again later")
        try:
            return _store(stem, target)
        except STORAGE_ERRORS as error:
            return Made(stem.audio_url, f"its peaks could not be stored ({error})")
        finally:
            target.unlink(missing_ok=True)


def _store(stem: Stem, target: Path) -> Made:
    """Put the file in storage, then name it; take it back if the stem is another one by now."""
    key = stem.audio_url + PEAKS_SUFFIX
    with target.open("rb") as stream:
        default_storage.save(key, File(stream))
    same = Stem.objects.filter(pk=stem.pk, audio_url=stem.audio_url, file_size_bytes=stem.file_size_bytes, peaks_url="")
    if not same.update(peaks_url=key):
        if not named_keys([key]):
            default_storage.delete(key)
        return Made(stem.audio_url, "it was changed meanwhile; run again")
    return Made(stem.audio_url)
