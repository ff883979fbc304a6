"""Reading what the metadata did not say: lengths from headers, the rest by decoding, sources by hashing."""

import logging
from collections.abc import Callable, Iterable, Iterator

from catalog.importing import hashes
from catalog.importing.audio_work import Failure, Measured
from catalog.importing.items import SOURCE_LEARNT, Action, Draft, DraftStem, Item, SourceClaim
from catalog.importing.source_search import SAME_LENGTH_SECONDS, SourceSearch
from catalog.importing.stems import as_time, new_waveform_name
from catalog.importing.views import original_mtime
from catalog.importing.workers import Workers, pipelined
from catalog.legacy import Note
from catalog.legacy.bucket import BucketStore
from catalog.legacy.stores import Store

logger = logging.getLogger(__name__)

# Stems of one batch that have to be decoded: an hour of audio takes some seconds.
DECODED_AT_A_TIME = 16

Batch = list[Item]
Finish = Callable[[], None]


def with_headers(batches: Iterable[Batch], workers: Workers, storage: Store) -> Iterator[Batch]:
    """Read the lengths of all stems that need no decoding."""

    def begin(batch: Batch) -> Finish:
        wanted = [
            (item, item.draft, stem)
            for item in batch
            if item.draft is not None
            for stem in item.draft.stems
            if stem.duration is None and not stem.measure
        ]
        answer = workers.headers([(*_place(draft, stem, storage), stem.size) for _item, draft, stem in wanted])

        def finish() -> None:
            for (item, draft, stem), header in zip(wanted, answer(), strict=True):
                if not isinstance(header, Failure):
                    stem.duration, stem.sample_rate = header.duration_seconds, header.sample_rate
                else:
                    _leave_out(item, draft, stem, header)
            for item in batch:
                if item.draft is not None:
                    _compare_lengths(item, item.draft)

        return finish

    return pipelined(batches, begin)


def resolved(batches: Iterable[Batch], workers: Workers, storage: Store) -> Iterator[Batch]:
    """Decode stems that have to be decoded, and settle the sources."""

    search = SourceSearch(workers)

    def begin(batch: Batch) -> Finish:
        finishes = [
            (item, _begin(item, item.draft, workers, storage, search)) for item in batch if item.draft is not None
        ]

        def finish() -> None:
            for item, one in finishes:
                _protected(item, one)

        return finish

    return pipelined(_cut(batches), begin)


