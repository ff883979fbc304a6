"""A run of the importer from beginning to end. The command and the admin page render what it returns."""

import contextlib
import gzip
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from catalog.importing import resolving, writing
from catalog.importing.items import Item
from catalog.importing.plan import Plan, ProfilePlan, make_plan
from catalog.importing.reconcile import Choices
from catalog.importing.report import Report, Totals
from catalog.importing.sources import stores_for
from catalog.importing.views import Stores
from catalog.importing.workers import Workers
from catalog.locks import exclusive
from catalog.models import Profile
from catalog.services import sync_profile
from stemset.cores import usable_cores

LOCK = "import_metadata"
# Below this many folders, starting processes to read headers takes longer than reading them.
FEW_FOLDERS = 200


class AnotherRun(Exception):
    """Somebody else is importing."""


class UnknownProfile(Exception):
    """There is no such profile in the stores or the configuration."""


@dataclass(frozen=True, slots=True)
class Options:
    """What an import is asked to do."""

    profiles: list[str] | None = None
    source: str | None = None
    dry_run: bool = False
    rebuild: bool = False
    overwrite_display_names: bool = False
    jobs: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return them for the report."""
        return {
            "profiles": self.profiles,
            "source": self.source,
            "dry_run": self.dry_run,
            "rebuild": self.rebuild,
            "overwrite_display_names": self.overwrite_display_names,
        }


class Observer:
    """Is told how a run goes. Any method may raise to cancel; what has been written by then stays, and is whole."""

    def begin(self, stores: Stores, folders: int) -> None:
        """The stores have been found."""

    def advance(self, items: list[Item]) -> None:
        """Some folders are done."""


@dataclass(slots=True)
class Outcome:
    """What came of a run; `report` is the report's file, which is gone when the run's context is left."""

    report: Path
    stores: str
    totals: Totals = field(default_factory=Totals)
    sha256: str = ""
    notes: list[tuple[str, str]] = field(default_factory=list)


@contextlib.contextmanager
def run_import(options: Options, observer: Observer) -> Iterator[Outcome]:
    """Import, or with `dry_run` only look; yield what came of it.

    Raises AnotherRun, UnknownProfile and UnusableSource before anything is done. What `observer` raises passes
    through.
    """
    stores = stores_for(options.source)
    choices = Choices(options.rebuild, options.overwrite_display_names)
    with contextlib.ExitStack() as stack:
        if not options.dry_run and not stack.enter_context(exclusive(LOCK)).mine:
            raise AnotherRun("Another import is running, or a repair. Wait until it is done, then run again.")
        workers = Workers(options.jobs or usable_cores())
        plan = make_plan(stores, options.profiles, choices, workers)
        _require_known(plan, options.profiles)
        folders = plan.folders
        workers.headers_at_once = folders < FEW_FOLDERS
        observer.begin(stores, folders)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stemset-import-")))
        path = folder / "report.jsonl"
        with path.open("w", encoding="utf-8") as stream:
            head = {
                "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "stores": stores.describe(),
                "options": options.as_dict(),
            }
            stack.enter_context(workers)
            outcome = Outcome(path, stores.describe())
            _run(plan, Report(stream, head), outcome, observer, dry_run=options.dry_run)
        yield outcome


def _require_known(plan: Plan, named: list[str] | None) -> None:
    there = set(plan.stores.profiles()) if named else set()
    for name in named or []:
        if name not in there and settings.STEMSET.profile(name) is None:
            known = ", ".join(sorted({*there, *(profile.name for profile in settings.STEMSET.profiles)})) or "none"
            raise UnknownProfile(
                f"There is no profile {name!r} in {plan.stores.describe()} or config.yaml; known: {known}"
            )


def _run(plan: Plan, report: Report, outcome: Outcome, observer: Observer, *, dry_run: bool) -> None:
    for part in plan.parts():
        profile = None if dry_run or part.refusal else _profile(part)
        batches = part.batches
        if profile is not None:
            batches = resolving.resolved(batches, plan.workers, plan.stores.storage)
        for batch in batches:
            if profile is not None:
                writing.write(batch, profile)
            report.add(batch)
            observer.advance(batch)
        report.add_notes(part.name, part.notes)
        outcome.notes += [(part.name, note.message) for note in part.notes]
        if profile is not None and part.finder.index_text and profile.index_json != part.finder.index_text:
            Profile.objects.filter(pk=profile.pk).update(index_json=part.finder.index_text)
    report.finish()
    outcome.totals, outcome.sha256 = report.totals, report.sha256


def _profile(part: ProfilePlan) -> Profile:
    """Return the profile's row. A profile that only the store has gets one without source folder and strategy."""
    config = settings.STEMSET.profile(part.name)
    if config is not None:
        return sync_profile(config)
    profile, _created = Profile.objects.get_or_create(name=part.name)
    return profile


def compressed(report: Path) -> bytes:
    """Return a report for keeping."""
    with tempfile.TemporaryFile() as target:
        with report.open("rb") as source, gzip.GzipFile(fileobj=target, mode="wb", mtime=0) as packed:
            shutil.copyfileobj(source, packed)
        target.seek(0)
        return target.read()
