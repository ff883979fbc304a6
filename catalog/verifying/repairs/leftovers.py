"""Repairs that clear up after killed processes and deletions. Only what is provably ours is deleted."""

from catalog import storing
from catalog.deleting import clear_leftovers
from catalog.locks import recording_lock
from catalog.verifying import incoming
from catalog.verifying.findings import Finding, some
from catalog.verifying.repairs.changes import Result, Status


def clear_marked(finding: Finding, *, dry_run: bool) -> Result:
    """Delete what a killed process stored for a recording that never came about, and its mark."""

    def result(status: Status, detail: str) -> Result:
        return Result(finding.code, finding.subject, status, detail)

    try:
        mark = storing.read_mark(finding.folder)
    except FileNotFoundError:
        return result(Status.REFUSED, "is gone already")
    if mark is None:
        return result(Status.REFUSED, "does not say which files are ours; look into the folder, then delete it")
    profile = finding.folder.partition("/")[0]
    with recording_lock(profile, mark.file_hash) as lock:
        if not lock.mine:
            return result(Status.REFUSED, "belongs to a process that is storing the recording at this moment")
        if dry_run:
            files = some(mark.files)
            return result(
                Status.WOULD_REPAIR, f"would delete the mark and, of these files, those no row names: {files}"
            )
        removed = storing.clear_marked(finding.folder, mark.file_hash)
    return result(Status.REPAIRED, f"deleted {some(removed)}")


def clear_deleted(finding: Finding, *, dry_run: bool) -> Result:
    """Delete the files of a recording that was deleted while storage did not let us."""
    if dry_run:
        return Result(finding.code, finding.subject, Status.WOULD_REPAIR, "its files would be deleted")
    if clear_leftovers(finding.subject):
        return Result(finding.code, finding.subject, Status.REPAIRED, "its files were deleted")
    return Result(finding.code, finding.subject, Status.REFUSED, "its files are gone already")


def clear_incoming(finding: Finding, *, dry_run: bool) -> Result:
    """Delete half-written files whose writers are dead."""
    storage = incoming.local_storage()
    if dry_run or storage is None:
        return Result(finding.code, finding.subject, Status.WOULD_REPAIR, "would be deleted")
    storage.sweep_incoming()
    return Result(finding.code, finding.subject, Status.REPAIRED, "deleted")
