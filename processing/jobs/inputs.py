"""Uploaded sources in storage, below `inputs/`: which of them a row names, and who may decide about one.

An input is stored before the row that names it is committed. So whoever enqueues for one that is there already, and
whoever takes one away, holds its lock and looks again.
"""

import hashlib
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from django.core.files.storage import default_storage
from django.db import connection, transaction

from catalog.locks import Lock
from catalog.models import AudioFile
from catalog.storage import LocalStorage
from processing.jobs.enqueue import Wish, enqueue
from processing.jobs.sources import SOURCE_CHANGED, reachable
from processing.models import Job
from processing.scanner import SourceFile

# Somebody may take an input away, rightly, between our storing it and our asking for it.
TRIES = 3


class InputsVanish(OSError):
    """What is put into storage is not there a moment later."""


def lock_input(key: str) -> None:
    """Be the only one, until the transaction ends, who decides whether an input in storage has a row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [Lock.key_of(f"input\0{key}")])


def named_inputs(keys: Collection[str]) -> set[str]:
    """Return those of these keys that a job or a source of the catalogue names. Two queries."""
    jobs = Job.objects.filter(source__in=keys).order_by().values_list("source", flat=True)
    sources = AudioFile.objects.filter(storage_url__in=keys).order_by().values_list("storage_url", flat=True)
    return {*jobs, *sources}


def is_damaged(key: str, size: int, file_hash: str) -> bool:
    """Whether an input is in storage, but not as it was: of another size in bytes, or with another content.

    In an object store the content is not fetched for this: there the last job that was to be made from it tells.
    Raises STORAGE_ERRORS.
    """
    try:
        there: int = default_storage.size(key)
    except FileNotFoundError:
        return False
    if there != size:
        return True
    if isinstance(default_storage, LocalStorage):
        with default_storage.open(key) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() != file_hash
    last = Job.objects.filter(source=key).order_by("-created_at").first()
    return last is not None and last.error_code == SOURCE_CHANGED


@transaction.atomic
def take_away_unnamed(key: str) -> bool:
    """Delete an input that no row names; return whether it was deleted. Raises STORAGE_ERRORS."""
    lock_input(key)
    if named_inputs([key]):
        return False
    default_storage.delete(key)
    return True


def enqueue_found(wish: Wish, source: SourceFile) -> tuple[Job, bool]:
    """Enqueue a file that was found on this machine, where any worker reaches it; return as `enqueue` does.

    Raises ProcessingError and STORAGE_ERRORS.
    """
    for _ in range(TRIES):
        place = reachable(source, wish.profile.name, wish.file_hash)
        found = replace(wish, source=place)
        if Path(place).is_absolute():
            return enqueue(found)
        with transaction.atomic():
            lock_input(place)
            if default_storage.exists(place):
                return enqueue(found)
    raise InputsVanish(f"The storage did not keep {place}.")
