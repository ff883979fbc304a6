"""What there is to do among many source files, and what became of each."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from catalog import services
from catalog.deleting import deleted_names
from catalog.models import Profile
from catalog.names import output_name
from processing.errors import ProcessingError
from processing.scanner import SourceFile, content_hash, displayable, scan
from stemset.config.schema import ProfileConfig

Status = Literal["queued", "created", "replaced", "would_process", "known", "duplicate", "left_alone", "busy", "failed"]


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
    hash_of: Callable[[SourceFile], str] = content_hash,
    hashing: Callable[[int, int], None] = lambda _done, _total: None,
) -> Plan:
    """Look at the given files, or at the profile's source folder when there are none.

    Knows every file by its content, and asks the catalogue once, however many files there are.
    `hashing` is told how many files are done. Raises ProcessingError when the source folder is missing.
    """
    plan = Plan()
    files = _given(paths, plan) if paths is not None else _scanned(Path(config.source_folder), plan)
    groups: dict[str, list[SourceFile]] = {}
    for done, source in enumerate(files):
        hashing(done, len(files))
        try:
            groups.setdefault(hash_of(source), []).append(source)
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
