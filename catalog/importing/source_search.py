"""Looking for the source of a recording: which file it was made from, by the order of trust.

1. the real file: found, hashed, its hash beginning as the folder's name says
2. the store's index, read backwards, agreeing likewise
3. what the object store notes beside its objects, agreeing likewise
4. a placeholder: always the same one for the same folder, and marked as such

Recorders use names again, so a name alone proves nothing: where a folder's name has no hash in it and the index says
nothing, a file must also be as long as the stems, and the only one that is.

Reading sources is what takes long, so each is read once, see Readings.
"""

import contextlib
import json
import math
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from catalog.importing import audio_work
from catalog.importing.audio_work import Failure
from catalog.importing.hashes import SHA256, is_date
from catalog.importing.items import Candidate, Draft, Item, SourceClaim
from catalog.importing.state import CONTENT, INDEX, OBJECT_METADATA, PLACEHOLDER
from catalog.importing.workers import Workers, remote_header
from catalog.legacy import Note
from catalog.legacy.bucket import BucketStore
from catalog.legacy.stores import LocalStore, Store, displayable

# A source and its stems differ by what encoders add at the ends.
SAME_LENGTH_SECONDS = 0.5
# In the work folder: what earlier runs read.
REMEMBERED = "sources-read.jsonl"
# The length of what is no audio.
NO_AUDIO = -1.0

# Where a file is, its size and its time: another file, or another content.
type _File = tuple[str, int, float]


class SourceSearch:
    """Looks for the sources of many recordings, several at a time."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._readings = Readings(Path(settings.STEMSET_WORK_DIR) / REMEMBERED)

    def begin(self, item: Item, draft: Draft, claim: SourceClaim) -> Callable[[], None]:
        """Begin to look; what is returned waits for the end, and writes the answer into the claim.

        Where lengths count, those of the draft's stems must be known by then.
        """

        def look() -> _Answer:
            return _Look(claim, f"{draft.profile}/{draft.folder}/", _length(draft, claim), self._readings).answer()

        waiting = _by_length_alone(claim) and any(stem.measure for stem in draft.stems)
        nothing_to_read = not claim.candidates and not claim.tag_keys
        answer = look if waiting or nothing_to_read else self._workers.by_thread(look).result

        def settle() -> None:
            found: _Answer = answer()
            found.write_into(claim)
            item.notes += found.notes

        return settle


def _by_length_alone(claim: SourceClaim) -> bool:
    """Whether no hash is known that a file could agree with."""
    return not claim.index_hash and (not claim.suffix or is_date(claim.suffix))


def _length(draft: Draft, claim: SourceClaim) -> float:
    """Return how long the recording is, in seconds: by its stems, or the catalogue's where none are to be written."""
    lengths = [stem.duration for stem in draft.stems if stem.duration is not None]
    return max(lengths, default=claim.duration or 0.0)


@dataclass(slots=True)
class _Answer:
    digest: str
    provenance: str
    candidate: Candidate | None = None
    notes: list[Note] = field(default_factory=list)

    def write_into(self, claim: SourceClaim) -> None:
        claim.file_hash, claim.provenance = self.digest, self.provenance
        claim.filename = self.candidate.name if self.candidate else claim.base_name
        claim.storage_url = displayable(self.candidate.key) if self.candidate else ""
        claim.size = self.candidate.size if self.candidate else None


@dataclass(slots=True)
class _Look:
    """Looks for the source of one recording."""

    claim: SourceClaim
    home: str  # the recording's folder in the store, with a slash at the end
    length: float  # of its stems, in seconds
    readings: "Readings"
    notes: list[Note] = field(default_factory=list)

    def answer(self) -> _Answer:
        found = self._by_length() if _by_length_alone(self.claim) else self._by_hash()
        if found is None:
            found = _Answer(self.claim.placeholder, PLACEHOLDER)
        found.notes = self.notes
        return found

    def _by_hash(self) -> _Answer | None:
        claim = self.claim
        here, in_bucket = _split(claim.candidates)
        if found := self._first_agreeing(here):
            return found
        if claim.index_hash:
            return _Answer(claim.index_hash, INDEX)
        for store, key, tag in claim.tag_keys:
            digest = _tag(store, key, tag)
            if digest.startswith(claim.suffix):
                return _Answer(digest, OBJECT_METADATA, next((c for c in in_bucket if c.key == key), None))
        # Whole uploads are fetched only when nothing else tells.
        return self._first_agreeing(in_bucket)

    def _first_agreeing(self, candidates: Iterable[Candidate]) -> _Answer | None:
        claim = self.claim
        for candidate in candidates:
            digest = self._digest(candidate)
            if digest and (digest == claim.index_hash or (claim.suffix and digest.startswith(claim.suffix))):
                return _Answer(digest, CONTENT, candidate)
        return None

    def _by_length(self) -> _Answer | None:
        """What lies in the recording's own folder counts more than what lies elsewhere."""
        tags = {key: (store, key, tag) for store, key, tag in self.claim.tag_keys}
        of_candidates = {candidate.key for candidate in self.claim.candidates}
        told = next((_tag(*tag) for key, tag in tags.items() if key not in of_candidates), "")
        home = [candidate for candidate in self.claim.candidates if candidate.key.startswith(self.home)]
        for group in (home, [candidate for candidate in self.claim.candidates if candidate not in home]):
            here, in_bucket = _split(candidate for candidate in group if self._is_as_long(candidate))
            read = self._hashed(here)
            noted = [(candidate, _tag(*tags[candidate.key])) for candidate in in_bucket if candidate.key in tags]
            read += [_Answer(digest, OBJECT_METADATA, candidate) for candidate, digest in noted if digest]
            if not read and not told:
                read = self._hashed(in_bucket)
            if told:
                read = [one for one in read if one.digest == told]
            if read:
                return self._only(read)
        return _Answer(told, OBJECT_METADATA) if told else None

    def _hashed(self, candidates: Iterable[Candidate]) -> list[_Answer]:
        return [_Answer(digest, CONTENT, one) for one in candidates if (digest := self._digest(one))]

    def _only(self, found: list[_Answer]) -> _Answer | None:
        """Return the first of some that fit, if they are all the same."""
        # A date in a name may be the beginning of a hash after all.
        agreeing = [one for one in found if self.claim.suffix and one.digest.startswith(self.claim.suffix)]
        found = agreeing or found
        if len({one.digest for one in found}) == 1:
            return found[0]
        names = ", ".join(displayable(one.candidate.key) for one in found if one.candidate)
        message = f"several files fit by name and length, so none is taken for its source: {names}"
        self.notes.append(Note("source_ambiguous", message))
        return None

    def _is_as_long(self, candidate: Candidate) -> bool:
        seconds = self.readings.seconds(candidate)
        if seconds is None:
            self._tell_unreadable(candidate)
            return False
        return abs(seconds - self.length) <= SAME_LENGTH_SECONDS

    def _digest(self, candidate: Candidate) -> str | None:
        digest = self.readings.sha256(candidate)
        if digest is None:
            self._tell_unreadable(candidate)
        return digest

    def _tell_unreadable(self, candidate: Candidate) -> None:
        self.notes.append(Note("source_unreadable", "the source cannot be read", candidate.name))


