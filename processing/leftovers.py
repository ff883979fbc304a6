"""Files in a recording's folder that no row names: what was replaced, and what a killed run left."""

import re

from django.core.files.storage import default_storage

from catalog.models import Recording

# Only names that processing itself gives; anything else in the folder is somebody's.
_OURS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[0-9a-f]{8})?(_waveform\.png|\.opus|\.flac|\.wav|\.m4a)")


def remove_unnamed_files(recording: Recording) -> None:
    """Delete stems and waveforms in the recording's folder that the catalogue does not name."""
    folder = f"{recording.profile.name}/{recording.output_name}"
    named = {key for pair in recording.stems.values_list("audio_url", "waveform_url") for key in pair}
    _folders, files = default_storage.listdir(folder)
    for file in files:
        if f"{folder}/{file}" not in named and _OURS.fullmatch(file):
            default_storage.delete(f"{folder}/{file}")
