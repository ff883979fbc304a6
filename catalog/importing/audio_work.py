"""What the importer's worker processes do. They import neither Django nor, until it is needed, the decoders."""

import hashlib
import json
import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING

from processing.errors import AudioError

# Loading the decoders takes a while, and a second run needs none.
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from processing.audio.header import Header


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a file could not be read; `code` is stable."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A stem, decoded from end to end. `lufs` is None for silence; `gain_in_audio` tells of generation V0."""

    lufs: float | None
    peak: float
    rms_columns: "NDArray[np.float64]"
    duration_seconds: float
    sample_rate: int
    gain_in_audio: bool


def failure(error: Exception) -> Failure:
    """Say why a file could not be read."""
    if isinstance(error, AudioError):
        return Failure(error.code, str(error))
    if isinstance(error, OSError):
        return Failure("audio_unreadable", f"cannot be read: {error.strerror or error}")
    return Failure("audio_unreadable", f"cannot be read: {type(error).__name__}: {error}")


def begin() -> None:
    """Prepare a worker process: Ctrl-C is for its parent, without which it does not live on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def follow() -> None:
            wait([parent.sentinel])
            os._exit(1)

        threading.Thread(target=follow, daemon=True).start()


def headers(paths: list[str]) -> "list[Header | Failure]":
    """Read the headers of many files."""
    return [header(path) for path in paths]


def header(path: str) -> "Header | Failure":
    """Read the headers of a file."""
    from processing.audio.header import read_header  # noqa: PLC0415 - see above

    try:
        return read_header(Path(path))
    except Exception as error:  # whatever a decoder makes of a damaged file, it is this file's trouble only
        return failure(error)


def measure(path: str) -> Measured | Failure:
    """Decode a stem: loudness, peak, waveform and length."""
    from processing.audio.meter import analyse_file  # noqa: PLC0415 - see above

    try:
        file = analyse_file(Path(path))
        gain_in_audio = _gain_in_audio(Path(path))
    except Exception as error:  # as above
        return failure(error)
    found = file.analysis
    return Measured(found.lufs, found.peak, found.rms_columns, file.duration_seconds, file.sample_rate, gain_in_audio)


def _gain_in_audio(path: Path) -> bool:
    """Return whether the comment tag says that the gain is in the audio already: generation V0."""
    from processing.audio.header import read_comment  # noqa: PLC0415 - see above

    try:
        comment = json.loads(read_comment(path))
    except (ValueError, RecursionError):
        return False
    return isinstance(comment, dict) and "stem_gain_adjustment_db" in comment


def sha256(path: str) -> str | None:
    """Return the SHA-256 of a file, or None when it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None
