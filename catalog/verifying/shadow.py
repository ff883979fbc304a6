"""How the JSON store differs from the catalogue: what an import would do now, in findings.

This is for the time in which both are in use, and for sidecars that somebody edited. What other checks have found
already is not told again.
"""

from catalog.importing.items import SOURCE_LEARNT, Action, Draft, Item
from catalog.legacy import Note
from catalog.verifying.findings import Finding, finding
from catalog.verifying.rows import RecordingRow

# Findings about a stem's files that make an import's own words about the same files superfluous.
_ABOUT_FILES = {
    "audio_missing",
    "audio_empty",
    "audio_unreadable",
    "resized",
    "waveform_missing",
    "waveform_empty",
    "peaks_missing",
    "peaks_empty",
    "file_refused",
}


def differences(item: Item, row: RecordingRow | None, found: list[Finding]) -> list[Finding]:
    """Return what an item of the importer's plan tells beyond what was found about its folder."""
    codes = {one.code for one in found}
    if item.action is Action.IGNORE:
        return [finding("folder_not_catalogued", item.path, item.reason)] if item.code == "no_recording" else []
    if item.action is Action.QUARANTINE:
        explained = codes & {"folder_unreadable", "recording_without_stems"}
        why = "; ".join([item.reason, *(_words(note) for note in item.notes if note.serious)])
        return [] if explained else [finding("left_out", item.path, f"{why} ({item.code})")]
    known = _stems_with_troubles(row, found)
    notes = [
        finding("left_out", f"{item.path}/{note.file}" if note.file else item.path, f"{note.message} ({note.code})")
        for note in item.notes
        if note.serious and note.file not in known
    ]
    if item.action is Action.CREATE:
        return [finding("not_imported", item.path, "is in the JSON store, but not in the catalogue"), *notes]
    if item.action is Action.UNCHANGED or item.code == SOURCE_LEARNT or _explained(item.draft, codes, known):
        return notes
    return [finding("store_changed", item.path, f"{item.reason} ({item.code})"), *notes]


def _words(note: Note) -> str:
    return f"{note.file} {note.message}".strip()


def _stems_with_troubles(row: RecordingRow | None, found: list[Finding]) -> set[str]:
    """Names of stems, and of their files, about whose files something was found."""
    subjects = {one.subject for one in found if one.code in _ABOUT_FILES}
    known: set[str] = set()
    for stem in row.stems if row else []:
        if subjects & {stem.audio_url, stem.waveform_url, stem.peaks_url}:
            known |= {stem.stem_type, stem.audio_url.rpartition("/")[2], stem.waveform_url.rpartition("/")[2]}
    return known


def _explained(draft: Draft | None, codes: set[str], known: set[str]) -> bool:
    """Return whether an import would do nothing but mend what was found already."""
    if draft is None:
        return False
    if "recording_without_stems" in codes:
        return True
    return (
        all(stem.name in known for stem in draft.stems)
        and draft.display_name is None
        and draft.metadata_json is None
        and not draft.remove_stems
    )
