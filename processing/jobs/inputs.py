"""Uploaded sources in storage, below `inputs/`: which of them a row names, and who may decide about one.

An input is stored before the row that names it is committed. So whoever enqueues for one that is there already, and
whoever takes one away, holds its lock and looks again.
"""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from django.core.files.storage import default_storage
from django.db import connection, transaction

from catalog.locks import Lock
from catalog.models import AudioFile
from processing.jobs.enqueue import Wish, enqueue
from processing.jobs.sources import reachable
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
