"""`manage.py worker`: does the jobs that uploads and scans ask for."""

import asyncio
from argparse import ArgumentParser
from typing import Any

from processing.jobs.whereabouts import worker_name
from processing.jobs.worker import Worker
from stemset.commands import StemsetCommand, jobs


class Command(StemsetCommand):
    """Runs processing.jobs.worker."""

    help = (
        "Separate what was uploaded or scanned, until stopped. Any number may run, on any number of machines; "
        "they need the database, the object store (or the same media folder) and config.yaml. SIGTERM and Ctrl-C give "
        "the job under way back to the others."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--queues", help="serve only these, as cpu,gpu (default: all)")
        parser.add_argument(
            "--concurrency", type=jobs, default=1, help="jobs at once (default 1: one uses all cores already)"
        )
        parser.add_argument("--once", action="store_true", help="end when there is nothing left to do")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run until stopped."""
        queues = [name.strip() for name in options["queues"].split(",") if name.strip()] if options["queues"] else None
        served = ", ".join(queues) if queues else "all queues"

        def ready() -> None:
            self.stdout.write(f"Worker {worker_name()} serves {served}.")
            self.stdout.flush()

        worker = Worker(queues, concurrency=options["concurrency"], once=options["once"])
        asyncio.run(worker.run(ready))
