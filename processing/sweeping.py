"""What is left in storage when everything went wrong at once, and taking it away.

Whoever fails clears up after himself, and what killed processes leave is noted on their machine. What remains is the
work of a machine that is gone for good, and inputs whose job came to nothing long ago.

Nothing is taken that is younger than a day by storage's own clock, or that a row names; but what people have deleted
goes as soon as storage lets us. Storage is listed first and the
database asked afterwards, so that what was stored meanwhile is not judged by rows that did not know it yet; what is to
go is asked about once more under its lock, and only then deleted.
"""

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import batched
from typing import Any, Literal

from django.core.files.storage import default_storage
from django.db import connection
from django.db.models import Q

from catalog import storing
from catalog.deleting import clear_leftovers, leftovers_of, with_leftovers
from catalog.importing.run import LOCK as IMPORTING
from catalog.legacy import BEING_MADE
from catalog.locks import exclusive, recording_lock
from catalog.models import Profile
from catalog.storage import INCOMING, STORAGE_ERRORS, LocalStorage, UnfinishedUpload, storage
from processing.jobs.inputs import named_inputs, take_away_unnamed
from processing.jobs.sources import INPUTS
from processing.models import Job
from processing.uploads import sweeping as spool

logger = logging.getLogger(__name__)

# An upload is tried again for as long, and no attempt at a job takes longer.
OLD_SECONDS = 24 * 3600.0
BATCH = 500
LOCK = "sweep"
LOOK_SECONDS = 60.0
EVERY_SECONDS = 3600.0
# Looking for marks lists the whole store, which a bucket charges for.
THOROUGHLY_EVERY_SECONDS = 24 * 3600.0

Kind = Literal["input", "folder", "deleted", "multipart", "incoming", "spool"]


@dataclass(frozen=True)
class Leftover:
    """Something that was taken away, or would be; `subject` is a key, or a folder of which the mark and files went."""

    kind: Kind
    subject: str
    size: int = 0  # bytes, where storage tells

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"kind": self.kind, "subject": self.subject, "size": self.size}


@dataclass
class Swept:
    """What a sweep came to. `troubles` are sentences about what could not be looked at or taken away."""

    found: list[Leftover] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    # Somebody else is at it, so nothing was done.
    busy: bool = False


def sweep(*, dry_run: bool = False, thorough: bool = True, older_than: float = OLD_SECONDS) -> Swept:
    """Take away what nobody knows: inputs, half-stored recordings, abandoned uploads.

    dry_run     only look
    thorough    also look for folders that are marked as being made, for which all of storage is listed
    older_than  seconds; what is younger may still be somebody's

    Never raises for storage: what it refuses is told in the result, and the rest goes on.
    """
    swept = Swept()
    with exclusive(LOCK) as lock:
        if not lock.mine:
            swept.busy = True
            return swept
        broom = _Broom(swept, older_than, dry_run)
        steps = (broom.deleted, broom.inputs, broom.uploads, broom.this_machine)
        for step in (*steps, *([broom.folders] if thorough else [])):
            try:
                step()
            except STORAGE_ERRORS as error:
                swept.troubles.append(f"storage cannot be looked through: {error}")
    return swept


