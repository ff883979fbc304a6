"""Repairs that read the audio. Each returns what is to be written; nothing is written here."""

import re
from typing import Any
from uuid import uuid4

from catalog.importing.audio_work import Failure, Measured
from catalog.importing.stems import STEM_NAME_LENGTH, new_waveform_name
from catalog.legacy.paths import find, folded, stem_of_file, waveform_names
from catalog.legacy.rendering import same
from catalog.models import Stem
from catalog.verifying import checksums
from catalog.verifying.repairs.changes import Change
from catalog.verifying.repairs.recording import Patient

_GONE = "its audio is not in storage"
# What process adds to the names of files that it made again.
_MADE_AGAIN = re.compile(r"(.+)\.[0-9a-f]{8}")


def measure(patient: Patient, _files: list[str]) -> Change:
    """Measure loudness and peak of every stem again. Gains stay: they are people's, or belong together."""
    change = Change()
    heard = patient.measure(stem.audio_url for stem in patient.stems)
    for stem in patient.stems:
        found = heard.get(stem.audio_url)
        if not isinstance(found, Measured):
            change.refused.append((stem.audio_url, found.message if found else _GONE))
        elif words := change.update(stem, **_measurements(stem, found)):
            change.told.append((stem.audio_url, ", ".join(words)))
    return change


def as_the_file_is(patient: Patient, files: list[str]) -> Change:
    """Take size, length, checksum and measurements from the files that are there now. Gains and pictures stay."""
    change = Change()
    heard = patient.measure(files)
    for key in files:
        stem = next((stem for stem in patient.stems if stem.audio_url == key), None)
        found = heard.get(key)
        digest = checksums.sha256(patient.store, key)
        if stem is None or digest is None or not isinstance(found, Measured):
            change.refused.append((key, found.message if isinstance(found, Failure) else _GONE))
            continue
        columns = {"file_size_bytes": patient.sizes[key], "file_sha256": digest, **_measurements(stem, found)}
        columns["peaks_url"] = ""  # make_peaks makes new ones
        words = change.update(stem, duration_seconds=found.duration_seconds, **columns)
        change.told.append((key, ", ".join(words) or "is as catalogued"))
    return change


def draw_waveforms(patient: Patient, _files: list[str]) -> Change:
    """Draw the waveforms that are missing or empty, all stems of the recording to one scale."""
    change = Change()
    undrawn = [stem for stem in patient.stems if not patient.is_there(stem.waveform_url)]
    if not undrawn:
        return change
    heard = patient.measure(stem.audio_url for stem in patient.stems)
    for stem in undrawn:
        found = heard.get(stem.audio_url)
        if not isinstance(found, Measured):
            change.refused.append((stem.waveform_url or patient.path, found.message if found else _GONE))
            continue
        key = stem.waveform_url
        if not key.startswith(patient.path + "/"):
            key = _free_waveform(patient, change, stem.stem_type)
            change.update(stem, waveform_url=key)
        change.files[key] = _picture(found, heard)
        change.told.append((key, "drawn"))
    return change


def adopt(patient: Patient, files: list[str]) -> Change:
    """Make audio files of the folder stems of the recording, each called as its file."""
    change = Change()
    if not patient.stems:
        change.refused = [(key, "its recording has no stems at all; import_metadata completes it") for key in files]
        return change
    names = {folded(stem.stem_type) for stem in patient.stems}
    wanted: dict[str, str] = {}
    for key in files:
        name = stem_of_file(key.rpartition("/")[2]) or ""
        if problem := _no_new_stem(name, names):
            change.refused.append((key, problem))
        else:
            wanted[key] = name
            names.add(folded(name))
    heard = patient.measure([*wanted, *(stem.audio_url for stem in patient.stems)] if wanted else [])
    for key, name in wanted.items():
        found = heard.get(key)
        if not isinstance(found, Measured):
            change.refused.append((key, found.message if found else _GONE))
            continue
        stem = _new_stem(patient, key, name, found)
        stem.waveform_url = _unclaimed_waveform(patient, name, key.rpartition("/")[2])
        if not stem.waveform_url:
            stem.waveform_url = _free_waveform(patient, change, name)
            change.files[stem.waveform_url] = _picture(found, heard)
        change.new_stems.append(stem)
        change.told.append((key, f"is the stem {name} now"))
    return change


