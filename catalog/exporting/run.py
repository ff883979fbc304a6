"""The export: what the snapshot has is compared with what the target has, in one pass through both."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import connection, transaction

from catalog import sidecars
from catalog.exporting import ExportError, Item, Items
from catalog.exporting.documents import index_text, metadata_text
from catalog.exporting.folder import FolderTarget
from catalog.exporting.locks import hold_sidecars, one_export_at_a_time
from catalog.exporting.pending import STORE_CHANGED, pending_index, pending_metadata
from catalog.exporting.snapshot import ProfileState, RecordingState, Snapshot, snapshot
from catalog.exporting.targets import Document, Listed, Refused, Target, refuse_name
from catalog.legacy.stores import sort_key
from catalog.models import Profile

STORAGE = "storage"


@dataclass(frozen=True)
class Order:
    """What is to be exported where. `to_storage` means that the target is the site's own."""

    target: Target
    to_storage: bool
    profiles: list[str]  # names; none means all
    check: bool = False  # write nothing
    prune: bool = False
    overwrite: bool = False  # write over what was changed in storage since the last import


def target_for(place: str) -> tuple[Target, bool]:
    """Return the target that "storage" or a folder's path means, and whether it is the site's storage."""
    target = sidecars.target_of(default_storage)
    if place == STORAGE:
        return target, True
    if not place:
        # Path("") would be the folder that one happens to be in.
        raise ExportError(f"--to is empty (a variable that is not set?). Name a folder, or {STORAGE}.")
    folder = FolderTarget(Path(os.path.expanduser(place)))
    if isinstance(target, FolderTarget) and target.root == folder.root:
        return target, True
    return folder, False


@dataclass(slots=True)
class _Rendered:
    """A recording, and what its metadata.json has to say."""

    state: RecordingState
    text: str
    document: Document


class Export:
    """One export. `run` yields an item for each file as it goes."""

    def __init__(
        self,
        order: Order,
        *,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
        waiting: Callable[[], None] = lambda: None,
    ) -> None:
        self._order = order
        self._target = order.target
        self._progress = progress
        self._waiting = waiting
        self._changed_meanwhile: list[RecordingState] = []
        self._done = self._total = 0

    def run(self) -> Items:
        """Export. Raises ExportError when it cannot, or when there is no point in going on."""
        with ExitStack() as stack:
            if not self._order.check:
                stack.enter_context(one_export_at_a_time(self._target.describe(), self._waiting))
                self._target.prepare()
            with snapshot() as source:
                profiles = self._chosen(source.profiles())
                self._total = source.count(profiles)
                for profile in profiles:
                    yield from self._profile(source, profile)
            yield from self._catch_up()
            if not self._order.check:
                self._target.finish()

    def _chosen(self, profiles: list[ProfileState]) -> list[ProfileState]:
        wanted = self._order.profiles
        known = {profile.name for profile in profiles}
        for name in wanted:
            if name not in known:
                raise ExportError(
                    f"The catalogue has no profile {name!r}; it has: {', '.join(sorted(known)) or 'none at all'}"
                )
        return [profile for profile in profiles if not wanted or profile.name in wanted]

    def _profile(self, source: Snapshot, profile: ProfileState) -> Items:
        try:
            listing = _Listing(self._target.listing(profile.name))
        except Refused as refused:
            yield _failed(profile.name, refused)
            return
        for batch in source.batches(profile):
            rendered: list[_Rendered] = []
            for state in batch:
                unknown, listed = listing.up_to(state.output_name)
                yield from self._unknown(profile, unknown)
                if refused_name := refuse_name(state.output_name):
                    yield _failed(state.key, refused_name)
                elif not state.stems:
                    message = "has no stems in the catalogue; import_metadata completes it"
                    yield Item(state.key, "left_alone", "no_stems", message)
                else:
                    text = metadata_text(state)
                    rendered.append(_Rendered(state, text, Document(state.key, text.encode(), listed)))
            yield from self._recordings(rendered)
            self._done += len(batch)
            self._progress(self._done, self._total)
        yield from self._unknown(profile, listing.rest())
        yield from self._index(source, profile)

    def _recordings(self, batch: list[_Rendered]) -> Items:
        there = [one.document for one in batch if one.document.listed is not None]
        answers = dict(zip((document.key for document in there), self._target.are_current(there), strict=True))
        current: list[_Rendered] = []
        differing: list[_Rendered] = []
        for one in batch:
            answer = answers.get(one.state.key, False)
            if isinstance(answer, Refused):
                yield _failed(one.state.key, answer)
            else:
                (current if answer else differing).append(one)
        if self._order.check:
            kept = self._kept(differing)
            items = [kept.get(one.state.key) or Item(one.state.key, "would_write") for one in differing]
        elif self._order.to_storage:
            items = self._write_to_storage(current, differing)
        else:
            items = self._write([one.document for one in differing])
        yield from (Item(one.state.key, "unchanged") for one in current)
        yield from items

    def _kept(self, batch: list[_Rendered]) -> dict[str, Item]:
        """Find which files must not be written over, by their paths: storage has changes that no import has seen."""
        if not self._order.to_storage or self._order.overwrite:
            return {}
        kept: dict[str, Item] = {}
        for one, there in zip(batch, self._target.read([one.document for one in batch]), strict=True):
            refused = there if isinstance(there, Refused) else _pending(one, there)
            if refused:
                kept[one.state.key] = _failed(one.state.key, refused)
        return kept

    def _write(self, documents: list[Document]) -> list[Item]:
        answers = self._target.write(documents) if documents else []
        return [
            _failed(document.key, answer) if answer else Item(document.key, "written")
            for document, answer in zip(documents, answers, strict=True)
        ]

    def _write_to_storage(self, current: list[_Rendered], differing: list[_Rendered]) -> list[Item]:
        """Write, and note what storage says now. What was changed since the snapshot is left to _catch_up."""
        concerned = [*(one for one in current if one.text != one.state.metadata_json), *differing]
        if not concerned:
            return []
        with transaction.atomic():
            hold_sidecars(one.state.id for one in concerned)
            versions = _versions([one.state.id for one in concerned])
            fresh = {one.state.key: one for one in concerned if versions.get(one.state.id) == one.state.version}
            wanted = [one for one in differing if one.state.key in fresh]
            kept = self._kept(wanted)
            written = self._write([one.document for one in wanted if one.state.key not in kept])
            failed = {*kept, *(item.path for item in written if item.status == "failed")}
            texts = {one.state.id: one.text for key, one in fresh.items() if key not in failed}
            noted = _note(texts)
        for one in concerned:
            if one.state.key not in fresh or (one.state.id in texts and one.state.id not in noted):
                self._changed_meanwhile.append(one.state)
        return [*written, *kept.values()]

    def _catch_up(self) -> Items:
        for state in self._changed_meanwhile:
            try:
                written = sidecars.write(state.id, overwrite=self._order.overwrite)
            except (OSError, Refused) as error:
                if isinstance(error, Refused) and error.code == STORE_CHANGED:
                    yield _failed(state.key, error)
                else:
                    yield Item(state.key, "failed", "changed_meanwhile", str(error))
            else:
                message = "was changed while the export ran; it is there as it is now"
                yield Item(state.key, "written" if written else "unchanged", "changed_meanwhile", message)

    def _index(self, source: Snapshot, profile: ProfileState) -> list[Item]:
        text = index_text(profile, source.new_hashes(profile))
        if text is None:
            return []
        document = Document(profile.key, text.encode())
        (answer,) = self._target.are_current([document])
        refused = answer if isinstance(answer, Refused) else None
        if answer is False and self._order.to_storage and not self._order.overwrite:
            (there,) = self._target.read([document])
            refused = pending_index(there, profile.index_json, text) if isinstance(there, bytes) else there
        if refused:
            return [_failed(document.key, refused)]
        if self._order.check:
            return [Item(document.key, "unchanged" if answer else "would_write")]
        items = [Item(document.key, "unchanged")] if answer else self._write([document])
        if self._order.to_storage and items[0].status != "failed" and text != profile.index_json:
            Profile.objects.filter(id=profile.id).update(index_json=text)
        return items

    def _unknown(self, profile: ProfileState, folders: Iterable[Listed]) -> Items:
        """Folders of the target that the catalogue does not have."""
        for listed in folders:
            left_over = self._target.is_left_over(profile.name, listed)
            if left_over is not None:
                yield self._unknown_folder(profile.name, listed, left_over)

    def _unknown_folder(self, profile: str, listed: Listed, left_over: bool) -> Item:
        path = f"{profile}/{listed.name}"
        if not left_over:
            return Item(path, "not_catalogued", "not_catalogued", "is not in the catalogue, and not ours to touch")
        if not self._order.prune:
            return Item(path, "left_over", "left_over", "has only a metadata.json of no recording; --prune deletes it")
        if self._order.check:
            return Item(path, "would_prune")
        try:
            self._target.prune(profile, listed)
        except Refused as refused:
            return _failed(path, refused)
        return Item(path, "pruned")


