"""Making the recording from the stems that the remote worker has put into the store."""

from dataclasses import replace
from pathlib import Path

from django.conf import settings

from catalog.locks import recording_lock
from catalog.storage import storage
from processing.audio import Progress
from processing.audio.encode import extension_for
from processing.disk import naming_disk_troubles
from processing.errors import AudioError, ProcessingError
from processing.finishing import FinishedStem, measure_stems
from processing.jobs import transitions
from processing.jobs.orders import wanted
from processing.leftovers import note_storing
from processing.models import Job
from processing.pipeline import Order, Report, Result, folder_of, known_as, store_and_catalogue
from processing.remote.clearing import clear_delivered, expect_stragglers
from processing.remote.handing_over import files_to_come, unseen
from processing.remote.returning import RETURNED
from processing.workdir import work_folder

# The share of each part of collecting in the rest of the whole.
FETCHED, MEASURED = 0.4, 0.9


def collect(job: Job, report: Report) -> Result:
    """Measure the stems, draw their waveforms and write the rows; complete the job in that transaction.

    Returns a Result as process_source does. Raises ProcessingError (code "remote_stems") when the stems are not those
    of the strategy, or missing, damaged or of different lengths; NoLongerOurs; what storage raises.
    """

    def at(part: float) -> None:
        report(transitions.COLLECTING, RETURNED + (1 - RETURNED) * part)

    at(0.0)
    order = wanted(job, unseen(job))
    # Of its versions nothing is known.
    order = replace(order, made_by={node.model: "remote" for _where, node in order.tree.nodes("")})
    name = folder_of(order)
    with recording_lock(job.profile.name, job.file_hash) as lock:
        if not lock.mine:
            return Result("busy", name)
        known = known_as(order, name)
        if known is not None and not order.force:
            transitions.complete_with_known(job, known)
            clear_delivered(job)
            return Result("known", known)
        with naming_disk_troubles(), work_folder(settings.STEMSET_WORK_DIR) as folder:
            stems = _stems(job, order, folder, at)
            # The database heard nothing meanwhile; a lost connection is not to cost the work.
            if not lock.renew():
                return Result("busy", name)
            delivered = job.remote_folder == name
            if not delivered:
                note_storing(folder, job.profile.name, known or name, job.file_hash)
            recording = store_and_catalogue(
                order,
                known or name,
                stems,
                # With names of their own, so that nothing that comes late to the recording's folder overwrites them.
                replaces=not delivered,
                progress=lambda part: at(MEASURED + (1 - MEASURED) * part),
                delivered=delivered,
            )
        if not delivered:
            clear_delivered(job)
            expect_stragglers(job, files_to_come(order))
    return Result("replaced" if known else "created", recording.output_name, [stem.name for stem in stems])


def _stems(job: Job, order: Order, folder: Path, at: Progress) -> list[FinishedStem]:
    expected = order.tree.stems()
    if job.stems is not None and set(job.stems) != set(expected):
        told = ", ".join(map(str, job.stems)) or "nothing"
        raise _unusable(job, f"it made {told}, and {job.strategy_name} is {', '.join(expected)}")
    files = {}
    for index, stem in enumerate(expected):
        at(FETCHED * index / len(expected))
        files[stem] = folder / f"{stem}{extension_for(order.output.format)}"
        key = f"{job.profile.name}/{job.remote_folder}/{files[stem].name}"
        try:
            storage().fetch(key, files[stem])
        except FileNotFoundError:
            raise _unusable(job, f"{key} is not in the store") from None
    try:
        return measure_stems(files, lambda part: at(FETCHED + (MEASURED - FETCHED) * part))
    except AudioError as error:
        raise _unusable(job, str(error)) from error


def _unusable(job: Job, why: str) -> ProcessingError:
    return ProcessingError(
        f"What the remote worker made of {job.filename} cannot be used: {why.removesuffix('.')}. Try again; if that "
        "happens again, tell whoever runs this site.",
        code="remote_stems",
    )
