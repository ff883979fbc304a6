"""Deciding about one folder: what the store says, what it said last time, and what the catalogue has.

Pure: nothing is read or written here. Where the store and the catalogue differ, the one that changed since the last
import is right. When both changed the catalogue stays as it is, and the item is a conflict for a person to decide.
"""

from dataclasses import dataclass

from catalog.importing.comparing import Reasons, compare_measurements, quoted, tell_name
from catalog.importing.items import Action, Draft, DraftStem, Item, serious
from catalog.importing.restoring import restored
from catalog.importing.state import RecordingRow, StemRow
from catalog.importing.stems import (
    Wanted,
    existing_waveform,
    folder_time,
    is_settled,
    metadata_of,
    wanted_stems,
    waveform_of,
)
from catalog.importing.views import View
from catalog.legacy import METADATA, Note
from catalog.legacy.metadata import Metadata, UnreadableMetadata, parse_metadata
from catalog.legacy.rendering import extras


@dataclass(frozen=True, slots=True)
class Choices:
    """What the operator decided beforehand."""

    rebuild: bool = False
    overwrite_display_names: bool = False


@dataclass(slots=True)
class _Case:
    """All there is to know about one folder, and what is being decided about it."""

    item: Item
    draft: Draft
    view: View
    metadata: Metadata | None
    row: RecordingRow | None
    wanted: dict[str, Wanted]
    choices: Choices


def decide(view: View, row: RecordingRow | None, choices: Choices) -> Item:
    """Return what is to be done about a folder."""
    folder = view.folder
    item = Item(Action.UNCHANGED, "unchanged", folder.path, notes=[*view.notes])
    if folder.problem:
        item.quarantine(folder.problem.code, folder.problem.message)
    elif row is not None and not choices.rebuild and is_settled(view, row):
        pass
    elif METADATA in folder.files and view.metadata is None:
        item.quarantine("unreadable", "; ".join(note.message for note in view.notes) or "metadata.json cannot be read")
    elif row is None and folder.being_made and view.metadata is None:
        item.ignore("being_made", "is being stored by a process of this version")
    else:
        _decide(item, view, row, choices)
    return item


def _decide(item: Item, view: View, row: RecordingRow | None, choices: Choices) -> None:
    metadata = metadata_of(view, item.notes)
    if row is not None and row.made_here and metadata is None and not serious(item.notes):
        return
    wanted = wanted_stems(view, metadata, row, item.notes)
    if row is None and metadata is None and not wanted and not serious(item.notes):
        item.ignore("no_recording", "has neither stems nor a metadata.json")
        return
    if not wanted and (row is None or not row.stems or (row.imported and choices.rebuild)):
        item.quarantine("no_stems", "none of its stems can be used")
        return
    draft = _draft(view, row)
    item.draft = draft
    case = _Case(item, draft, view, metadata, row, wanted, choices)
    if row is None or not row.stems:
        _begin(case)
    else:
        _continue(case, row)
    _mark_copies(draft, view)


def _draft(view: View, row: RecordingRow | None) -> Draft:
    draft = Draft(view.folder.profile, view.folder.name, listing=view.folder)
    if row is not None:
        draft.recording_id, draft.version = row.id, row.version
    return draft


def _begin(case: _Case) -> None:
    """The catalogue has no recording of this folder, or one without stems that an earlier importer left."""
    item, draft, row = case.item, case.draft, case.row
    item.action, item.code = Action.CREATE, "new"
    draft.begins = True
    if row is not None:
        item.action, item.code, item.reason = Action.HEAL, "recording_without_stems", "the catalogue had no stems of it"
    draft.metadata_json = case.metadata.text if case.metadata else ""
    draft.created_at = folder_time(case.view)
    named = case.metadata.display_name if case.metadata else ""
    if row is None or not row.display_name or case.choices.overwrite_display_names:
        draft.display_name = named
    elif row.display_name != named:
        tell_name(item, row.display_name, named)
    draft.stems = [_new_stem(case.view, one) for one in case.wanted.values()]
    if case.metadata is not None:
        restored(case.metadata, draft)
    _complete(draft)


