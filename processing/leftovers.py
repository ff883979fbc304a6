"""Files in a recording's folder that no row names: what was replaced, and what a killed run left."""

import re
from collections.abc import Iterable

from django.core.files.storage import default_storage
from django.db import Error
from django.db.models import Q

from catalog.models import Recording, Stem

# Only names that processing itself gives; anything else in the folder is somebody's.
_OURS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[0-9a-f]{8})?(_waveform\.png|\.opus|\.flac|\.wav|\.m4a)")


def take_back(keys: list[str]) -> None:
    """Delete files that were stored for rows that did not come about.

    Whether they came about is asked, since an interruption may hit between the commit and its answer. If the
    database cannot tell, the files stay: the next run overwrites them, while rows without files could not be mended.
    """
    try:
        named = {key for pair in _naming(keys) for key in pair}
    except Error:
        return
    for key in keys:
        if key not in named:
            default_storage.delete(key)


def _naming(keys: list[str]) -> Iterable[tuple[str, str]]:
    stems = Stem.objects.filter(Q(audio_url__in=keys) | Q(waveform_url__in=keys))
    return stems.values_list("audio_url", "waveform_url")


def remove_unnamed_files(recording: Recording) -> None:
    """Delete stems and waveforms in the recording's folder that the catalogue does not name."""
    folder = f"{recording.profile.name}/{recording.output_name}"
    named = {key for pair in recording.stems.values_list("audio_url", "waveform_url") for key in pair}
    _folders, files = default_storage.listdir(folder)
    for file in files:
        if f"{folder}/{file}" not in named and _OURS.fullmatch(file):
            default_storage.delete(f"{folder}/{file}")
