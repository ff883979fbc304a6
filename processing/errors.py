"""The one family of errors that processing raises for what an operator or a recording got wrong.

A ProcessingError is expected: its message names what is wrong and what to do, and `code` is stable, so commands,
jobs and tests can tell cases apart. Anything else that escapes is a bug.
"""


class ProcessingError(Exception):
    """Something about the input or the set-up; `code` is a stable, machine-readable name for the case."""

    code = "processing"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class AudioError(ProcessingError):
    """This file cannot be used as audio."""

    code = "audio"


class ModelError(ProcessingError):
    """A separation model is unknown, not installed or not fetched."""

    code = "model"
