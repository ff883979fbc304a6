"""Comparing three ways: the store now, the store at the last import, the catalogue. The side that changed is right."""

from catalog.importing.items import Action, DraftStem, Item
from catalog.importing.state import StemRow
from catalog.legacy import METADATA, Note
from catalog.legacy.metadata import Metadata, StemEntry
from catalog.legacy.rendering import same

# What is to be done about a difference, its code, and the difference in words.
Reasons = list[tuple[Action, str, str]]


def compare_measurements(changed: DraftStem, base: Metadata | None, stem: StemRow, entry: StemEntry) -> Reasons:
    """Three ways: the store now, the store at the last import, the catalogue."""
    before = base.stems.get(entry.name) if base else None
    reasons: Reasons = []
    for field, store, catalogue, former in (
        ("measured_lufs", _lufs(entry), _known(stem.lufs), _lufs(before)),
        ("peak_amplitude", _peak(entry), _known(stem.peak), _peak(before)),
        ("stem_gain_adjustment_db", _gain(entry), _known(stem.gain_db), _gain(before)),
    ):
        if store is None or _alike(field, store, catalogue) or _alike(field, store, former):
            continue  # the store does not say it, says the same, or said so before it was changed here
        if former is not None and not _alike(field, former, catalogue):
            reasons.append(
                (Action.CONFLICT, "measurements_changed_twice", f"{field} of {entry.name} changed on both sides")
            )
            continue
        value = store[0]
        if field == "measured_lufs":
            changed.lufs, changed.silent = value, value is None
        elif field == "peak_amplitude":
            changed.peak = value
        else:
            changed.gain_db = value
        reasons.append((Action.UPDATE, "measurements", f"{field} of {entry.name} changed in the store"))
    return reasons


# A value that is known, silence included, is a tuple of one; None is not known.
Known = tuple[float | None] | None


def _known(value: float | None, is_known: bool = True) -> Known:
    return (value,) if is_known else None


def _lufs(entry: StemEntry | None) -> Known:
    return _known(entry.lufs, entry.silent or entry.lufs is not None) if entry else None


def _peak(entry: StemEntry | None) -> Known:
    return _known(entry.peak, entry.peak is not None) if entry else None


def _gain(entry: StemEntry | None) -> Known:
    return _known(entry.gain_db, entry.gain_db is not None) if entry else None


def _alike(field: str, one: Known, other: Known) -> bool:
    return one is not None and other is not None and same(field, one[0], other[0])


def tell_name(item: Item, catalogue: str, store: str) -> None:
    """Note that a recording is called otherwise in the store, which changes nothing."""
    message = f"is {quoted(catalogue)} in the catalogue, which counts, and {quoted(store)} in the store"
    item.notes.append(Note("display_name_differs", message, METADATA))


def quoted(name: str) -> str:
    """Return a name for messages, cut where it is long."""
    return f"“{name[:60]}{'…' if len(name) > 60 else ''}”"