def _split(candidates: Iterable[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
    """Part files on this machine from those that have to be fetched."""
    here: list[Candidate] = []
    in_bucket: list[Candidate] = []
    for candidate in candidates:
        (in_bucket if isinstance(candidate.store, BucketStore) else here).append(candidate)
    return here, in_bucket


def _tag(store: Store, key: str, tag: str) -> str:
    """Return the SHA-256 that an object store notes beside an object, or nothing."""
    try:
        digest = store.tags(key).get(tag, "").lower()
    except OSError:
        return ""
    return digest if SHA256.fullmatch(digest) else ""


class Readings:
    """What was read of files: SHA-256 and length. Each file is read once, by whoever asks first; others wait for that.

    It is remembered beyond the run, by path, size and time, because recordings whose source is not found are looked
    for again at every run. Losing the file that has it costs nothing but reading again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[tuple[str, _File], Any] | None = None
        self._asked: dict[tuple[str, _File], Future[Any]] = {}

    def sha256(self, candidate: Candidate) -> str | None:
        """Return a file's SHA-256, or None when it cannot be read."""
        digest: str | None = self._once("sha256", candidate, _hash)
        return digest

    def seconds(self, candidate: Candidate) -> float | None:
        """Return a file's length in seconds, NO_AUDIO for what is none, or None when it cannot be read."""
        seconds: float | None = self._once("seconds", candidate, _seconds)
        return seconds

    def _once(self, what: str, candidate: Candidate, read: Callable[[Candidate], Any]) -> Any:
        file = (_place(candidate), candidate.size, candidate.mtime)
        with self._lock:
            if self._known is None:
                self._known = dict(_remembered(self._path))
            if (value := self._known.get((what, file))) is not None:
                return value
            future = self._asked.get((what, file))
            mine = future is None
            if future is None:
                future = self._asked[what, file] = Future()
        if mine:
            # Read here and not by the pool: its threads may all be waiting for this very file.
            try:
                future.set_result(read(candidate))
            except BaseException as error:
                future.set_exception(error)
                raise
            if (value := future.result()) is not None:
                self._remember(what, file, value)
        return future.result()

    def _remember(self, what: str, file: _File, value: Any) -> None:
        place, size, mtime = file
        line = json.dumps({"file": place, "size": size, "mtime": mtime, what: value}) + "\n"
        # It only saves time, so a full disk is no reason to stop.
        with self._lock, contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(line)


def _remembered(path: Path) -> Iterable[tuple[tuple[str, _File], Any]]:
    """Yield what the file has, without lines that a killed process or somebody's editor spoilt."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            entry = json.loads(line)
            file = (str(entry["file"]), int(entry["size"]), float(entry["mtime"]))
            digest, seconds = entry.get("sha256"), entry.get("seconds")
            if isinstance(digest, str) and SHA256.fullmatch(digest):
                yield ("sha256", file), digest
            if isinstance(seconds, float) and math.isfinite(seconds):
                yield ("seconds", file), seconds
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
            continue


def _place(candidate: Candidate) -> str:
    return candidate.key if candidate.store is None else f"{candidate.store.describe()}/{candidate.key}"


def _hash(candidate: Candidate) -> str | None:
    if candidate.store is None:
        return audio_work.sha256(candidate.key)
    try:
        with candidate.store.local_copy(candidate.key) as path:
            return audio_work.sha256(str(path))
    except OSError:
        return None


def _seconds(candidate: Candidate) -> float | None:
    if candidate.store is None:
        header = audio_work.header(candidate.key)
    elif isinstance(candidate.store, LocalStore):
        header = audio_work.header(f"{candidate.store.root}/{candidate.key}")
    else:
        header = remote_header(candidate.store, candidate.key, candidate.size)
    if isinstance(header, Failure):
        return None if header.code == "audio_unreadable" else NO_AUDIO
    return header.duration_seconds
