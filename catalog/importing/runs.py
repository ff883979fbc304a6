"""Runs as rows: how far a run has come, whether its process lives, and its receipt for later.

The process that makes a run holds a PostgreSQL advisory lock for as long as it lives, however it ends. Who wants to
know whether a run has crashed looks whether that lock is free: no silence has to be judged, however long it is.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import Error, connection
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now

from catalog.importing.items import Item
from catalog.importing.run import Observer, Options, Outcome, compressed
from catalog.importing.views import Stores
from catalog.locks import exclusive
from catalog.models import ImportRun

State = ImportRun.State
GOING = (State.WAITING, State.RUNNING)

BEAT_SECONDS = 1.0
# A cancelled run may finish the batch it is at; when decoding takes longer than this, it is interrupted.
PATIENCE_SECONDS = 2.0
# From the making of a run's row to the first sign of its process, while Python and Django start up.
STARTS_WITHIN = timedelta(minutes=2)

IMPORT_STOPPED = "It stopped unexpectedly. Start again: it goes on where it stopped."
NEVER_STARTED = "It could not start."
IMPORT_CANCELLED = "What had been imported by then is complete. Start again to continue."
LOOK_CANCELLED = "Nothing was changed."
LOOK_STOPPED = "It stopped unexpectedly. Nothing was changed: look again."


class Cancelled(Exception):
    """Somebody asked for it on the page."""


class NotWaiting(Exception):
    """There is no such run, or it is not one that waits for a process."""


class Recorder(Observer):
    """Keeps a run's row up to date and looks whether it was cancelled, once a second on a connection of its own."""

    def __init__(self, run: ImportRun) -> None:
        self._run = run
        self._done = 0
        self._cancelled = threading.Event()
        self._ended = threading.Event()

    def begin(self, stores: Stores, folders: int) -> None:
        """Write down how much there is to do."""
        self._update(state=State.RUNNING, folders_total=folders)

    def advance(self, items: list[Item]) -> None:
        """Remember how far it has come. Raises Cancelled."""
        self._done += len(items)
        if self._cancelled.is_set():
            raise Cancelled

    def finish(self, outcome: Outcome) -> None:
        """Keep the receipt."""
        keep_receipt(self._run, outcome)

    def fail(self, state: ImportRun.State, message: str) -> None:
        """Write down why it ended early."""
        self._update(state=state, message=message, folders_done=self._done, finished_at=Now())

    def cancel(self) -> None:
        """Write down that it was cancelled."""
        self.fail(State.CANCELLED, LOOK_CANCELLED if self._run.dry_run else IMPORT_CANCELLED)

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Write progress and obey a wish to cancel, also while a batch takes minutes.

        The process's handler of SIGTERM must raise, since that is what ends a long batch.
        """
        thread = threading.Thread(target=self._beat, name="import-run-beat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _beat(self) -> None:
        try:
            while not self._ended.wait(BEAT_SECONDS):
                if self._is_cancelled():
                    self._cancelled.set()
                    if not self._ended.wait(PATIENCE_SECONDS):
                        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
                    return
        finally:
            connection.close()

    def _is_cancelled(self) -> bool:
        try:
            self._update(folders_done=self._done)
            return ImportRun.objects.filter(pk=self._run.pk, cancel_requested=True).exists()
        except Error:  # the run itself will notice if the database stays away
            connection.close()
            return False

    def _update(self, **values: Any) -> None:
        # What has ended, has ended: a late beat or interruption changes nothing of it.
        ImportRun.objects.filter(pk=self._run.pk, state__in=GOING).update(heartbeat_at=Now(), **values)


@contextlib.contextmanager
def taken_on(run_id: str) -> Iterator[Recorder]:
    """Make a waiting run this process's own while the context lasts. Raises NotWaiting."""
    try:
        key = UUID(run_id)
    except ValueError:
        raise NotWaiting(f"There is no run {run_id}.") from None
    with exclusive(_lock_name(key)) as lock:
        waiting = ImportRun.objects.filter(pk=key, state=State.WAITING, heartbeat_at=None)
        if not lock.mine or not waiting.update(heartbeat_at=Now()):
            raise NotWaiting(f"There is no run {run_id} that waits to be started.")
        yield Recorder(ImportRun.objects.get(pk=key))


def keep_receipt(run: ImportRun, outcome: Outcome) -> ImportRun:
    """Write an outcome into a run's row, which may be a new one."""
    now = datetime.now(UTC)
    values = {
        "state": State.DONE,
        "message": "",
        "totals": outcome.totals.as_dict(),
        "report": compressed(outcome.report),
        "report_sha256": outcome.sha256,
        "folders_total": outcome.totals.folders,
        "folders_done": outcome.totals.folders,
        "heartbeat_at": now,
        "finished_at": now,
    }
    for name, value in values.items():
        setattr(run, name, value)
    # Whoever started it may have been deleted meanwhile, so a row that is there keeps its other columns.
    run.save(update_fields=None if run._state.adding else list(values))
    return run


def new_run(options: Options, started_by: Any = None) -> ImportRun:
    """Return a run that is about to start, not saved."""
    return ImportRun(started_by=started_by, dry_run=options.dry_run, options=options.as_dict())


def going_run() -> ImportRun | None:
    """Return the run that is going, if there is one. Of crashed ones it is written down that they have stopped."""
    starting = Q(heartbeat_at=None, created_at__gt=Now() - STARTS_WITHIN)
    rows = ImportRun.objects.filter(state__in=GOING).defer("report")
    alive = None
    for run in rows.annotate(starting=ExpressionWrapper(starting, output_field=BooleanField())):
        if run.starting or _has_a_process(run.pk):
            alive = run
    return alive


def stopped(run_id: UUID, why: str = "") -> None:
    """Write down of a run whose process is gone that it has stopped, unless it had come to its end."""
    going = ImportRun.objects.filter(pk=run_id, state__in=GOING)
    run = going.defer("report").first()
    if run is None:
        return
    message = LOOK_STOPPED if run.dry_run else IMPORT_STOPPED
    if run.heartbeat_at is None:
        message = NEVER_STARTED
    going.update(state=State.FAILED, message=f"{message} {why}".strip(), finished_at=Now())


def _has_a_process(run_id: UUID) -> bool:
    with exclusive(_lock_name(run_id)) as lock:
        # While we have the lock no process can take the run on, and what it wrote before it ended can be read.
        if lock.mine:
            stopped(run_id)
    return not lock.mine


def _lock_name(run_id: UUID) -> str:
    return f"import_run\0{run_id}"
