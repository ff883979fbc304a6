"""The unit of work: one source file becomes one catalogued recording. Commands and jobs call `process_source`.

The order decides what a crash leaves behind. Everything is made in a work folder, then the finished files go to
storage, then one transaction writes all rows. So rows without files cannot exist, and files without rows are noted
in the work folder, by which the next run removes them.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage

from catalog import services
from catalog.deleting import clear_leftovers
from catalog.legacy import PEAKS_SUFFIX, WAVEFORM_SUFFIX
from catalog.locks import Lock, recording_lock
from catalog.models import Profile, Recording, Stem
from catalog.names import output_name
from catalog.storing import Mark, clear_marked, mark_key, put_mark
from processing import executor
from processing.audio.decode import decode_to_wav
from processing.disk import naming_disk_troubles
from processing.errors import ProcessingError
from processing.finishing import FinishedStem, finish_stems
from processing.leftovers import (
    holds_a_recording,
    leave_note,
    note_storing,
    remove_replaced,
    replaced_files,
    take_back,
)
from processing.scanner import SourceFile, displayable
from processing.strategies import versions
from processing.workdir import work_folder
from stemset.config.schema import OutputConfig
from stemset.config.strategy import Node

# Called with the name of the step and the finished fraction of the whole. It may raise to cancel.
Report = Callable[[str, float], None]

# The share of each step in the whole, as measured on a 60-minute recording.
SHARES = {"decoding": 0.03, "separating": 0.52, "encoding": 0.42, "storing": 0.03}


@dataclass(frozen=True)
class Order:
    """What is to be made of which source."""

    source: SourceFile
    file_hash: str  # SHA-256 of the source's content
    profile: Profile
    strategy_name: str
    tree: Node
    output: OutputConfig
    # Make it again even if the profile has a recording of this content; its name and address stay.
    force: bool = False
    # The folder, when it is not to follow from the source's name and content.
    name: str | None = None
    # What the catalogue remembers of the source, when it is not the name and place of the file at hand.
    filename: str | None = None
    storage_url: str | None = None
    # The models that made it and their versions, when it was not made by ours.
    made_by: dict[str, str] | None = None
    # Called with the recording and its stems' names in the transaction that writes them; what it raises undoes that.
    done: Callable[[Recording, list[str]], None] = lambda _recording, _stems: None


@dataclass(frozen=True)
class Result:
    """What became of an order. `busy` means that another process is at it."""

    status: Literal["created", "replaced", "known", "busy"]
    output_name: str
    stems: list[str] = field(default_factory=list)
    duration_seconds: float | None = None
    warnings: list[str] = field(default_factory=list)


def process_source(order: Order, report: Report) -> Result:
    """Separate, measure, encode, store and catalogue one recording.

    In every outcome the work folder is gone, and catalogue and storage hold either the whole recording or what they
    held before. Raises ProcessingError for what is wrong with the source or the machine; what `report` raises
    passes through.
    """
    name = folder_of(order)
    with recording_lock(order.profile.name, order.file_hash) as lock:
        if not lock.mine:
            return Result("busy", name)
        known = known_as(order, name)
        if known is not None and not order.force:
            return Result("known", known)
        if known is None:
            require_unclaimed_folder(order.profile, name, order.file_hash)
        return _make(order, known or name, replaces=known is not None, lock=lock, report=report)


def folder_of(order: Order) -> str:
    """Return the folder that an order is for."""
    return order.name or output_name(Path(order.filename or order.source.name).stem, order.file_hash)


def known_as(order: Order, name: str) -> str | None:
    """Return the folder of the recording that this order is about, if it is there already.

    Raises ProcessingError when another recording has that name.
    """
    if order.name is None:
        known = services.processed_hashes(order.profile, [order.file_hash]).get(order.file_hash)
    else:
        stems = Stem.objects.filter(recording__profile=order.profile, recording__output_name=order.name)
        known = order.name if stems.filter(audio_file__file_hash=order.file_hash).exists() else None
    return known if known is not None else _same_source_under_made_up_hash(order, name)


def _same_source_under_made_up_hash(order: Order, name: str) -> str | None:
    """Return the name of an imported recording of this source whose true hash nobody knew until now."""
    recording = Recording.objects.filter(profile=order.profile, output_name=name).first()
    if recording is None:
        return None
    if services.learn_true_hash(recording, order.file_hash):
        return name
    raise ProcessingError(
        f"The profile {order.profile} has another recording called {name}. Rename the source file and run again.",
        code="name_taken",
    )


def require_unclaimed_folder(profile: Profile, name: str, file_hash: str) -> None:
    """Stems of the older version that nobody imported yet must not be overwritten; its first ones had no metadata.json.

    What a killed run of ours has left is gone by now: whoever starts a run sweeps first. Of one on another machine the
    mark tells; its process is dead, since the recording's lock is ours. Files of a recording that was deleted while
    storage was away are known too.
    """
    clear_leftovers(f"{profile.name}/{name}")
    clear_marked(f"{profile.name}/{name}", file_hash)
    if holds_a_recording(f"{profile.name}/{name}"):
        raise ProcessingError(
            f"{profile.name}/{name} is in storage but not in the catalogue. If it comes from the older version, "
            "import it; otherwise move the folder away. Then run again.",
            code="not_imported",
        )


def names_of(stem: str, suffix: str) -> tuple[str, str, str]:
    """Return what the files of a stem are called: its audio, with this suffix, its waveform and its peaks."""
    return f"{stem}{suffix}", f"{stem}{WAVEFORM_SUFFIX}", f"{stem}{suffix}{PEAKS_SUFFIX}"


def _make(order: Order, name: str, *, replaces: bool, lock: Lock, report: Report) -> Result:
    def stage(step: str) -> Callable[[float], None]:
        before = sum(list(SHARES.values())[: list(SHARES).index(step)])
        return lambda fraction: report(step, before + fraction * SHARES[step])

    with naming_disk_troubles(), work_folder(settings.STEMSET_WORK_DIR) as folder:
        wav = folder / "source.wav"
        decoded = decode_to_wav(order.source.path, wav, stage("decoding"))
        executor.require_room(order.tree, wav, folder)
        lossless = executor.separate(order.tree, wav, folder, stage("separating"))
        wav.unlink()
        stems = finish_stems(lossless, folder, order.output, stage("encoding"))
        order.source.require_unchanged()
        # The database heard nothing while the stems were made; a lost connection is not to cost an hour's work.
        if not lock.renew():
            return Result("busy", name)
        note_storing(folder, order.profile.name, name, order.file_hash)
        recording = store_and_catalogue(order, name, stems, replaces=replaces, progress=stage("storing"))
    report("done", 1.0)
    return Result(
        "replaced" if replaces else "created",
        recording.output_name,
        [stem.name for stem in stems],
        stems[0].duration_seconds,
        [warning.message for warning in decoded.warnings],
    )


def store_and_catalogue(
    order: Order,
    name: str,
    stems: list[FinishedStem],
    *,
    replaces: bool,
    progress: Callable[[float], None],
    delivered: bool = False,
) -> Recording:
    """Mark the folder, put the files in storage, then write all rows; on any failure the files are taken back.

    delivered  the audio lies in the marked folder already; on a failure it stays, with the mark
    """
    folder = f"{order.profile.name}/{name}"
    # While a recording is made again the old files stay in use, so the new ones need names of their own.
    again = f".{secrets.token_hex(4)}" if replaces else ""
    names = [names_of(f"{stem.name}{again}", stem.audio.suffix) for stem in stems]
    saved: list[str] = []
    new_stems: list[services.NewStem] = []
    try:
        # The old ones too: if their removal fails, the mark tells that they are nobody's.
        old = replaced_files(order.profile.name, name) if replaces else []
        put_mark(folder, Mark(order.file_hash, [*(file for some in names for file in some), *old]))
        for index, (stem, some) in enumerate(zip(stems, names, strict=True)):
            progress(index / len(stems))
            keys = audio_key, waveform_key, peaks_key = tuple(f"{folder}/{file}" for file in some)
            saved += keys[1:] if delivered else keys
            if not delivered:
                _save(audio_key, stem.audio)
            default_storage.save(waveform_key, ContentFile(stem.waveform))
            _save(peaks_key, stem.peaks)
            new_stems.append(stem.as_new_stem(audio_key, waveform_key, peaks_key))
        recording = services.catalogue_recording(
            order.profile,
            name,
            services.Source(
                filename=order.filename or order.source.name,
                file_hash=order.file_hash,
                storage_url=order.storage_url or displayable(order.source.path),
                file_size_bytes=order.source.size,
                duration_seconds=stems[0].duration_seconds,
            ),
            new_stems,
            strategy_name=order.strategy_name,
            made_by=versions(order.tree) if order.made_by is None else order.made_by,
            together_with=lambda recording: order.done(recording, [stem.name for stem in stems]),
        )
    except BaseException:  # a person's Ctrl-C included
        if delivered:
            take_back(saved)
        elif not take_back([*saved, mark_key(folder)]):
            leave_note(order.profile.name, name, order.file_hash)
        raise
    remove_replaced(order.profile.name, name, order.file_hash)
    return recording


def _save(key: str, path: Path) -> None:
    with path.open("rb") as stream:
        default_storage.save(key, File(stream))