@dataclass
class _Broom:
    """One sweep. Each step may raise STORAGE_ERRORS when storage cannot be listed."""

    swept: Swept
    older_than: float
    dry_run: bool

    def deleted(self) -> None:
        """Files of recordings that were deleted while storage did not let us."""
        if not with_leftovers().exists():
            return
        # An import that is told to bring back what was deleted writes rows for files that it has seen some time before.
        with exclusive(IMPORTING) as lock:
            for gone in with_leftovers() if lock.mine else ():
                with self._telling(gone.folder):
                    left = leftovers_of(gone)
                    if not self.dry_run and not clear_leftovers(gone.folder):
                        continue  # somebody was quicker
                    if left:
                        self.swept.found.append(Leftover("deleted", gone.folder))

    def inputs(self) -> None:
        """Uploaded sources that no row names."""
        old = (stored for stored in storage().walk(f"{INPUTS}/") if stored.age > self.older_than)
        for some in batched(old, BATCH):
            named = named_inputs([stored.key for stored in some])
            for stored in some:
                if stored.key not in named:
                    self._take(Leftover("input", stored.key, stored.size), partial(self._input, stored.key))

    def uploads(self) -> None:
        """Multipart uploads to where our files lie that nobody finished."""
        ours = {INPUTS, *Profile.objects.values_list("name", flat=True)}
        for upload in storage().unfinished_uploads():
            if upload.age > self.older_than and upload.key.partition("/")[0] in ours:
                self._take(Leftover("multipart", upload.key), partial(_abort, upload))

    def this_machine(self) -> None:
        """What dead processes left half-written on this machine: their locks are free, so age does not matter."""
        if self.dry_run:
            return  # `verify_catalog` tells of these
        if isinstance(default_storage, LocalStorage) and (count := default_storage.sweep_incoming()):
            self.swept.found.append(Leftover("incoming", f"{count} files in {INCOMING}"))
        if count := spool.sweep():
            self.swept.found.append(Leftover("spool", f"{count} uploads that nobody will finish"))

    def folders(self) -> None:
        """Folders that are marked as being made, by nobody who is still at it."""
        for stored in storage().walk(""):
            folder, _slash, file = stored.key.rpartition("/")
            if file == BEING_MADE and folder.count("/") == 1 and stored.age > self.older_than:
                with self._telling(folder):
                    mark = _mark(folder)
                    if mark is not None and not _is_wanted(folder):
                        self._take(Leftover("folder", folder), partial(self._folder, folder, mark))

    def _take(self, leftover: Leftover, take_away: Callable[[], bool]) -> None:
        """Take one away, unless a last look says no."""
        with self._telling(leftover.subject):
            if self.dry_run or take_away():
                self.swept.found.append(leftover)

    @contextlib.contextmanager
    def _telling(self, subject: str) -> Iterator[None]:
        """Go on with the next one when storage makes trouble about this one."""
        try:
            yield
        except STORAGE_ERRORS as error:
            self.swept.troubles.append(f"{subject} cannot be taken away: {error}")

    def _input(self, key: str) -> bool:
        # The same content may have been uploaded anew since the listing.
        return self._is_old(key) and take_away_unnamed(key)

    def _folder(self, folder: str, mark: storing.Mark) -> bool:
        with recording_lock(folder.partition("/")[0], mark.file_hash) as lock:
            if not lock.mine or _is_wanted(folder) or not self._is_old(storing.mark_key(folder)):
                return False
            return bool(storing.clear_marked(folder, mark.file_hash))

    def _is_old(self, key: str) -> bool:
        age = storage().age(key)
        return age is not None and age > self.older_than


def _abort(upload: UnfinishedUpload) -> bool:
    storage().abort_upload(upload)
    return True


def _mark(folder: str) -> storing.Mark | None:
    try:
        return storing.read_mark(folder)
    except FileNotFoundError:
        return None


def _is_wanted(folder: str) -> bool:
    """Whether a job is about this folder; a remote worker's job holds no lock while it is at it."""
    profile_name, _slash, output_name = folder.partition("/")
    about = Q(output_name=output_name) | Q(remote_folder=output_name)
    active = Job.objects.filter(about, profile__name=profile_name, state__in=Job.ACTIVE)
    return active.exists()


class Occasion:
    """When this process is to sweep next. The first time comes at random within the interval, so that not all of
    a site's workers list the store at the same moment.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = time.monotonic() + seconds * random.random()  # noqa: S311 - not a secret

    def has_come(self) -> bool:
        """Return whether it is time, and wait for the next time from now on."""
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + self._seconds
        return True


_now_and_then, _daily = Occasion(EVERY_SECONDS), Occasion(THOROUGHLY_EVERY_SECONDS)


def in_background() -> None:
    """Sweep now and then for as long as this process lives: a thread of its own, since storage may make it wait."""
    threading.Thread(target=_for_ever, name="sweeping", daemon=True).start()


def _for_ever() -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        try:
            occasionally()
        except Exception:
            logger.exception("The sweep failed; it is tried again")
        finally:
            connection.close()


def occasionally() -> None:
    """Sweep if it is about time. What was found is logged."""
    daily = _daily.has_come()
    if not _now_and_then.has_come() and not daily:
        return
    swept = sweep(thorough=daily)
    for leftover in swept.found:
        logger.warning("Taken away, since nobody knew it: %s %s", leftover.kind, leftover.subject)
    for trouble in swept.troubles:
        logger.warning("The sweep is not complete: %s", trouble)
