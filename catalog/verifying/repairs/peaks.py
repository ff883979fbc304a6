"""Making peaks files again that rows name and that are gone. Nothing is written here."""

from pathlib import Path
from tempfile import TemporaryDirectory

from catalog.importing.audio_work import Failure, failure
from catalog.verifying.repairs.changes import Change
from catalog.verifying.repairs.recording import Patient


def make(patient: Patient, files: list[str]) -> Change:
    """Make the peaks that are missing or empty."""
    change = Change()
    lacking = [stem for stem in patient.stems if stem.peaks_url in files and not patient.is_there(stem.peaks_url)]
    answers = [(stem.peaks_url, patient.workers.by_thread(_peaks, patient, stem.audio_url)) for stem in lacking]
    for key, answer in answers:
        made: bytes | Failure = answer.result()
        if isinstance(made, Failure):
            change.refused.append((key, made.message))
        else:
            change.files[key] = made
            change.told.append((key, "made"))
    return change


def _peaks(patient: Patient, audio: str) -> bytes | Failure:
    from processing.audio.meter import analyse_file  # noqa: PLC0415 - rarely needed

    if not patient.is_there(audio):
        return Failure("audio_missing", "its audio is not in storage")
    try:
        with patient.store.local_copy(audio) as path, TemporaryDirectory() as folder:
            target = Path(folder, "peaks")
            analyse_file(path, peaks=target)
            return target.read_bytes()
    except Exception as error:  # whatever a decoder makes of a damaged file, it is this file's trouble only
        return failure(error)
