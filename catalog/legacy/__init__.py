"""Readers and writers of the older version's JSON store. Nothing in here knows the database.

    media/<profile>/.processed_hashes.json          SHA-256 of a source → folder
    media/<profile>/<folder>/metadata.json          eight generations of it, see metadata.py
    media/<profile>/<folder>/<stem>.<opus|wav|aac|m4a|flac>
    media/<profile>/<folder>/<stem>_waveform.png
    inputs/<profile>/<file>                         uploads, beside media/

In an object store the same, without `media/`. A local media/ of ours has an inputs/ in it too.
"""

from dataclasses import dataclass

METADATA = "metadata.json"
INDEX = ".processed_hashes.json"
# Written by processing while it stores a recording's files: what lies there is not complete yet.
BEING_MADE = ".storing"
# Where uploads lie: beside the profiles' folders in a bucket, and since there are jobs also in a local media folder.
INPUTS = "inputs"
AUDIO_EXTENSIONS = (".opus", ".wav", ".m4a", ".aac", ".flac")
WAVEFORM_SUFFIX = "_waveform.png"
# Put behind the name of a stem's audio file. The older version has no such files.
PEAKS_SUFFIX = ".peaks"


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth telling about a folder or a file in it; `code` is stable.

    A note that is `serious` means that something could not be taken over as it was.
    """

    code: str
    message: str
    file: str = ""
    serious: bool = False
