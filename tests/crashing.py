"""A reader of audio that dies of one kind of file, as native decoders can. Worker processes import it."""

import os
from pathlib import Path

from catalog.importing import audio_work

DEADLY = b"OggS deadly"
_measure = audio_work.measure


def measure(path: str) -> object:
    """Measure a stem, or die."""
    if Path(path).read_bytes() == DEADLY:
        os._exit(11)
    return _measure(path)
