"""A look at a file's headers in a process of its own: `python -m processing.uploads.look FILE`.

Somebody else made the file, and decoders are big C libraries: this process knows no secrets, may write nothing, and is
ended when it takes too much. Prints JSON: {"seconds": number or null}, or {"code": …, "message": …}.
"""

import contextlib
import json
import os
import resource
import sys
from pathlib import Path

os.nice(10)  # people who listen go first, also while the decoders are loaded

import av  # noqa: E402

from processing.audio.source import open_source  # noqa: E402
from processing.errors import AudioError  # noqa: E402

CPU_SECONDS = 10
MEMORY_BYTES = 4 * 1024**3


def main(path: Path) -> None:
    """Look, and print what was seen."""
    for limit, value in (
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # macOS knows no limit of memory
            resource.setrlimit(limit, (value, value))
    seen: dict[str, float | str | None]
    try:
        seen = {"seconds": _seconds(path)}
    except AudioError as error:
        seen = {"code": error.code, "message": str(error)}
    sys.stdout.write(json.dumps(seen))


def _seconds(path: Path) -> float | None:
    """Return how long it plays by its headers, None where nothing tells, 0 when nothing follows them."""
    with open_source(path) as source:
        try:
            has_sound = any(packet.size for packet in source.container.demux(source.stream))
        except av.FFmpegError:
            has_sound = False
        return source.duration_seconds if has_sound else 0.0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
