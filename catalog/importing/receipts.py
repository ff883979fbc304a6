"""A run for people: its totals in words, and what its report says, the important things first."""

import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

from django.urls import NoReverseMatch, reverse

from catalog.importing.items import WRITES, Action
from catalog.importing.runs import GOING
from catalog.models import ImportRun
from stemset.commands import printable

# More folders than this in one group are for the report, not for a page.
SHOWN = 200
NOTES_SHOWN = 10
# Groups that need nobody's attention are folded up when they are longer than this.
SHORT = 25


class Words(NamedTuple):
    """What a look says of folders that it would do something with, what a run says that did, and what that means."""

    would: str
    did: str
    meaning: str

    def of(self, *, dry_run: bool) -> str:
        """Return how a look or a run says it."""
        return self.would if dry_run else self.did


# In the order of importance.
WORDS: dict[Action, Words] = {
    Action.CONFLICT: Words("to be decided", "to be decided", "left as they are until somebody decides"),
    Action.QUARANTINE: Words("to be left out", "left out", "nothing in them can be used as it is"),
    Action.CREATE: Words("new", "brought in", "recordings that the library did not have"),
    Action.HEAL: Words("to be completed", "completed", "recordings of which something was missing here"),
    Action.UPDATE: Words("to be updated", "updated", "recordings that changed in the store since the last import"),
    Action.UNCHANGED: Words("unchanged", "unchanged", "recordings that are here already"),
    Action.IGNORE: Words("no recordings", "no recordings", "folders without audio and without a metadata.json"),
}
_DECIDE = (
    "Nothing of these was written. Where both the store and this site renamed a recording, give it the same name here, "
    "or import with the store's names. A profile that config.yaml does not name can be chosen by name when starting. "
    "Everything else is for whoever runs this site: manage.py import_metadata --rebuild takes what the store says."
)
_MEND = "Files are never changed by an import. Mend or remove them in the store, then import again."


@dataclass(slots=True)
class Entry:
    """One folder. `url` is the page of its recording, if it has one."""

    path: str
    reason: str
    code: str
    notes: list[str]
    notes_left_out: int
    url: str = ""


@dataclass(slots=True)
class Group:
    """Folders with the same fate; of many only the first are here."""

    title: str
    hint: str = ""
    attention: bool = False
    folders: int = 0
    entries: list[Entry] = field(default_factory=list)

    @property
    def more(self) -> int:
        """How many are not shown."""
        return self.folders - len(self.entries)

    @property
    def open(self) -> bool:
        """Whether it is shown without asking."""
        return self.attention or self.folders <= SHORT


@dataclass(slots=True)
class Receipt:
    """What a report says."""

    stores: str
    groups: list[Group]
    notes: list[tuple[str, str]]


def report_stream(run: ImportRun) -> BinaryIO:
    """Open the report of a run, which is unpacked as it is read."""
    return gzip.GzipFile(fileobj=io.BytesIO(run.report), mode="rb")  # type: ignore[return-value]  # reads like one


def read_receipt(run: ImportRun) -> Receipt:
    """Read a run's report line by line, and keep what a page shows of it."""
    groups = _groups(run.dry_run)
    receipt = Receipt("", [], [])
    with report_stream(run) as lines:
        for line in lines:
            entry = json.loads(line)
            if "action" in entry:
                _sort_in(entry, groups, dry_run=run.dry_run)
            elif "profile" in entry:
                receipt.notes.append((printable(entry["profile"]), printable(entry["message"])))
            elif "report" in entry:
                receipt.stores = printable(entry["stores"])
    receipt.groups = [group for group in groups.values() if group.folders]
    return receipt


def totals_in_words(run: ImportRun) -> Iterator[tuple[int, str, str]]:
    """Yield how many folders had which fate, and what that means."""
    for action, words in WORDS.items():
        count = run.totals.get(action.value, 0)
        if count:
            yield count, words.of(dry_run=run.dry_run), words.meaning
    if run.totals.get("attention"):
        yield run.totals["attention"], "in need of attention", "something in them cannot be used; each is named below"


def state_in_words(run: ImportRun) -> str:
    """Say how far a run has come."""
    if run.state in GOING and run.cancel_requested:
        return "is being cancelled"
    if run.state == ImportRun.State.RUNNING:
        return "looking" if run.dry_run else "importing"
    if run.state == ImportRun.State.FAILED and run.folders_total is not None:
        return "stopped"
    return str(ImportRun.State(run.state).label)


def percent(run: ImportRun) -> int | None:
    """Return how much of a run is done. The number of folders may turn out higher than it was estimated."""
    if not run.folders_total:
        return None
    return min(100, 100 * run.folders_done // run.folders_total)


def time_left(run: ImportRun) -> str:
    """Estimate how long a run still takes, once there is something to go by."""
    if not run.folders_total or not run.folders_done or run.heartbeat_at is None:
        return ""
    elapsed = (run.heartbeat_at - run.created_at).total_seconds()
    seconds = elapsed * max(0, run.folders_total - run.folders_done) / run.folders_done
    if seconds < 60:
        return "less than a minute left"
    minutes = round(seconds / 60)
    return f"about {minutes} min left" if minutes < 120 else f"about {round(minutes / 60)} h left"


def _groups(dry_run: bool) -> dict[str, Group]:
    """Return the groups by name, in the order of a page."""
    titles = {action: words.of(dry_run=dry_run).capitalize() for action, words in WORDS.items()}
    return {
        Action.CONFLICT: Group(titles[Action.CONFLICT], _DECIDE, attention=True),
        Action.QUARANTINE: Group(titles[Action.QUARANTINE], _MEND, attention=True),
        "incomplete": Group("Something in them cannot be used", _MEND, attention=True),
        **{action: Group(titles[action]) for action in (Action.CREATE, Action.HEAL, Action.UPDATE, Action.IGNORE)},
        "remarked": Group("Unchanged, with a remark"),
    }


def _sort_in(entry: dict[str, Any], groups: dict[str, Group], *, dry_run: bool) -> None:
    action = Action(entry["action"])
    name: str = action
    if action not in {Action.CONFLICT, Action.QUARANTINE} and any(note["serious"] for note in entry["notes"]):
        name = "incomplete"
    elif action is Action.UNCHANGED:
        if not entry["notes"]:
            return
        name = "remarked"
    group = groups[name]
    group.folders += 1
    if len(group.entries) < SHOWN:
        is_here = action is Action.UNCHANGED or (action in WRITES and not dry_run)
        group.entries.append(_entry(entry, _page(entry["path"]) if is_here else ""))


def _entry(entry: dict[str, Any], url: str) -> Entry:
    # Serious ones first: they may be beyond what is shown.
    notes = sorted(entry["notes"], key=lambda note: not note["serious"])
    return Entry(
        path=printable(entry["path"]),
        reason=printable(entry["reason"]),
        code=entry["code"],
        notes=[printable(": ".join(filter(None, (note["file"], note["message"])))) for note in notes[:NOTES_SHOWN]],
        notes_left_out=max(0, len(notes) - NOTES_SHOWN),
        url=url,
    )


def _page(path: str) -> str:
    profile, _slash, folder = path.partition("/")
    try:
        return reverse("recording", args=[profile, folder])
    except NoReverseMatch:
        return ""