def _continue(case: _Case, row: RecordingRow) -> None:
    """The catalogue has it: find what differs."""
    draft, metadata = case.draft, case.metadata
    draft.imported = row.imported
    draft.audio_file_id = row.audio_file_id
    base = metadata if metadata is not None and metadata.text == row.metadata_json else _base(row)
    reasons = [reason for name, one in case.wanted.items() for reason in _stem(case, row, base, name, one)]
    reasons += _gone(case, row, base)
    if metadata is not None:
        reasons += _name(case, row, base, metadata)
        if metadata is not base and extras(metadata) != (extras(base) if base else {}):
            reasons.append((Action.UPDATE, "extra_keys", "metadata.json has other keys than at the last import"))
            draft.metadata_json = metadata.text
    if case.choices.rebuild and row.imported:
        draft.created_at = folder_time(case.view)
    drafted = {stem.name for stem in draft.stems}
    draft.known_lufs = {
        stem.stem_type: stem.lufs
        for stem in row.stems.values()
        if stem.stem_type not in drafted and stem.id not in draft.remove_stems
    }
    _complete(draft)
    _conclude(case, row, reasons)


def _conclude(case: _Case, row: RecordingRow, reasons: Reasons) -> None:
    item, draft, metadata = case.item, case.draft, case.metadata
    conflicts = [reason for reason in reasons if reason[0] is Action.CONFLICT]
    if conflicts:
        # A person decides; until then the recording stays as it is.
        item.action, item.code, item.draft = Action.CONFLICT, conflicts[0][1], None
        waiting = [reason for reason in reasons if reason[0] is not Action.CONFLICT]
        item.reason = "; ".join(dict.fromkeys(reason for _action, _code, reason in conflicts))
        if waiting:
            item.reason += "; until then this waits too: " + "; ".join(dict.fromkeys(one[2] for one in waiting))
    elif reasons:
        # What the store says now is what the next comparison starts from.
        if metadata is not None and metadata.text != row.metadata_json:
            draft.metadata_json = metadata.text
        heals = [reason for reason in reasons if reason[0] is Action.HEAL]
        item.action, item.code, _reason = (heals or reasons)[0]
        item.reason = "; ".join(dict.fromkeys(reason for _action, _code, reason in reasons))
    else:
        item.draft = None


def _base(row: RecordingRow) -> Metadata | None:
    try:
        return parse_metadata(row.metadata_json) if row.metadata_json else None
    except UnreadableMetadata:
        return None


def _stem(case: _Case, row: RecordingRow, base: Metadata | None, name: str, one: Wanted) -> Reasons:
    """Compare a stem of the store with the catalogue's."""
    view, stem = case.view, row.stems.get(name)
    if stem is None and row.made_here and base is not None and name in base.stems:
        return []  # it was made again here, into other stems
    if stem is None:
        case.draft.stems.append(_new_stem(view, one))
        return [(Action.HEAL, "stem_missing", f"the catalogue had no {name}")]
    if case.choices.rebuild and row.imported:
        fresh = _new_stem(view, one)
        fresh.id, fresh.replaced = stem.id, True
        case.draft.stems.append(fresh)
        return [(Action.UPDATE, "rebuilt", "read anew from the store")]
    changed = _as_it_is(view, stem, one)
    reasons: Reasons = []
    if stem.audio_url != view.folder.key(one.file) or stem.size != one.size:
        _hear_again(changed, one)
        reasons.append((Action.UPDATE, "audio_changed", f"{name} has another audio file"))
    if row.imported:
        reasons += compare_measurements(changed, base, stem, one.entry)
        if changed.waveform is None:
            reasons.append((Action.HEAL, "waveform_missing", f"{name} has no waveform"))
        elif view.folder.key(changed.waveform) != stem.waveform_url:
            reasons.append((Action.HEAL, "waveform_missing", f"the catalogue named no waveform of {name}"))
    elif changed.waveform is None:
        changed.waveform = stem.waveform_url.rpartition("/")[2]  # verify_catalog tells
    if reasons:
        case.draft.stems.append(changed)
    return reasons


