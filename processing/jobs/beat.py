"""Signs of life of a job that a command does in its own process."""

import threading
from types import TracebackType
from typing import Self

from django.db import Error, connection

from processing.jobs import transitions
from processing.models import Job
from processing.pipeline import Report

BEAT_SECONDS = 1.0


class Beat:
    """Writes into the job's row, every second and from a thread of its own, what was reported last."""

    def __init__(self, job: Job, report: Report) -> None:
        self._job, self._report = job, report
        self._at: tuple[str, float] = ("", 0.0)
        self._over = threading.Event()
        self._unwanted = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def __call__(self, step: str, fraction: float) -> None:
        """Take note and pass it on. Raises NoLongerOurs when somebody has cancelled the job."""
        self._at = (step, fraction)
        if self._unwanted:
            raise transitions.NoLongerOurs
        self._report(step, fraction)

    def _run(self) -> None:
        try:
            while not self._over.wait(BEAT_SECONDS):
                try:
                    # Between writing the recording and saying so, the job is over already.
                    self._unwanted = not (
                        transitions.beat(self._job, *self._at) or transitions.has_completed(self._job)
                    )
                except Error:
                    connection.close()  # the database is away; the work goes on meanwhile
        finally:
            connection.close()
