"""All folders of a profile against its rows, batch by batch, several files at a time."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from django.core.files.storage import default_storage

from catalog import storing
from catalog.importing.audio_work import Failure, Measured
from catalog.importing.items import Item
from catalog.importing.plan import ProfilePlan
from catalog.importing.views import Stores, View
from catalog.importing.workers import Workers, pipelined
from catalog.legacy import AUDIO_EXTENSIONS
from catalog.legacy.stores import Folder, Store
from catalog.locks import recording_lock
from catalog.models import Stem
from catalog.verifying import checksums
from catalog.verifying.checks import Present, compare, judge_audio
from catalog.verifying.findings import Finding, finding
from catalog.verifying.rows import RecordingRow, beside
from catalog.verifying.shadow import differences
from processing.audio.header import Header

# Codes for which the headers of audio files are read.
BY_HEADERS = {"audio_unreadable", "duration_wrong", "stems_differ_in_length", "stems_differ_in_sample_rate"}
# What somebody who changes the recording at this moment may make us see, between the listing and the query.
_FLEETING = {
    "audio_missing",
    "audio_empty",
    "waveform_missing",
    "waveform_empty",
    "peaks_missing",
    "peaks_empty",
    "resized",
    "file_not_catalogued",
    "file_unknown",
}
# Raw AAC has no length in its headers, only a guess by its bit rate.
_GUESSED = ".aac"
assert _GUESSED in AUDIO_EXTENSIONS  # noqa: S101 - a reminder for whoever changes them


class Overheard(Stores):
    """Stores whose batches of folders are kept until the importer's plan has decided about them."""

    def __init__(self, storage: Store) -> None:
        super().__init__(storage)
        self._kept: deque[list[View]] = deque()

    def batches(self, profile: str) -> Iterator[list[View]]:
        """Yield them, and keep them."""
        for views in super().batches(profile):
            self._kept.append(views)
            yield views

    def with_items(self, part: ProfilePlan) -> Iterator[list[tuple[View, Item | None]]]:
        """Yield a profile's folders with what an import would do about each; storage is listed once for both."""
        for items in part.batches:
            yield list(zip(self._kept.popleft(), items, strict=True))


@dataclass(slots=True)
class _Pair:
    """A folder and its recording, either of which may be missing, and what was found about them."""

    path: str
    folder: Folder | None
    row: RecordingRow | None
    item: Item | None
    found: list[Finding] = field(default_factory=list)
    present: list[Present] = field(default_factory=list)
    being_stored: bool = False


@dataclass(frozen=True, slots=True)
class Depth:
    """How closely to look."""

    headers: bool = True
    # Compare the content of files with the checksums that are stored.
    checksums: bool = False
    unknown_checksums: bool = False


@dataclass(slots=True)
class Checked:
    """What came of a batch."""

    folders: int
    names: list[str]  # of the recordings
    stems: int
    findings: list[Finding]


