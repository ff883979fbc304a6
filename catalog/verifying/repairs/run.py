"""Which repairs there are, and doing them: one result after the other, one transaction for each recording."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db import DataError, IntegrityError

from catalog.importing.run import LOCK, AnotherRun, UnknownProfile
from catalog.importing.sources import storage_store
from catalog.importing.workers import Workers
from catalog.legacy.stores import Store
from catalog.locks import exclusive, recording_lock
from catalog.models import Profile, Recording
from catalog.storage import STORAGE_ERRORS
from catalog.verifying.findings import Finding
from catalog.verifying.repairs import by_audio, leftovers, peaks
from catalog.verifying.repairs.changes import Change, ChangedMeanwhile, Result, Status, apply
from catalog.verifying.repairs.recording import Patient, patient
from catalog.verifying.run import Observer, Options, Verification
from stemset.cores import usable_cores

BATCH = 250
_FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Repair:
    """A repair: what it does, in words, and the function that says what to write about a recording, or does it."""

    words: str
    prepare: Callable[[Patient, list[str]], Change] | None = None
    clear: Callable[..., Result] | None = None
    # Takes a recording's folder and all findings of the code about it.
    redo: Callable[[str, list[Finding], bool], list[Result]] | None = None


MEASURE = "measure"
_TAKE_FILE = "take size, length, checksum, loudness and peak from the file that is there now; gains stay"
_DRAW = "draw the waveforms that are missing or empty, all stems of a recording to one scale"
_SHAPE = "make the peaks that are missing or empty; for stems that never had any there is make_peaks"
# In the order in which they are done about one recording.
REPAIRS = {
    "storing_leftover": Repair(
        "delete what a killed process stored for a recording that never came about", clear=leftovers.clear_marked
    ),
    "deleted_leftover": Repair(
        "delete the files of recordings that were deleted while storage was away", clear=leftovers.clear_deleted
    ),
    "incoming_leftover": Repair("delete half-written files of killed processes", clear=leftovers.clear_incoming),
    "resized": Repair(_TAKE_FILE, by_audio.as_the_file_is),
    "altered": Repair(_TAKE_FILE, by_audio.as_the_file_is),
    "duration_wrong": Repair(_TAKE_FILE, by_audio.as_the_file_is),
    "file_not_catalogued": Repair(
        "make the file a stem of its recording, called as the file and measured", by_audio.adopt
    ),
    "waveform_missing": Repair(_DRAW, by_audio.draw_waveforms),
    "waveform_empty": Repair(_DRAW, by_audio.draw_waveforms),
    "peaks_missing": Repair(_SHAPE, peaks.make),
    "peaks_empty": Repair(_SHAPE, peaks.make),
    "checksum_unknown": Repair("compute the SHA-256 of stems that have none yet", by_audio.add_checksums),
    MEASURE: Repair("measure loudness and peak of all stems again, whatever was found; gains stay", by_audio.measure),
}


class UnknownCode(Exception):
    """There is no such repair; the message names those that there are."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be repaired."""

    codes: list[str]
    profiles: list[str] | None = None
    dry_run: bool = False
    jobs: int | None = None


def repair(order: Order, observer: Observer) -> Iterator[list[Result]]:
    """Repair what a verification finds of these codes; yield what came of it, recording by recording.

    With `dry_run` everything is found out and nothing is written. Raises UnknownCode, UnknownProfile and AnotherRun
    before anything is done.
    """
    for code in order.codes:
        if code not in REPAIRS:
            raise UnknownCode(f"There is no repair {code!r}; there are: {', '.join(REPAIRS)}")
    with contextlib.ExitStack() as stack:
        # An import writes from what it has read some time before.
        if not order.dry_run and not stack.enter_context(exclusive(LOCK)).mine:
            raise AnotherRun("An import or another repair is running. Wait until it is done, then run again.")
        surgery = _Surgery(order, storage_store(), stack.enter_context(Workers(order.jobs or usable_cores())))
        yield from surgery.by_findings(observer)
        if MEASURE in order.codes:
            yield from surgery.everywhere(observer)


class _Surgery:
    """Does the repairs of an order."""

    def __init__(self, order: Order, store: Store, workers: Workers) -> None:
        self._order, self._store, self._workers = order, store, workers

    def by_findings(self, observer: Observer) -> Iterator[list[Result]]:
        """Verify, and repair what is found."""
        only = frozenset(self._order.codes) - {MEASURE}
        if not only:
            return
        options = Options(self._order.profiles, checksums=True, only=only)
        for findings in Verification(options, observer, self._workers).run():
            for folder, code, some in _grouped(findings):
                yield self._repair(folder, code, some)

    def everywhere(self, observer: Observer) -> Iterator[list[Result]]:
        """Measure every recording."""
        recordings = Recording.objects.order_by("id")
        if self._order.profiles:
            self._require_profiles(self._order.profiles)
            recordings = recordings.filter(profile__name__in=self._order.profiles)
        observer.begin("recordings", recordings.count())
        last = _FIRST
        columns = ("id", "profile__name", "output_name")
        while rows := list(recordings.filter(id__gt=last).values_list(*columns)[:BATCH]):
            for last, profile, name in rows:  # noqa: B007 - where to go on
                yield self._repair(f"{profile}/{name}", MEASURE, [])
                observer.advance(1)

    def _require_profiles(self, names: list[str]) -> None:
        known = set(Profile.objects.values_list("name", flat=True))
        for name in names:
            if name not in known:
                raise UnknownProfile(
                    f"There is no profile {name!r} in the catalogue; known: {', '.join(sorted(known))}"
                )

    def _repair(self, folder: str, code: str, findings: list[Finding]) -> list[Result]:
        recipe = REPAIRS[code]
        try:
            if recipe.clear is not None:
                return [recipe.clear(one, dry_run=self._order.dry_run) for one in findings]
            if recipe.redo is not None:
                return recipe.redo(folder, findings, self._order.dry_run)
            if recipe.prepare is not None:
                return self._operate(folder, code, [one.subject for one in findings], recipe.prepare)
        except (ChangedMeanwhile, DataError, IntegrityError, *STORAGE_ERRORS) as error:
            return [Result(code, folder, Status.REFUSED, str(error).partition("\n")[0])]
        return []

    def _operate(
        self, folder: str, code: str, subjects: list[str], prepare: Callable[[Patient, list[str]], Change]
    ) -> list[Result]:
        found = patient(folder, self._store, self._workers)
        if found is None:
            return [Result(code, folder, Status.REFUSED, "is no longer in the catalogue")]
        # By this lock `process` knows that somebody is at the recording.
        made_from = found.stems[0].audio_file.file_hash if found.stems else ""
        with recording_lock(found.recording.profile.name, made_from) as lock:
            if not lock.mine:
                return [Result(code, folder, Status.REFUSED, "is being made again at this moment; run again later")]
            change = prepare(found, subjects)
            if self._order.dry_run:
                return change.results(code, Status.WOULD_REPAIR)
            apply(change, found)
            return change.results(code, Status.REPAIRED)


def _grouped(findings: Iterable[Finding]) -> list[tuple[str, str, list[Finding]]]:
    """Group findings by folder and code; of one folder in the order of REPAIRS."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for one in findings:
        groups.setdefault((one.folder, one.code), []).append(one)
    order = list(REPAIRS)
    return [(*key, groups[key]) for key in sorted(groups, key=lambda key: (key[0], order.index(key[1])))]