def _cut(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Cut batches in which much has to be decoded: what is done is soon written, and progress seen."""
    for batch in batches:
        part: Batch = []
        to_decode = 0
        for item in batch:
            part.append(item)
            to_decode += sum(stem.measure for stem in item.draft.stems) if item.draft else 0
            if to_decode >= DECODED_AT_A_TIME:
                yield part
                part, to_decode = [], 0
        if part:
            yield part


def _protected(item: Item, finish: Finish) -> None:
    """One odd folder must not stop the others."""
    try:
        finish()
    except Exception as error:
        logger.exception("Reading %s failed unexpectedly", ascii(item.path))
        item.quarantine("unexpected", f"{type(error).__name__}: {error}")


def _begin(item: Item, draft: Draft, workers: Workers, storage: Store, search: SourceSearch) -> Finish:
    measured = [(stem, workers.measure(*_place(draft, stem, storage))) for stem in draft.stems if stem.measure]
    unsettled = draft.source if draft.source and not draft.source.file_hash else None
    settle = search.begin(item, draft, unsettled) if unsettled else None
    dated = None
    if item.action is Action.CREATE and draft.imported and isinstance(storage, BucketStore) and draft.stems:
        store, key = _place(draft, draft.stems[0], storage)
        dated = workers.by_thread(_tags, store, key)

    def finish() -> None:
        if measured:
            _fill_in(item, draft, [(stem, answer()) for stem, answer in measured])
        _fill_gains(draft)
        if dated is not None and (seconds := original_mtime(dated.result())) is not None:
            draft.created_at = as_time(seconds)
        if settle is not None and item.draft is not None:
            settle()
            _judge(item, draft.source)

    return finish


def _judge(item: Item, claim: SourceClaim | None) -> None:
    """When looking for the source was the only thing to do, say what came of it."""
    if item.code != SOURCE_LEARNT or claim is None:
        return
    if hashes.is_better(claim.provenance, claim.known_provenance):
        item.reason = f"the source is now known from: {claim.provenance}"
    else:
        item.leave()


def _place(draft: Draft, stem: DraftStem, storage: Store) -> tuple[Store, str]:
    return draft.store_of.get(stem.file, storage), draft.key(stem.file)


def _tags(store: Store, key: str) -> dict[str, str]:
    try:
        return store.tags(key)
    except OSError:
        return {}


def _leave_out(item: Item, draft: Draft, stem: DraftStem, failure: Failure) -> None:
    """A stem that no decoder can read is named and left out; the others are good."""
    item.notes.append(Note(failure.code, failure.message, stem.file, serious=True))
    draft.stems.remove(stem)
    if draft.recording_id is not None:
        # What the store says of this stem is yet to be taken over, so the next run must see it as new.
        draft.metadata_json = None
    if item.code == "stem_missing" and draft.stems and all(one.id is not None for one in draft.stems):
        # The stem that would have come to it did not.
        item.action, item.code, item.reason = Action.UPDATE, "stems_changed", "other stems of it changed in the store"
    if draft.stems:
        return
    if item.action is Action.CREATE or item.code == "recording_without_stems":
        item.quarantine("no_stems", "none of its stems can be used")
    elif draft.only_source and draft.source is not None:
        item.action, item.code, item.reason = Action.UPDATE, SOURCE_LEARNT, draft.source.promise
    elif draft.only_source:
        item.leave()


def _compare_lengths(item: Item, draft: Draft) -> None:
    lengths = [stem.duration for stem in draft.stems if stem.duration is not None]
    if any(note.code.startswith("stems_differ") for note in item.notes):
        return
    if lengths and max(lengths) - min(lengths) > SAME_LENGTH_SECONDS:
        message = f"its stems are {min(lengths):.1f} to {max(lengths):.1f} s long"
        item.notes.append(Note("stems_differ_in_length", message))
    if len({stem.sample_rate for stem in draft.stems if stem.sample_rate}) > 1:
        item.notes.append(Note("stems_differ_in_sample_rate", "its stems have different sample rates"))


def _fill_in(item: Item, draft: Draft, results: list[tuple[DraftStem, Measured | Failure]]) -> None:
    in_audio: set[str] = set()
    for stem, result in results:
        if isinstance(result, Failure):
            _leave_out(item, draft, stem, result)
            continue
        if stem.lufs is None and not stem.silent:
            stem.lufs, stem.silent = result.lufs, result.lufs is None
        stem.peak = result.peak if stem.peak is None else stem.peak
        stem.duration, stem.sample_rate = result.duration_seconds, result.sample_rate
        stem.rms_columns = result.rms_columns
        if result.gain_in_audio and stem.gain_db is None:
            stem.gain_db = 0.0
            in_audio.add(stem.name)
    if in_audio:
        item.notes.append(Note("gain_in_audio", "the oldest generation: the gain is in the audio, so it is 0 dB"))
    _draw(draft)
    _compare_lengths(item, draft)


def _draw(draft: Draft) -> None:
    columns = [stem.rms_columns for stem in draft.stems if stem.rms_columns is not None]
    undrawn = [stem for stem in draft.stems if stem.waveform is None and stem.rms_columns is not None]
    if undrawn:
        from processing.audio.waveform import render_waveform  # noqa: PLC0415 - rarely needed

        loudest = max(float(column.max()) for column in columns)
        taken = draft.taken_names()
        for stem in undrawn:
            stem.waveform = new_waveform_name(stem.name, taken)
            taken.add(stem.waveform)
            stem.picture = render_waveform(stem.rms_columns, scale=loudest)
    for stem in draft.stems:
        stem.rms_columns = None


def _fill_gains(draft: Draft) -> None:
    """Set the gains that neither the store nor the audio told: relative to all stems of the recording."""
    if all(stem.gain_db is not None for stem in draft.stems):
        return
    from processing.audio.gains import relative_gains  # noqa: PLC0415 - rarely needed

    gains = relative_gains({**draft.known_lufs, **{stem.name: stem.lufs for stem in draft.stems}})
    for stem in draft.stems:
        if stem.gain_db is None:
            stem.gain_db = gains[stem.name]
