"""What an uploaded file is, by its content and not by its name."""

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from django.conf import settings

from processing.uploads.limits import require_duration
from processing.uploads.refusals import UploadRefused

logger = logging.getLogger(__name__)
LOOK_SECONDS = 30
STATUS = {"not_audio": 415, "audio_empty": 400}
UNREADABLE = "“{name}” cannot be read as a recording: it is damaged. Copy or export it again."
# Of a process's many requests, so that a crowd of uploads leaves the cores to those who listen.
_looking = threading.BoundedSemaphore(1)


def require_audio(path: Path, name: str) -> None:
    """Raise UploadRefused when the headers of a file are not those of a recording, or of one that is too long."""
    seen = _look(path, name)
    if "message" in seen:
        text = str(seen["message"]).replace(path.name, name)
        raise UploadRefused(STATUS.get(str(seen["code"]), 422), text)
    seconds = seen["seconds"]
    if seconds == 0:
        text = f"“{name}” contains no audio, only headers: the recording was stopped or cut at once. Copy it again."
        raise UploadRefused(422, text)
    require_duration(seconds)


def _look(path: Path, name: str) -> dict[str, Any]:
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH") if key in os.environ}
    command = [sys.executable, "-m", "processing.uploads.look", str(path)]
    try:
        with _looking:
            done = subprocess.run(
                command, cwd=settings.BASE_DIR, env=kept, capture_output=True, timeout=LOOK_SECONDS, check=True
            )
        seen: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError) as error:
        logger.warning("Looking at an upload failed: %s\n%r", error, getattr(error, "stderr", b""))
        raise UploadRefused(422, UNREADABLE.format(name=name)) from None
    return seen
