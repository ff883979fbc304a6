"""The plan: one item for every folder of the store. Making it only reads.

It is made and consumed batch by batch, so that memory does not grow with the store.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.conf import settings

from catalog.deleting import deleted_names
from catalog.importing import resolving
from catalog.importing.hashes import SourceFinder
from catalog.importing.items import SOURCE_LEARNT, Action, Draft, Item
from catalog.importing.reconcile import Choices, decide
from catalog.importing.state import RecordingRow, recordings_of
from catalog.importing.views import Stores, View
from catalog.importing.workers import Workers
from catalog.legacy import INDEX, Note
from catalog.models import DeletedRecording, Profile
from stemset.config.schema import PROFILE_NAME

logger = logging.getLogger(__name__)

UNSAFE_PROFILE = "profile_name_unsafe"


@dataclass(slots=True)
class ProfilePlan:
    """One profile's part of the plan. `notes` is complete when all batches have been taken."""

    name: str
    row: Profile | None
    finder: SourceFinder
    batches: Iterator[list[Item]]
    notes: list[Note] = field(default_factory=list)
    # Why none of its folders may be written, if so.
    refusal: tuple[Action, str, str] | None = None
    # What people deleted, by the folder's name.
    deleted: dict[str, DeletedRecording] = field(default_factory=dict)


@dataclass(slots=True)
class Plan:
    """What an import of these stores would do, profile by profile."""

    stores: Stores
    profiles: list[str]
    choices: Choices
    workers: Workers
    named: bool  # whether the operator named the profiles

    @property
    def folders(self) -> int:
        """How many folders there are, for progress and the totals."""
        return sum(self.stores.count(profile) for profile in self.profiles)

    def parts(self) -> Iterator[ProfilePlan]:
        """Yield the profiles' parts, each to be consumed before the next."""
        for name in self.profiles:
            yield self._part(name)

    def _part(self, name: str) -> ProfilePlan:
        config = settings.STEMSET.profile(name)
        usable = re.fullmatch(PROFILE_NAME, name) is not None
        row = Profile.objects.filter(name=name).first() if usable else None
        source_folder = config.source_folder if config else (row.source_folder if row else "")
        finder = SourceFinder(self.stores, name, source_folder)
        part = ProfilePlan(name, row, finder, iter(()), finder.notes)
        part.deleted = deleted_names(row) if row else {}
        if not usable:
            reason = f"{name!a} cannot be the name of a profile: it may have only letters, digits, - and _"
            part.refusal = (Action.QUARANTINE, UNSAFE_PROFILE, reason)
        elif config is None and row is None and not self.named:
            reason = f"config.yaml does not name the profile {name!r}: add it there, or import it with --profile {name}"
            part.refusal = (Action.CONFLICT, "profile_not_configured", reason)
        part.batches = self._batches(part)
        return part

    def _batches(self, part: ProfilePlan) -> Iterator[list[Item]]:
        if part.refusal:
            action, code, reason = part.refusal
            for views in self.stores.batches(part.name):
                yield [_refused(view, action, code, reason) for view in views]
            return
        decided = (self._decide(views, part) for views in self.stores.batches(part.name))
        yield from resolving.with_headers(decided, self.workers, self.stores.storage)
        part.notes += _about_missing_folders(part)

    def _decide(self, views: list[View], part: ProfilePlan) -> list[Item]:
        rows = recordings_of(part.row.id if part.row else None, [v.folder.name for v in views if not v.folder.problem])
        return [self._decide_one(view, rows.get(view.folder.name), part) for view in views]

    def _decide_one(self, view: View, row: RecordingRow | None, part: ProfilePlan) -> Item:
        part.finder.unseen.discard(view.folder.name)
        gone = part.deleted.get(view.folder.name)
        if gone is not None and row is None and not self.choices.rebuild:
            return Item(Action.IGNORE, "deleted_here", view.folder.path, f"{gone.reason}; --rebuild brings it back")
        try:
            item = decide(view, row, self.choices)
            if item.action not in _WITHOUT_SOURCE and not (row is not None and row.made_here):
                _ask_for_source(item, view, row, part.finder)
        except Exception as error:  # one odd folder must not stop the others
            logger.exception("Looking at %s failed unexpectedly", ascii(view.folder.path))
            item = Item(Action.UNCHANGED, "unchanged", view.folder.path)
            item.quarantine("unexpected", f"{type(error).__name__}: {error}")
        return item


def _about_missing_folders(part: ProfilePlan) -> Iterator[Note]:
    """Yield a note about what the index names and the store has not: deleted here, or never made."""
    missing = sorted(part.finder.unseen)
    deleted = [f"{name} {part.deleted[name].reason}" for name in missing if name in part.deleted]
    lost = [name for name in missing if name not in part.deleted]
    for code, what, names in (
        ("index_names_deleted", "what was deleted on purpose", deleted),
        ("index_names_missing_folders", "what was never made", lost),
    ):
        if names:
            some = ", ".join(names[:3]) + ("…" if len(names) > 3 else "")
            yield Note(code, f"{INDEX} also names {what} ({len(names)}: {some}); nothing needs to be done", INDEX)


_WITHOUT_SOURCE = frozenset({Action.QUARANTINE, Action.CONFLICT, Action.IGNORE})


def _ask_for_source(item: Item, view: View, row: RecordingRow | None, finder: SourceFinder) -> None:
    """Add what is to be found out about the source, unless the recording says it itself."""
    if item.draft is not None and item.draft.source is not None:
        return
    claim = finder.claim(view, row)
    if claim is None:
        return
    if item.draft is None and row is not None:
        item.action, item.code = Action.UPDATE, SOURCE_LEARNT
        item.reason = f"more may be known about its source now ({claim.promise})"
        item.draft = Draft(view.folder.profile, view.folder.name, row.id, row.version, imported=row.imported)
        item.draft.audio_file_id = row.audio_file_id
    if item.draft is not None:
        item.draft.source = claim


def _refused(view: View, action: Action, code: str, reason: str) -> Item:
    if view.folder.problem:
        return Item(Action.QUARANTINE, view.folder.problem.code, view.folder.path, view.folder.problem.message)
    if not view.folder.files:
        return Item(Action.IGNORE, "no_recording", view.folder.path, "has neither stems nor a metadata.json")
    return Item(action, code, view.folder.path, reason)


def make_plan(stores: Stores, profiles: list[str] | None, choices: Choices, workers: Workers) -> Plan:
    """Return the plan for all profiles of the stores and of config.yaml, or for the named ones."""
    names = profiles or sorted({*stores.profiles(), *(profile.name for profile in settings.STEMSET.profiles)})
    return Plan(stores, names, choices, workers, named=profiles is not None)
