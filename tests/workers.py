"""Real workers over the database of the test that asks. Rows must be committed (transactional tests)."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests import site


@contextlib.contextmanager
def working(
    count: int = 1, *, config: Path | None = None, queues: str = "", **variables: str
) -> Iterator[list["subprocess.Popen[str]"]]:
    """Run `manage.py worker` so many times, yield the processes when all listen, and end them by SIGTERM."""
    arguments = ["worker", *(["--queues", queues] if queues else [])]
    workers = [site.start(*arguments, config=config, **variables) for _ in range(count)]
    try:
        for worker in workers:
            assert worker.stdout is not None
            line = worker.stdout.readline()
            assert "serves" in line, worker.communicate(timeout=10)
        yield workers
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            try:
                worker.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                worker.kill()
                raise


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until something is so, and fail when it takes too long."""
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last, "it did not come about in time"
        time.sleep(0.05)
