"""A gunicorn worker that leaves new connections to those of its siblings that have fewer."""

import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

# Each connection that a worker has lets it wait so much longer before it takes another; no longer than for so many.
STEP_SECONDS = 0.0001
MOST = 10


class EvenWorker(ThreadWorker):
    """gunicorn's worker with threads, which takes turns.

    A new connection wakes all workers, and whoever is up already gets it: of eight that a browser opens at once one
    worker took seven, kept them for as long as they lived, and the other processor core had nothing to do.
    """

    def accept(self, listener: Any) -> None:
        """Take a new connection, unless a worker with fewer of them has been quicker."""
        if self.cfg.workers > 1:
            time.sleep(min(self.nr_conns, MOST) * STEP_SECONDS)
        super().accept(listener)
