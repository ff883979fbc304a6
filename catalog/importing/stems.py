"""Which stems a folder has: what metadata.json lists or, without one, what the files are. Pure, as all deciding."""

import json
from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime

from catalog.importing.state import RecordingRow, StemRow
from catalog.importing.views import View
from catalog.legacy import AUDIO_EXTENSIONS, METADATA, WAVEFORM_SUFFIX, Note
from catalog.legacy.metadata import Metadata, StemEntry, UnreadableMetadata, read_metadata
from catalog.legacy.paths import audio_names, find, is_plain, stem_of_file, waveform_names
from catalog.legacy.stores import is_text

STEM_NAME_LENGTH = 64


@dataclass(slots=True)
class Wanted:
    """A stem that the store has, with the file that it is."""

    entry: StemEntry
    file: str
    size: int


def is_settled(view: View, row: RecordingRow) -> bool:
    """Return whether nothing can have changed: metadata.json is as it was, and every file it means is as catalogued.

    A shortcut for the usual case of a second run; whenever it is in doubt it says no.
    """
    if not row.imported or not view.metadata or view.notes or view.store_of or view.folder.refused:
        return False
    if view.metadata != row.metadata_json.encode():
        return False
    document = json.loads(row.metadata_json.removeprefix("\ufeff"))
    stems = document.get("stems")
    if not isinstance(stems, dict) or stems.keys() != row.stems.keys():
        return False
    if document.get("display_name", "") != row.display_name:
        return False
    files, prefix = view.folder.files, view.folder.path + "/"
    for stem in row.stems.values():
        audio, waveform = stem.audio_url.removeprefix(prefix), stem.waveform_url.removeprefix(prefix)
        if audio not in files or files[audio].size != stem.size or not _has(view, waveform):
            return False
    return len(files) == 2 * len(row.stems) + 1


def metadata_of(view: View, notes: list[Note]) -> Metadata | None:
    """Read a folder's metadata.json; what is wrong with it goes to the notes, and None is returned without one."""
    if view.metadata is None:
        return None
    try:
        metadata = read_metadata(view.metadata)
    except UnreadableMetadata as error:
        notes.append(Note("metadata_unreadable", f"{error}; names and measurements are not known", METADATA, True))
        return None
    notes.extend(metadata.notes)
    return metadata


def wanted_stems(
    view: View, metadata: Metadata | None, row: RecordingRow | None, notes: list[Note]
) -> dict[str, Wanted]:
    """Return the stems that can be used, by name; what cannot be used goes to the notes."""
    files = view.folder.files
    rows = row.stems if row else {}
    used: set[str] = set()
    wanted: dict[str, Wanted] = {}
    if metadata is not None and metadata.stems:
        for entry in metadata.stems.values():
            found = _listed(view, entry, rows.get(entry.name), notes, made_here=bool(row and row.made_here))
            if found:
                wanted[entry.name] = found
                used.add(found.file)
    else:
        for name, file in _unlisted(view, rows, notes):
            wanted[name] = Wanted(StemEntry(name, None, False, None, None, "", ""), file, files[file].size)
            used.add(file)
    # What this version made of it since then has files of its own.
    used |= {stem.audio_url.rpartition("/")[2] for stem in rows.values()}
    for file in files:
        if file not in used and stem_of_file(file) is not None:
            notes.append(Note("file_not_listed", "is no stem of this recording; left alone", file))
    told = {note.file for note in notes}
    notes.extend(note for file, note in view.folder.refused.items() if file not in told)
    return wanted


