"""The inside of a remote worker: a short queue, one child process at a time, and an answer for every job."""

import logging
import multiprocessing
import queue
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import requests

from processing.remote import work
from processing.remote.work import Task

logger = logging.getLogger(__name__)
# Between the attempts to tell a site that is away.
ANSWER_AGAIN_SECONDS = (1, 2, 4, 8, 15, 30, 60, 120, 300)
CONNECT_SECONDS, REPLY_SECONDS = 10, 30
STOP_SECONDS = 8.0
LOOK_SECONDS = 0.2
STOPPED = "The machine that separates the recordings was stopped."
TOO_LONG = "It took longer than the {:g} minutes that there are for it."

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["processing.remote.work"])


@dataclass(frozen=True)
class _Waiting:
    task: Task
    # By time.monotonic(): the site does not wait for ever, and counts from when we took it.
    last: float


@dataclass
class Worker:
    """Does one job after the other until it is stopped.

    waiting  how many jobs may wait while one is done
    minutes  how long a job may take, its waiting included
    """

    waiting: int
    minutes: float
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._queue: queue.Queue[_Waiting] = queue.Queue(maxsize=self.waiting)

    def offer(self, task: Task) -> bool:
        """Take a job; False when there are enough."""
        if self.stopping.is_set():
            return False
        try:
            self._queue.put_nowait(_Waiting(task, time.monotonic() + 60 * self.minutes))
        except queue.Full:
            return False
        return True

    def run(self) -> None:
        """Work until stopped; then tell the sites that nothing will come of what is left."""
        while not self.stopping.is_set():
            try:
                self._do(self._queue.get(timeout=LOOK_SECONDS))
            except queue.Empty:
                continue
        while not self._queue.empty():
            self._answer(self._queue.get().task, error=STOPPED)

    def _do(self, waiting: _Waiting) -> None:
        task = waiting.task
        logger.info("Job %s: %s/%s begins", task.job_id, task.profile_name, task.output_name)
        begun = time.monotonic()
        said = self._in_child(waiting)
        logger.info("Job %s: %s after %.1f s", task.job_id, said[0], time.monotonic() - begun)
        match said:
            case ("done", list() as stems):
                self._answer(task, stems=stems)
            case (_, text):
                self._answer(task, error=str(text))

    def _in_child(self, waiting: _Waiting) -> work.Said:
        ours, theirs = _context.Pipe()
        process = _context.Process(target=work.run, args=(waiting.task, theirs), daemon=True)
        process.start()
        theirs.close()
        try:
            while not self.stopping.is_set() and time.monotonic() < waiting.last:
                if ours.poll(LOOK_SECONDS):
                    try:
                        said: work.Said = ours.recv()
                    except EOFError:
                        return "failed", "The program that separates the recording broke off."
                    return said
        finally:
            process.terminate()
            process.join(STOP_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()
            ours.close()
        return "failed", STOPPED if self.stopping.is_set() else TOO_LONG.format(self.minutes)

    def _answer(self, task: Task, *, stems: list[str] | None = None, error: str | None = None) -> None:
        """Tell the site, again and again if it is away. The address has a token in it and is never logged."""
        status = "complete" if error is None else "error"
        content = {"job_id": task.job_id, "status": status, "stems": stems, "error": error}
        for wait in (*ANSWER_AGAIN_SECONDS, None):
            code = _post(task.callback_url, content)
            if code is not None and code < 500 and code != 429:
                if code >= 300:
                    logger.warning("Job %s: the site does not want the answer (%s)", task.job_id, code)
                return
            logger.warning("Job %s: the site could not be told (%s)", task.job_id, code or "no answer")
            if wait is None or self.stopping.wait(wait):
                return


def _post(url: str, content: dict[str, Any]) -> int | None:
    """Return how the site answers, or None when it does not."""
    try:
        return requests.post(
            url, json=content, timeout=(CONNECT_SECONDS, REPLY_SECONDS), allow_redirects=False
        ).status_code
    except requests.RequestException:
        return None