def add_checksums(patient: Patient, files: list[str]) -> Change:
    """Compute the checksums that are not known yet."""
    change = Change()
    stems = [stem for stem in patient.stems if stem.audio_url in files and not stem.file_sha256]
    futures = [(stem, checksums.begin(patient.store, stem.audio_url, patient.workers)) for stem in stems]
    for stem, future in futures:
        digest = future.result()
        if digest is None:
            change.refused.append((stem.audio_url, _GONE))
        else:
            change.told.append((stem.audio_url, ", ".join(change.update(stem, file_sha256=digest))))
    return change


def _measurements(stem: Stem, found: Measured) -> dict[str, Any]:
    """What differs; the store's two decimals of the same loudness are no difference."""
    columns: dict[str, Any] = {}
    if not same("measured_lufs", stem.measured_lufs, found.lufs):
        columns["measured_lufs"] = found.lufs
    if not same("peak_amplitude", stem.peak_amplitude, found.peak):
        columns["peak_amplitude"] = found.peak
    return columns


def _no_new_stem(name: str, taken: set[str]) -> str:
    if not 0 < len(name) <= STEM_NAME_LENGTH:
        return f"cannot be a stem: a stem's name has 1 to {STEM_NAME_LENGTH} characters"
    if folded(name) in taken:
        return f"the recording has a stem {name} already"
    again = _MADE_AGAIN.fullmatch(name)
    if again and folded(again[1]) in taken:
        return f"is an older or newer version of the stem {again[1]}, not another one"
    return ""


def _new_stem(patient: Patient, key: str, name: str, found: Measured) -> Stem:
    """Return the row of an adopted file, without a waveform yet."""
    from processing.audio.gains import relative_gains  # noqa: PLC0415 - rarely needed

    lufs = {**{stem.stem_type: stem.measured_lufs for stem in patient.stems}, name: found.lufs}
    return Stem(
        id=uuid4(),
        recording=patient.recording,
        audio_file=patient.stems[0].audio_file,
        stem_type=name,
        measured_lufs=found.lufs,
        peak_amplitude=found.peak,
        # The gain that it would have had among the others from the beginning; theirs stay.
        stem_gain_adjustment_db=0.0 if found.gain_in_audio else relative_gains(lufs)[name],
        audio_url=key,
        file_size_bytes=patient.sizes[key],
        duration_seconds=found.duration_seconds,
        file_sha256=checksums.sha256(patient.store, key) or "",
    )


def _unclaimed_waveform(patient: Patient, stem: str, file: str) -> str:
    """Return the key of a waveform that is there for a file and that no stem has, or nothing."""
    claimed = {stem.waveform_url for stem in patient.stems}
    names = [key.removeprefix(patient.path + "/") for key in patient.sizes if patient.is_there(key)]
    found = find(waveform_names(stem, "", file), [name for name in names if f"{patient.path}/{name}" not in claimed])
    return f"{patient.path}/{found}" if found else ""


def _free_waveform(patient: Patient, change: Change, stem: str) -> str:
    taken = {key.rpartition("/")[2] for key in (*patient.sizes, *change.files)}
    return f"{patient.path}/{new_waveform_name(stem, taken)}"


def _picture(found: Measured, heard: dict[str, Measured | Failure]) -> bytes:
    from processing.audio.waveform import render_waveform  # noqa: PLC0415 - rarely needed

    loudest = max(float(one.rms_columns.max()) for one in heard.values() if isinstance(one, Measured))
    return render_waveform(found.rms_columns, scale=loudest)