def _hear_again(changed: DraftStem, one: Wanted) -> None:
    """Another audio file: what metadata.json does not say of it has to be measured."""
    entry = one.entry
    changed.replaced, changed.duration = True, None
    if entry.lufs is None and not entry.silent:
        changed.lufs, changed.silent = None, False
    if entry.peak is None:
        changed.peak = None
    if entry.gain_db is None:
        changed.gain_db = None
    if not entry.waveform and changed.peak is None:
        changed.waveform = None  # drawn from the former file


def _as_it_is(view: View, stem: StemRow, one: Wanted) -> DraftStem:
    return DraftStem(
        stem.stem_type,
        one.file,
        one.size,
        id=stem.id,
        lufs=stem.lufs,
        silent=stem.lufs is None,
        peak=stem.peak,
        gain_db=stem.gain_db,
        duration=stem.duration,
        waveform=existing_waveform(view, stem, one),
    )


def _gone(case: _Case, row: RecordingRow, base: Metadata | None) -> Reasons:
    """Stems that the catalogue has and the store no longer."""
    reasons: Reasons = []
    told = {note.file for note in case.item.notes}
    for name, stem in row.stems.items():
        if name in case.wanted:
            continue
        file = stem.audio_url.rpartition("/")[2]
        present = file in case.view.folder.files
        listed = case.metadata is None or name in case.metadata.stems
        if case.choices.rebuild and row.imported:
            case.draft.remove_stems.append(stem.id)
            reasons.append((Action.UPDATE, "stem_gone", f"{name} is no longer in the store"))
        elif not present and not {file, name} & told:
            message = "is in the catalogue, but its file is gone"
            case.item.notes.append(Note("stem_file_missing", message, file, serious=True))
        elif present and not listed and row.imported and base is not None and name in base.stems:
            message = (
                f"metadata.json no longer lists {name}; --rebuild takes it out of the catalogue, export_metadata --to "
                "storage --overwrite puts it back into metadata.json"
            )
            reasons.append((Action.CONFLICT, "stem_gone", message))
    return reasons


def _name(case: _Case, row: RecordingRow, base: Metadata | None, metadata: Metadata) -> Reasons:
    """The catalogue's name wins over the store's, unless only the store changed."""
    store, catalogue = metadata.display_name, row.display_name
    if store == catalogue:
        return []
    unnamed = not row.made_here and base is None and not catalogue
    changed_there_only = base is not None and base.display_name == catalogue
    if case.choices.overwrite_display_names or unnamed or changed_there_only:
        case.draft.display_name = store
        return [(Action.UPDATE, "display_name", f"renamed {quoted(catalogue)} → {quoted(store)}")]
    if base is None or base.display_name == store:
        tell_name(case.item, catalogue, store)
        return []
    message = (
        f"renamed {quoted(catalogue)} here and {quoted(store)} in the store; --overwrite-display-names takes the "
        "store's, export_metadata --to storage --overwrite writes the catalogue's"
    )
    return [(Action.CONFLICT, "display_name_changed_twice", message)]


def _new_stem(view: View, one: Wanted) -> DraftStem:
    entry = one.entry
    return DraftStem(
        entry.name,
        one.file,
        one.size,
        lufs=entry.lufs,
        silent=entry.silent,
        peak=entry.peak,
        gain_db=entry.gain_db,
        waveform=waveform_of(view, one),
    )


def _complete(draft: Draft) -> None:
    """Mark which stems must be decoded: those that lack something, and all of them when pictures are to be drawn.

    Pictures of one recording are drawn to one scale.
    """
    drawing = any(stem.waveform is None for stem in draft.stems)
    for stem in draft.stems:
        guessed = stem.duration is None and stem.file.lower().endswith(".aac")  # whose headers do not tell the length
        stem.measure = stem.incomplete or drawing or guessed


def _mark_copies(draft: Draft, view: View) -> None:
    """Note what storage has to be given: files that only the other copy has, metadata.json along with them."""
    files = [file for stem in draft.stems for file in (stem.file, stem.waveform) if file in view.store_of]
    if files and METADATA in view.store_of:
        files.append(METADATA)
    draft.copies = [file for file in files if file is not None]
    draft.store_of = {file: view.store_of[file] for file in draft.copies}
