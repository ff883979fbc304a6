"""Many source files for one profile: what there is to do, and doing it, one result per file."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from django.db import InterfaceError, OperationalError

from catalog import services
from catalog.deleting import deleted_names
from catalog.models import Profile
from catalog.names import output_name
from processing.errors import ProcessingError
from processing.pipeline import Order, Report, process_source
from processing.scanner import SourceFile, content_hash, displayable, scan
from stemset.config.schema import ProfileConfig
from stemset.config.strategy import Node

logger = logging.getLogger(__name__)

Status = Literal["created", "replaced", "would_process", "known", "duplicate", "left_alone", "busy", "failed"]


@dataclass(frozen=True)
class Item:
    """What became of one file; `code` names the reason of a failure in a stable way."""

    path: str
    status: Status
    output_name: str | None = None
    code: str | None = None
    message: str | None = None
    stems: list[str] = field(default_factory=list)
    duration_seconds: float | None = None
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


@dataclass
class Plan:
    """Which files are to be processed, and what is already known about the others. Making it only reads."""

    todo: list[tuple[SourceFile, str]] = field(default_factory=list)
    settled: list[Item] = field(default_factory=list)


def make_plan(
    config: ProfileConfig,
    paths: Iterable[Path] | None,
    *,
    force: bool,
    hashing: Callable[[int, int], None] = lambda _done, _total: None,
) -> Plan:
    """Look at the given files, or at the profile's source folder when there are none.

    Reads every file once to know it by its content, and asks the catalogue once, however many files there are.
    `hashing` is told how many files are done. Raises ProcessingError when the source folder is missing.
    """
    plan = Plan()
    files = _given(paths, plan) if paths is not None else _scanned(Path(config.source_folder), plan)
    groups: dict[str, list[SourceFile]] = {}
    for done, source in enumerate(files):
        hashing(done, len(files))
        try:
            groups.setdefault(content_hash(source), []).append(source)
        except ProcessingError as error:
            plan.settled.append(failed(source.path, error))
    profile = Profile.objects.filter(name=config.name).first() if groups else None
    known = services.processed_hashes(profile, groups) if profile else {}
    by_name = deleted_names(profile) if profile else {}
    by_hash = {gone.file_hash: gone for gone in by_name.values() if gone.file_hash}
    for digest, (first, *copies) in groups.items():
        if digest in known and not force:
            plan.settled.append(Item(displayable(first.path), "known", known[digest]))
        elif not force and (gone := by_hash.get(digest) or by_name.get(output_name(Path(first.name).stem, digest))):
            message = f"{gone.reason}; --force makes it again"
            plan.settled.append(Item(displayable(first.path), "left_alone", message=message))
        else:
            plan.todo.append((first, digest))
        name = known.get(digest) or output_name(Path(first.name).stem, digest)
        message = f"has the same content as {displayable(first.path)}"
        plan.settled += [Item(displayable(copy.path), "duplicate", name, message=message) for copy in copies]
    return plan


def run_plan(
    plan: Plan,
    config: ProfileConfig,
    strategy_name: str,
    tree: Node,
    *,
    force: bool,
    report: Callable[[SourceFile], Report],
) -> Iterator[Item]:
    """Process what the plan lists, one after the other; a bad file does not stop the rest.

    `report` gives each file its progress callback. Database connections that are lost end the run, since nothing
    after that could be catalogued.
    """
    profile = services.sync_profile(config)
    for source, digest in plan.todo:
        order = Order(source, digest, profile, strategy_name, tree, config.output, force)
        try:
            result = process_source(order, report(source))
        except ProcessingError as error:
            yield failed(source.path, error)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            logger.exception("Processing %s failed unexpectedly", displayable(source.path))
            yield Item(
                displayable(source.path), "failed", code="unexpected", message=f"{type(error).__name__}: {error}"
            )
        else:
            yield Item(
                displayable(source.path),
                result.status,
                result.output_name,
                stems=result.stems,
                duration_seconds=result.duration_seconds,
                warnings=result.warnings,
            )


def failed(path: Path, error: ProcessingError) -> Item:
    """Return the item of a file that could not be used."""
    return Item(displayable(path), "failed", code=error.code, message=str(error))


def would_process(plan: Plan) -> list[Item]:
    """Return what a run of this plan would do."""
    return [
        Item(displayable(source.path), "would_process", output_name(Path(source.name).stem, digest))
        for source, digest in plan.todo
    ]


def _scanned(folder: Path, plan: Plan) -> list[SourceFile]:
    found = scan(folder)
    plan.settled += [Item(displayable(path), "left_alone", message=reason) for path, reason in found.left_alone]
    return found.files


def _given(paths: Iterable[Path], plan: Plan) -> list[SourceFile]:
    files = []
    for path in paths:
        try:
            files.append(SourceFile.at(path))
        except ProcessingError as error:
            plan.settled.append(failed(path, error))
    return files
