"""Files in a recording's folder that no row names: what was replaced, and what a killed run left."""

import json
import logging
import re
import tempfile
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import Error

from catalog.legacy import BEING_MADE
from catalog.locks import recording_lock
from catalog.models import Stem
from catalog.storage import STORAGE_ERRORS
from catalog.storing import files_of, mark_key, named_keys
from processing.workdir import PREFIX

logger = logging.getLogger(__name__)
_NOTE = "storing.json"
# Only names that processing itself gives; anything else in the folder is somebody's.
_OURS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[0-9a-f]{8})?(_waveform\.png|(\.opus|\.flac|\.wav|\.m4a)(\.peaks)?)")


def holds_a_recording(folder: str) -> bool:
    """Return whether a folder in storage has stems or metadata, ours or the older version's."""
    return any(name == "metadata.json" or name.endswith(".aac") or _OURS.fullmatch(name) for name in _files(folder))


def replaced_files(profile_name: str, output_name: str) -> list[str]:
    """Return the names of a recording's present files, which go when it is made again. None for a new one."""
    folder = f"{profile_name}/{output_name}/"
    stems = Stem.objects.filter(recording__profile__name=profile_name, recording__output_name=output_name)
    names = [key.removeprefix(folder) for key in files_of(stems) if key.startswith(folder)]
    return [name for name in names if _OURS.fullmatch(name)]


def take_back(keys: list[str]) -> bool:
    """Delete files that were stored for rows that did not come about, the mark last; return whether that went well.

    It is asked whether the rows came about, since an interruption may hit between the commit and its answer. If the
    database cannot tell, the files stay for now, since rows without files could not be mended. If storage does not
    answer, what could not be deleted stays too, with the mark that tells whose it is.
    """
    try:
        named = named_keys(keys)
        for key in keys:
            if key not in named:
                default_storage.delete(key)
    except (Error, *STORAGE_ERRORS):
        return False
    return True


def remove_replaced(profile_name: str, output_name: str, file_hash: str) -> None:
    """Clear up in the folder of a recording that is complete. What fails is left to whoever sweeps next."""
    try:
        remove_unnamed_files(profile_name, output_name)
    except (Error, *STORAGE_ERRORS):
        logger.warning("Old files of %s/%s stay for now", profile_name, output_name, exc_info=True)
        leave_note(profile_name, output_name, file_hash)
    except BaseException:  # a person's Ctrl-C: the recording is complete all the same
        leave_note(profile_name, output_name, file_hash)
        raise


def note_storing(work: Path, profile_name: str, output_name: str, file_hash: str) -> None:
    """Write into a work folder which recording is about to be stored, for whoever finds the folder abandoned."""
    (work / _NOTE).write_text(json.dumps([profile_name, output_name, file_hash]))


def leave_note(profile_name: str, output_name: str, file_hash: str) -> None:
    """Leave an abandoned work folder with such a note, so that the next run clears up what this one cannot judge."""
    work = Path(tempfile.mkdtemp(prefix=PREFIX, dir=settings.STEMSET_WORK_DIR))
    note_storing(work, profile_name, output_name, file_hash)


def clear_abandoned(work: Path) -> bool:
    """Delete what a killed run stored for a recording without naming it in the catalogue.

    work  an abandoned work folder. Nothing is done while another process makes the recording.

    Returns False when that must be tried again later, since storage does not answer.
    """
    try:
        profile_name, output_name, file_hash = json.loads((work / _NOTE).read_text())
    except (FileNotFoundError, ValueError):  # it was killed before it stored anything
        return True
    with recording_lock(profile_name, file_hash) as lock:
        if lock.mine:
            try:
                remove_unnamed_files(profile_name, output_name)
            except STORAGE_ERRORS:
                logger.warning(
                    "What a killed run left of %s/%s stays for now", profile_name, output_name, exc_info=True
                )
                return False
    return True


def remove_unnamed_files(profile_name: str, output_name: str) -> None:
    """Delete stems, waveforms and peaks in a recording's folder that the catalogue does not name, then the mark."""
    folder = f"{profile_name}/{output_name}"
    stems = Stem.objects.filter(recording__profile__name=profile_name, recording__output_name=output_name)
    named = files_of(stems)
    files = _files(folder)
    for file in files:
        if f"{folder}/{file}" not in named and _OURS.fullmatch(file):
            default_storage.delete(f"{folder}/{file}")
    if BEING_MADE in files:
        default_storage.delete(mark_key(folder))


def _files(folder: str) -> list[str]:
    try:
        _folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return []
    return list(files)
