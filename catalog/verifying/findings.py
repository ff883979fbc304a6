"""What a verification can find. Codes are stable: scripts may rely on them."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad it is: an error is something that people cannot hear, see or trust."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """Greater is worse."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be. `subject` is a path in storage, a profile or a file of this machine."""

    code: str
    severity: Severity
    subject: str
    detail: str
    hint: str = ""

    @property
    def folder(self) -> str:
        """The recording's folder, `<profile>/<output_name>`."""
        return "/".join(self.subject.split("/", 2)[:2])

    @property
    def file(self) -> str:
        """The file's name in the folder, if it is about one."""
        return self.subject.split("/", 2)[2] if self.subject.count("/") > 1 else ""

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of a code beforehand. `{profile}` in the hint becomes the profile of the subject."""

    severity: Severity
    hint: str = ""


_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
_REPAIR = "manage.py repair {code} --profile {profile}"
_IMPORT = "manage.py import_metadata --profile {profile}"
_RESTORE = f"Bring the file back from a backup, or have the recording made again: {_REPAIR}"

KINDS = {
    # rows against rows
    "orphaned_stem": Kind(_ERROR, "A row that the constraints forbid: restore the database from a backup."),
    "orphaned_audio_file": Kind(_ERROR, "A row that the constraints forbid: restore the database from a backup."),
    "recording_without_stems": Kind(_ERROR, f"{_IMPORT} completes it if its folder has stems"),
    "source_unused": Kind(_INFO, "No recording is made from it any more; nothing needs to be done."),
    "duplicate_source": Kind(_WARNING, "Both play; give them display names that tell them apart."),
    "names_alike": Kind(_WARNING, "Disks that ignore case or spelling of accents cannot hold both; rename one."),
    "placeholder_hash": Kind(_INFO, f"When its source file is at hand: {_IMPORT}"),
    # rows against config.yaml
    "profile_not_configured": Kind(_WARNING, "Add it to config.yaml, or nothing new can be processed for it."),
    "profile_not_in_database": Kind(_INFO, "It gets its row when something is first processed or imported for it."),
    # rows against files
    "folder_unreadable": Kind(_ERROR, "Mend the folder's permissions, or bring back what the link led to."),
    "file_elsewhere": Kind(_ERROR, "Pages cannot serve it: bring the row back from a backup of the database."),
    "file_refused": Kind(_ERROR, "Put the file itself where the link is."),
    "audio_missing": Kind(_ERROR, _RESTORE),
    "audio_empty": Kind(_ERROR, _RESTORE),
    "audio_unreadable": Kind(_ERROR, _RESTORE),
    "resized": Kind(_ERROR, f"If the file is meant to be as it is: {_REPAIR}"),
    "altered": Kind(_ERROR, f"Bring it back from a backup. If it is meant to be as it is: {_REPAIR}"),
    "waveform_missing": Kind(_ERROR, _REPAIR),
    "waveform_empty": Kind(_ERROR, _REPAIR),
    "peaks_missing": Kind(_WARNING, _REPAIR),
    "peaks_empty": Kind(_WARNING, _REPAIR),
    "duration_wrong": Kind(_WARNING, _REPAIR),
    "stems_differ_in_length": Kind(_WARNING, "They will not stay together when played; make the recording again."),
    "stems_differ_in_sample_rate": Kind(_WARNING, "They play, but were not made together."),
    "checksum_unknown": Kind(_INFO, _REPAIR),
    # files that no row names
    "file_not_catalogued": Kind(_WARNING, f"To make it a stem of its recording: {_REPAIR}"),
    "file_unknown": Kind(_INFO, "It is left alone."),
    "folder_not_catalogued": Kind(_INFO, "It has nothing to import and is left alone."),
    "profile_folder_unknown": Kind(_WARNING, "Name it in config.yaml, then import it; or move it away."),
    "storing_leftover": Kind(_WARNING, _REPAIR),
    "deleted_leftover": Kind(_WARNING, f"{_REPAIR}; workers and manage.py prune_jobs try it again too"),
    "incoming_leftover": Kind(_INFO, "manage.py repair incoming_leftover"),
    # sources
    "source_gone": Kind(_INFO, "It was moved, deleted, or its card or disk is not connected."),
    "source_altered": Kind(_WARNING, "The stems come from what it was before; processing it makes a new recording."),
    # the catalogue against the JSON store
    "not_imported": Kind(_WARNING, _IMPORT),
    "store_changed": Kind(
        _WARNING,
        f"{_IMPORT} takes over what changed in the store; "
        "manage.py export_metadata --to storage --overwrite --profile {profile} writes what the catalogue has",
    ),
    "left_out": Kind(_WARNING, "An import cannot use it; the detail says why."),
    "index_differs": Kind(_INFO, ""),
}


def finding(code: str, subject: str, detail: str) -> Finding:
    """Return a finding of a known code."""
    kind = KINDS[code]
    return Finding(code, kind.severity, subject, detail, kind.hint.format(code=code, profile=subject.partition("/")[0]))


def some(names: list[str]) -> str:
    """Return the first of many names, to be read."""
    return ", ".join(names[:6]) + ("…" if len(names) > 6 else "")