class _Listing:
    """Walks through a target's folders beside the recordings, which come in the same order."""

    def __init__(self, folders: Iterator[Listed]) -> None:
        self._folders = folders
        self._next = next(folders, None)

    def up_to(self, name: str) -> tuple[list[Listed], Listed | None]:
        """Return the folders before this one, and this one if it is there."""
        passed = []
        while self._next is not None and sort_key(self._next.name) < sort_key(name):
            passed.append(self._next)
            self._next = next(self._folders, None)
        if self._next is None or self._next.name != name:
            return passed, None
        found, self._next = self._next, next(self._folders, None)
        return passed, found

    def rest(self) -> Iterator[Listed]:
        """Yield the folders after the last recording."""
        if self._next is not None:
            yield self._next
        yield from self._folders


def _failed(path: str, refused: Refused) -> Item:
    status = STORE_CHANGED if refused.code == STORE_CHANGED else "failed"
    return Item(path, status, refused.code, str(refused))


def _pending(one: _Rendered, there: bytes | None) -> Refused | None:
    if there is None:
        return None
    return pending_metadata(there, one.state.metadata_json, one.text, made_here=one.state.made_here)


def _versions(recording_ids: list[UUID]) -> dict[UUID, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, xmin::text FROM recordings WHERE id = ANY(%s)", [recording_ids])
        return dict(cursor.fetchall())


def _note(texts: dict[UUID, str]) -> set[UUID]:
    """Set metadata_json; return of which. A row that is just being changed is not waited for: no deadlocks."""
    if not texts:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE recordings r SET metadata_json = new.text
            FROM unnest(%s::uuid[], %s::text[]) AS new (id, text)
            WHERE r.id = new.id AND r.id IN (SELECT id FROM recordings WHERE id = ANY(%s) FOR UPDATE SKIP LOCKED)
            RETURNING r.id
            """,
            [list(texts), list(texts.values()), list(texts)],
        )
        return {recording_id for (recording_id,) in cursor.fetchall()}