class ProfileFolders:
    """Checks one profile. Everything it needs to know of a batch is read before the next one begins."""

    def __init__(self, profile: str, profile_id: UUID | None, store: Store, workers: Workers) -> None:
        self._profile, self._profile_id, self._store, self._workers = profile, profile_id, store, workers

    def check(self, listed: Iterator[list[tuple[View, Item | None]]], depth: Depth) -> Iterator[Checked]:
        """Yield what was found, batch by batch.

        listed  the profile's folders as storage lists them, with what an import would do, if that was asked
        """
        named = ([(view.folder.name, (view, item)) for view, item in batch] for batch in listed)
        batches = ([self._pair(entry, row) for entry, row in batch] for batch in beside(self._profile_id, named))
        for pairs in pipelined(batches, lambda batch: self._begin(batch, depth)):
            yield self._judged(pairs)

    def _pair(self, entry: tuple[View, Item | None] | None, row: RecordingRow | None) -> _Pair:
        folder, item = (entry[0].folder, entry[1]) if entry else (None, None)
        name = folder.name if folder else row.name if row else ""
        return _Pair(f"{self._profile}/{name}", folder, row, item)

    def _begin(self, pairs: list[_Pair], depth: Depth) -> Callable[[], None]:
        for pair in pairs:
            if pair.folder is not None and pair.folder.being_made:
                self._judge_mark(pair)
            if pair.row is not None:
                found, pair.present = compare(pair.path, pair.folder, pair.row)
                pair.found += found
        opened = [(pair, one) for pair in pairs for one in pair.present]
        files = [(self._store, one.key, one.size) for _pair, one in opened] if depth.headers else []
        answer = self._workers.headers(files)
        sums = [
            (pair, one, checksums.begin(self._store, one.key, self._workers))
            for pair, one in opened
            if depth.checksums and one.as_catalogued and one.stem.sha256
        ]

        def finish() -> None:
            heard: dict[int, list[tuple[Present, Header | Failure]]] = {}
            if depth.headers:
                for (pair, one), header in zip(opened, answer(), strict=True):
                    heard.setdefault(id(pair), []).append((one, header))
            for pair in pairs:
                pair.found += self._judge_audio(pair.path, heard.get(id(pair), []))
            for pair, one, digest in sums:
                pair.found += checksums.judge(one.key, one.stem.sha256, digest.result())
            if depth.unknown_checksums:
                for pair, one in opened:
                    if one.as_catalogued and not one.stem.sha256:
                        pair.found.append(finding("checksum_unknown", one.key, "has no checksum to be compared with"))

        return finish

    def _judge_audio(self, path: str, heard: list[tuple[Present, Header | Failure]]) -> list[Finding]:
        found = judge_audio(path, heard)
        guessed = [one for one, header in heard if one.key.lower().endswith(_GUESSED) and isinstance(header, Header)]
        if not guessed or all(one.code == "audio_unreadable" for one in found):
            return found
        measured = {one.key: self._workers.measure(self._store, one.key) for one in guessed}
        return judge_audio(
            path, [(one, _measured(measured[one.key]) if one.key in measured else header) for one, header in heard]
        )

    def _judge_mark(self, pair: _Pair) -> None:
        """Find out whether the process that marked the folder lives."""
        try:
            mark = storing.read_mark(pair.path)
        except FileNotFoundError:  # it is done
            pair.being_stored = True
            return
        if mark is not None:
            with recording_lock(self._profile, mark.file_hash) as lock:
                pair.being_stored = not lock.mine
        if not pair.being_stored:
            whose = "a process that was killed while it stored them" if mark else "something that is not of our making"
            message = f"marks this folder's files as incomplete, and was left by {whose}"
            pair.found.append(finding("storing_leftover", storing.mark_key(pair.path), message))

    def _judged(self, pairs: list[_Pair]) -> Checked:
        findings: list[Finding] = []
        for pair in pairs:
            found = pair.found
            if pair.item is not None:
                found += differences(pair.item, pair.row, found)
            if pair.being_stored:
                found = [one for one in found if one.code not in {"file_not_catalogued", "file_unknown"}]
            findings += found
        names = [pair.row.name for pair in pairs if pair.row]
        stems = sum(len(pair.row.stems) for pair in pairs if pair.row)
        folders = sum(pair.folder is not None for pair in pairs)
        return Checked(folders, names, stems, self._confirmed(findings))

    def _confirmed(self, findings: list[Finding]) -> list[Finding]:
        """Leave out what only looked wrong because somebody was changing it: rows were read after the listing."""
        keys = [one.subject for one in findings if one.code in _FLEETING]
        if not keys:
            return findings
        stems = Stem.objects.filter(audio_url__in=keys).order_by()
        sizes_by_rows = dict(stems.values_list("audio_url", "file_size_bytes"))
        named = storing.named_keys(keys)
        sizes = {key: self._workers.by_thread(_size, key) for key in keys}

        def still_so(one: Finding) -> bool:
            size = sizes[one.subject].result()
            if one.code in {"file_not_catalogued", "file_unknown"}:
                return size is not None and one.subject not in named
            if one.subject not in named:
                return one.subject.count("/") < 2  # not about a file that was named
            if one.code == "resized":
                return size is not None and size != sizes_by_rows.get(one.subject)
            return size is None if one.code.endswith("_missing") else size == 0

        return [one for one in findings if one.code not in _FLEETING or still_so(one)]


def _size(key: str) -> int | None:
    try:
        return default_storage.size(key)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _measured(answer: "Callable[[], Measured | Failure]") -> Header | Failure:
    result = answer()
    if isinstance(result, Failure):
        return result
    return Header(result.duration_seconds, result.sample_rate, 0)
