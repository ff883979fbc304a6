"""What an error means for a job: what people are told, and whether to try again."""

import traceback
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError

from catalog.storage import STORAGE_ERRORS
from processing.errors import ProcessingError

# Codes of ProcessingError that another time, or another machine, may not meet.
MAY_PASS = frozenset({"disk_full", "not_writable", "source_unreachable", "remote"})
# What to tell people instead of an error's own words, which name folders of the server: those are for staff.
PLAIN = {
    "disk_full": "The server's disk is full. Tell whoever runs this site.",
    "not_writable": "The server cannot write to its disk. Tell whoever runs this site.",
}


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed."""

    code: str
    text: str  # for a band member
    detail: str  # for staff
    may_pass: bool


def judge(error: BaseException) -> Failure:
    """Return what an error means."""
    detail = "".join(traceback.format_exception(error))[-8000:]
    match error:
        case ProcessingError():
            return Failure(error.code, PLAIN.get(error.code, str(error)), detail, error.code in MAY_PASS)
        case OperationalError() | InterfaceError():
            text = "The database could not be reached."
            return Failure("database", text, detail, may_pass=True)
        case MemoryError():
            return Failure("memory", "The machine has too little memory for this recording.", detail, may_pass=True)
    if isinstance(error, STORAGE_ERRORS):
        text = "The place where the audio is kept did not answer as it should."
        return Failure("storage", text, detail, may_pass=True)
    text = "Something went wrong that nobody foresaw. Staff can see the details."
    return Failure("unexpected", text, detail, may_pass=False)


def crashed(exit_code: int | None) -> Failure:
    """Return what it means that the process which did the work ended without a word."""
    detail = f"The process ended with exit code {exit_code}" + (
        " (killed: probably the machine ran out of memory)" if exit_code == -9 else ""
    )
    return Failure("crashed", "The program that separates the recording broke off.", detail, may_pass=True)
