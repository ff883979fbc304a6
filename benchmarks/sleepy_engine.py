"""An engine of known cost: it sleeps, and gives every output a copy of its source. It serves `dsp:lowband`.

Importing it puts it into the registry, in a worker and in the children that the worker makes.
"""

import os
import shutil
import time
from pathlib import Path

from processing import separators
from processing.audio import Progress

SECONDS = float(os.environ.get("SLEEPY_SECONDS", "2"))


class Sleepy:
    """See `Separator`."""

    version = "1"
    outputs = ("bass", "rest")

    def __init__(self, name: str) -> None:
        self.name = name

    def check(self) -> None:
        """It runs everywhere."""

    def separate(self, source: Path, destination: Path, progress: Progress) -> dict[str, Path]:
        """Sleep, then copy."""
        time.sleep(SECONDS)
        progress(1.0)
        return {output: Path(shutil.copy(source, destination / f"{output}.wav")) for output in self.outputs}


def load(name: str) -> Sleepy:
    """Return the engine."""
    return Sleepy(name)


separators._BUILT_IN["dsp:lowband"] = (__name__, Sleepy.outputs)
