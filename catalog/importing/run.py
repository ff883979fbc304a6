"""A run of the importer from beginning to end. The command and the admin page render what it returns."""

import contextlib
import gc
import gzip
import io
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

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

    Raises AnotherRun, UnknownProfile or UnusableSource before anything is written. At any time: OSError when a store
    or the temporary folder cannot be read or written, which its text names; botocore's errors when a bucket cannot be
    reached; Django's when the database is lost or not up to date; and what `observer` raises. What has been written by
    then stays, and is whole.
    """
    stores = stores_for(options.source)
    # A profile that is named twice is one profile.
    named = list(dict.fromkeys(options.profiles)) if options.profiles is not None else None
    choices = Choices(options.rebuild, options.overwrite_display_names)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_rarely_collecting())
        if not options.dry_run and not stack.enter_context(exclusive(LOCK)).mine:
            raise AnotherRun("Another import is running, or a repair. Wait until it is done, then run again.")
        workers = Workers(options.jobs or usable_cores())
        with _naming(f"reading {stores.describe()}"):
            plan = make_plan(stores, named, choices, workers)
            _require_known(plan, named)
            folders = plan.folders
        workers.headers_at_once = folders < FEW_FOLDERS
        observer.begin(stores, folders)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stemset-import-")))
        outcome = Outcome(folder / "report.jsonl", stores.describe())
        with _written(outcome.report) as stream:
            head = {
                "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "stores": stores.describe(),
                "options": options.as_dict(),
            }
            stack.enter_context(workers)
            _run(plan, Report(stream, head), outcome, observer, dry_run=options.dry_run)
        yield outcome


@contextlib.contextmanager
def _rarely_collecting() -> Iterator[None]:
    """Let Python look for cycles of garbage less often: there are many small objects here, and no cycles of them."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextlib.contextmanager
def _naming(doing: str) -> Iterator[None]:
    """Let an error tell what failed: reading and writing an open file, as on a full disk, does not name it."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, f"{error.strerror} while {doing}") from error


def _each[Step](steps: Iterable[Step], doing: str) -> Iterator[Step]:
    with _naming(doing):
        yield from steps


@contextlib.contextmanager
def _written(report: Path) -> Iterator[IO[str]]:
    """Open the report. When it cannot be written, trying once more at its end would hide the error that tells why."""
    stream = report.open("w", encoding="utf-8")
    try:
        yield stream
    finally:
        with contextlib.suppress(OSError):
            stream.close()  # Report.finish has brought everything to the disk


def _require_known(plan: Plan, named: list[str] | None) -> None:
    there = set(plan.stores.profiles()) if named else set()
    for name in named or []:
        if name not in there and settings.STEMSET.profile(name) is None:
            known = ", ".join(sorted({*there, *(profile.name for profile in settings.STEMSET.profiles)})) or "none"
            raise UnknownProfile(
                f"There is no profile {name!r} in {plan.stores.describe()} or config.yaml; known: {known}"
            )


def _run(plan: Plan, report: Report, outcome: Outcome, observer: Observer, *, dry_run: bool) -> None:
    reading, writing_report = f"reading {outcome.stores}", f"writing {outcome.report}"
    for part in _each(plan.parts(), reading):
        profile = None if dry_run or part.refusal else _profile(part)
        batches = part.batches
        if profile is not None:
            batches = resolving.resolved(batches, plan.workers, plan.stores.storage)
        for batch in _each(batches, reading):
            if profile is not None:
                writing.write(batch, profile)
            with _naming(writing_report):
                report.add(batch)
            observer.advance(batch)
        with _naming(writing_report):
            report.add_notes(part.name, part.notes)
        outcome.notes += [(part.name, note.message) for note in part.notes]
        if profile is not None and part.finder.index_text and profile.index_json != part.finder.index_text:
            Profile.objects.filter(pk=profile.pk).update(index_json=part.finder.index_text)
    with _naming(writing_report):
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
    target = io.BytesIO()
    with report.open("rb") as source, gzip.GzipFile(fileobj=target, mode="wb", mtime=0) as packed:
        shutil.copyfileobj(source, packed)
    return target.getvalue()
