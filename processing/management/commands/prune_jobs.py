"""`manage.py prune_jobs`: forgets jobs that ended long ago, then takes away what nobody knows in storage."""

import json
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError

from processing.jobs import retention
from processing.sweeping import Swept, sweep
from stemset.commands import Exit, StemsetCommand, printable, terminate_like_ctrl_c


class Command(StemsetCommand):
    """Renders processing.jobs.retention and processing.sweeping."""

    help = (
        "Forget jobs that ended more than --days ago, with their events, and take away what nobody knows in storage: "
        "inputs without a job or recording, recordings that were half stored, abandoned uploads. Nothing younger than "
        "a day is touched. For cron, once a day. Exit codes: 0 done, 1 cannot run, 2 something could not be looked at "
        "or taken away, 130 interrupted."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--days",
            type=int,
            default=retention.DEFAULT_DAYS,
            metavar="N",
            help=f"default {retention.DEFAULT_DAYS}, at least {retention.LEAST_DAYS}",
        )
        parser.add_argument("--dry-run", action="store_true", help="find out everything, but delete nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON document to stdout when done")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run, and exit with the code that tells how it went."""
        days, dry_run = options["days"], options["dry_run"]
        if days < retention.LEAST_DAYS:
            raise CommandError(
                f"--days must be at least {retention.LEAST_DAYS}: people may ask for so long.",
                returncode=Exit.CANNOT_RUN,
            )
        try:
            with terminate_like_ctrl_c():
                forgotten = retention.old_jobs(days).count() if dry_run else retention.forget(days)
                swept = sweep(dry_run=dry_run)
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"The database cannot be reached: {error}", returncode=Exit.CANNOT_RUN) from error
        except KeyboardInterrupt:
            self.stderr.write("Interrupted: what was deleted is complete. Run the same command again to continue.")
            raise SystemExit(Exit.INTERRUPTED) from None
        if options["json"]:
            self.stdout.write(json.dumps(_document(forgotten, swept, dry_run=dry_run)))
        else:
            self._tell(forgotten, swept, dry_run=dry_run)
        if swept.troubles:
            raise SystemExit(Exit.SOME_FAILED)

    def _tell(self, forgotten: int, swept: Swept, *, dry_run: bool) -> None:
        would = "would be " if dry_run else ""
        for one in swept.found:
            self.stdout.write(printable(f"{would}taken away: {one.subject} ({one.kind})"))
        for trouble in swept.troubles:
            self.stderr.write(printable(trouble))
        if swept.busy:
            self.stdout.write("A worker is sweeping the storage at this moment; nothing to do here.")
        size = sum(one.size for one in swept.found)
        self.stdout.write(
            f"{forgotten} jobs {would}forgotten, {len(swept.found)} leftovers ({size / 1e6:.1f} MB) {would}taken away."
        )


def _document(forgotten: int, swept: Swept, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "jobs": forgotten,
        "busy": swept.busy,
        "leftovers": [one.as_dict() for one in swept.found],
        "troubles": swept.troubles,
        "totals": dict(Counter(one.kind for one in swept.found)),
    }