def _listed(view: View, entry: StemEntry, stem: StemRow | None, notes: list[Note], *, made_here: bool) -> Wanted | None:
    """Find the file of a stem that metadata.json lists."""
    files, refused = view.folder.files, view.folder.refused
    if problem := _unusable(entry.name):
        notes.append(Note("stem_name_unusable", problem, entry.name[:80], serious=True))
        return None
    mine = stem.audio_url.rpartition("/")[2] if stem and stem.audio_url.startswith(view.folder.path + "/") else ""
    if stem and mine in files and files[mine].size == stem.size:
        return Wanted(entry, mine, stem.size)
    if entry.audio and not is_plain(entry.audio):
        message = f"stem_url {entry.audio!r:.200} is no file of this folder; not followed"
        notes.append(Note("path_refused", message, entry.name))
    if entry.audio in files and files[entry.audio].size:
        return Wanted(entry, entry.audio, files[entry.audio].size)
    names = audio_names(entry.name, entry.audio)
    file = find(names, files)
    # An empty file in one format must not hide a good one in another.
    if file is not None and files[file].size == 0:
        file = find(names, [name for name in files if files[name].size]) or file
    if file is None:
        blocked = find(names, refused)
        if blocked:
            notes.append(refused[blocked])
        else:
            message = f"has no file (looked for {names[0] if entry.audio else entry.name + '.*'})"
            notes.append(Note("stem_file_missing", message, entry.name, serious=not made_here))
        return None
    if files[file].size == 0:
        notes.append(Note("stem_file_empty", "is empty (0 bytes)", file, serious=True))
        return None
    return Wanted(entry, file, files[file].size)


def _unlisted(view: View, rows: dict[str, StemRow], notes: list[Note]) -> list[tuple[str, str]]:
    """Stems by the files alone, for folders without a usable metadata.json: name and file."""
    files = view.folder.files
    known = {stem.audio_url.rpartition("/")[2]: stem.stem_type for stem in rows.values()}
    found: dict[str, str] = {}
    order = {extension: place for place, extension in enumerate(AUDIO_EXTENSIONS)}
    for file in sorted(files, key=lambda name: (order.get("." + name.rpartition(".")[2].lower(), 0), name)):
        name = known.get(file) or stem_of_file(file)
        if name is None or name in found:
            continue
        if problem := _unusable(name):
            notes.append(Note("stem_name_unusable", problem, file, serious=True))
        elif files[file].size == 0:
            notes.append(Note("stem_file_empty", "is empty (0 bytes)", file, serious=True))
        else:
            found[name] = file
    return sorted(found.items())


def _unusable(name: str) -> str:
    if not name or len(name) > STEM_NAME_LENGTH:
        return f"a stem's name has 1 to {STEM_NAME_LENGTH} characters"
    if "/" in name or "\0" in name or not is_text(name):
        return "a stem's name has no slashes and is text"
    return ""


def existing_waveform(view: View, stem: StemRow, one: Wanted) -> str | None:
    """Return the waveform that the catalogue names, or else another one of the folder."""
    file = stem.waveform_url.rpartition("/")[2]
    return file if _has(view, file) else waveform_of(view, one)


def waveform_of(view: View, one: Wanted) -> str | None:
    """Return the file that is a stem's waveform, or None."""
    if _has(view, one.entry.waveform) and one.entry.waveform.endswith(".png"):
        return one.entry.waveform
    names = waveform_names(one.entry.name, one.entry.waveform, one.file)
    exact = next((name for name in names if _has(view, name)), None)
    if exact is not None:
        return exact
    return find(names, [name for name in view.folder.files if name.endswith(".png") and _has(view, name)])


def _has(view: View, file: str) -> bool:
    found = view.folder.files.get(file)
    return found is not None and found.size > 0


def folder_time(view: View) -> datetime:
    """When a recording was made: the oldest time of its audio files, so that renames do not make it new."""
    files = view.folder.files.values()
    audio = [file.mtime for file in files if stem_of_file(file.name) is not None]
    oldest = min(audio or [file.mtime for file in files] or [view.folder.mtime])
    return as_time(oldest)


def as_time(seconds: float) -> datetime:
    """Return a file's time; nonsense of broken clocks is brought into the range that databases know."""
    try:
        return datetime.fromtimestamp(max(0.0, seconds), UTC)
    except (OverflowError, ValueError, OSError):
        return datetime(1970, 1, 1, tzinfo=UTC)


def new_waveform_name(stem: str, taken: Container[str]) -> str:
    """Return the name of a waveform to be drawn; nothing that is there is overwritten."""
    names = (stem + ("" if number == 0 else f".{number}") + WAVEFORM_SUFFIX for number in range(1000))
    return next(name for name in names if name not in taken)
