"""Files of recordings that were deleted while storage did not let us."""

from collections.abc import Iterable

from catalog.deleting import leftovers_of, with_leftovers
from catalog.verifying.findings import Finding, finding, some


def leftovers(profiles: Iterable[str]) -> list[Finding]:
    """Find deleted recordings of these profiles of which files are still in storage."""
    found = []
    for gone in with_leftovers().filter(profile__name__in=profiles):
        if left := leftovers_of(gone):
            names = some([key.rpartition("/")[2] for key in left])
            message = f"{gone.reason}, but of its files these are still in storage: {names}"
            found.append(finding("deleted_leftover", gone.folder, message))
    return found
