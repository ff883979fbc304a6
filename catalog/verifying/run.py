"""A verification from beginning to end. It only reads: every step is a READ ONLY transaction. Commands render it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.conf import settings
from django.db import connection, transaction

from catalog.importing.plan import ProfilePlan, make_plan
from catalog.importing.reconcile import Choices
from catalog.importing.run import FEW_FOLDERS, UnknownProfile
from catalog.importing.sources import storage_store
from catalog.importing.workers import Workers
from catalog.legacy import INDEX
from catalog.models import Profile
from catalog.verifying import database, deleted, incoming, registry
from catalog.verifying.findings import KINDS, Finding, finding
from catalog.verifying.folders import BY_HEADERS, Depth, Overheard, ProfileFolders
from catalog.verifying.sources import Sources
from stemset.cores import usable_cores

_SHADOW = {"not_imported", "store_changed", "left_out", "folder_not_catalogued", "index_differs"}
_SOURCES = {"source_gone", "source_altered"}
_OUTSIDE_FOLDERS = {*_SOURCES, "deleted_leftover", "incoming_leftover"}


def _in_folders(only: frozenset[str]) -> bool:
    """Return whether recordings' folders must be looked into for any of these codes."""
    return bool(only - _OUTSIDE_FOLDERS - registry.codes())


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be verified.

    only  the codes that are wanted, so that nothing is read in vain; all of them by default
    """

    profiles: list[str] | None = None
    checksums: bool = False
    jobs: int | None = None
    only: frozenset[str] = field(default_factory=lambda: frozenset(KINDS))  # other rooms add theirs at the start

    def wants(self, codes: set[str]) -> bool:
        """Return whether any of these codes is asked for."""
        return bool(self.only & codes)


class Observer:
    """Is told how a verification goes. Any method may raise to end it."""

    def begin(self, step: str, total: int) -> None:
        """A part begins that has so many steps."""

    def advance(self, steps: int) -> None:
        """Some are done."""


@dataclass(slots=True)
class Looked:
    """How much has been looked at."""

    profiles: list[str] = field(default_factory=list)
    records: dict[str, int] = field(default_factory=dict)
    folders: int = 0
    recordings: int = 0
    stems: int = 0
    sources: int = 0


class Verification:
    """Compares the catalogue with storage, with the JSON store, with config.yaml and with itself."""

    def __init__(self, options: Options, observer: Observer, workers: Workers | None = None) -> None:
        self._options = options
        self._observer = observer
        self._own = Workers(options.jobs or usable_cores()) if workers is None else contextlib.nullcontext(workers)
        self._stores = Overheard(storage_store())
        self.looked = Looked()

    def run(self) -> Iterator[list[Finding]]:
        """Yield what is found, some at a time. Between two of them nothing is held, so a caller may write.

        Raises UnknownProfile before anything else.
        """
        with self._own as self._workers:
            for findings in _only_reading(self._steps()):
                wanted = [one for one in findings if one.code in self._options.only]
                if wanted:
                    yield wanted

    def _steps(self) -> Iterator[list[Finding]]:
        in_storage = self._stores.profiles()
        rows = dict(Profile.objects.values_list("name", "id"))
        configured = [profile.name for profile in settings.STEMSET.profiles]
        everything = sorted({*in_storage, *rows, *configured})
        self._require_known(everything)
        names = list(dict.fromkeys(self._options.profiles or everything))
        self.looked.profiles = names
        self.looked.records = database.records()
        yield database.orphans()
        yield database.profiles_and_configuration(names, in_storage)
        yield database.odd_sources(names)
        # Folders of nobody are told of once, not one by one.
        if _in_folders(self._options.only):
            yield from self._folders([name for name in names if name in rows or name in configured])
        if self._options.wants(_SOURCES):
            yield from self._sources(names)
        yield [*deleted.leftovers(names), *incoming.leftovers()]
        scope = registry.Scope(names, everything=not self._options.profiles)
        for check in registry.CHECKS:
            if self._options.wants(set(check.kinds)):
                yield from check.find(scope)

    def _require_known(self, everything: list[str]) -> None:
        for name in self._options.profiles or []:
            if name not in everything:
                known = ", ".join(everything) or "none"
                raise UnknownProfile(f"There is no profile {name!r} in the catalogue or storage; known: {known}")

    def _folders(self, names: list[str]) -> Iterator[list[Finding]]:
        if not names:
            return
        plan = make_plan(self._stores, names, Choices(), self._workers)
        folders = plan.folders
        self._workers.headers_at_once = folders < FEW_FOLDERS
        self._observer.begin("folders", folders)
        for part in plan.parts():
            yield from self._profile(part)

    def _profile(self, part: ProfilePlan) -> Iterator[list[Finding]]:
        profile_id = part.row.id if part.row else None
        if self._options.wants(_SHADOW):
            listed = self._stores.with_items(part)
        else:
            listed = ([(view, None) for view in views] for views in self._stores.batches(part.name))
        depth = Depth(
            headers=self._options.wants(BY_HEADERS),
            checksums=self._options.checksums and self._options.wants({"altered"}),
            unknown_checksums=self._options.checksums and self._options.wants({"checksum_unknown"}),
        )
        names = database.Names(part.name)
        checks = ProfileFolders(part.name, profile_id, self._stores.storage, self._workers)
        for checked in checks.check(listed, depth):
            names.add(checked.names)
            self.looked.folders += checked.folders
            self.looked.recordings += len(checked.names)
            self.looked.stems += checked.stems
            self._observer.advance(checked.folders)
            yield checked.findings
        yield names.findings()
        if self._options.wants(_SHADOW):
            about_index = [note for note in part.notes if note.file == INDEX]
            yield [finding("index_differs", f"{part.name}/{INDEX}", note.message) for note in about_index]

    def _sources(self, names: list[str]) -> Iterator[list[Finding]]:
        sources = Sources(names, self._stores.storage, self._workers)
        self._observer.begin("sources", sources.count())
        for count, findings in sources.check(content=self._options.checksums):
            self.looked.sources += count
            self._observer.advance(count)
            yield findings


def _only_reading(steps: Iterator[list[Finding]]) -> Iterator[list[Finding]]:
    """Take each step in a transaction in which the database refuses to write."""
    while True:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")
            findings = next(steps, None)
        if findings is None:
            return
        yield findings
